"""When a message is tried again, and what it is called."""

from datetime import timedelta
from uuid import UUID

import pytest

from services.contracts.events import OrderPaid, OrderPlaced
from services.notification.domain import Message, inbox_id, message_id, order_number
from tests.service.notification.events import AT, BUYER, order_event


def message(attempts: int) -> Message:
    return Message(
        id=UUID(int=1),
        user_id=BUYER,
        order_id=None,
        template="welcome",
        address="ada@example.com",
        subject="",
        html="",
        attempts=attempts,
        written_at=AT,
    )


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 4), (2, 8), (9, 1024), (11, 3600), (34, 3600)])
def test_the_delay_doubles_up_to_an_hour(attempts: int, seconds: int) -> None:
    assert message(attempts).next_try(AT) == AT + timedelta(seconds=seconds)


def test_a_message_is_given_up_after_about_a_day() -> None:
    total = sum((message(attempts).next_try(AT) - AT for attempts in range(1, 35)), timedelta())

    assert timedelta(hours=24) < total < timedelta(hours=26)
    assert [message(34).is_given_up, message(35).is_given_up] == [False, True]


def test_the_same_event_has_the_same_message_and_item() -> None:
    placed, again, paid = order_event(OrderPlaced), order_event(OrderPlaced), order_event(OrderPaid, 2)

    assert message_id(placed, "x") == message_id(again, "x")
    assert inbox_id(placed) == inbox_id(again)
    assert len({message_id(placed, "x"), message_id(placed, "y"), message_id(paid, "x"), inbox_id(placed)}) == 4


def test_people_call_an_order_by_its_first_eight_digits() -> None:
    assert order_number(UUID("3f2a9c1b-0000-4000-8000-000000000002")) == "3F2A9C1B"
    assert order_number(None) == ""
