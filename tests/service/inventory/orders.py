"""Events of an order, and of opening stock."""

from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID, uuid4

from services.contracts.events import OpeningLevel, OpeningStockDeclared, OrderEvent
from services.contracts.money import Money
from tests.service.inventory.conftest import BUYER

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
Of = TypeVar("Of", bound=OrderEvent)


def order_event(kind: type[Of], order_id: UUID, version: int) -> Of:
    return kind(
        version=version,
        at=AT,
        order_id=order_id,
        user_id=BUYER,
        status=kind.TYPE.removeprefix("order."),
        lines=(),
        total_amount=Money.of(100, "EUR"),
        actor=f"customer:{BUYER}",
        expires_at=AT,
    )


def opening(*levels: tuple[UUID, int]) -> OpeningStockDeclared:
    declared = tuple(OpeningLevel(product_id=product, on_hand=on_hand) for product, on_hand in levels)
    return OpeningStockDeclared(version=1, at=AT, declaration_id=uuid4(), levels=declared)
