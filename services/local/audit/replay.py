"""Replaying: every fact is published again, from the first on, and nothing may change by it."""

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql
from redis.asyncio import Redis

from services.local import health
from services.local.audit.report import Finding
from services.local.audit.sources import Sources
from services.local.events import republishing
from services.local.plan import Plan
from services.local.refusals import Refusal
from services.local.system import System

_TABLES = """
SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND NOT tablename = ANY(%s) ORDER BY tablename
"""
_DIGEST = """
SELECT count(*), coalesce(sum(hashtextextended((to_jsonb(one) - %s::text[])::text, 0)), 0)::text FROM {} AS one
WHERE {}
"""
_NO_EFFECTS = [
    *("alembic_version", "inbox", "caught_up", "product_change"),
    *("login", "refresh_token", "login_failure"),
    *("webhook_event", "provider_movement", "reconciliation_run", "reconciliation_difference"),
]
"""What facts do not write: marks of what was handled, of logins, what the provider tells, and what timers keep."""
_TIMERS = ["published_at", "next_check_at", "follow_at", "changed_at"]
_BY_FACTS: Mapping[str, LiteralString] = {
    "ledger_transaction": "kind NOT IN ('fee', 'payout')",
    "ledger_entry": """
        transaction_id NOT IN (SELECT id FROM ledger_transaction WHERE kind IN ('fee', 'payout'))
    """,
}
"""The rows of these tables that facts write; reconciliation books the others, whenever it runs."""
_OWED = """
SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL)
    + (SELECT count(*) FROM parked_letter WHERE state = 'parked')
"""
_UNSENT = "SELECT count(*) FROM message WHERE state = 'pending'"
_EVERYTHING = datetime(1970, 1, 1, tzinfo=UTC)

Digest = tuple[int, str]
"""How many rows a table has, and a sum over them that does not depend on their order."""


class NotAtRest(Refusal):
    """The system does not come to rest, so nobody could tell what a replay changes."""


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """How many facts were published again, and every table that is not as it was before."""

    facts: int
    findings: Sequence[Finding]


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What is replayed, and where it shows: the databases, the broker, the mailbox's letters."""

    databases: Mapping[str, str]
    broker_url: str
    mailbox: Path

    @classmethod
    def of(cls, system: System, sources: Sources) -> "Replay":
        """The replay of a running system."""
        plan = Plan(system.state, system.ports)
        mailbox = plan.state.data / "mailbox" / "mailbox.sqlite"
        return cls(databases=sources.databases, broker_url=plan.broker_url, mailbox=mailbox)

    async def run(self, *, within: float) -> Replayed:
        """Publish everything again, and look at every table before and after.

        :param within: seconds that the system has to come to rest, before and after.
        :raises NotAtRest: it does not.
        """
        await self.rest(within=within)
        before = await asyncio.to_thread(lambda: dict(self._digests()))
        facts = await self.publish_again(within=within)
        after = await asyncio.to_thread(lambda: dict(self._digests()))
        changed = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
        findings = [_finding(name, before=before.get(name), after=after.get(name)) for name in changed]
        return Replayed(facts=facts, findings=findings)

    async def publish_again(self, *, within: float) -> int:
        """Publish everything again; answers how many facts that were, once everybody has taken them.

        :param within: seconds that this may take.
        :raises NotAtRest: it takes longer.
        """
        again = await asyncio.to_thread(republishing.republish, self.databases, since=_EVERYTHING)
        await self.rest(within=within)
        return sum(again.values())

    async def rest(self, *, within: float) -> None:
        """Wait until everything is published and taken.

        :raises NotAtRest: it is not within so many seconds.
        """
        if not await health.becomes_true(self._is_at_rest, within=within):
            raise NotAtRest(NotAtRest.__doc__)

    def _digests(self) -> Iterator[tuple[str, Digest]]:
        """Of every table that facts write to, and of the mailbox."""
        for service, url in self.databases.items():
            with psycopg.connect(url) as connection:
                for (table,) in connection.execute(_TABLES, [_NO_EFFECTS]).fetchall():
                    statement = sql.SQL(_DIGEST).format(sql.Identifier(table), sql.SQL(_BY_FACTS.get(table, "true")))
                    rows, digest = connection.execute(statement, [_TIMERS]).fetchone() or (0, "")
                    yield f"{service}.{table}", (rows, digest)
        with closing(sqlite3.connect(f"file:{self.mailbox}?mode=ro", uri=True)) as letters:
            yield "mailbox", (int(letters.execute("SELECT count(*) FROM letter").fetchone()[0]), "")

    async def _is_at_rest(self) -> bool:
        """Everything is published, and everyone has taken it; asked twice, because taking makes new facts."""
        return await self._owes_nothing() and await self._broker_is_read() and await self._owes_nothing()

    async def _owes_nothing(self) -> bool:
        return await asyncio.to_thread(lambda: not any(self._owed()))

    def _owed(self) -> Iterator[int]:
        for service, url in self.databases.items():
            with psycopg.connect(url) as connection:
                for query in (_OWED, _UNSENT) if service == "notification" else (_OWED,):
                    yield (connection.execute(query).fetchone() or (0,))[0]

    async def _broker_is_read(self) -> bool:
        async with Redis.from_url(self.broker_url, decode_responses=True) as broker:
            async for stream in broker.scan_iter(_type="stream"):
                last = (await broker.xinfo_stream(stream))["last-generated-id"]
                groups = await broker.xinfo_groups(stream)
                if any(group["pending"] or group["last-delivered-id"] != last for group in groups):
                    return False
        return True


def _finding(table: str, **told: Digest | None) -> Finding:
    return Finding(invariant="I9", check="replay-changes", subject=table, told=dict(told))
