"""The clients' histories against the shop: what they were told happened has happened, and nothing else.

A history is JSON Lines in Jepsen's form: `invoke`, then `ok` (it happened), `fail` (it did not) or `info` (nobody
knows), which must then have happened whole or not at all. It is sorted in a temporary SQLite database, not in memory.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from services.local.audit.checks import HISTORY, Compare, Count, Found, Join, Rows, Side, Times, Told
from services.order.operations.checkout import OPERATION
from services.shared.idempotency import command_id

_SCHEMA = """
CREATE TABLE operation (
    id TEXT PRIMARY KEY,
    f TEXT NOT NULL,
    outcome TEXT NOT NULL DEFAULT 'info',
    principal TEXT,
    key TEXT,
    lines TEXT,
    due_id TEXT,
    order_id TEXT,
    refund_id TEXT,
    amount INTEGER,
    status TEXT
)
"""
_INVOKE = """
INSERT OR IGNORE INTO operation (id, f, principal, key, lines, due_id, order_id, amount)
VALUES (:id, :f, :user_id, :key, :lines, :due_id, :order_id, :amount_minor)
"""
_END = """
UPDATE operation SET outcome = :type, order_id = coalesce(:order_id, order_id), refund_id = :refund_id, status = :status
WHERE id = :id
"""
_INDEX = "CREATE INDEX operation_of_order ON operation (order_id)"
_TOLD = ("key", "user_id", "order_id", "refund_id", "amount_minor", "status")


def gathered(histories: Iterable[Path]) -> sqlite3.Connection:
    """The operations of some histories, each with how it ended, in a database that goes when it is closed."""
    database = sqlite3.connect("", check_same_thread=False)
    database.execute(_SCHEMA)
    for history in histories:
        with history.open() as lines:
            for line in lines:
                if line.endswith("\n"):  # the last one is cut off where a client was killed
                    _keep(database, json.loads(line))
    database.execute(_INDEX)
    database.commit()
    return database


def _keep(database: sqlite3.Connection, entry: Mapping[str, Any]) -> None:
    value = entry["value"]
    told = {name: value.get(name) for name in _TOLD}
    operation = {"id": entry["id"], "f": entry["f"], "type": entry["type"], "lines": None, "due_id": None, **told}
    if entry["type"] != "invoke":
        database.execute(_END, operation)
        return
    if entry["f"] == "place":
        due_id = _order_id(value)
        operation |= {"due_id": due_id, "order_id": due_id, "lines": _lines(value["items"])}
    database.execute(_INVOKE, operation)


def _order_id(place: Mapping[str, Any]) -> str:
    return str(command_id(UUID(place["user_id"]), OPERATION, place["key"]))


def _lines(items: Iterable[Mapping[str, Any]]) -> str:
    """As the statements below write an order's lines."""
    quantities: dict[str, int] = {}
    for item in items:
        quantities[item["product_id"]] = quantities.get(item["product_id"], 0) + item["quantity"]
    return ", ".join(f"{product_id} x {quantities[product_id]}" for product_id in sorted(quantities))


KEY_GAVE_TWO_ORDERS = """
SELECT key AS subject, principal, group_concat(DISTINCT order_id) AS orders FROM operation
WHERE f = 'place' AND outcome = 'ok' GROUP BY principal, key HAVING count(DISTINCT order_id) > 1
"""
KEY_GAVE_ANOTHER_ORDER = """
SELECT key AS subject, principal, due_id AS due, order_id AS given FROM operation
WHERE f = 'place' AND outcome = 'ok' AND order_id <> due_id
"""
KEY_TOOK_TWO_BODIES = """
SELECT key AS subject, principal, group_concat(DISTINCT lines) AS lines FROM operation
WHERE f = 'place' AND outcome = 'ok' GROUP BY principal, key HAVING count(DISTINCT lines) > 1
"""
ORDER_WAS_GIVEN_TWICE = """
SELECT order_id AS subject, principal, group_concat(DISTINCT key) AS keys FROM operation
WHERE f = 'place' AND outcome = 'ok' GROUP BY order_id HAVING count(DISTINCT key) > 1
"""
_ASKED = """
SELECT order_id AS id, max(principal) AS user_id,
    max(f = 'place') AS was_placed, max(f = 'place' AND outcome = 'ok') AS is_placed,
    max(f = 'place' AND outcome = 'info') AS may_be_placed,
    max(CASE WHEN f = 'place' AND outcome <> 'fail' THEN lines END) AS lines,
    max(f = 'pay') AS was_paid, max(f = 'pay' AND outcome = 'ok' AND status = 'succeeded') AS is_paid,
    max(f = 'pay' AND outcome <> 'fail') AS may_be_paid,
    max(f = 'cancel' AND outcome = 'ok') AS is_cancelled
FROM operation WHERE order_id IS NOT NULL GROUP BY order_id ORDER BY order_id
"""
_ORDER = """
SELECT id::text AS id, user_id::text AS user_id, status, lines.lines
FROM orders JOIN (
    SELECT order_id, string_agg(product_id || ' x ' || quantity, ', ' ORDER BY product_id) AS lines
    FROM order_line GROUP BY order_id
) AS lines ON lines.order_id = orders.id
ORDER BY orders.id
"""
_PAYMENT = "SELECT order_id::text AS id, captured_minor FROM payment ORDER BY payment.order_id"
_ASKED_REFUND = """
SELECT refund_id AS id, max(amount) AS amount FROM operation
WHERE f = 'refund' AND outcome = 'ok' AND refund_id IS NOT NULL GROUP BY refund_id ORDER BY refund_id
"""
_REFUND = "SELECT id::text AS id, amount_minor, status FROM refund ORDER BY refund.id"


