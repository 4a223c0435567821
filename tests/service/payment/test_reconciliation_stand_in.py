"""Reconciling with the stand-in through Stripe's SDK, and runs that die at any of their failpoints."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.payment.clients.provider import Provider
from services.payment.clients.provider_double import Fault
from services.shared import failpoints
from tests.conditions import eventually
from tests.service.payment.banks import API_KEY, StandIn, provider_of, running_stand_in
from tests.service.payment.books import Books, Sale, found, line, repaired
from tests.service.payment.shop import Shop

RUN = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from services.payment.clients import stripe_provider
from services.payment.operations.reconciling import Pace, reconcile
from services.payment.operations.till import Till
from services.shared.database import Database
from services.shared.failpoints import watch
from services.shared.runtime import utc_now
from services.shared.sidecar_double import SidecarDouble

async def main(url, address, root, api_key):
    watch(Path(root), "payment")
    async with stripe_provider.connect(
        api_key=api_key, address=address, return_url=None, seconds=5, page=1
    ) as provider:
        till = Till(database=Database(url), provider=provider, sidecar=SidecarDouble(), webhook_secret="",
            clock=lambda: utc_now() + timedelta(minutes=6))
        minutes = timedelta(minutes=5)
        pace = Pace(every=minutes, whole=minutes, overlap=minutes, grace=minutes, patience=minutes)
        await reconcile(till, pace, not_within=timedelta(0))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[StandIn]:
    """A stand-in that knows nothing of other tests."""
    with running_stand_in(tmp_path / "stripe") as bank:
        yield bank


@pytest.fixture
async def provider(bank: StandIn) -> AsyncIterator[Provider]:
    async with provider_of(bank) as provider:
        yield provider


@pytest.fixture
def books(shop: Shop) -> Books:
    return Books(shop)


async def control(bank: StandIn, path: str, **body: Any) -> Any:
    """What the stand-in does by itself."""
    async with httpx2.AsyncClient(base_url=bank.address) as http:
        answer = await http.post(f"/_stand-in/{path}", json=body or None)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def by_hand(provider: Provider, sale: Sale, minor: int) -> str:
    made = await provider.refund(sale.intent_id, key=f"hand:{minor}", amount_minor=minor, refund_id="by-hand")
    return made.id


async def missed(shop: Shop, provider: Provider) -> Sale:
    """An order that was declined here and charged at the provider afterwards."""
    order = await shop.order()
    declined = (await shop.pay(order, "pm_card_chargeDeclined", key=str(order.id))).json()
    intent_id = (await shop.read(declined["payment_id"]))["provider_reference"]
    await provider.confirm(intent_id, key=f"elsewhere:{order.id}", payment_method="pm_card_visa")
    return Sale(order, declined["payment_id"], intent_id)


async def test_a_day_of_business_is_equal_in_all_three_books(shop: Shop, books: Books, bank: StandIn) -> None:
    sale = await books.shipped()
    await shop.refund(sale.payment_id, "10.00")
    await control(bank, "payouts")

    report = await books.reconcile()

    assert (report["is_equal"], found(report), report["repaired"]) == (True, [], [])
    assert line(report, "charge") == ("25.00", "25.00", "25.00")
    assert line(report, "refund") == ("-10.00", "-10.00", "-10.00")
    assert line(report, "fee") == (None, "-0.60", "-0.60")
    assert line(report, "payout") == (None, "-14.40", "-14.40")
    assert line(report, "balance") == (None, "0.00", "0.00")


async def test_what_was_missed_is_recorded_once(shop: Shop, books: Books, bank: StandIn, provider: Provider) -> None:
    sale, unheard = await books.shipped(), await missed(shop, provider)
    reference = await by_hand(provider, sale, 1000)
    disputed = await books.shipped()
    dispute = await control(bank, "disputes", payment_intent=disputed.intent_id)

    first = await books.reconcile()
    await control(bank, f"disputes/{dispute['id']}/close", outcome="won")
    second = await books.reconcile()

    assert sorted(repaired(first)) == sorted(
        [
            ("missing_here", "charge", unheard.intent_id),
            ("missing_here", "refund", reference),
            ("missing_here", "dispute", dispute["id"]),
        ]
    )
    assert repaired(second) == [("missing_here", "dispute", dispute["id"])]
    assert [one for one in found(second) if one[1] != "order"] == []
    assert line(second, "dispute") == (None, "-20.00", "-20.00")
    assert line(second, "balance")[1] == line(second, "balance")[2]


async def test_a_refund_that_fails_at_the_bank_opens_the_debt_again(shop: Shop, books: Books, bank: StandIn) -> None:
    sale = await books.shipped("pm_card_refundFail")
    made = (await shop.refund(sale.payment_id, "10.00")).json()
    bank.events_about(sale.order.id, "charge.refunded")
    await eventually(lambda: _failed(bank, made["provider_reference"]))

    report = await books.reconcile()

    assert repaired(report) == [("state", "refund", made["provider_reference"])]
    assert (await shop.read(sale.payment_id))["refunds"][0]["status"] == "failed"


async def _failed(bank: StandIn, reference: str) -> bool:
    return any(b"refund.failed" in body and reference.encode() in body for body, _ in list(bank.events))


async def test_a_charge_for_an_order_that_nobody_knows_is_an_orphan(books: Books, provider: Provider) -> None:
    intent = await provider.create(
        key="elsewhere",
        amount_minor=900,
        currency="USD",
        metadata={"order_id": "00000000-0000-4000-8000-0000000000ff"},
    )
    await provider.confirm(intent.id, key="elsewhere too", payment_method="pm_card_visa")

    report = await books.reconcile()

    assert found(report) == [("orphan_order", "charge", intent.id)]
    assert line(report, "charge", "USD") == ("0.00", "0.00", "9.00")


async def test_a_stand_in_that_answers_nothing_leaves_the_run_failed(books: Books, bank: StandIn) -> None:
    await bank.go_wrong("list", Fault.DROP_ANSWER, times=2)

    answer = await books.ask()

    assert (answer.status_code, answer.json()["type"]) == (503, "provider-unreadable")


@pytest.mark.parametrize(
    "place",
    [
        "reconciliation.page_mirrored.before_next",
        "reconciliation.mirrored.before_booked",
        "reconciliation.booked.before_compared",
        "reconciliation.compared.before_repaired",
        "reconciliation.adopted.before_recorded",
        "reconciliation.repaired.before_compared",
    ],
)
async def test_a_run_that_dies_anywhere_is_ended_by_the_next_one(
    shop: Shop, books: Books, provider: Provider, tmp_path: Path, place: str
) -> None:
    sale, unheard = await books.shipped(), await missed(shop, provider)
    await by_hand(provider, sale, 1000)
    armed = failpoints.arm(tmp_path, "payment", place)

    died = await run_apart(shop, tmp_path)
    await shop.work(minutes=8)
    report = await books.reconcile()

    assert (died, armed.exists()) == (-signal.SIGKILL, False)
    about_ours = [one for one in found(report) if one[1] != "order"]
    assert about_ours == []
    facts = await shop.fact_types()
    assert sorted(facts) == ["payment.declined", "payment.refunded", "payment.succeeded", "payment.succeeded"]
    assert (await shop.read(sale.payment_id))["refunded_amount"]["amount"] == "10.00"
    assert (await shop.read(unheard.payment_id))["status"] == "succeeded"
    (refund,) = (await shop.read(sale.payment_id))["refunds"]
    assert refund["status"] == "succeeded"
    keys = await shop.client.rows("SELECT count(*) AS n FROM ledger_transaction WHERE kind = 'fee'")
    assert keys[0]["n"] == report["compared"]["provider_movements"] - 1


async def run_apart(shop: Shop, root: Path) -> int | None:
    """Reconcile in a process of its own; answers how it ended."""
    arguments = (shop.client.runtime.database.url, str(shop.bank.address), str(root), API_KEY)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, *arguments)
    return await process.wait()
