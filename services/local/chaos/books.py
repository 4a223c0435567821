"""What must be zero, counted from the databases and the provider's records, and not by the services' own words."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import LiteralString

import psycopg

from services.local.plan import Plan
from services.local.system import System

OVERSOLD: LiteralString = """
SELECT coalesce(sum(
    greatest(-coalesce(level.on_hand, 0), -coalesce(level.reserved, 0), level.reserved - level.on_hand, 0)
    + abs(coalesce(level.on_hand, 0) - coalesce(booked.on_hand, 0))
    + abs(coalesce(level.reserved, 0) - coalesce(booked.reserved, 0))
    + abs(coalesce(level.reserved, 0) - coalesce(held.quantity, 0))
), 0)::bigint
FROM stock_level AS level FULL JOIN (
    SELECT product_id, sum(on_hand_change) AS on_hand, sum(reserved_change) AS reserved
    FROM stock_entry GROUP BY product_id
) AS booked USING (product_id) FULL JOIN (
    SELECT product_id, sum(quantity) AS quantity
    FROM hold_line JOIN hold USING (order_id) WHERE state = 'held' GROUP BY product_id
) AS held USING (product_id)
"""
"""Units by which I3 is broken: what is reserved is there, a level is what its ledger sums to, and what is reserved is
what is held. One statement sees one moment, whatever is being sold."""

_SOLD: LiteralString = """
SELECT product_id::text, sum(quantity)::bigint FROM order_line JOIN orders ON orders.id = order_id
WHERE status IN ('paid', 'shipped', 'delivered') GROUP BY product_id
"""
_ENTERED: LiteralString = """
SELECT product_id::text, sum(on_hand_change)::bigint FROM stock_entry WHERE order_id IS NULL GROUP BY product_id
"""
_KEPT: LiteralString = (
    "SELECT intent_id, (captured_minor - refunded_minor)::bigint FROM payment WHERE intent_id IS NOT NULL"
)
_BOOKED: LiteralString = """
SELECT intent_id, coalesce(sum(ledger_entry.amount_minor), 0)::bigint
FROM payment LEFT JOIN ledger_transaction USING (order_id)
LEFT JOIN ledger_entry ON transaction_id = ledger_transaction.id AND account = 'stripe_clearing'
WHERE intent_id IS NOT NULL AND (kind IS NULL OR kind IN ('capture', 'refund', 'refund_failure')) GROUP BY intent_id
"""
_WAITING: Mapping[str, tuple[LiteralString, ...]] = {
    "order": ("SELECT count(*) FROM orders WHERE status = 'pending' AND expires_at < now() - interval '1 minute'",),
    "inventory": ("SELECT count(*) FROM hold WHERE ask_at < now() - interval '1 minute'",),
    "payment": (
        "SELECT count(*) FROM attempt WHERE status = 'open'",
        "SELECT count(*) FROM refund WHERE status = 'pending'",
        "SELECT count(*) FROM payment WHERE cancel_due_at IS NOT NULL",
        "SELECT count(*) FROM webhook_event WHERE processed_at IS NULL",
    ),
}
_EVERYWHERE: tuple[LiteralString, ...] = (
    "SELECT count(*) FROM outbox WHERE published_at IS NULL",
    "SELECT count(*) FROM parked_letter",
)


@dataclass(frozen=True, kw_only=True)
class Books:
    """What must be zero.

    :param lost: acknowledged orders that are not there.
    :param oversold: units sold that never were, or that are not where the ledger and the holds say.
    :param unaccounted: cents by which the provider, the payments and the ledger differ, payment by payment.
    :param unfinished: attempts, refunds, events, letters, holds and orders that still wait for something.
    """

    lost: int
    oversold: int
    unaccounted: int
    unfinished: int

    @property
    def is_zero(self) -> bool:
        """Whether nothing is wrong."""
        return not any(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class Auditor:
    """Whoever counts, in the databases of one system."""

    system: System

    def books(self, acknowledged: Iterable[str]) -> Books:
        """Count now.

        :param acknowledged: ids of the orders that customers were told of.
        """
        return Books(
            lost=len(set(acknowledged) - {row[0] for row in self.rows("order", "SELECT id::text FROM orders")}),
            oversold=self._oversold(),
            unaccounted=self._unaccounted(),
            unfinished=self._unfinished(),
        )

    def rows(self, service: str, query: LiteralString) -> list[tuple[object, ...]]:
        """What a query finds in a service's database."""
        url = Plan(self.system.state, self.system.ports).cluster.url(service)
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(query).fetchall()

    def one(self, service: str, query: LiteralString, *values: object) -> tuple[int, ...]:
        """The numbers in the one row that a query finds."""
        url = Plan(self.system.state, self.system.ports).cluster.url(service)
        with psycopg.connect(url, autocommit=True) as connection:
            return tuple(int(value) for value in connection.execute(query, values).fetchone() or ())

    def _count(self, service: str, query: LiteralString) -> Counter[str]:
        return Counter({str(name): int(str(value)) for name, value in self.rows(service, query)})

    def _oversold(self) -> int:
        sold, entered = self._count("order", _SOLD), self._count("inventory", _ENTERED)
        beyond = sum(max(0, units - entered[product]) for product, units in sold.items())
        return beyond + int(str(self.rows("inventory", OVERSOLD)[0][0]))

    def _unaccounted(self) -> int:
        taken = provider_took(self.system.state.data / "stripe")
        kept, booked = self._count("payment", _KEPT), self._count("payment", _BOOKED)
        intents = {*taken, *kept, *booked}
        return sum(abs(taken[intent] - kept[intent]) + abs(kept[intent] - booked[intent]) for intent in intents)

    def _unfinished(self) -> int:
        queries = [(service, query) for service, some in _WAITING.items() for query in some]
        databases = Plan(self.system.state, self.system.ports).databases
        queries += [(service, query) for service in databases for query in _EVERYWHERE]
        return sum(int(str(self.rows(service, query)[0][0])) for service, query in queries)


def provider_took(folder: Path) -> Counter[str]:
    """Minor units that the provider has taken and not given back, by PaymentIntent."""
    took: Counter[str] = Counter()
    with closing(sqlite3.connect(f"file:{folder / 'stripe.sqlite'}?mode=ro", uri=True)) as records:
        for kind, body in records.execute("SELECT kind, body FROM object WHERE kind IN ('charge', 'refund')"):
            found = json.loads(body)
            if found["status"] in {"succeeded", "pending"}:
                took[found["payment_intent"]] += found["amount"] if kind == "charge" else -found["amount"]
    return took
