"""What an audit looks at, and in which order."""

from services.local.audit import events, reading
from services.local.topology import ROOT


def test_whoever_follows_is_looked_at_before_those_whom_it_follows() -> None:
    assert reading.in_turn(["order", "payment", "product", "notification"]) == [
        "notification",
        "product",
        "payment",
        "order",
    ]


def test_a_service_that_the_audit_does_not_know_is_looked_at_first() -> None:
    assert reading.in_turn(["user", "returns", "order", "fraud"]) == ["fraud", "returns", "user", "order"]


def test_the_facts_of_every_service_that_has_a_database_are_looked_at() -> None:
    owners = {folder.parent.name for folder in (ROOT / "services").glob("*/migrations")}

    assert {rows.service for rows in events.ROWS} == owners
