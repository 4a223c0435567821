"""The product service, a member of staff, and an inventory that answers over real gRPC."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from services.contracts.proto.inventory_pb2 import (
    GetLevelsReply,
    GetLevelsRequest,
    Level,
    SetLevelReply,
    SetLevelRequest,
)
from services.contracts.proto.inventory_pb2_grpc import InventoryServicer, add_InventoryServicer_to_server
from services.product import app
from services.shared.identity import Role
from services.shared.sidecar_double import SidecarDouble
from tests.service.doors import Client, Serve, Tokens
from tests.service.product.shop import Shop


@pytest.fixture
async def shop(serve: Serve, tokens: Tokens) -> AsyncIterator[Shop]:
    async with serve("product", app.create) as client:
        yield Shop(client, tokens.headers(Role.STAFF))


@pytest.fixture
async def client(shop: Shop) -> Client:
    return shop.client


@dataclass
class Ledger(InventoryServicer):  # type: ignore[misc]  # generated code has no types
    """Levels by product; `reserved` units are held of each."""

    levels: dict[str, Level] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    refusal: grpc.StatusCode | None = None
    loses_answers: bool = False
    outcome: SetLevelReply.Outcome = SetLevelReply.SET
    """What it answers of a booking that it made."""

    async def GetLevels(  # noqa: N802 - the contract's name
        self, request: GetLevelsRequest, context: grpc.aio.ServicerContext[GetLevelsRequest, GetLevelsReply]
    ) -> GetLevelsReply:
        await self._admit(context)
        return GetLevelsReply(levels=[self.levels[one] for one in request.product_ids if one in self.levels])

    async def SetLevel(  # noqa: N802 - the contract's name
        self, request: SetLevelRequest, context: grpc.aio.ServicerContext[SetLevelRequest, SetLevelReply]
    ) -> SetLevelReply:
        await self._admit(context)
        self.reasons.append(request.reason)
        level = self.levels.get(request.product_id, Level(product_id=request.product_id))
        if request.HasField("if_version") and request.if_version != level.version:
            return SetLevelReply(outcome=SetLevelReply.STALE, level=level)
        on_hand = request.on_hand if request.HasField("on_hand") else level.on_hand + request.adjust_by
        if on_hand < level.reserved:
            return SetLevelReply(outcome=SetLevelReply.BELOW_RESERVED, level=level)
        after = Level(product_id=level.product_id, on_hand=on_hand, reserved=level.reserved, version=level.version + 1)
        self.levels[request.product_id] = after
        if self.loses_answers:
            await context.abort(grpc.StatusCode.UNAVAILABLE)
        return SetLevelReply(outcome=self.outcome, level=after)

    async def _admit(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        metadata = {str(name): str(value) for name, value in context.invocation_metadata() or ()}
        self.tokens.append(metadata["authorization"])
        if self.refusal is not None:
            await context.abort(self.refusal, "refused")


@pytest.fixture
async def ledger(sidecar: SidecarDouble) -> AsyncIterator[Ledger]:
    found = Ledger()
    server = grpc.aio.server()
    add_InventoryServicer_to_server(found, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sidecar.grpc_target = f"127.0.0.1:{port}"
    yield found
    await server.stop(None)
