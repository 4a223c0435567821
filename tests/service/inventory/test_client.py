"""Calling a service that speaks gRPC."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import grpc
import pytest

from services.contracts.proto import inventory_pb2 as proto
from services.contracts.proto.inventory_pb2_grpc import InventoryStub
from services.shared.errors import Unavailable
from services.shared.grpc_client import GrpcChannel
from services.shared.grpc_door import SIDECAR, Call, GrpcService
from services.shared.identity import Role
from services.shared.sidecar import CallRefused, Sidecar, SidecarAway
from tests.conditions import free_port
from tests.service.inventory.conftest import Inventory


def sidecar(port: int) -> Sidecar:
    return Sidecar(http_port=1, grpc_port=port, api_token="app-token")


async def test_a_call_carries_the_users_token(inventory: Inventory) -> None:
    (lamp,) = await inventory.stocked(3)
    async with GrpcChannel(sidecar(inventory.port), "inventory") as channel:
        stub, request = InventoryStub(channel.channel), proto.GetLevelsRequest(product_ids=[str(lamp)])

        reply: proto.GetLevelsReply = await channel.call(stub.GetLevels, request, token=inventory.tokens.of(Role.STAFF))

    assert reply.levels[0].on_hand == 3


@pytest.mark.parametrize(
    ("method", "request_", "role", "status", "slug"),
    [
        ("GetLevels", proto.GetLevelsRequest(), None, 401, "unauthenticated"),
        ("GetLevels", proto.GetLevelsRequest(), Role.CUSTOMER, 403, "forbidden"),
        ("GetLevels", proto.GetLevelsRequest(product_ids=["x"]), Role.STAFF, 422, "id-invalid"),
        ("Reserve", proto.ReserveRequest(), Role.CUSTOMER, 403, "forbidden"),
    ],
)
async def test_a_refusal_is_told_by_its_slug(
    inventory: Inventory, method: str, request_: object, role: Role | None, status: int, slug: str
) -> None:
    token = inventory.tokens.of(role) if role else None
    async with GrpcChannel(sidecar(inventory.port), "inventory") as channel:
        with pytest.raises(CallRefused) as refused:
            await channel.call(getattr(InventoryStub(channel.channel), method), request_, token=token)

    assert (refused.value.status, refused.value.slug) == (status, slug)


@pytest.mark.parametrize("repeatable", [True, False])
async def test_a_service_that_cannot_be_reached_is_away(repeatable: bool) -> None:  # noqa: FBT001 - a parameter
    async with GrpcChannel(sidecar(free_port()), "inventory") as channel:
        stub = InventoryStub(channel.channel)

        with pytest.raises(SidecarAway):
            await channel.call(stub.GetLevels, proto.GetLevelsRequest(), repeatable=repeatable)


@asynccontextmanager
async def failing(times: int, inventory: Inventory) -> AsyncIterator[tuple[int, Callable[[], int]]]:
    """A service that is away so many times before it answers; gives its port and how often it was called."""
    asked = GrpcService(proto.DESCRIPTOR.services_by_name["Inventory"])
    calls = 0

    @asked.method("GetLevels", SIDECAR)
    async def get_levels(_: Call, __: proto.GetLevelsRequest) -> proto.GetLevelsReply:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise Unavailable
        return proto.GetLevelsReply(levels=[proto.Level(product_id=str(uuid4()))])

    server = grpc.aio.server()
    asked.add_to(server, inventory.runtime, token="app-token")
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port, lambda: calls
    await server.stop(0)


async def test_what_may_be_repeated_is_repeated_until_it_is_answered(inventory: Inventory) -> None:
    async with failing(2, inventory) as (port, calls), GrpcChannel(sidecar(port), "inventory") as channel:
        reply: proto.GetLevelsReply = await channel.call(
            InventoryStub(channel.channel).GetLevels, proto.GetLevelsRequest()
        )

        assert (len(reply.levels), calls()) == (1, 3)


async def test_what_may_not_be_repeated_is_called_once(inventory: Inventory) -> None:
    async with failing(1, inventory) as (port, calls), GrpcChannel(sidecar(port), "inventory") as channel:
        with pytest.raises(SidecarAway):
            await channel.call(InventoryStub(channel.channel).GetLevels, proto.GetLevelsRequest(), repeatable=False)

        assert calls() == 1
