"""Events that customers are told about."""

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from services.contracts.events import OrderEvent, OrderLine, PaymentEvent, UserChanged, UserEvent, UserRegistered
from services.contracts.money import Money

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
BUYER = UUID("0b000000-0000-4000-8000-000000000001")
ORDER = UUID("3f2a9c1b-0000-4000-8000-000000000002")

OfOrder = TypeVar("OfOrder", bound=OrderEvent)
OfPayment = TypeVar("OfPayment", bound=PaymentEvent)
OfUser = TypeVar("OfUser", bound=UserEvent)


def euros(amount: str) -> Money:
    return Money.parse(amount, "EUR")


def order_event(kind: type[OfOrder], version: int = 1, **more: Any) -> OfOrder:
    line = OrderLine(
        product_id=UUID(int=1),
        sku="LAMP-1",
        name="Lamp <b>& more</b>",
        unit_price=euros("12.50"),
        quantity=2,
        line_total=euros("25.00"),
    )
    whole = {
        "version": version,
        "at": AT,
        "order_id": ORDER,
        "user_id": BUYER,
        "status": kind.TYPE.removeprefix("order."),
        "lines": (line,),
        "total_amount": euros("25.00"),
        "actor": f"customer:{BUYER}",
        "expires_at": AT.replace(minute=15),
    }
    return kind(**(whole | more))


def payment_event(kind: type[OfPayment], version: int = 1, **more: Any) -> OfPayment:
    whole = {
        "version": version,
        "at": AT,
        "payment_id": UUID(int=3),
        "order_id": ORDER,
        "user_id": BUYER,
        "status": "succeeded",
        "amount": euros("25.00"),
        "captured_amount": euros("25.00"),
        "refunded_amount": euros("5.00"),
    }
    return kind(**(whole | more))


def user_event(kind: type[OfUser], version: int = 1, email: str = "ada@example.com") -> OfUser:
    """A minute before everything else, so that letters about it are due first."""
    return kind(
        version=version,
        at=AT - timedelta(minutes=1),
        user_id=BUYER,
        email=email,
        first_name="Ada <3",
        last_name="Lovelace",
        role="customer",
        is_active=True,
    )


def registered(email: str = "ada@example.com") -> UserRegistered:
    return user_event(UserRegistered, email=email)


def moved(version: int, email: str) -> UserChanged:
    return user_event(UserChanged, version, email)
