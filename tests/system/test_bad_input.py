"""Bad input gets a clear problem and loses nothing."""

import json
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest

from services.local.customer.actors import ADDRESS, Cast
from services.local.customer.client import Reply
from services.local.customer.narration import eventually
from tests.system.conftest import Databases, Shop


def is_problem(reply: Reply, status: int, slug: str | None = None) -> None:
    """The answer is a problem document with this status (and slug)."""
    assert reply.status == status, reply.content
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert set(reply.body) >= {"type", "title", "status", "detail", "trace_id"}
    assert slug is None or reply.body["type"] == slug, reply.body


@pytest.mark.parametrize("quantity", [0, -1, 10**9, 10**30, 1.5, "2", None, True])
async def test_an_absurd_quantity_is_refused_and_reserves_nothing(cast: Cast, shop: Shop, quantity: Any) -> None:
    lamp, ada = await shop.lamp(on_hand=3), await cast.new_customer("Ada")

    reply = await ada.order((lamp["product_id"], quantity))

    is_problem(reply, 422)
    assert "quantity" in str(reply.body["errors"])
    assert (await cast.stock(lamp["product_id"]))["reserved"] == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"items": ', 400),
        (b"\xff\xfe", 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"items": [], "shipping_address": {}}', 422),
        (b'{"items": "many", "from_cart": 3, "colour": "red"}', 422),
    ],
)
async def test_a_body_that_is_wrong_is_told_what_is_wrong(cast: Cast, body: bytes, status: int) -> None:
    ada = await cast.new_customer("Ada")

    reply = await ada.api.call("POST", "/orders", data=body, headers={"Content-Type": "application/json"}, key="k")

    is_problem(reply, status)


async def test_unknown_fields_are_refused_by_name(cast: Cast) -> None:
    reply = await cast.anyone.call(
        "POST", "/users/login", json={"email": "a@b.example", "password": "x", "admin": True}
    )

    is_problem(reply, 422)
    assert [error["field"] for error in reply.body["errors"]] == ["admin"]


async def test_unknown_and_foreign_ids_are_not_found(cast: Cast, shop: Shop) -> None:
    lamp, ada, eve = await shop.lamp(on_hand=3), await cast.new_customer("Ada"), await cast.new_customer("Eve")
    order = (await ada.order((lamp["product_id"], 1))).expect(HTTPStatus.CREATED)
    payment = (await ada.pay(order["id"])).expect(HTTPStatus.CREATED)

    for id_ in (uuid4(), "none", order["id"]):
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/timeline")):
            is_problem(await eve.api.call(method, f"/orders/{id_}{path}"), 404)
        is_problem(await eve.api.call("PUT", f"/orders/{id_}", json={"shipping_address": ADDRESS}), 404)
    is_problem(await eve.api.call("GET", f"/payments/{payment['id']}"), 404)
    is_problem(await eve.pay(order["id"]), 404)
    is_problem(await eve.order((str(uuid4()), 1)), 422, "unknown-product")
    is_problem(await cast.anyone.call("GET", f"/products/{uuid4()}"), 404)


@pytest.mark.parametrize("token", ["x.y.z", "", "eyJhbGciOiJub25lIiwia2lkIjoieCJ9.eyJzdWIiOiIxIn0."])
async def test_a_forged_token_opens_nothing(cast: Cast, token: str) -> None:
    forged = {"Authorization": f"Bearer {token}"}

    for method, path in (
        ("GET", "/orders"),
        ("GET", "/users/profile"),
        ("POST", "/products"),
        ("GET", "/notifications"),
    ):
        is_problem(await cast.anyone.call(method, path, headers=forged), 401)


async def test_a_customer_is_not_staff(cast: Cast, shop: Shop) -> None:
    lamp, ada = await shop.lamp(on_hand=3), await cast.new_customer("Ada")

    for method, path, body in (
        ("PUT", f"/products/{lamp['product_id']}/inventory", {"on_hand": 99}),
        ("GET", "/users", None),
        ("POST", f"/orders/{uuid4()}/deliver", None),
        ("POST", f"/payments/{uuid4()}/refund", {}),
    ):
        is_problem(await ada.api.call(method, path, json=body, key="k"), 403)
    assert (await cast.stock(lamp["product_id"]))["on_hand"] == 3


