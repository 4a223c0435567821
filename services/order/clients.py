"""Questions to others: prices to product, holds to inventory, the closing of a payable to payment."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Protocol
from uuid import UUID

from services.contracts.answers import CloseAsked, Closed, PricedProduct, Prices, PricesAsked
from services.contracts.events import OrderLine
from services.contracts.proto.inventory_pb2 import Line, ReserveReply, ReserveRequest
from services.contracts.proto.inventory_pb2_grpc import InventoryStub
from services.order.domain.order import CheckoutExpired, InsufficientStock, Order
from services.shared.errors import Invalid, Unauthenticated
from services.shared.grpc_client import GrpcChannel
from services.shared.idempotency import IdempotencyKeyReused
from services.shared.runtime import Runtime
from services.shared.sidecar import CallRefused, Sidecar, SidecarAway


class HoldRefused(Invalid):
    """Inventory does not take this: {why}."""


async def prices(sidecar: Sidecar, product_ids: Iterable[UUID]) -> Sequence[PricedProduct]:
    """Today's prices; unknown products are absent."""
    asked = PricesAsked(product_ids=sorted(set(product_ids)))
    return (await sidecar.call("product", "POST", "/internal/prices", Prices, body=asked)).products


async def close_payable(sidecar: Sidecar, order: Order) -> Closed:
    """Let no new attempt to pay this order begin; tells whether one had succeeded or is open. Asked once."""
    asked = CloseAsked(user_id=order.user_id, amount=order.total_amount, version=order.version)
    path = f"/internal/payables/{order.id}/close"
    return await sidecar.call("payment", "POST", path, Closed, body=asked, repeatable=False)


class Stock(Protocol):
    """The wire to inventory."""

    async def reserve(self, request: ReserveRequest, *, token: str) -> ReserveReply:
        """Ask for a hold on behalf of the user whose token this is."""
        ...


OpenStock = Callable[[Runtime], AbstractAsyncContextManager[Stock]]


class GrpcStock:
    """Inventory through the sidecars."""

    def __init__(self, channel: GrpcChannel) -> None:
        """Speak over this channel."""
        self._channel = channel
        self._stub = InventoryStub(channel.channel)

    async def reserve(self, request: ReserveRequest, *, token: str) -> ReserveReply:
        """Ask for a hold on behalf of the user whose token this is."""
        reply: ReserveReply = await self._channel.call(self._stub.Reserve, request, token=token)
        return reply


@asynccontextmanager
async def open_grpc_stock(runtime: Runtime) -> AsyncIterator[Stock]:
    """The channel to inventory, open while the block runs."""
    async with GrpcChannel(runtime.sidecar, "inventory") as channel:
        yield GrpcStock(channel)


class Inventory:
    """Inventory's answers in the words of this service."""

    def __init__(self, stock: Stock) -> None:
        """Ask over this wire."""
        self._stock = stock

    async def hold(self, order_id: UUID, lines: Sequence[OrderLine], *, token: str) -> None:
        """Hold the stock of an order that is being placed; the same lines again are the same hold.

        :raises InsufficientStock: naming the lines and what is left; nothing is held.
        :raises CheckoutExpired: the hold was given back already.
        :raises IdempotencyKeyReused: other lines are held under this order id.
        :raises HoldRefused: it makes no sense to inventory.
        :raises Unauthenticated: the token has expired meanwhile.
        """
        wanted = [Line(product_id=str(line.product_id), quantity=line.quantity) for line in lines]
        reply = await self._reserve(ReserveRequest(order_id=str(order_id), lines=wanted), token)
        if reply.outcome == ReserveReply.INSUFFICIENT:
            raise InsufficientStock(extra={"lines": _shortages(reply)})
        if reply.outcome == ReserveReply.RELEASED:
            raise CheckoutExpired
        if reply.outcome == ReserveReply.OTHER_LINES:
            raise IdempotencyKeyReused
        if reply.outcome != ReserveReply.HELD:
            raise SidecarAway

    async def _reserve(self, request: ReserveRequest, token: str) -> ReserveReply:
        try:
            return await self._stock.reserve(request, token=token)
        except CallRefused as refusal:
            if refusal.status == HTTPStatus.UNAUTHORIZED:
                raise Unauthenticated from refusal
            if refusal.status == HTTPStatus.UNPROCESSABLE_ENTITY:
                raise HoldRefused(why=refusal.slug) from refusal
            raise SidecarAway from refusal


def _shortages(reply: ReserveReply) -> list[dict[str, str | int]]:
    return [
        {"product_id": one.product_id, "requested": one.requested, "available": one.available}
        for one in reply.shortages
    ]
