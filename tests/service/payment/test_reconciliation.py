"""Reconciling through the doors: who may, how far back it reads, one run at a time, and what it leaves behind."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from services.payment.app import reconciliation
from services.payment.clients.provider_double import Fault, Gate
from services.payment.domain.reconciliation import MovementKind
from services.payment.operations import reconciling
from services.payment.operations.reconciling import Pace
from services.payment.operations.till import Till
from services.payment.store import touched
from services.shared.identity import Role
from tests.conditions import eventually
from tests.service.payment.books import Books, found, line, repaired
from tests.service.payment.shop import Shop

PACE = Pace(
    every=timedelta(minutes=5),
    whole=timedelta(days=1),
    overlap=timedelta(minutes=2),
    grace=timedelta(minutes=5),
    patience=timedelta(seconds=7),
)


@pytest.fixture
def books(shop: Shop) -> Books:
    return Books(shop)


async def test_what_is_equal_everywhere_differs_in_nothing(shop: Shop, books: Books) -> None:
    sale = await books.sale()
    await shop.refund(sale.payment_id, "10.00")
    books.balance.add(MovementKind.PAYOUT, -1000, source="po_1")

    report = await books.reconcile()

    assert (report["is_equal"], found(report), report["repaired"]) == (True, [], [])
    assert line(report, "charge") == ("25.00", "25.00", "25.00")
    assert line(report, "refund") == ("-10.00", "-10.00", "-10.00")
    assert line(report, "fee") == (None, "-0.60", "-0.60")
    assert line(report, "payout") == (None, "-10.00", "-10.00")
    assert line(report, "balance") == (None, "4.40", "4.40")
    assert report["compared"] == {
        "orders": 1,
        "payments": 1,
        "refunds": 1,
        "ledger_transactions": 5,
        "provider_movements": 3,
    }
    assert (await books.latest()).json() == report


async def test_fees_and_payouts_are_booked_once_however_often_it_runs(shop: Shop, books: Books) -> None:
    await books.sale()
    books.balance.add(MovementKind.PAYOUT, -2000, source="po_1")
    books.balance.add(MovementKind.PAYOUT, 500, source="po_1")
    books.balance.add(MovementKind.FEE, -200)

    reports = [await books.reconcile() for _ in range(3)]

    assert [found(report) for report in reports] == [[], [], []]
    booked = {"stripe_clearing": 740, "revenue": -2500, "stripe_fees": 260, "bank": 1500}
    assert await shop.ledger() == booked
    keys = await shop.client.rows("SELECT idempotency_key, order_id FROM ledger_transaction WHERE kind = 'fee'")
    assert [row["idempotency_key"] for row in keys] == ["fee:txn_1", "fee:txn_4"]
    assert [row["order_id"] is not None for row in keys] == [True, False]


async def test_nothing_at_all_is_equal_too(books: Books) -> None:
    report = await books.reconcile()

    assert (report["is_equal"], report["sums"], report["period_from"]) == (True, [], None)


async def test_before_the_first_run_there_is_no_result(books: Books) -> None:
    answer = await books.latest()

    assert (answer.status_code, answer.json()["type"]) == (404, "nothing-reconciled")


@pytest.mark.parametrize("role", [Role.CUSTOMER])
async def test_only_staff_reconcile_and_read_the_result(books: Books, role: Role) -> None:
    asked, read = await books.ask(role), await books.latest(role)

    assert (asked.status_code, read.status_code) == (403, 403)


async def test_a_provider_that_is_away_leaves_a_failed_run_and_the_result_before_it(books: Books, shop: Shop) -> None:
    before = await books.reconcile()
    books.provider.go_wrong("movements", Fault.DROP_REQUEST)

    answer = await books.ask()

    assert (answer.status_code, answer.json()["type"]) == (503, "provider-unreadable")
    after = (await books.latest()).json()
    newest = after.pop("newest")
    assert (newest["status"], newest["id"] > after["id"]) == ("failed", True)
    assert after | {"newest": before["newest"]} == before
    runs = await shop.client.rows("SELECT status FROM reconciliation_run ORDER BY id")
    assert [run["status"] for run in runs] == ["complete", "failed"]


async def test_a_second_run_at_the_same_time_is_refused(books: Books) -> None:
    held = books.provider.gates["movements"] = Gate()
    first = asyncio.create_task(books.ask())
    await held.reached.wait()

    second = await books.ask()
    held.open()

    assert (second.status_code, second.json()["type"]) == (409, "reconciliation-running")
    assert (await first).status_code == 200
    assert (await books.ask()).status_code == 200


async def test_a_run_whose_lock_was_lost_and_the_one_that_overtook_it_do_no_harm_to_each_other(
    books: Books, shop: Shop
) -> None:
    await books.unheard()
    shop.clock.advance(minutes=6)
    held = books.provider.gates["movements.answer"] = Gate()
    first = asyncio.create_task(books.ask())
    await held.reached.wait()
    await books.lose_lock()
    second = asyncio.create_task(books.ask())
    held.open()

    await asyncio.gather(first, second)

    assert (await second).status_code in {200, 503}
    assert await shop.fact_types() == ["payment.declined", "payment.succeeded"]
    assert await shop.ledger() == {"stripe_clearing": 2440, "revenue": -2500, "stripe_fees": 60}


async def test_a_run_that_takes_longer_than_a_request_goes_on_by_itself(books: Books, shop: Shop) -> None:
    held = books.provider.gates["movements"] = Gate()
    async with reconciling.opened(shop.client.runtime.part(Till), replace(PACE, patience=timedelta(0))) as impatient:
        shop.client.runtime.add(impatient)

        answer = await books.ask()
        held.open()

        assert (answer.status_code, answer.json()) == (202, {"status": "running"})
        report = await eventually(lambda: _complete(books))
        assert report["is_equal"]


async def _complete(books: Books) -> Any:
    answer = await books.latest()
    return answer.json() if answer.status_code == 200 else None


async def test_a_run_that_goes_on_and_fails_is_told_in_the_log(
    books: Books, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    held = books.provider.gates["movements"] = Gate()
    books.provider.go_wrong("movements", Fault.DROP_REQUEST)
    async with reconciling.opened(shop.client.runtime.part(Till), replace(PACE, patience=timedelta(0))) as impatient:
        await impatient.now()
        held.open()

        assert await eventually(lambda: _said(capsys, "reconciliation.failed"))


async def _said(capsys: pytest.CaptureFixture[str], event: str) -> bool:
    return event in capsys.readouterr().out


async def test_a_service_that_stops_ends_a_run_and_the_next_one_does_what_is_left(books: Books, shop: Shop) -> None:
    await books.sale()
    held = books.provider.gates["movements"] = Gate()
    async with reconciling.opened(shop.client.runtime.part(Till), replace(PACE, patience=timedelta(0))) as impatient:
        await impatient.now()
        await held.reached.wait()
    del books.provider.gates["movements"]

    report = await books.reconcile()

    assert (report["is_equal"], line(report, "fee")) == (True, (None, "-0.60", "-0.60"))


async def test_the_timer_reconciles_when_it_is_time_and_says_when_it_cannot(
    books: Books, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = shop.client.runtime

    assert [await reconciliation.step(runtime) for _ in range(3)] == [False, False, False]
    once = books.provider.count("movements")
    shop.clock.advance(minutes=5)
    await reconciliation.step(runtime)
    twice = books.provider.count("movements")
    shop.clock.advance(minutes=5)
    books.provider.go_wrong("movements", Fault.DROP_REQUEST)
    await reconciliation.step(runtime)

    assert (once, twice) == (1, 2)
    assert "reconciliation.provider_away" in capsys.readouterr().out


async def test_the_timer_leaves_a_run_of_another_replica_alone(books: Books, shop: Shop) -> None:
    held = books.provider.gates["movements"] = Gate()
    other = asyncio.create_task(books.ask())
    await held.reached.wait()

    await reconciliation.step(shop.client.runtime)
    held.open()
    await other

    assert books.provider.count("movements") == 1


async def test_a_long_list_is_read_page_by_page(books: Books, shop: Shop) -> None:
    books.balance.page_size = 2
    for n in range(5):
        books.balance.add(MovementKind.PAYOUT, -100, source=f"po_{n}")

    report = await books.reconcile()

    assert report["compared"]["provider_movements"] == 5
    assert books.provider.count("movements") == 3
    assert await shop.ledger() == {"bank": 500, "stripe_clearing": -500}


async def test_what_was_read_is_read_again_only_as_far_back_as_times_may_be_late(books: Books) -> None:
    books.balance.page_size = 1
    newest = books.balance.add(MovementKind.PAYOUT, -100, source="po_0")
    for n in range(1, 5):
        books.balance.add(MovementKind.PAYOUT, -100, source=f"po_{n}")
        books.alter(created_at=newest.created_at - timedelta(minutes=4 - n))
    first = await books.reconcile()
    books.balance.add(MovementKind.PAYOUT, -100, source="po_late")
    books.alter(created_at=newest.created_at - timedelta(minutes=1))
    before = books.provider.count("movements")

    second = await books.reconcile()

    assert (first["compared"]["provider_movements"], second["compared"]["provider_movements"]) == (5, 6)
    assert books.provider.count("movements") - before == 5
    assert second["period_from"] < second["period_to"] == first["period_to"]


async def failing(books: Books) -> int:
    """Reconcile while the newest movement leaves the list under the reader; answers with which status."""
    held = books.provider.gates["movements.answer"] = Gate()
    asked = asyncio.create_task(books.ask())
    await held.reached.wait()
    books.balance.movements.pop()
    held.open()
    return (await asked).status_code


async def test_a_copy_of_the_balance_that_was_lost_is_read_again_from_the_start(books: Books, shop: Shop) -> None:
    await books.sale()
    await books.reconcile(minutes=60)
    books.balance.add(MovementKind.PAYOUT, -100, source="po_1")
    books.alter(created_at=shop.clock())
    await books.reconcile()
    await shop.client.rows("DELETE FROM provider_movement RETURNING id")

    report = await books.reconcile()

    assert (report["is_equal"], found(report)) == (True, [])
    assert report["compared"]["provider_movements"] == 2


async def test_a_lost_copy_is_read_again_from_the_start_although_reading_it_has_failed(
    books: Books, shop: Shop
) -> None:
    await books.sale()
    await books.reconcile(minutes=60)
    books.balance.add(MovementKind.PAYOUT, -100, source="po_1")
    books.alter(created_at=shop.clock())
    await books.reconcile()
    await shop.client.rows("DELETE FROM provider_movement RETURNING id")
    books.balance.page_size = 1
    assert await failing(books) == 503

    report = await books.reconcile()

    assert (report["is_equal"], found(report)) == (True, [])
    assert report["compared"]["provider_movements"] == 2


async def test_a_list_that_changes_under_the_reader_leaves_a_failed_run(books: Books, shop: Shop) -> None:
    books.balance.page_size = 1
    for n in range(2):
        books.balance.add(MovementKind.PAYOUT, -100, source=f"po_{n}")

    assert await failing(books) == 503

    assert (await shop.client.rows("SELECT status FROM reconciliation_run"))[0]["status"] == "failed"


async def test_every_new_difference_is_told_once_in_the_log(books: Books, capsys: pytest.CaptureFixture[str]) -> None:
    books.balance.add(MovementKind.OTHER, -700, source="x_1")

    for _ in range(2):
        await books.reconcile()

    assert capsys.readouterr().out.count("reconciliation.differs") == 1


async def test_a_difference_that_comes_right_is_resolved_and_counts_as_no_repair(books: Books, shop: Shop) -> None:
    sale = await books.sale()
    kept = list(books.balance.movements)
    books.forget(MovementKind.CHARGE)
    before = await books.reconcile()
    books.balance.movements = kept

    after = await books.reconcile()

    assert found(before) == [("missing_there", "charge", sale.intent_id)]
    assert (found(after), repaired(after), after["is_equal"]) == ([], [], True)
    (row,) = await shop.client.rows("SELECT resolved_at, last_seen FROM reconciliation_difference")
    assert row["resolved_at"] > row["last_seen"]


async def test_fees_belong_to_the_ledger_without_an_order_and_captures_do_not(shop: Shop) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        await shop.client.rows(
            "INSERT INTO ledger_transaction (id, idempotency_key, kind, at)"
            " VALUES (gen_random_uuid(), 'capture:x', 'capture', now()) RETURNING id"
        )


async def test_a_list_that_could_not_be_read_to_its_end_is_read_on_from_there(books: Books) -> None:
    books.balance.page_size = 1
    for n in range(3):
        books.balance.add(MovementKind.PAYOUT, -100, source=f"po_{n}")
    held = books.provider.gates["movements.answer"] = Gate()
    asked = asyncio.create_task(books.ask())
    await held.reached.wait()
    books.provider.go_wrong("movements", Fault.DROP_REQUEST)
    held.open()
    failed = (await asked).status_code
    before = len(books.provider.calls)

    report = await books.reconcile()

    places = [place for name, place in books.provider.calls[before:] if name == "movements"]
    assert (failed, places) == (503, ["txn_3", "txn_2", "", "txn_3", "txn_2"])
    assert (report["compared"]["provider_movements"], report["is_equal"]) == (3, True)


async def test_a_run_that_a_mistake_of_ours_ends_has_failed_and_is_not_repeated_at_once(
    books: Books, shop: Shop
) -> None:
    books.balance.add(MovementKind.PAYOUT, -100, source="po_1", refund_id="no id at all")
    runtime = shop.client.runtime

    with pytest.raises(DBAPIError):
        await reconciliation.step(runtime)
    await reconciliation.step(runtime)

    runs = await shop.client.rows("SELECT status FROM reconciliation_run")
    assert [run["status"] for run in runs] == ["failed"]


async def test_a_run_whose_process_died_is_not_repeated_at_once(books: Books, shop: Shop) -> None:
    await shop.client.rows("INSERT INTO reconciliation_run (status, began_at) VALUES ('running', now()) RETURNING id")

    await reconciliation.step(shop.client.runtime)

    assert books.provider.count("movements") == 0


async def test_the_timer_compares_what_has_changed_and_once_a_day_everything(books: Books, shop: Shop) -> None:
    await books.sale()
    await books.reconcile()
    await long_ago(shop)
    await books.sale()

    narrow = await books.when_due()
    shop.clock.advance(days=1)
    whole = await books.when_due()

    assert (narrow["compared"]["payments"], narrow["compared"]["provider_movements"]) == (1, 1)
    assert (narrow["is_equal"], line(narrow, "charge"), line(narrow, "fee")[1]) == (True, ("25.00",) * 3, "-0.60")
    assert narrow["compared_since"] is not None
    assert (whole["compared"]["payments"], whole["compared_since"]) == (2, None)


async def long_ago(shop: Shop) -> None:
    """Let the newest comparison be later than all that has changed by now."""
    await shop.client.rows("UPDATE reconciliation_run SET compared_at = now() + interval '2 minutes' RETURNING id")


async def test_a_run_of_what_changed_finds_what_a_run_of_everything_finds(books: Books, shop: Shop) -> None:
    await books.reconcile()
    sale = await books.shipped()
    reference = await books.by_hand(sale, 500)
    books.balance.charge("pi_other", 2500, currency="EUR", order_id=str(sale.order.id))
    books.balance.add(MovementKind.OTHER, -700, source="x_1")
    shop.clock.advance(minutes=6)

    narrow = await books.when_due()
    whole = await books.reconcile()

    assert repaired(narrow) == [("missing_here", "refund", reference)]
    assert found(narrow) == found(whole) == [("missing_here", "other", "x_1"), ("duplicate", "charge", "pi_other")]


async def test_what_differed_is_compared_again_although_nothing_of_it_has_changed(books: Books, shop: Shop) -> None:
    sale = await books.sale()
    books.forget(MovementKind.CHARGE)
    await books.reconcile(minutes=1)
    await long_ago(shop)

    shop.clock.advance(minutes=6)
    report = await books.when_due()

    assert found(report) == [("missing_there", "charge", sale.intent_id)]


async def test_more_changes_than_are_worth_picking_out_are_compared_with_everything(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    await books.sale()
    await books.reconcile()
    monkeypatch.setattr(touched, "MOST", 1)

    report = await books.when_due()

    assert (report["compared"]["payments"], report["compared_since"]) == (1, None)


async def test_what_is_old_is_forgotten_and_the_newest_result_is_not(books: Books, shop: Shop) -> None:
    books.balance.add(MovementKind.OTHER, -700, source="x_1")
    await books.reconcile()
    books.balance.movements.clear()
    await shop.client.rows("DELETE FROM provider_movement RETURNING id")
    await books.reconcile()
    resolved = await shop.client.rows("SELECT id FROM reconciliation_difference")

    await books.reconcile(days=31)
    await books.reconcile(days=31)

    assert len(resolved) == 1
    assert await shop.client.rows("SELECT id FROM reconciliation_difference") == []
    assert len(await shop.client.rows("SELECT id FROM reconciliation_run")) == 1


async def test_what_was_late_and_arrived_leaves_nothing_behind(books: Books, shop: Shop) -> None:
    await books.sale()
    kept = list(books.balance.movements)
    books.forget(MovementKind.CHARGE)
    early = await books.reconcile(minutes=1)
    books.balance.movements = kept

    await books.reconcile()

    assert [kind for kind, _, _ in found(early)] == ["late"]
    assert await shop.client.rows("SELECT id FROM reconciliation_difference") == []
