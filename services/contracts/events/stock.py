"""What happens to stock: levels, and the holds of orders on them."""

from typing import ClassVar
from uuid import UUID

from services.contracts.events.event import Event, Fact, Topic


class Level(Fact):
    """A product's stock after a change, in units. Available is `on_hand - reserved`."""

    product_id: UUID
    on_hand: int
    reserved: int
    version: int


class HeldLine(Fact):
    """So many units of a product in a hold."""

    product_id: UUID
    quantity: int


class StockEvent(Event):
    """A change of stock; carries every level that it changed."""

    TOPIC: ClassVar[Topic] = Topic.STOCK

    levels: tuple[Level, ...]


class StockSet(StockEvent):
    """A product's stock on hand was opened, counted or adjusted; `version` is the level's."""

    TYPE: ClassVar[str] = "stock.set"

    product_id: UUID
    change: int
    reason: str

    @property
    def aggregate_id(self) -> UUID:
        """The product."""
        return self.product_id


class HoldEvent(StockEvent):
    """A move of an order's hold; `version` is the hold's."""

    order_id: UUID
    lines: tuple[HeldLine, ...]

    @property
    def aggregate_id(self) -> UUID:
        """The hold, which has its order's id."""
        return self.order_id


class StockHeld(HoldEvent):
    """Units were reserved for an order."""

    TYPE: ClassVar[str] = "stock.held"


class StockCommitted(HoldEvent):
    """The held units left the stock: the order is paid."""

    TYPE: ClassVar[str] = "stock.committed"


class StockReleased(HoldEvent):
    """The held units are available again: the order ended unpaid."""

    TYPE: ClassVar[str] = "stock.released"


class StockReturned(HoldEvent):
    """Committed units are on hand again: the order was cancelled after it was paid."""

    TYPE: ClassVar[str] = "stock.returned"


class OpeningLevel(Fact):
    """What a product's stock opens with."""

    product_id: UUID
    on_hand: int


class OpeningStockDeclared(Event):
    """Products came with the stock that they open with; counts once per product, when nothing was booked before."""

    TYPE: ClassVar[str] = "opening-stock.declared"
    TOPIC: ClassVar[Topic] = Topic.OPENING_STOCK

    declaration_id: UUID
    levels: tuple[OpeningLevel, ...]

    @property
    def aggregate_id(self) -> UUID:
        """The declaration: a product that was created, or a part of an import."""
        return self.declaration_id
