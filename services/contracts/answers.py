"""Questions between services and their answers (all under /internal, or gRPC in proto/inventory.proto)."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.contracts.events import Topic
from services.contracts.money import Money


class Answer(BaseModel):
    """Immutable; tolerant of what a newer service adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class PricesAsked(Answer):
    """`POST /internal/prices` at product: the prices of these products."""

    product_ids: list[UUID] = Field(min_length=1, max_length=200)


class PricedProduct(Answer):
    """What an order line is made from."""

    product_id: UUID
    sku: str
    name: str
    price: Money
    is_active: bool


class Prices(Answer):
    """The products that exist, inactive ones included; the unknown are absent."""

    products: list[PricedProduct]


class PlacementOutcome(StrEnum):
    """What stands about an order id, for ever."""

    PLACED = "placed"
    ABANDONED = "abandoned"


class Placement(Answer):
    """`POST /internal/placements/{order_id}/ask` at order: asking is a write, the answer is final."""

    order_id: UUID
    outcome: PlacementOutcome


class PayableOrder(Answer):
    """`GET /internal/payables/{order_id}` at order: what payment and inventory need to know; 404 when there is none."""

    order_id: UUID
    user_id: UUID
    status: str
    amount: Money
    version: int
    expires_at: datetime
    has_left: bool = False
    """Whether it was handed to a carrier."""


class CloseAsked(Answer):
    """`POST /internal/payables/{order_id}/close` at payment: no new attempt may begin from now on."""

    user_id: UUID
    amount: Money
    version: int


class CloseOutcome(StrEnum):
    """What became of closing a payable."""

    CLOSED = "closed"
    PAID = "paid"
    BUSY = "busy"
    """An attempt is open: ask again later."""


class Closed(Answer):
    """The answer to closing a payable."""

    order_id: UUID
    outcome: CloseOutcome
    payment_id: UUID | None = None


class FactsAsked(Answer):
    """`POST /internal/facts` at a topic's producer: which facts it has published since `position`."""

    topic: Topic
    types: list[str] = Field(min_length=1, max_length=100)
    position: str | None = Field(default=None, max_length=500)
    """Where the answer before has ended, as it was told. None is told nothing but where to begin: a minute ago."""


class PublishedFact(Answer):
    """The name of a fact."""

    event_id: UUID
    type: str


class PublishedFacts(Answer):
    """Facts that were published long enough ago to have been handled, in that order."""

    facts: list[PublishedFact]
    position: str
    """Where the next question begins."""
    more: bool
    """Whether there are more already."""


class FactsMissed(Answer):
    """`POST /internal/facts/again` at a topic's producer: publish these once more."""

    topic: Topic
    event_ids: list[UUID] = Field(min_length=1, max_length=500)


class FactsAgain(Answer):
    """How many will be published once more; the others wait for that already, or are no facts of this topic."""

    number: int
