"""Time that passes at once: what would be due later is due now, as if the clock had been put forward.

A row that was never given a time stays as it is, so what nobody would ever do is not done by this either.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from services.local.plan import Plan
from services.local.system import System

_LATER: Mapping[str, Sequence[str]] = {
    "order": ("UPDATE orders SET next_check_at = now() WHERE status = 'pending' AND next_check_at > now()",),
    "inventory": ("UPDATE hold SET ask_at = now() WHERE ask_at > now() AND held_at < now() - interval '5 seconds'",),
    "notification": ("UPDATE message SET next_at = now() WHERE state = 'pending' AND next_at > now()",),
    "payment": (
        "UPDATE attempt SET due_at = now() WHERE status IN ('open', 'requires_action') AND due_at > now()",
        "UPDATE refund SET due_at = now() WHERE status = 'pending' AND due_at > now()",
        "UPDATE webhook_event SET due_at = now() WHERE processed_at IS NULL AND due_at > now()",
        "UPDATE payment SET cancel_due_at = now() WHERE cancel_due_at > now()",
        "UPDATE payment SET debt_due_at = now() WHERE debt_due_at > now()",
    ),
}
_EVERYWHERE = "UPDATE parked_letter SET next_at = now() WHERE state = 'parked' AND next_at > now()"
_EXPIRE = "UPDATE orders SET expires_at = now() - interval '1 second', next_check_at = now() WHERE id = %s"
_ASK = "UPDATE hold SET ask_at = now(), confirmed = false, follow_at = NULL WHERE order_id = %s AND state = 'held'"
_IS_ASKED = "SELECT 1 AS found FROM hold WHERE order_id = %s AND ask_at IS NOT NULL"
_FORGET_MIRROR = "DELETE FROM provider_movement"
_DEBTS = "SELECT count(*) AS debts FROM outbox WHERE published_at IS NULL"
_FACT = """
SELECT event_id, topic, type, data FROM outbox
WHERE type = %s AND (data->>'order_id' = %s OR data->>'product_id' = %s) LIMIT 1
"""
_IS_PARKED = "SELECT 1 AS found FROM parked_letter WHERE id = %s"


class Clocks:
    """The timers of a running system, looked at and hurried from outside."""

    def __init__(self, system: System) -> None:
        """Of this system."""
        self._plan = Plan(system.state, system.ports)

    def hurry(self) -> None:
        """Let everything that waits for its time be due."""
        for service in self._plan.databases:
            for statement in (*_LATER.get(service, ()), _EVERYWHERE):
                self._run(service, statement)

    def expire(self, order_id: str) -> None:
        """Let the time to pay an order be over."""
        self._run("order", _EXPIRE, order_id)

    def ask_about(self, order_id: str) -> None:
        """Let inventory's patience with a hold be over, and let it not have heard that there is an order."""
        self._run("inventory", _ASK, order_id)

    def is_asked_about(self, order_id: str) -> bool:
        """Whether inventory has still to ask about a hold."""
        return bool(self._run("inventory", _IS_ASKED, order_id))

    def forget_mirror(self) -> None:
        """Let the payment service have lost its copy of the provider's balance: it is read again from the start."""
        self._run("payment", _FORGET_MIRROR)

    def is_parked(self, service: str, letter_id: str) -> bool:
        """Whether a service keeps a letter for later."""
        return bool(self._run(service, _IS_PARKED, letter_id))

    def debts(self) -> int:
        """How many facts are still to be published."""
        return sum(self._run(service, _DEBTS)[0]["debts"] for service in self._plan.databases)

    def fact(self, service: str, kind: str, about: str) -> dict[str, Any]:
        """A fact of a kind about an order or a product."""
        return self._run(service, _FACT, kind, about, about)[0]

    def _run(self, service: str, statement: str, *values: object) -> list[dict[str, Any]]:
        url = self._plan.cluster.url(service)
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []
