"""A proof's own PostgreSQL: migrated, and gone afterwards."""

import psycopg
import pytest

from services.local.proofs import money


async def test_a_proof_has_a_payment_database_of_its_own_and_leaves_nothing() -> None:
    async with money.own_database() as url:
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT count(*) FROM ledger_transaction").fetchone()

    assert found == (0,)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
