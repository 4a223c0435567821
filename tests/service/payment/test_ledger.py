"""The ledger balances, only grows, and counts nothing twice: PostgreSQL itself sees to it."""

from uuid import uuid4

import psycopg
import pytest

from tests.service.doors import Client
from tests.service.payment.shop import Shop


async def test_a_transaction_that_does_not_balance_cannot_be_committed(client: Client) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="does not balance"):
        await client.rows(
            "WITH booked AS (INSERT INTO ledger_transaction VALUES (%s, 'capture', 'capture', %s, now()) RETURNING id)"
            " INSERT INTO ledger_entry SELECT id, 'bank', 100, 'EUR' FROM booked"
            " UNION ALL SELECT id, 'revenue', -100, 'USD' FROM booked",
            uuid4(),
            uuid4(),
        )


changes = pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_entry SET amount_minor = 1",
        "DELETE FROM ledger_entry",
        "TRUNCATE ledger_entry",
        "UPDATE ledger_transaction SET kind = 'refund'",
        "UPDATE ledger_transaction SET id = id",
        "DELETE FROM ledger_transaction",
        "TRUNCATE ledger_transaction CASCADE",
    ],
)


@changes
async def test_what_is_booked_cannot_be_changed(shop: Shop, change: str) -> None:
    await shop.paid()

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await shop.client.rows(change)


@changes
async def test_what_is_booked_cannot_be_changed_by_a_role_that_grants_itself_the_right(shop: Shop, change: str) -> None:
    await shop.paid()
    grant = "GRANT ALL ON ledger_transaction, ledger_entry TO payment"

    async with await psycopg.AsyncConnection.connect(shop.client.runtime.database.url) as connection:
        await connection.execute(grant)

        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            await connection.execute(change)


async def test_the_same_movement_cannot_be_booked_twice(shop: Shop) -> None:
    await shop.paid()

    with pytest.raises(psycopg.errors.UniqueViolation):
        await shop.client.rows(
            "INSERT INTO ledger_transaction (id, idempotency_key, kind, order_id, at)"
            " SELECT gen_random_uuid(), idempotency_key, kind, order_id, at FROM ledger_transaction"
        )


async def test_a_payment_cannot_give_back_more_than_it_took(shop: Shop) -> None:
    await shop.paid()

    with pytest.raises(psycopg.errors.CheckViolation):
        await shop.client.rows("UPDATE payment SET refunded_minor = captured_minor + 1")
