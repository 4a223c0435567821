"""What others rely on changes only on purpose: every schema equals the kept one, and events only grow."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from services.contracts.events import Event, OrderPlaced, event_types
from tests.contracts.schemas import KEPT, current, written

SCHEMAS = current()


@pytest.mark.parametrize("path", SCHEMAS)
def test_a_schema_equals_the_kept_one(path: str) -> None:
    assert (KEPT / path).read_text() == written(SCHEMAS[path]), "keep it with: python -m tests.contracts.schemas"


def test_nothing_is_kept_that_is_gone() -> None:
    assert {str(path.relative_to(KEPT)) for path in KEPT.rglob("*.json")} == set(SCHEMAS)


@pytest.mark.parametrize("event", event_types().values(), ids=event_types())
def test_a_field_of_a_newer_producer_is_tolerated(event: type[Event]) -> None:
    schema = json.loads((KEPT / f"events/{event.TYPE}.json").read_text())

    assert schema.get("additionalProperties", True) is True
    assert event.model_config.get("extra") == "ignore"
    assert event.model_config.get("frozen") is True


def test_an_events_identity_is_its_aggregate_type_and_version() -> None:
    order = uuid4()

    def placed(version: int, **change: Any) -> OrderPlaced:
        return OrderPlaced.model_construct(order_id=order, version=version, **change)

    assert placed(1).event_id == placed(1, reason="other").event_id
    assert placed(1).event_id != placed(2).event_id


def test_every_event_type_is_named_after_its_topics_aggregate() -> None:
    for name, event in event_types().items():
        assert name.partition(".")[0] in {event.TOPIC, event.TOPIC.removesuffix("s")}


def test_an_abstract_event_has_no_aggregate() -> None:
    with pytest.raises(TypeError, match="aggregate_id"):
        Event(version=1, at=datetime.now(UTC))  # type: ignore[abstract]
