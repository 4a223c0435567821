import threading
from pathlib import Path
from typing import Any

import pytest
import stripe

from services.local.stripe_server.records import Answer, Records
from tests.unit.stripe_server.conftest import StandIn, running
from tests.unit.stripe_server.hooks import Shop

OPEN = {"amount": 2_500, "currency": "eur"}


def key(value: str) -> dict[str, str]:
    return {"idempotency_key": value}


def replayed(answer: Any) -> bool:
    return bool(answer.last_response.headers.get("Idempotent-Replayed") == "true")


def test_the_same_key_answers_the_same_and_says_so(stand_in: StandIn) -> None:
    first = stand_in.intents.create(params=OPEN, options=key("pi:1"))

    second = stand_in.intents.create(params=OPEN, options=key("pi:1"))

    assert second.id == first.id
    assert (replayed(first), replayed(second)) == (False, True)
    assert len(stand_in.intents.list().data) == 1


def test_the_same_key_with_other_parameters_is_an_error(stand_in: StandIn) -> None:
    stand_in.intents.create(params=OPEN, options=key("pi:1"))

    with pytest.raises(stripe.IdempotencyError) as refused:
        stand_in.intents.create(params={**OPEN, "amount": 9_900}, options=key("pi:1"))

    assert refused.value.http_status == 400


def test_the_same_key_for_another_path_is_an_error(stand_in: StandIn) -> None:
    one, other = (stand_in.intents.create(params=OPEN).id for _ in range(2))
    stand_in.intents.cancel(one, options=key("k"))

    with pytest.raises(stripe.IdempotencyError):
        stand_in.intents.cancel(other, options=key("k"))


def test_a_decline_is_replayed_and_does_not_try_again(stand_in: StandIn) -> None:
    intent = stand_in.intents.create(params=OPEN)
    params = {"payment_method": "pm_card_chargeDeclined"}
    for _ in range(2):
        with pytest.raises(stripe.CardError) as refused:
            stand_in.intents.confirm(intent.id, params=params, options=key("confirm:1"))

    assert refused.value.headers is not None
    assert refused.value.headers["Idempotent-Replayed"] == "true"
    assert len(stand_in.client.v1.charges.list(params={"payment_intent": intent.id}).data) == 1


def test_a_refusal_before_execution_leaves_the_key_free(stand_in: StandIn) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        stand_in.intents.create(params={"amount": 1, "currency": "eur"}, options=key("pi:1"))

    created = stand_in.intents.create(params=OPEN, options=key("pi:1"))

    assert created.amount == 2_500


def test_a_stored_500_is_sticky(stand_in: StandIn) -> None:
    stand_in.fault(match="create", kind="error_500")

    for _ in range(2):
        with pytest.raises(stripe.APIError) as broken:
            stand_in.intents.create(params=OPEN, options=key("pi:1"))
        assert broken.value.http_status == 500

    assert stand_in.intents.create(params=OPEN, options=key("pi:2")).amount == 2_500


def test_a_500_after_execution_is_sticky_and_everything_was_done(stand_in: StandIn) -> None:
    intent = stand_in.intents.create(params=OPEN)
    stand_in.fault(match="confirm", kind="error_500_after")

    for _ in range(2):
        with pytest.raises(stripe.APIError) as broken:
            stand_in.intents.confirm(intent.id, params={"payment_method": "pm_card_visa"}, options=key("confirm:1"))
        assert broken.value.http_status == 500

    assert stand_in.intents.retrieve(intent.id).status == "succeeded"
    assert len(stand_in.client.v1.charges.list(params={"payment_intent": intent.id}).data) == 1


def test_a_500_can_hide_a_decline(stand_in: StandIn) -> None:
    intent = stand_in.intents.create(params=OPEN)
    stand_in.fault(match="confirm", kind="error_500_after")

    with pytest.raises(stripe.APIError):
        stand_in.intents.confirm(intent.id, params={"payment_method": "pm_card_chargeDeclined"})

    (charge,) = stand_in.client.v1.charges.list(params={"payment_intent": intent.id}).data
    assert charge.status == "failed"


def test_of_two_at_once_with_the_same_key_one_runs_and_the_other_is_a_conflict(stand_in: StandIn) -> None:
    stand_in.fault(match="create", kind="latency", seconds=0.5, times=2)
    ids: list[str] = []
    conflicts: list[Any] = []

    def attempt() -> None:
        try:
            ids.append(stand_in.intents.create(params=OPEN, options=key("pi:1")).id)
        except stripe.APIError as refused:
            conflicts.append(refused)

    attempts = [threading.Thread(target=attempt) for _ in range(2)]
    for one in attempts:
        one.start()
    for one in attempts:
        one.join()

    assert [conflict.http_status for conflict in conflicts] == [409]
    assert conflicts[0].json_body["error"]["code"] == "idempotency_key_in_use"
    assert stand_in.intents.create(params=OPEN, options=key("pi:1")).id == ids[0]


def test_an_answer_that_is_lost_was_executed_all_the_same(stand_in: StandIn) -> None:
    stand_in.fault(match="create", kind="drop_answer")

    with pytest.raises(stripe.APIConnectionError):
        stand_in.intents.create(params=OPEN, options=key("pi:1"))
    again = stand_in.intents.create(params=OPEN, options=key("pi:1"))

    assert replayed(again)
    assert len(stand_in.intents.list().data) == 1


def test_a_request_that_is_lost_was_not_executed(stand_in: StandIn) -> None:
    stand_in.fault(match="create", kind="drop_request", times=2)

    for _ in range(2):
        with pytest.raises(stripe.APIConnectionError):
            stand_in.intents.create(params=OPEN, options=key("pi:1"))
    again = stand_in.intents.create(params=OPEN, options=key("pi:1"))

    assert not replayed(again)


def test_a_reader_can_lose_its_answer_too(stand_in: StandIn) -> None:
    intent_id = stand_in.intents.create(params=OPEN).id
    stand_in.fault(match="retrieve", kind="drop_answer")

    with pytest.raises(stripe.APIConnectionError):
        stand_in.intents.retrieve(intent_id)

    assert stand_in.intents.retrieve(intent_id).id == intent_id


def test_faults_that_have_not_struck_can_be_taken_back(stand_in: StandIn) -> None:
    stand_in.fault(match="create", kind="drop_request", times=5)

    stand_in.request("DELETE", "/_stand-in/faults")

    assert stand_in.intents.create(params=OPEN).amount == 2_500


def test_keys_outlive_the_process(tmp_path: Path, shop: Shop) -> None:
    with running(tmp_path, shop) as before:
        first = before.intents.create(params=OPEN, options=key("pi:1"))

    with running(tmp_path, shop) as after:
        second = after.intents.create(params=OPEN, options=key("pi:1"))

    assert second.id == first.id


def test_a_key_has_at_most_255_characters(stand_in: StandIn) -> None:
    with pytest.raises(stripe.IdempotencyError):
        stand_in.intents.create(params=OPEN, options=key("k" * 256))

    assert stand_in.intents.create(params=OPEN, options=key("k" * 255)).amount == 2_500


def test_a_key_that_is_too_old_is_forgotten(tmp_path: Path) -> None:
    records = Records(tmp_path)

    records.keep_answer("pi:1", Answer(200, b"{}", "same"), now=1_000.0)

    assert records.find_answer("pi:1", since=1_000.0) == Answer(200, b"{}", "same")
    assert records.find_answer("pi:1", since=1_000.1) is None
    records.close()
