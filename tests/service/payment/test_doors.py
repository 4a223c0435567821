"""What the doors refuse, and what they never keep."""

import json
from typing import Any
from uuid import uuid4

import pytest

from services.payment.api.card_data import holds_card_data
from services.payment.app import create
from services.payment.settings import PaymentSettings
from services.shared.identity import Role
from tests.service.doors import SETTINGS, Client, World
from tests.service.payment.shop import Shop

CARD = "4242424242424242"


@pytest.mark.parametrize(
    "body",
    [
        {"payment_method": f"pm_{CARD}"},
        {"card": {"number": "4242 4242 4242 4242"}},
        {"numbers": [4242424242424242]},
        {"x": "card 4242-4242-4242-4242, thanks"},
        {CARD: "x"},
        {"x": 4242424242424242.0},
    ],
)
async def test_a_card_number_anywhere_is_refused_and_never_kept_logged_or_echoed(
    shop: Shop, body: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    order = await shop.order()
    whole = {"order_id": str(order.id), "payment_method": "pm_card_visa"} | body

    answer = await shop.client.post("/payments", json=whole, headers=shop.tokens.headers() | {"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json()["type"]) == (422, "card-data-refused")
    said = answer.text + "".join(capfd.readouterr())
    assert CARD not in said
    assert "4242" not in said
    assert await shop.client.rows("SELECT * FROM attempt") == []


async def test_a_card_number_in_the_reason_of_a_refund_is_refused(shop: Shop) -> None:
    _, payment_id = await shop.paid()

    answer = await shop.refund(payment_id, reason=f"card {CARD}")

    assert (answer.status_code, answer.json()["type"]) == (422, "card-data-refused")


@pytest.mark.parametrize(
    "body", [None, True, 1.5, "pm_card_visa", {"a": [str(uuid4()), "tel. 0123 456 789", "1000000000.00"]}]
)
def test_ids_amounts_and_telephone_numbers_are_no_card_numbers(body: Any) -> None:
    assert not holds_card_data(body)


def test_a_card_number_is_found_however_deep_it_lies() -> None:
    body: Any = CARD
    for _ in range(5000):
        body = {"a": [body]}

    assert holds_card_data(body)


def test_an_order_id_of_digits_only_is_an_id() -> None:
    assert not holds_card_data({"order_id": "12345678-1234-1234-1234-123456789012"})


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"no JSON", 400),
        (b"", 422),
        (b"[]", 422),
        (b'{"order_id": "x", "payment_method": "pm_card_visa"}', 422),
        (json.dumps({"order_id": str(uuid4()), "payment_method": "card"}).encode(), 422),
        (json.dumps({"order_id": str(uuid4()), "payment_method": "pm_x", "more": 1}).encode(), 422),
    ],
    ids=["malformed", "no JSON", "empty", "a list", "a bad id", "a bad method", "an unknown field"],
)
async def test_a_bad_body_is_refused(shop: Shop, content: bytes, status: int) -> None:
    headers = shop.tokens.headers() | {"Idempotency-Key": "k", "Content-Type": "application/json"}

    answer = await shop.client.post("/payments", content=content, headers=headers)

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("depth", [100, 400, 800, 1600])
async def test_a_body_that_is_nested_too_deep_is_refused(shop: Shop, depth: int) -> None:
    content = b'{"a":' * depth + b"1" + b"}" * depth
    headers = shop.tokens.headers() | {"Idempotency-Key": "k", "Content-Type": "application/json"}

    answer = await shop.client.post("/payments", content=content, headers=headers)

    assert answer.status_code in {400, 422}
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_body_that_does_not_say_it_is_json_is_refused(shop: Shop) -> None:
    headers = shop.tokens.headers() | {"Idempotency-Key": "k", "Content-Type": "text/plain"}

    answer = await shop.client.post("/payments", content=b"pay!", headers=headers)

    assert answer.status_code == 422


@pytest.mark.parametrize("amount", ["0.00", "-1.00", "1", "1.001"])
async def test_a_bad_amount_is_refused(shop: Shop, amount: str) -> None:
    _, payment_id = await shop.paid()

    answer = await shop.refund(payment_id, amount)

    assert (answer.status_code, answer.json()["type"]) == (422, "invalid-request")


async def test_commands_that_move_money_need_a_key(shop: Shop) -> None:
    body = {"order_id": str(uuid4()), "payment_method": "pm_card_visa"}

    pay = await shop.client.post("/payments", json=body, headers=shop.tokens.headers())
    refund = await shop.client.post(f"/payments/{uuid4()}/refund", json={}, headers=shop.tokens.headers(Role.STAFF))

    assert [(answer.status_code, answer.json()["type"]) for answer in (pay, refund)] == [
        (400, "idempotency-key-required")
    ] * 2


async def test_nobody_without_a_token_pays_reads_or_refunds(client: Client) -> None:
    body = {"order_id": str(uuid4()), "payment_method": "pm_card_visa"}

    answers = [
        await client.post("/payments", json=body, headers={"Idempotency-Key": "k"}),
        await client.get(f"/payments/{uuid4()}"),
        await client.post(f"/payments/{uuid4()}/refund", json={}, headers={"Idempotency-Key": "k"}),
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 401]


async def test_only_a_peer_closes_a_payable(client: Client) -> None:
    answer = await client.post(f"/internal/payables/{uuid4()}/close", json={})

    assert answer.status_code == 403


async def test_the_service_listens_to_the_topic_of_orders(client: Client) -> None:
    answer = await client.get("/dapr/subscribe")

    assert [one["topic"] for one in answer.json()] == ["orders", "dead-letters.payment"]


async def test_the_internal_door_is_not_in_the_api_description(world: World) -> None:
    app = create(world.start("payment"), PaymentSettings(**SETTINGS.model_dump()))

    assert set(app.openapi()["paths"]) == {
        "/payments",
        "/payments/{payment_id}",
        "/payments/{payment_id}/refund",
        "/payments/reconciliation",
        "/payments/reconciliation/latest",
        "/webhooks/stripe",
    }
