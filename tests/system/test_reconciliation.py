"""Orders, ledger and provider: what happened at the provider alone is found, booked and followed by the order."""

import asyncio
import json
from typing import Any

import typer
from typer.testing import CliRunner

from services.local import reconciliation
from services.local.customer.place import Place
from services.local.proofs.shop import Outcome, Shop, until
from services.local.system import System


def reconcile(place: Place, *arguments: str) -> Any:
    """What `./sidecart reconcile` finds."""
    app = typer.Typer()
    reconciliation.register(app, lambda: place)
    app.command("other")(list)
    said = CliRunner().invoke(app, ("reconcile", "--json", *arguments), catch_exceptions=False)
    return json.loads(said.output)


async def test_money_that_somebody_gives_back_at_the_provider_cancels_the_order_and_is_in_the_books(
    system: System, place: Place
) -> None:
    async with Shop.visited(system) as shop:
        lamp, ada = await shop.lamp(), await shop.customer()
        order = await ada.order((lamp, 1))
        payment = await shop.pay(ada, order["id"], Outcome.SUCCEEDS)
        await ada.becomes(order["id"], "paid")
        await shop.pay_back_by_hand(payment["provider_reference"], minor=2000)

        await asyncio.to_thread(reconcile, place)
        await ada.becomes(order["id"], "refunded")
        await until(
            lambda: asyncio.to_thread(reconcile, place), lambda told: not of(told, payment, order), "nothing differing"
        )
        latest = await asyncio.to_thread(reconcile, place, "--latest")

        (refund,) = (await ada.see(f"/payments/{payment['id']}"))["refunds"]
        assert (refund["reason"], refund["amount"]["amount"]) == ("refunded-at-provider", "20.00")
        assert {"fee", "balance"} <= {line["movement"] for line in latest["sums"]}
        statuses = [entry["status"] for entry in (await ada.see(f"/orders/{order['id']}"))["history"]]
        assert statuses == ["pending", "paid", "cancelled", "refunded"]


def of(report: Any, payment: Any, order: Any) -> list[Any]:
    """What differs about a payment and its order."""
    items = [item for differs in report["differences"].values() for item in differs["items"]]
    return [item for item in items if item["payment_id"] == payment["id"] or item["order_id"] == order["id"]]
