"""Every check sees what it is there for, and nothing else sees it: one wrong row, exactly that finding."""

from dataclasses import dataclass

import pytest

from services.local.audit.auditing import JOINS, ROWS
from services.local.audit.checks import HISTORY
from tests.service.local.audit.conftest import STAND_IN, Case

EVERYWHERE = ("user", "product", "inventory", "order", "payment", "notification")
LETTER = (
    "INSERT INTO parked_letter (id, topic, letter, parked_at, next_at, state)"
    " SELECT gen_random_uuid(), 'orders', '{}', now() - age, now() + interval '1 hour', state"
    " FROM (VALUES (interval '%s', '%s')) AS given (age, state)"
)
ATTEMPT = (
    "INSERT INTO attempt SELECT gen_random_uuid(), payment_id, n + 1, payment_method, 'open', fingerprint, NULL, NULL,"
    " NULL, true, 0, due_at, at FROM attempt WHERE payment_id = %(paid_payment)s"
)
REFUND = (
    "INSERT INTO refund SELECT gen_random_uuid(), payment_id, 1, currency, reason, 'pending', NULL, false, 0, due_at,"
    " created_at FROM refund WHERE payment_id = %(delivered_payment)s"
)
ONE_LESS = (
    "UPDATE object SET body = json_set(body, '$.amount', json_extract(body, '$.amount') - 100)"
    " WHERE kind = 'balance_transaction' AND json_extract(body, '$.type') = "
)


@dataclass(frozen=True)
class Wrong:
    """A statement that spoils something, and which checks must see it."""

    checks: str
    service: str
    statements: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.service}: {self.checks}"


def wrong(checks: str, service: str, *statements: str) -> Wrong:
    return Wrong(checks, service, statements)