def _order_lost(found: Found, _: Times) -> Told | None:
    is_lost = found.asked is not None and found.asked.is_placed and found.order is None
    return {"user_id": found.asked.user_id, "lines": found.asked.lines} if is_lost else None


def _order_differs(found: Found, _: Times) -> Told | None:
    if found.asked is None or found.order is None or found.asked.lines is None:
        return None
    asked, placed = (found.asked.user_id, found.asked.lines), (found.order.user_id, found.order.lines)
    return {"asked": asked, "placed": placed} if asked != placed else None


def _order_unasked(found: Found, _: Times) -> Told | None:
    if found.asked is None or found.order is None or not found.asked.was_placed:
        return None
    is_refused = not (found.asked.is_placed or found.asked.may_be_placed)
    return {"status": found.order.status} if is_refused else None


def _payment_lost(found: Found, _: Times) -> Told | None:
    if found.asked is None or not found.asked.is_paid or (found.payment and found.payment.captured_minor):
        return None
    return {"captured": 0}


def _charged_though_declined(found: Found, _: Times) -> Told | None:
    if found.asked is None or not found.asked.was_paid or found.asked.may_be_paid or found.payment is None:
        return None
    return {"captured": found.payment.captured_minor} if found.payment.captured_minor else None


def _cancellation_lost(found: Found, _: Times) -> Told | None:
    if found.asked is None or not found.asked.is_cancelled:
        return None
    status = found.order.status if found.order else None
    return {"status": status} if status not in {"cancelled", "refunded"} else None


def _refund_lost(found: Found, _: Times) -> Told | None:
    if found.asked is None:
        return None
    refund = found.refund
    if refund is not None and found.asked.amount in {None, refund.amount_minor}:
        return None
    return {"asked": found.asked.amount, "refund": refund.amount_minor if refund else None}


ROWS = (
    Rows(invariant="I2", name="key-gave-two-orders", service=HISTORY, finds=KEY_GAVE_TWO_ORDERS),
    Rows(invariant="I2", name="key-gave-another-order", service=HISTORY, finds=KEY_GAVE_ANOTHER_ORDER),
    Rows(invariant="I2", name="key-took-two-bodies", service=HISTORY, finds=KEY_TOOK_TWO_BODIES),
    Rows(invariant="I2", name="order-given-twice", service=HISTORY, finds=ORDER_WAS_GIVEN_TWICE),
)
OPERATIONS = Join(
    sides={
        "asked": Side(service=HISTORY, rows=_ASKED),
        "payment": Side(service="payment", rows=_PAYMENT),
        "order": Side(service="order", rows=_ORDER),
    },
    compares=(
        Compare(invariant="I1", name="acknowledged-order-lost", wrong=_order_lost),
        Compare(invariant="I1", name="acknowledged-order-differs", wrong=_order_differs),
        Compare(invariant="I1", name="refused-order-exists", wrong=_order_unasked),
        Compare(invariant="I4", name="acknowledged-payment-lost", wrong=_payment_lost),
        Compare(invariant="I4", name="charged-though-declined", wrong=_charged_though_declined),
        Compare(invariant="I6", name="acknowledged-cancellation-lost", wrong=_cancellation_lost),
    ),
)
REFUNDS = Join(
    sides={"asked": Side(service=HISTORY, rows=_ASKED_REFUND), "refund": Side(service="payment", rows=_REFUND)},
    compares=(Compare(invariant="I5", name="acknowledged-refund-lost", wrong=_refund_lost),),
)
_ACKNOWLEDGED = "SELECT count(DISTINCT order_id) FROM operation WHERE f = 'place' AND outcome = 'ok'"
COUNTS = (Count(invariant="I1", noun="acknowledged", service=HISTORY, counts=_ACKNOWLEDGED),)
