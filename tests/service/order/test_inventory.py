"""Holds: what inventory's answers mean here, the same over gRPC as with the double."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import grpc
import pytest

from services.contracts.proto.inventory_pb2 import ReserveReply, ReserveRequest
from services.contracts.proto.inventory_pb2_grpc import InventoryServicer, add_InventoryServicer_to_server
from services.order.app import create
from services.order.clients import HoldRefused, Inventory
from services.order.domain.lines import lines_of
from services.order.domain.order import CheckoutExpired, InsufficientStock
from services.order.stock_double import StockDouble
from services.shared.errors import Refusal, Unauthenticated
from services.shared.idempotency import IdempotencyKeyReused
from services.shared.sidecar import CallRefused, SidecarAway
from services.shared.sidecar_double import SidecarDouble, refused
from tests.service.doors import Serve
from tests.unit.order.builders import product

LAMP = product()
TWO = lines_of([(LAMP.product_id, 2)], [LAMP])
THREE = lines_of([(LAMP.product_id, 3)], [LAMP])


CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
}


class _Servicer(InventoryServicer):  # type: ignore[misc]  # generated without types
    """Inventory's door, with the double behind it."""

    def __init__(self, stock: StockDouble) -> None:
        self._stock = stock

    async def Reserve(  # noqa: N802 - the contract's name
        self, request: ReserveRequest, context: grpc.aio.ServicerContext[ReserveRequest, ReserveReply]
    ) -> ReserveReply:
        sent = dict(context.invocation_metadata() or ())
        if self._stock.is_away or sent.get("dapr-app-id") != "inventory":
            await context.abort(grpc.StatusCode.UNAVAILABLE)
        try:
            return await self._stock.reserve(request, token=str(sent["authorization"]).removeprefix("Bearer "))
        except CallRefused as refusal:
            await context.abort(CODES[refusal.status], refusal.slug)


@pytest.fixture
def stock() -> StockDouble:
    stock = StockDouble()
    stock.on_hand[str(LAMP.product_id)] = 2
    return stock


@asynccontextmanager
async def over_grpc(serve: Serve, sidecar: SidecarDouble, stock: StockDouble) -> AsyncIterator[Inventory]:
    server = grpc.aio.server()
    add_InventoryServicer_to_server(_Servicer(stock), server)
    sidecar.grpc_target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    async with serve("order", create) as client:
        yield client.runtime.part(Inventory)
    await server.stop(None)


@pytest.fixture(params=["double", "grpc"])
async def inventory(
    request: pytest.FixtureRequest, serve: Serve, sidecar: SidecarDouble, stock: StockDouble
) -> AsyncIterator[Inventory]:
    if request.param == "double":
        yield Inventory(stock)
        return
    async with over_grpc(serve, sidecar, stock) as found:
        yield found


async def test_stock_is_held_for_the_customer_whose_token_it_is(inventory: Inventory, stock: StockDouble) -> None:
    order_id = uuid4()

    await inventory.hold(order_id, TWO, token="t")
    await inventory.hold(order_id, TWO, token="t")

    assert stock.holds == {str(order_id): {str(LAMP.product_id): 2}}
    assert set(stock.tokens) == {"t"}


async def test_a_shortage_names_the_line_and_what_is_left(inventory: Inventory, stock: StockDouble) -> None:
    with pytest.raises(InsufficientStock) as refusal:
        await inventory.hold(uuid4(), THREE, token="t")

    shortage = {"product_id": str(LAMP.product_id), "requested": 3, "available": 2}
    assert refusal.value.extra == {"lines": [shortage]}
    assert stock.holds == {}


async def test_other_lines_under_an_order_id_are_another_body(inventory: Inventory) -> None:
    order_id = uuid4()
    await inventory.hold(order_id, TWO, token="t")

    with pytest.raises(IdempotencyKeyReused):
        await inventory.hold(order_id, THREE, token="t")


async def test_a_hold_that_was_given_back_is_too_late(inventory: Inventory, stock: StockDouble) -> None:
    order_id = uuid4()
    stock.released.add(str(order_id))

    with pytest.raises(CheckoutExpired):
        await inventory.hold(order_id, TWO, token="t")


async def test_without_inventory_nothing_is_held(inventory: Inventory, stock: StockDouble) -> None:
    stock.is_away = True

    with pytest.raises(SidecarAway):
        await inventory.hold(uuid4(), TWO, token="t")


async def test_more_units_than_inventory_takes_are_refused(inventory: Inventory) -> None:
    with pytest.raises(HoldRefused, match="quantity-invalid"):
        await inventory.hold(uuid4(), [TWO[0].model_copy(update={"quantity": 1001})], token="t")


@pytest.mark.parametrize(("status", "refusal"), [(401, Unauthenticated), (403, SidecarAway)])
async def test_a_token_that_inventory_refuses_is_none_and_whoever_shuts_us_out_is_away(
    inventory: Inventory, stock: StockDouble, status: int, refusal: type[Refusal]
) -> None:
    stock.refusal = refused(status, "no")

    with pytest.raises(refusal):
        await inventory.hold(uuid4(), TWO, token="t")
