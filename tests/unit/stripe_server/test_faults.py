import json
from urllib.error import HTTPError

import pytest
import stripe

from services.local.stripe_server.faults import Fault, FaultKind, Faults
from tests.unit.stripe_server.conftest import StandIn, error_of

OPEN = {"amount": 2_500, "currency": "eur"}


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("error_409", 409, "lock_timeout"), ("error_429", 429, "rate_limit"), ("error_503", 503, None)],
)
def test_a_refusal_before_executing_leaves_the_key_free(
    stand_in: StandIn, kind: str, status: int, code: str | None
) -> None:
    stand_in.fault(match="create", kind=kind)

    with pytest.raises(stripe.StripeError) as refused:
        stand_in.intents.create(params=OPEN, options={"idempotency_key": "pi:1"})

    assert (refused.value.http_status, error_of(refused).get("code")) == (status, code)
    again = stand_in.intents.create(params=OPEN, options={"idempotency_key": "pi:1"})
    assert "Idempotent-Replayed" not in again.last_response.headers
    assert len(stand_in.intents.list().data) == 1


def test_a_fault_can_strike_every_kind_of_call(stand_in: StandIn) -> None:
    stand_in.fault(match="*", kind="error_429", times=2)

    with pytest.raises(stripe.RateLimitError):
        stand_in.intents.create(params=OPEN)
    with pytest.raises(stripe.RateLimitError):
        stand_in.intents.list()

    assert stand_in.intents.list().data == []


def test_a_share_of_the_answers_is_lost_although_everything_was_executed(stand_in: StandIn) -> None:
    stand_in.fault(match="create", kind="drop_answer", probability=0.3, seed=7)
    lost = 0
    for _ in range(40):
        try:
            stand_in.intents.create(params=OPEN)
        except stripe.APIConnectionError:
            lost += 1

    (told,) = json.loads(stand_in.request("GET", "/_stand-in/faults"))
    assert told["struck"] == lost
    assert 4 <= lost <= 20
    assert len(stand_in.intents.list(params={"limit": 100}).data) == 40


def struck(seed: int) -> list[bool]:
    faults = Faults()
    faults.add(Fault(match="create", kind=FaultKind.DROP_ANSWER, probability=0.3, seed=seed))
    return [faults.take("create") is not None for _ in range(1_000)]


def test_the_same_seed_strikes_the_same_calls() -> None:
    assert struck(7) == struck(7)
    assert struck(7) != struck(8)
    assert 250 < sum(struck(7)) < 350


def test_a_fault_that_is_used_up_lets_the_next_one_strike() -> None:
    faults = Faults()
    faults.add(Fault(match="create", kind=FaultKind.DROP_ANSWER))
    faults.add(Fault(match="*", kind=FaultKind.ERROR_500, times=2))

    kinds = [fault.kind if (fault := faults.take(name)) else None for name in ("list", "create", "create", "create")]

    assert kinds == [FaultKind.ERROR_500, FaultKind.DROP_ANSWER, FaultKind.ERROR_500, None]


@pytest.mark.parametrize(
    "fault",
    [
        {"match": "create", "kind": "drop_answer", "times": 1, "probability": 0.5},
        {"match": "create", "kind": "drop_answer", "probability": 1.5},
        {"match": "create", "kind": "earthquake"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(stand_in: StandIn, fault: dict[str, object]) -> None:
    with pytest.raises(HTTPError, match="422"):
        stand_in.fault(**fault)
