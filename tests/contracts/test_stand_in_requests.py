"""Every request that the payment service sends, and all else that the stand-in serves, is accepted by stripe-mock."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from services.local import runtime
from tests.contracts import specification, stand_in_scenario
from tests.contracts.recording import Exchange


@pytest.fixture(scope="module")
def mock() -> Iterator[httpx2.Client]:
    with specification.mocking() as address, httpx2.Client(base_url=address) as http:
        yield http


def refusals(mock: httpx2.Client, exchanges: list[Exchange]) -> list[str]:
    """What stripe-mock does not accept of what was sent."""
    headers = {"Authorization": "Bearer sk_test_123", "Content-Type": "application/x-www-form-urlencoded"}
    refused = []
    for exchange in exchanges:
        url = f"{exchange.path}?{exchange.query}" if exchange.query else exchange.path
        answer = mock.request(exchange.method, url, content=exchange.sent, headers=headers)
        if answer.status_code != 200:
            refused.append(f"{exchange.line}: {answer.text}")
    return refused


async def test_every_request_of_the_payment_service_is_one_of_stripes(mock: httpx2.Client, tmp_path: Path) -> None:
    with stand_in_scenario.recorded(tmp_path) as (stand_in, recorder, _):
        await stand_in_scenario.serve_customers(stand_in)

    assert len(recorder.of_stripe) >= 15
    assert refusals(mock, recorder.of_stripe) == []


def test_every_request_that_the_stand_in_serves_is_one_of_stripes(mock: httpx2.Client, tmp_path: Path) -> None:
    with stand_in_scenario.recorded(tmp_path) as (stand_in, recorder, _):
        stand_in_scenario.everything(stand_in)

    assert {exchange.status for exchange in recorder.of_stripe} <= {200, 402}
    assert refusals(mock, recorder.of_stripe) == []


def test_stripe_mock_refuses_what_stripe_does_not_know(mock: httpx2.Client) -> None:
    colourful = Exchange("POST", "/v1/payment_intents", "", b"amount=2500&currency=eur&colour=red")
    nowhere = Exchange("GET", "/v1/unicorns", "")

    assert len(refusals(mock, [colourful, nowhere])) == 2


def test_without_stripe_mock_and_without_go_these_proofs_are_skipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(runtime, "USUAL_GO", tmp_path / "go")

    for asked in (specification.program, specification.described.__wrapped__):
        with pytest.raises(pytest.skip.Exception, match="there is no Go"):
            asked()
