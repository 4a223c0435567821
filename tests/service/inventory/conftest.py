"""The inventory service on a loopback port, and its callers."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
from dapr.proto.runtime.v1 import appcallback_pb2, appcallback_pb2_grpc
from psycopg.rows import dict_row

from services.contracts.events import Event
from services.contracts.proto import inventory_pb2 as proto
from services.contracts.proto.inventory_pb2_grpc import InventoryStub
from services.inventory import app
from services.shared.identity import Role
from services.shared.runtime import Runtime
from services.shared.settings import Settings
from tests.service.doors import Tokens, World

SETTINGS = Settings(
    app_port=0, dapr_http_port=1, dapr_grpc_port=1, app_api_token="app-token", dapr_api_token="api-token"
)
BUYER = UUID("0b000000-0000-4000-8000-000000000001")


@dataclass
class Inventory:
    """The service as its callers and its sidecar see it."""

    runtime: Runtime
    port: int
    tokens: Tokens
    channel: grpc.aio.Channel

    @property
    def stub(self) -> Any:
        return InventoryStub(self.channel)

    @property
    def callbacks(self) -> Any:
        return appcallback_pb2_grpc.AppCallbackStub(self.channel)  # type: ignore[no-untyped-call]  # generated

    def metadata(self, role: Role | None = None, user: UUID = BUYER, peer: str = "order") -> list[tuple[str, str]]:
        sent = [("dapr-api-token", "app-token"), ("dapr-caller-app-id", peer)]
        return sent + ([("authorization", f"Bearer {self.tokens.of(role, user)}")] if role else [])

    async def reserve(self, order_id: UUID, lines: Mapping[UUID, int], *, user: UUID = BUYER) -> proto.ReserveReply:
        request = proto.ReserveRequest(
            order_id=str(order_id),
            lines=[proto.Line(product_id=str(product), quantity=quantity) for product, quantity in lines.items()],
        )
        reply: proto.ReserveReply = await self.stub.Reserve(request, metadata=self.metadata(Role.CUSTOMER, user))
        return reply

    async def set_level(self, product_id: UUID, **change: Any) -> proto.SetLevelReply:
        request = proto.SetLevelRequest(product_id=str(product_id), **change)
        reply: proto.SetLevelReply = await self.stub.SetLevel(request, metadata=self.metadata(Role.STAFF))
        return reply

    async def stocked(self, *on_hand: int) -> list[UUID]:
        """New products with so many on hand."""
        products = [uuid4() for _ in on_hand]
        for product, units in zip(products, on_hand, strict=True):
            await self.set_level(product, on_hand=units)
        return products

    async def level(self, product_id: UUID) -> tuple[int, int]:
        """On hand and reserved."""
        request = proto.GetLevelsRequest(product_ids=[str(product_id)])
        reply = await self.stub.GetLevels(request, metadata=self.metadata(Role.STAFF))
        return (reply.levels[0].on_hand, reply.levels[0].reserved)

    async def deliver(self, event: Event, **letter: Any) -> str:
        """Bring an event as the sidecar would; answers what it was told."""
        whole = {"id": str(event.event_id), "type": event.TYPE, "topic": event.TOPIC, "pubsub_name": "events"}
        data = json.dumps(event.model_dump(mode="json")).encode()
        request = appcallback_pb2.TopicEventRequest(**(whole | {"data": data} | letter))
        reply = await self.callbacks.OnTopicEvent(request, metadata=self.metadata())
        status: str = appcallback_pb2.TopicEventResponse.TopicEventResponseStatus.Name(reply.status)
        return status

    async def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What a query finds, asked on a connection of its own."""
        async with await psycopg.AsyncConnection.connect(
            self.runtime.database.url, autocommit=True, row_factory=dict_row
        ) as connection:
            cursor = await connection.execute(query, values or None)
            return await cursor.fetchall() if cursor.description else []

    async def facts(self) -> list[dict[str, Any]]:
        """The outbox's rows, oldest first."""
        return await self.rows("SELECT * FROM outbox ORDER BY id")

    async def ledger_differences(self) -> list[dict[str, Any]]:
        """Products whose ledger does not sum to their level: there must never be one."""
        return await self.rows("""
            SELECT product_id FROM stock_level AS level LEFT JOIN (
                SELECT product_id, sum(on_hand_change) AS on_hand, sum(reserved_change) AS reserved
                FROM stock_entry GROUP BY product_id
            ) AS ledger USING (product_id)
            WHERE (level.on_hand, level.reserved) IS DISTINCT FROM (ledger.on_hand, ledger.reserved)
        """)


@pytest.fixture
async def inventory(world: World) -> AsyncIterator[Inventory]:
    async with opened(world) as found:
        yield found


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[Inventory]:
    """The service while the block runs."""
    create = app.create(world.start("inventory"), SETTINGS)
    async with create.serving() as (runtime, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Inventory(runtime=runtime, port=port, tokens=world.tokens, channel=channel)
