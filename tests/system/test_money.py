"""Money that is wanted back: by staff from all sides, and by a customer's bank."""

from http import HTTPStatus
from uuid import uuid4

import aiohttp

from services.local.proofs import refunds
from services.local.proofs.purchases import PARCEL
from services.local.proofs.shop import Json, Outcome, Shop, until
from services.local.system import System
from services.local.topology import LOOPBACK


async def test_refunds_from_all_sides_never_give_back_more_than_was_taken(system: System) -> None:
    told: list[str] = []

    result = await refunds.prove(system, refunds.Options(payments=4, refunds=12, share=0.3), told.append)

    assert (result.asked, result.over, result.apart, result.split) == (48, 0, 0, 0)
    assert result.verdict.is_reached, result.verdict.reached
    assert len(told) == 3


async def at_the_bank(system: System, path: str, body: Json) -> Json:
    url = f"http://{LOOPBACK}:{system.ports.stripe}/_stand-in/disputes{path}"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        answer.raise_for_status()
        dispute: Json = await answer.json()
        return dispute


async def test_a_payment_is_disputed_refunds_wait_and_the_shop_wins(system: System) -> None:
    async with Shop.visited(system) as shop:
        lamp, ada = await shop.lamp(), await shop.customer()
        order = await ada.order((lamp, 1))
        payment = await shop.pay(ada, order["id"], Outcome.SUCCEEDS)
        await ada.becomes(order["id"], "paid")
        await shop.staff.ask("POST", f"/orders/{order['id']}/ship", HTTPStatus.OK, json=PARCEL)
        path = f"/payments/{payment['id']}"

        dispute = await at_the_bank(system, "", {"payment_intent": payment["provider_reference"]})
        await until(lambda: ada.see(path), lambda told: told["status"] == "disputed", "being disputed")
        waits = await shop.staff.ask("POST", f"{path}/refund", HTTPStatus.CONFLICT, json={}, key=str(uuid4()))
        await at_the_bank(system, f"/{dispute['id']}/close", {"outcome": "won"})
        await until(lambda: ada.see(path), lambda told: told["status"] == "succeeded", "being won")
        await shop.staff.ask("POST", f"{path}/refund", HTTPStatus.CREATED, json={}, key=str(uuid4()))
        await ada.becomes(order["id"], "refunded")

        assert waits.body["type"] == "payment-under-dispute"
        reasons = [entry["reason"] for entry in (await ada.see(f"/orders/{order['id']}"))["history"]]
        assert [reason for reason in reasons if reason and "dispute" in reason] == [
            "dispute of 20.00 EUR (fraudulent)",
            "dispute of 20.00 EUR won",
        ]
