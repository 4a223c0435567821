"""The balance: which movements are available, and which payout took each of them to the bank."""

import sqlite3
from dataclasses import dataclass

from services.local.stripe_server.objects import StripeObject

SCHEMA = """
CREATE TABLE IF NOT EXISTS settlement (
    movement_id TEXT PRIMARY KEY,
    currency TEXT NOT NULL,
    net INTEGER NOT NULL,
    available_on INTEGER NOT NULL,
    payout_id TEXT
);
CREATE INDEX IF NOT EXISTS settlement_unpaid ON settlement (available_on) WHERE payout_id IS NULL;
CREATE INDEX IF NOT EXISTS settlement_by_payout ON settlement (payout_id);
"""


@dataclass(frozen=True)
class Balance:
    """The settlements, in the database of the records; who changes them has a transaction open."""

    database: sqlite3.Connection

    def owe(self, movement: StripeObject) -> None:
        """A balance transaction is going to be paid out."""
        self.database.execute(
            "INSERT INTO settlement (movement_id, currency, net, available_on) VALUES (?, ?, ?, ?)",
            (movement["id"], movement["currency"], movement["net"], movement["available_on"]),
        )

    def hurry(self, *, now: int) -> None:
        """What is pending is available now."""
        self.database.execute(
            "UPDATE object SET body = json_set(body, '$.available_on', ?) WHERE id IN"
            " (SELECT movement_id FROM settlement WHERE available_on > ?)",
            (now, now),
        )
        self.database.execute("UPDATE settlement SET available_on = ? WHERE available_on > ?", (now, now))

    def settle(self, *, now: int) -> None:
        """Balance transactions whose day has come are available."""
        self.database.execute(
            "UPDATE object SET body = json_set(body, '$.status', 'available') WHERE id IN"
            " (SELECT movement_id FROM settlement WHERE payout_id IS NULL AND available_on <= ?)",
            (now,),
        )

    def available(self, *, now: int) -> list[tuple[str, int]]:
        """What can be paid out, by currency; a debt waits for the next day's takings."""
        return self._sums("payout_id IS NULL AND available_on <= ?", now)

    def pending(self, *, now: int) -> list[tuple[str, int]]:
        """What has not settled, by currency."""
        return self._sums("payout_id IS NULL AND available_on > ?", now)

    def _sums(self, condition: str, now: int) -> list[tuple[str, int]]:
        statement = f"SELECT currency, sum(net) FROM settlement WHERE {condition} GROUP BY currency ORDER BY currency"  # noqa: S608 - of this class
        return self.database.execute(statement, (now,)).fetchall()

    def pay_out(self, payout: StripeObject, *, now: int) -> None:
        """A payout has taken everything that is available in its currency, its own movement included."""
        self.database.execute(
            "UPDATE settlement SET payout_id = ? WHERE payout_id IS NULL AND currency = ? AND available_on <= ?",
            (payout["id"], payout["currency"], now),
        )