PLANTED = [
    wrong(
        "level-oversold level-unaccounted reserved-unheld availability-differs",
        "inventory",
        "ALTER TABLE stock_level DROP CONSTRAINT stock_level_is_never_oversold",
        "UPDATE stock_level SET reserved = on_hand + 1 WHERE product_id = %(rug)s",
    ),
    wrong(
        "level-unaccounted availability-differs",
        "inventory",
        "UPDATE stock_level SET on_hand = on_hand + 1 WHERE product_id = %(rug)s",
    ),
    wrong(
        "reserved-unheld hold-unaccounted hold-differs",
        "inventory",
        "UPDATE hold_line SET quantity = quantity + 1 WHERE order_id = %(pending)s",
    ),
    wrong(
        "hold-unaccounted level-unaccounted",
        "inventory",
        "DELETE FROM stock_entry WHERE order_id = %(paid)s AND kind = 'committed'",
    ),
    wrong(
        "hold-empty hold-unaccounted hold-differs",
        "inventory",
        "DELETE FROM hold_line WHERE order_id = %(paid)s",
    ),
    wrong("hold-untold", "inventory", "UPDATE hold SET version = version + 1 WHERE order_id = %(paid)s"),
    wrong(
        "level-untold",
        "inventory",
        "DELETE FROM outbox WHERE type = 'stock.set' AND aggregate_id = %(rug)s",
    ),
    wrong(
        "order-overdue",
        "order",
        "UPDATE orders SET expires_at = now() - interval '1 minute' WHERE id = %(pending)s",
    ),
    wrong(
        "order-incomplete hold-differs",
        "order",
        "UPDATE order_line SET quantity = quantity + 1 WHERE order_id = %(pending)s",
    ),
    wrong(
        "placement-contradicted abandoned-hold-kept",
        "order",
        "UPDATE placement SET outcome = 'abandoned' WHERE order_id = %(pending)s",
    ),
    wrong(
        "cart-ordered-twice",
        "order",
        "ALTER TABLE orders DROP CONSTRAINT orders_cart_id_key",
        "UPDATE orders SET cart_id = %(ada)s WHERE id IN (%(pending)s, %(paid)s)",
    ),
    wrong("order-untold order-history-differs", "order", "UPDATE orders SET version = 7 WHERE id = %(paid)s"),
    wrong(
        "order-history-differs",
        "order",
        "UPDATE order_history SET status = 'shipped' WHERE order_id = %(paid)s AND status = 'paid'",
    ),
    wrong(
        "captured-in-part payment-unbooked payment-untold money-untaken capture-differs",
        "payment",
        "UPDATE payment SET captured_minor = captured_minor - 1 WHERE order_id = %(paid)s",
    ),
    wrong(
        "attempts-succeeded-twice",
        "payment",
        ATTEMPT.replace("'open'", "'succeeded'"),
    ),
    wrong(
        "success-uncaptured",
        "payment",
        "UPDATE attempt SET status = 'succeeded' WHERE payment_id = %(cancelled_payment)s",
    ),
    wrong("payment-contradictory", "payment", "UPDATE payment SET status = 'failed' WHERE order_id = %(paid)s"),
    wrong(
        "refunded-too-much refund-pending",
        "payment",
        REFUND.replace(" 1,", " 5000,"),
    ),
    wrong(
        "refunds-unaccounted",
        "payment",
        "UPDATE refund SET amount_minor = amount_minor - 1 WHERE payment_id = %(delivered_payment)s",
    ),
    wrong(
        "attempt-open",
        "payment",
        ATTEMPT,
    ),
    wrong(
        "refund-pending",
        "payment",
        REFUND,
    ),
    wrong(
        "webhook-unheeded",
        "payment",
        "INSERT INTO webhook_event VALUES ('evt_1', 'charge.refunded', 'ch_1', now(), now())",
    ),
    wrong("payment-untold", "payment", "UPDATE payment SET version = version + 1 WHERE order_id = %(paid)s"),
    wrong(
        "transaction-unbalanced ledger-unbalanced",
        "payment",
        "UPDATE ledger_entry SET amount_minor = amount_minor - 1 WHERE account = 'revenue' AND transaction_id ="
        " (SELECT id FROM ledger_transaction WHERE kind = 'capture' AND order_id = %(paid)s)",
    ),
    wrong(
        "ledger-unbalanced transaction-unbalanced",
        "payment",
        "INSERT INTO ledger_entry VALUES (gen_random_uuid(), 'bank', 1, 'EUR')",
    ),
    wrong(
        "transaction-empty payment-unbooked",
        "payment",
        "DELETE FROM ledger_entry USING ledger_transaction"
        " WHERE ledger_transaction.id = transaction_id AND kind = 'capture' AND order_id = %(paid)s",
    ),
    wrong(
        "payment-unbooked",
        "payment",
        "DELETE FROM ledger_entry USING ledger_transaction"
        " WHERE ledger_transaction.id = transaction_id AND kind = 'capture' AND order_id = %(paid)s",
        "DELETE FROM ledger_transaction WHERE kind = 'capture' AND order_id = %(paid)s",
    ),
    *(
        wrong(
            "fact-unpublished", service, "UPDATE outbox SET published_at = NULL WHERE id = (SELECT max(id) FROM outbox)"
        )
        for service in EVERYWHERE
    ),
    wrong(
        "facts-incomplete timeline-invents letters-differ inbox-differs",
        "order",
        "DELETE FROM outbox WHERE aggregate_id = %(delivered)s AND type = 'order.shipped'",
    ),
    *(wrong("letter-dead", service, LETTER % ("1 minute", "dead")) for service in EVERYWHERE),
    *(wrong("letter-overdue", service, LETTER % ("26 hours", "parked")) for service in EVERYWHERE),
    wrong(
        "message-untold",
        "notification",
        "DELETE FROM outbox WHERE type = 'notification.sent' AND data ->> 'order_id' = %(paid)s::text",
    ),
    wrong(
        "effect-told-twice order-untold payable-differs timeline-lacks letters-differ inbox-differs",
        "order",
        "INSERT INTO outbox (event_id, topic, type, aggregate_id, version, at, data, published_at)"
        " SELECT gen_random_uuid(), topic, type, aggregate_id, version + 1, at, data, published_at FROM outbox"
        " WHERE aggregate_id = %(paid)s AND type = 'order.paid'",
    ),
    wrong(
        "message-unsent",
        "notification",
        "UPDATE message SET state = 'pending', sent_at = NULL WHERE order_id = %(paid)s",
    ),
    wrong(
        "import-unfinished",
        "product",
        "INSERT INTO import_job (id, status, total, created_at) "
        " VALUES (gen_random_uuid(), 'queued', 1, now() - interval '1 hour')",
    ),
    wrong(
        "hold-missing reserved-unheld hold-unaccounted hold-untold",
        "inventory",
        "DELETE FROM hold_line WHERE order_id = %(pending)s",
        "DELETE FROM hold WHERE order_id = %(pending)s",
    ),
    wrong("hold-differs", "inventory", "UPDATE hold SET user_id = gen_random_uuid() WHERE order_id = %(paid)s"),
    wrong(
        "hold-unasked hold-untold hold-unaccounted reserved-unheld",
        "inventory",
        "UPDATE hold SET order_id = %(stranger)s, state = 'held', ask_at = now() WHERE order_id = %(abandoned)s",
        "UPDATE hold_line SET order_id = %(stranger)s WHERE order_id = %(abandoned)s",
    ),
    wrong(
        "hold-without-order hold-untold hold-unaccounted",
        "inventory",
        "UPDATE hold SET state = 'committed' WHERE order_id = %(abandoned)s",
    ),
    wrong(
        "abandoned-hold-kept hold-untold hold-unaccounted reserved-unheld",
        "inventory",
        "UPDATE hold SET state = 'held', confirmed = true, follow_at = now() WHERE order_id = %(abandoned)s",
    ),
    wrong(
        "pending-without-stock hold-untold hold-unaccounted reserved-unheld",
        "inventory",
        "UPDATE hold SET state = 'released', follow_at = NULL WHERE order_id = %(pending)s",
    ),
    wrong("amount-differs", "payment", "UPDATE payment SET user_id = gen_random_uuid() WHERE order_id = %(paid)s"),
    wrong(
        "order-missing",
        "payment",
        "INSERT INTO payable VALUES (gen_random_uuid(), gen_random_uuid(), 1, 'EUR', 'open', 1, 'pending')",
    ),
    wrong(
        "stock-kept hold-untold hold-unaccounted",
        "inventory",
        "UPDATE hold SET state = 'committed' WHERE order_id = %(refunded)s",
    ),
    wrong(
        "money-kept payment-contradictory refunds-unaccounted payment-unbooked payment-untold refund-differs",
        "payment",
        "UPDATE payment SET refunded_minor = 0 WHERE order_id = %(refunded)s",
    ),
    wrong(
        "refund-unheard order-untold order-history-differs payable-differs",
        "order",
        "UPDATE orders SET status = 'cancelled' WHERE id = %(refunded)s",
    ),
    wrong(
        "payment-unheard order-untold order-history-differs payable-differs pending-without-stock",
        "order",
        "UPDATE orders SET status = 'pending' WHERE id = %(paid)s",
    ),
    wrong(
        "stock-uncommitted hold-untold hold-unaccounted",
        "inventory",
        "UPDATE hold SET state = 'released', follow_at = NULL WHERE order_id = %(paid)s",
    ),
    wrong("money-untaken", "order", "UPDATE orders SET payment_id = gen_random_uuid() WHERE id = %(paid)s"),
    wrong(
        "payment-untold-to-order order-untold timeline-invents letters-differ inbox-differs",
        "order",
        "DELETE FROM outbox WHERE aggregate_id = %(paid)s AND type = 'order.paid'",
    ),
    wrong(
        "cancellation-undone",
        "payment",
        "UPDATE payment SET cancel_due_at = now() + interval '1 hour' WHERE order_id = %(cancelled)s",
    ),
    wrong(
        "hold-unconfirmed",
        "inventory",
        "UPDATE hold SET confirmed = false, ask_at = now() + interval '1 hour', follow_at = NULL"
        " WHERE order_id = %(pending)s",
    ),
    wrong("disputes-unaccounted", "payment", "UPDATE payment SET disputed_minor = 1 WHERE order_id = %(paid)s"),
    wrong("debt-overdue", "payment", "UPDATE payment SET debt_due_at = now() WHERE order_id = %(paid)s"),
    wrong("debt-unbooked", "payment", "UPDATE payment SET owed_minor = 1 WHERE order_id = %(paid)s"),
    wrong(
        "dispute-hold-kept",
        "payment",
        "INSERT INTO ledger_transaction VALUES (%(stranger)s, 'x', 'dispute_withdrawn', %(paid)s, now())",
        "INSERT INTO ledger_entry VALUES (%(stranger)s, 'dispute_hold', 1, 'EUR'), (%(stranger)s, 'bank', -1, 'EUR')",
    ),
    wrong(
        "debt-forgotten money-kept disputes-unaccounted",
        "payment",
        "ALTER TABLE payment DROP CONSTRAINT payment_lost_minor_check",
        "UPDATE payment SET lost_minor = -1 WHERE order_id = %(cancelled)s",
    ),
    wrong(
        "debt-left-to-people debt-unbooked",
        "payment",
        "UPDATE payment SET owed_minor = 1, debt_tries = 10 WHERE order_id = %(paid)s",
    ),
    wrong(
        "dispute-differs",
        STAND_IN,
        "INSERT INTO object (id, kind, created, body)"
        " SELECT 'txn_2', kind, created, json_set(body, '$.type', 'adjustment') FROM object"
        " WHERE kind = 'balance_transaction' AND json_extract(body, '$.type') = 'charge' LIMIT 1",
    ),
    wrong(
        "movement-unbooked",
        "payment",
        "UPDATE ledger_entry SET amount_minor = amount_minor * 2 WHERE transaction_id ="
        " (SELECT id FROM ledger_transaction WHERE kind = 'fee' LIMIT 1)",
    ),
    wrong(
        "difference-unresolved",
        "payment",
        "INSERT INTO reconciliation_difference (subject, subject_id, difference, currency, first_seen, last_seen,"
        " first_run, last_run) VALUES ('charge', 'ch_1', 'amount', 'EUR', now(), now(), 1, 1)",
    ),
    wrong("payable-missing", "payment", "DELETE FROM payable WHERE order_id = %(pending)s"),
    wrong("payable-differs", "payment", "UPDATE payable SET order_version = 1 WHERE order_id = %(paid)s"),
    wrong("payable-state-differs", "payment", "UPDATE payable SET state = 'closed' WHERE order_id = %(pending)s"),
    wrong("payable-state-differs", "payment", "UPDATE payable SET state = 'open' WHERE order_id = %(paid)s"),
    wrong(
        "timeline-lacks",
        "order",
        "DELETE FROM document WHERE collection = 'timeline' AND body ->> 'type' = 'order.delivered'",
    ),
    wrong(
        "timeline-differs",
        "order",
        "UPDATE document SET key = 'another' WHERE collection = 'timeline' AND body ->> 'type' = 'order.delivered'",
    ),
    wrong(
        "timeline-invents",
        "order",
        "INSERT INTO document VALUES ('timeline', gen_random_uuid(), %(paid)s, now(), '{\"source\": \"order\"}')",
    ),
    wrong("availability-differs", "product", "UPDATE availability SET reserved = 0 WHERE product_id = %(lamp)s"),
    wrong("recipient-differs", "notification", "UPDATE recipient SET version = 0 WHERE user_id = %(ada)s"),
    wrong(
        "letters-differ",
        "notification",
        "DELETE FROM message WHERE order_id = %(paid)s AND template = 'order-paid'",
    ),
    wrong(
        "message-withheld",
        "notification",
        "UPDATE message SET state = 'unwanted', sent_at = NULL WHERE order_id = %(paid)s AND template = 'order-paid'",
    ),
    wrong(
        "inbox-differs",
        "notification",
        "INSERT INTO document SELECT collection, gen_random_uuid(), key, at, body FROM document"
        " WHERE collection = 'inbox' AND body ->> 'type' = 'order-placed' LIMIT 1",
    ),
    wrong(
        "charged-twice",
        STAND_IN,
        "INSERT INTO object (id, kind, created, body) SELECT 'ch_2', kind, created, body FROM object"
        " WHERE kind = 'charge' AND json_extract(body, '$.metadata.order_id') = :paid",
    ),
    wrong(
        "capture-differs",
        STAND_IN,
        ONE_LESS + "'charge'",
    ),
    wrong(
        "refund-differs",
        STAND_IN,
        ONE_LESS + "'refund'",
    ),
]


@pytest.mark.parametrize("planted", PLANTED, ids=str)
async def test_a_wrong_row_is_found_by_exactly_the_checks_that_it_concerns(case: Case, planted: Wrong) -> None:
    case.plant(planted.service, *planted.statements)

    assert await case.found() == set(planted.checks.split())


def test_every_check_has_a_wrong_row() -> None:
    planted = {planted.checks.split()[0] for planted in PLANTED}
    named = {rows.name for rows in ROWS if rows.service != HISTORY}
    named |= {one.name for join in JOINS if HISTORY not in _services(join) for one in join.compares}

    assert named == planted


def _services(join: object) -> set[str]:
    return {side.service for side in join.sides.values()}  # type: ignore[attr-defined]
