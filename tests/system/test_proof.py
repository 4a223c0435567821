"""After everything else has happened to the system, nothing is lost, oversold or charged twice."""

from http import HTTPStatus

import pytest
from typer.testing import CliRunner, Result

from services.local.audit import sources_of, until_clean
from services.local.cli import app
from services.local.customer.actors import Cast
from services.local.state import ELSEWHERE
from services.local.system import System
from tests.system.conftest import Databases, Shop


@pytest.fixture(autouse=True)
async def _sold(cast: Cast, shop: Shop) -> None:
    """A shop that has sold something, whatever ran before."""
    lamp, ada = await shop.lamp(on_hand=3), await cast.new_customer("Ada")
    order = (await ada.order((lamp["product_id"], 1))).expect(HTTPStatus.CREATED)
    (await ada.pay(order["id"])).expect(HTTPStatus.CREATED)
    await ada.becomes(order["id"], "paid")


async def test_the_audit_finds_nothing_after_all_that_has_happened(system: System) -> None:
    report = await until_clean(sources_of(system), within=150)

    assert report.findings == []


def test_publishing_every_fact_again_changes_nothing(system: System) -> None:
    result = _audit(system, "--replay")

    assert result.exit_code == 0, result.output
    assert "replayed" in result.output


def test_a_wrong_row_is_told(system: System, databases: Databases) -> None:
    (level,) = databases.rows("inventory", "SELECT product_id FROM stock_level WHERE on_hand > reserved LIMIT 1")
    change = "UPDATE stock_level SET on_hand = on_hand + %s WHERE product_id = %s"

    databases.rows("inventory", change, 1, level["product_id"])
    try:
        result = _audit(system)
    finally:
        databases.rows("inventory", change, -1, level["product_id"])

    assert result.exit_code == 1
    assert "level-unaccounted" in result.output


def _audit(system: System, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments], env={ELSEWHERE: str(system.state.root), "COLUMNS": "200"})
