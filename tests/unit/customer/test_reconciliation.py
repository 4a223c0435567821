"""`./sidecart reconcile`, against a shop that answers what it is told to."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import typer
from aiohttp import web
from typer.testing import CliRunner

from services.local import reconciliation
from services.local.customer.client import Unexpected
from tests.unit.customer.shop import Json, Shop, opened_beside

DIFFERENCE = {
    "subject": "charge",
    "id": "ch_1",
    "reference": "ch_1",
    "currency": "EUR",
    "order": None,
    "payment": None,
    "ledger": None,
    "provider": "9.00",
}
RUN = {"id": 3, "status": "complete", "began_at": "2026-01-01T00:00:00Z"}
EQUAL: Json = RUN | {
    "newest": RUN,
    "compared_since": None,
    "is_equal": True,
    "compared": {"orders": 3, "provider_movements": 4},
    "sums": [
        {"currency": "EUR", "movement": "charge", "orders": "25.00", "ledger": "25.00", "provider": "25.00"},
        {"currency": "EUR", "movement": "fee", "orders": None, "ledger": "-0.60", "provider": "-0.60"},
    ],
    "repaired": [DIFFERENCE | {"difference": "state", "subject": "refund", "id": "refund-1"}],
    "differences": {"late": {"count": 1, "items": [DIFFERENCE]}, "missing_here": {"count": 0, "items": []}},
}
DIFFERENT = EQUAL | {"is_equal": False, "differences": {"missing_here": {"count": 3, "items": [DIFFERENCE]}}}


@dataclass
class ReconcilingShop(Shop):
    """A shop that answers whoever asks it to reconcile with these, one after another."""

    answers: list[tuple[int, Json]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def app(self) -> web.Application:
        app = super().app()
        app.router.add_post("/api/v1/payments/reconciliation", self.answer)
        app.router.add_get("/api/v1/payments/reconciliation/latest", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.method)
        status, body = self.answers.pop(0)
        return web.json_response(body, status=status)


@pytest.fixture
def shop() -> ReconcilingShop:
    return ReconcilingShop()


@pytest.fixture
def app(shop: ReconcilingShop, tmp_path: Path) -> Iterator[typer.Typer]:
    with opened_beside(shop, tmp_path) as place:
        app = typer.Typer()
        reconciliation.register(app, lambda: place)
        app.command("other")(list)
        yield app


def run(app: typer.Typer, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ("reconcile", *arguments), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_what_is_equal_is_shown_with_its_sums_and_repairs(app: typer.Typer, shop: ReconcilingShop) -> None:
    shop.answers = [(200, EQUAL)]

    said = run(app)

    assert "Orders, ledger and provider are equal." in said
    assert "compared 3 orders, 4 provider movements" in said
    assert "repaired  state         refund refund-1: provider 9.00 EUR" in said
    assert "differs   late          charge ch_1: provider 9.00 EUR" in said
    assert ["EUR", "fee", "-0.60", "-0.60"] in [line.split() for line in said.splitlines()]


def test_what_differs_is_shown_and_the_command_fails(app: typer.Typer, shop: ReconcilingShop) -> None:
    shop.answers = [(200, DIFFERENT)]

    said = run(app, code=1)

    assert "Orders, ledger and provider differ." in said
    assert "and 2 more that are missing_here" in said


def test_a_run_that_takes_longer_is_waited_for(app: typer.Typer, shop: ReconcilingShop) -> None:
    shop.answers = [(202, {"status": "running"}), (409, {"type": "reconciliation-running"}), (200, EQUAL)]

    said = run(app, "--json")

    assert (json.loads(said), shop.asked) == (EQUAL, ["POST", "POST", "POST"])


def test_the_newest_result_is_shown_without_a_run(app: typer.Typer, shop: ReconcilingShop) -> None:
    shop.answers = [(200, EQUAL)]

    run(app, "--latest")

    assert shop.asked == ["GET"]


def test_a_result_that_newer_runs_did_not_renew_is_shown_with_its_age(app: typer.Typer, shop: ReconcilingShop) -> None:
    failed = {"id": 4, "status": "failed", "began_at": "2026-01-01T00:05:00Z"}
    shop.answers = [(200, EQUAL | {"newest": failed, "compared_since": "2025-12-31T23:58:00Z"})]

    said = run(app, "--latest")

    assert "the newest run is failed and began" in said
    assert "4 provider movements of what changed since 2025-12-31T23:58:00Z" in said


def test_a_provider_that_is_away_is_said(app: typer.Typer, shop: ReconcilingShop) -> None:
    shop.answers = [(503, {"type": "provider-unreadable", "detail": "Try again."})]

    with pytest.raises(Unexpected, match="provider-unreadable, Try again"):
        run(app)
