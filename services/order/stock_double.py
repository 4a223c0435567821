"""Inventory for tests: levels and holds in memory, put through the same suite as the real wire."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from services.contracts.proto.inventory_pb2 import ReserveReply, ReserveRequest
from services.order.domain.cart import MOST_UNITS
from services.shared.runtime import Runtime
from services.shared.sidecar import CallRefused, SidecarAway


class StockDouble:
    """Holds what there is; a product that was not put on hand has nothing."""

    def __init__(self) -> None:
        """Without stock."""
        self.on_hand: dict[str, int] = {}
        self.holds: dict[str, dict[str, int]] = {}
        self.released: set[str] = set()
        self.tokens: list[str] = []
        self.is_away = False
        self.outcome: ReserveReply.Outcome | None = None
        self.refusal: CallRefused | None = None
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        """What happens once, before the next answer."""

    @asynccontextmanager
    async def open(self, _: Runtime) -> AsyncIterator["StockDouble"]:
        """The double in the place of the channel."""
        yield self

    async def reserve(self, request: ReserveRequest, *, token: str) -> ReserveReply:
        """Hold all lines or none."""
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()
        if self.is_away:
            raise SidecarAway
        if self.refusal is not None:
            raise self.refusal
        if self.outcome is not None:
            return ReserveReply(outcome=self.outcome)
        self.tokens.append(token)
        wanted = {line.product_id: line.quantity for line in request.lines}
        if any(quantity > MOST_UNITS for quantity in wanted.values()):
            raise CallRefused(422, {"type": "quantity-invalid"})
        if request.order_id in self.released:
            return ReserveReply(outcome=ReserveReply.RELEASED)
        if request.order_id in self.holds:
            same = self.holds[request.order_id] == wanted
            return ReserveReply(outcome=ReserveReply.HELD if same else ReserveReply.OTHER_LINES)
        shortages = [
            ReserveReply.Shortage(product_id=product_id, requested=quantity, available=self.available(product_id))
            for product_id, quantity in wanted.items()
            if self.available(product_id) < quantity
        ]
        if shortages:
            return ReserveReply(outcome=ReserveReply.INSUFFICIENT, shortages=shortages)
        self.holds[request.order_id] = wanted
        return ReserveReply(outcome=ReserveReply.HELD)

    def available(self, product_id: str) -> int:
        """What is on hand and not held."""
        return self.on_hand.get(product_id, 0) - sum(hold.get(product_id, 0) for hold in self.holds.values())