@pytest.mark.parametrize("path", ["/orders", "/payments"])
async def test_a_missing_idempotency_key_is_asked_for(cast: Cast, path: str) -> None:
    ada = await cast.new_customer("Ada")
    bodies: dict[str, Any] = {
        "/orders": {"items": [{"product_id": str(uuid4()), "quantity": 1}], "shipping_address": ADDRESS},
        "/payments": {"order_id": str(uuid4()), "payment_method": "pm_card_visa"},
    }

    reply = await ada.api.call("POST", path, json=bodies[path])

    is_problem(reply, 400, "idempotency-key-required")


async def test_a_key_for_another_order_is_refused(cast: Cast, shop: Shop) -> None:
    lamp, ada = await shop.lamp(on_hand=9), await cast.new_customer("Ada")

    def body(quantity: int) -> dict[str, Any]:
        return {"items": [{"product_id": lamp["product_id"], "quantity": quantity}], "shipping_address": ADDRESS}

    (await ada.api.call("POST", "/orders", json=body(1), key="k")).expect(201)
    is_problem(await ada.api.call("POST", "/orders", json=body(2), key="k"), 422, "idempotency-key-reused")
    assert (await cast.stock(lamp["product_id"]))["reserved"] == 1


@pytest.mark.parametrize("where", ["payment_method", "card"])
async def test_a_card_number_is_refused_and_kept_nowhere(cast: Cast, databases: Databases, where: str) -> None:
    ada, number = await cast.new_customer("Ada"), "4242424242424242"
    body = {"order_id": str(uuid4()), "payment_method": "pm_card_visa"} | {where: number}

    reply = await ada.api.call("POST", "/payments", json=body, key="k")

    is_problem(reply, 422)
    assert number not in reply.content.decode()
    for log in databases.system.state.root.rglob("*.log"):
        assert number not in log.read_text(errors="replace"), log


async def test_a_good_import_row_survives_its_bad_neighbours(cast: Cast) -> None:
    sku = f"GOOD-{uuid4()}"
    good = {"sku": sku, "name": "Good", "price": {"amount": "1.00", "currency": "EUR"}, "on_hand": 4}
    rows = b"\n".join(
        [
            b'{"sku": "BROKEN", ',
            b'{"sku": "NO-PRICE", "name": "x"}',
            json.dumps(good).encode(),
            b'{"sku": "FLOAT", "name": "x", "price": {"amount": 1.0, "currency": "EUR"}}',
        ]
    )
    headers = {"Content-Type": "application/x-ndjson"}
    job = (await cast.staff.call("POST", "/products/import", data=rows, headers=headers)).expect(202)

    done = await eventually(
        lambda: cast.staff.get(f"/products/imports/{job['id']}"),
        lambda told: told["status"] == "done",
        what="the import",
    )

    assert (done["created"], done["failed"]) == (1, 3)
    assert [error["line"] for error in done["errors"]] == [1, 2, 4]
    found = await eventually(
        lambda: cast.anyone.get("/products/search", q=sku), lambda told: told["items"], what="the good row being found"
    )
    assert found["items"][0]["sku"] == sku


async def test_a_body_over_the_limit_is_refused(cast: Cast) -> None:
    ada = await cast.new_customer("Ada")

    is_problem(await ada.api.call("POST", "/orders", data=b" " * (1024 * 1024 + 1), key="k"), 413)


async def test_unknown_versions_paths_and_methods_are_told(cast: Cast) -> None:
    is_problem(await cast.anyone.call("GET", "/../v9/products"), 404, "unknown-version")
    is_problem(await cast.anyone.call("GET", "/nowhere"), 404)
    is_problem(await cast.anyone.call("PATCH", "/products"), 405)


async def test_every_answer_tells_what_is_left_of_the_rate(cast: Cast) -> None:
    for reply in (await cast.anyone.call("GET", "/products"), await cast.anyone.call("GET", "/orders")):
        assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= {name.lower() for name in reply.headers}
