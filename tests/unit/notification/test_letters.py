"""What e-mails say."""

from uuid import UUID

import pytest

from services.contracts.events import (
    Event,
    OrderCancelled,
    OrderDelivered,
    OrderPaid,
    OrderPlaced,
    OrderShipped,
    PaymentDeclined,
    PaymentRefunded,
)
from services.notification.domain import TOLD, notice_of
from services.notification.letters import html_of
from tests.service.notification.events import euros, order_event, payment_event, registered

SHIPPED = order_event(OrderShipped, 3, carrier="Post", tracking_number="T-1")
REFUNDED = payment_event(PaymentRefunded, refund_id=UUID(int=9), refund_amount=euros("5.00"))
DECLINED = payment_event(PaymentDeclined, attempt=1, decline_code="card_declined")
EVENTS: list[tuple[Event, str, str]] = [
    (registered(), "Welcome to Sidecart", "Your account is ready"),
    (order_event(OrderPlaced), "Order placed: 3F2A9C1B", "before 12:15 UTC"),
    (order_event(OrderPaid, 2), "Order paid: 3F2A9C1B", "is paid"),
    (SHIPPED, "Order shipped: 3F2A9C1B", "<strong>T-1</strong>"),
    (order_event(OrderDelivered, 4), "Order delivered: 3F2A9C1B", "was delivered"),
    (order_event(OrderCancelled, 2, reason="expired"), "Order cancelled: 3F2A9C1B", "was not paid in time"),
    (order_event(OrderCancelled, 2), "Order cancelled: 3F2A9C1B", "If you have paid already"),
    (REFUNDED, "Order refunded: 3F2A9C1B", "<strong>5.00 EUR</strong>"),
    (DECLINED, "Payment failed: 3F2A9C1B", "was declined"),
]


@pytest.mark.parametrize(("event", "subject", "words"), EVENTS)
def test_every_event_has_its_subject_and_its_words(event: Event, subject: str, words: str) -> None:
    notice = notice_of(event)

    html = html_of(notice, event, first_name="Ada <3")

    assert notice.title == subject
    assert words in html
    assert "Hello Ada &lt;3," in html


def test_every_event_that_is_told_has_been_looked_at() -> None:
    assert {type(event) for event, _, _ in EVENTS} == set(TOLD)


def test_an_order_is_listed_with_its_amounts_and_escaped() -> None:
    event = order_event(OrderPlaced)

    html = html_of(notice_of(event), event, first_name="Ada")

    assert "Lamp &lt;b&gt;&amp; more&lt;/b&gt;" in html
    assert html.count("25.00 EUR") == 2
    assert "12.50 EUR each" in html


def test_the_inbox_gets_one_sentence() -> None:
    assert notice_of(SHIPPED).body == "Order 3F2A9C1B is on its way with Post, tracking number T-1."
