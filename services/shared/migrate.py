"""Migrations: `python -m services.shared.migrate SERVICE` brings a service's database to its newest version."""

import os
import sys
from pathlib import Path
from typing import Protocol

from alembic import command, context
from alembic.config import Config
from sqlalchemy import create_engine

URL = "SIDECART_DATABASE_URL"

_PLUMBING = """
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    topic text NOT NULL,
    type text NOT NULL,
    aggregate_id uuid NOT NULL,
    version integer NOT NULL,
    at timestamptz NOT NULL,
    data jsonb NOT NULL,
    traceparent text,
    published_at timestamptz
);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL;
CREATE INDEX outbox_aggregate ON outbox (aggregate_id, id);
CREATE TABLE inbox (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
CREATE TABLE parked_letter (
    id uuid PRIMARY KEY,
    topic text NOT NULL,
    letter jsonb NOT NULL,
    parked_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'parked' CHECK (state IN ('parked', 'dead'))
);
CREATE INDEX parked_letter_due ON parked_letter (next_at) WHERE state = 'parked';
CREATE TABLE document (
    collection text NOT NULL,
    id uuid NOT NULL,
    key text NOT NULL,
    at timestamptz NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (collection, id)
);
CREATE INDEX document_key ON document (collection, key, at DESC, id DESC);
"""

_PROTECTION = """
CREATE FUNCTION facts_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the facts of orders, payments and stock are kept for ever, as they are'; END $$;
CREATE TRIGGER outbox_keeps_facts BEFORE DELETE ON outbox
FOR EACH ROW WHEN (OLD.topic IN ('orders', 'payments', 'stock')) EXECUTE FUNCTION facts_are_kept();
CREATE TRIGGER outbox_keeps_facts_as_they_are
BEFORE UPDATE OF id, event_id, topic, type, aggregate_id, version, at, data, traceparent ON outbox
FOR EACH ROW WHEN (OLD.topic IN ('orders', 'payments', 'stock')) EXECUTE FUNCTION facts_are_kept();
"""
"""An update of `published_at` alone, which is the relay's, does not meet the second trigger and costs nothing."""


_UPKEEP = """
CREATE INDEX outbox_to_prune ON outbox (published_at) WHERE topic NOT IN ('orders', 'payments', 'stock');
CREATE INDEX inbox_age ON inbox (at);
ALTER TABLE outbox SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000, vacuum_index_cleanup = on
);
"""
"""Facts that are kept for ever are not in the index of what can be pruned.

Every published fact leaves a dead entry at the left edge of `outbox_unpublished`, where the relay looks four times a
second. These are cleared by their number: a share of a table that only grows comes too seldom, and without being told
to, a vacuum leaves the indexes alone while less than 2 % of the pages have anything dead.
"""

_CATCHING_UP = """
CREATE TABLE caught_up (
    topic text PRIMARY KEY,
    position text NOT NULL
);
CREATE INDEX outbox_published ON outbox (published_at, id) WHERE published_at IS NOT NULL;
"""
"""Building the index keeps an outbox that is large already from being written meanwhile."""


class Executes(Protocol):
    """What runs a statement in a migration: Alembic's `op`."""

    def execute(self, sqltext: str) -> None:
        """Run it."""


def create_plumbing(op: Executes) -> None:
    """The tables that `services.shared` works on, for a service's first migration."""
    _execute_each(op, _PLUMBING)


def protect_facts(op: Executes) -> None:
    """Let nobody delete or change the outbox's rows about orders, payments and stock: they are the record of those."""
    _execute_each(op, _PROTECTION)


def maintain_plumbing(op: Executes) -> None:
    """Let what need not be kept be found without reading what is, and have the outbox vacuumed in time."""
    _execute_each(op, _UPKEEP)


def follow_producers(op: Executes) -> None:
    """Let a consumer keep how far it has caught up with each producer, and a producer find what it has published."""
    _execute_each(op, _CATCHING_UP)


def _execute_each(op: Executes, statements: str) -> None:
    for statement in filter(str.strip, statements.split(";\n")):
        op.execute(statement)


def upgrade(service: str, url: str) -> None:
    """Apply every migration of a service that its database lacks.

    :param url: `postgresql://...` of an owner of the database.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / service / "migrations"))
    config.attributes["url"] = url
    command.upgrade(config, "head")


def run_env() -> None:
    """The body of every service's `migrations/env.py`."""
    url = context.config.attributes["url"].replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(url)
    with engine.connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


if __name__ == "__main__":
    upgrade(sys.argv[1], os.environ[URL])
