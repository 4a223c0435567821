"""Facts that are kept for ever name no person: every field of theirs is one that somebody has looked at."""

import json
from typing import Any

import pytest

from services.contracts.events import Event, event_types
from services.shared.outbox import KEPT_FOR_EVER
from tests.contracts.schemas import KEPT

IDENTITIES = {"order_id", "payment_id", "product_id", "user_id", "refund_id", "dispute_id", "cause", "actor"}
"""Random numbers; what they stand for is kept elsewhere, where it can be erased."""
GOODS = {"lines", "sku", "name", "quantity", "unit_price", "line_total", "levels", "on_hand", "reserved", "change"}
"""`name` is the product's."""
MONEY = {
    *{"amount", "currency", "total_amount", "captured_amount", "refunded_amount", "refund_amount", "dispute_amount"},
    *{"attempt", "decline_code", "outcome"},
}
PROGRESS = {"version", "at", "expires_at", "status", "reason", "carrier", "tracking_number"}
"""`reason` is ours, the provider's or the staff's; a parcel's number says nothing to whoever is not its carrier."""
PERSONAL = ("email", "phone", "first_name", "last_name", "address", "line1", "city", "postal", "birth", "card")
FOR_EVER = {name: event for name, event in event_types().items() if event.TOPIC in KEPT_FOR_EVER}


def fields(schema: Any) -> set[str]:
    """The name of every property in a schema, however deep."""
    if isinstance(schema, list):
        return set().union(*map(fields, schema), set())
    if not isinstance(schema, dict):
        return set()
    named = set(schema.get("properties", {}))
    return named.union(*(fields(value) for value in schema.values()), set())


@pytest.mark.parametrize("event", FOR_EVER.values(), ids=FOR_EVER)
def test_a_fact_that_is_kept_for_ever_has_no_field_that_nobody_has_looked_at(event: type[Event]) -> None:
    told = fields(json.loads((KEPT / f"events/{event.TYPE}.json").read_text()))

    assert {"version", "at"} <= told <= IDENTITIES | GOODS | MONEY | PROGRESS
    assert not [name for name in told for word in PERSONAL if word in name]


def test_accounts_are_not_among_them() -> None:
    assert "user.registered" not in FOR_EVER
    assert len(FOR_EVER) > 15
