"""What the gateway serves itself: health, keys, the API's description and its browser, metrics."""

import asyncio
import re
from typing import Any

import pytest
from aiohttp import web

from tests.service.gateway.conftest import DAPR_ERROR, Open, Visitor, Wire

SERVICES = ("user", "product", "order", "payment", "notification")
ITEM = {"type": "object", "properties": {"id": {"type": "string"}}}


def described(paths: dict[str, Any], **schemas: Any) -> Any:
    return lambda: web.json_response({"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}})


def describe_all(wire: Wire) -> None:
    for app_id in SERVICES:
        wire.answers[app_id, "/openapi.json"] = described({})


async def test_the_gateway_is_alive_whatever_is_away(visitor: Visitor, wire: Wire) -> None:
    answer = await visitor.get("/healthz")

    assert (answer.status_code, answer.json(), wire.seen) == (200, {"status": "ok"}, [])
    assert "ratelimit-limit" not in answer.headers


async def test_when_everything_is_there_the_platform_is_ready(visitor: Visitor, wire: Wire) -> None:
    answer = await visitor.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    assert {(seen.app_id, seen.address) for seen in wire.seen} == {(app_id, "/readyz") for app_id in SERVICES}


async def test_whatever_is_away_is_named(gateway: Open, wire: Wire) -> None:
    wire.answer("order", "/readyz", status=503, text='{"type": "not-ready", "away": ["postgres"]}')
    wire.answer("payment", "/readyz", status=503, text='{"type": "not-ready", "away": ["postgres"]}')
    wire.answer("product", "/readyz", status=500, text=DAPR_ERROR)
    wire.answer("user", "/readyz", status=503, text="nonsense")
    wire.grpc_port = 1
    async with gateway(url="redis://127.0.0.1:1/0") as visitor:
        answer = await visitor.get("/readyz")

    away = ["inventory", "postgres", "product", "redis", "user"]
    assert (answer.status_code, answer.json()["type"], answer.json()["away"]) == (503, "not-ready", away)
    assert answer.json()["detail"] == "Away: inventory, postgres, product, redis, user."
    assert answer.headers["retry-after"] == "1"


async def test_an_orchestrator_asks_for_the_gateway_alone(gateway: Open, wire: Wire) -> None:
    wire.answer("order", "/readyz", status=503)
    async with gateway() as visitor:
        there = await visitor.get("/readyz?scope=self")
        wire.seen.clear()
        await visitor.runtime.sidecar.close()
        wire.port = 1
    async with gateway() as visitor:
        away = await visitor.get("/readyz?scope=self")

    assert there.status_code == 200
    assert (away.status_code, away.json()["away"]) == (503, ["gateway.sidecar"])
    assert wire.seen == []


async def test_services_are_asked_once_a_second_at_most(visitor: Visitor, wire: Wire) -> None:
    await asyncio.gather(*[visitor.get("/readyz") for _ in range(5)])

    assert len(wire.seen) == len(SERVICES)


async def test_the_public_keys_are_the_user_services(visitor: Visitor, wire: Wire) -> None:
    wire.answer("user", "/.well-known/jwks.json", text='{"keys": []}', headers={"Cache-Control": "public, max-age=300"})

    answer = await visitor.get("/.well-known/jwks.json")

    assert (answer.json(), answer.headers["cache-control"]) == ({"keys": []}, "public, max-age=300")


async def test_the_whole_platform_is_described_in_one_document(visitor: Visitor, wire: Wire) -> None:
    describe_all(wire)
    reference = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}}}
    operation = {"tags": ["x"], "responses": {"200": reference, "422": {"description": "Invalid"}}}
    page = {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}
    wire.answers["order", "/openapi.json"] = described(
        {"/orders": {"get": operation}, "/internal/x": {"get": {}}, "/orders/{order_id}": {"patch": {}}},
        Page=page,
        Item=ITEM,
        HTTPValidationError={},
    )
    wire.answers["product", "/openapi.json"] = described(
        {"/products": {"get": operation}, "/orders": {"post": {}}}, Page=page, Item=ITEM | {"title": "other"}, Same=ITEM
    )
    wire.answers["payment", "/openapi.json"] = described({}, Same=ITEM)

    document = (await visitor.get("/openapi.json")).json()

    paths, schemas = document["paths"], document["components"]["schemas"]
    assert document["openapi"] == "3.1.0"
    assert set(paths) == {"/api/v1/orders", "/api/v1/products", "/healthz", "/readyz", "/.well-known/jwks.json"}
    assert set(paths["/api/v1/orders"]) == {"get"}
    assert paths["/api/v1/orders"]["get"]["tags"] == ["order"]
    assert set(schemas) == {"OrderPage", "OrderItem", "ProductPage", "ProductItem", "Same", "Problem"}
    assert schemas["OrderPage"]["items"] == {"$ref": "#/components/schemas/OrderItem"}
    answers = paths["/api/v1/orders"]["get"]["responses"]
    assert answers["200"]["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/OrderPage"
    for status in ("422", "default"):
        problem = answers[status]["content"]["application/problem+json"]["schema"]
        assert problem == {"$ref": "#/components/schemas/Problem"}


async def test_the_description_is_made_once_and_not_before_everybody_is_there(visitor: Visitor, wire: Wire) -> None:
    describe_all(wire)
    wire.answer("order", "/openapi.json", status=403)

    early = await visitor.get("/openapi.json")
    describe_all(wire)
    late = await visitor.get("/openapi.json")
    wire.seen.clear()
    again = await visitor.get("/openapi.json")

    assert (early.status_code, early.json()["type"]) == (503, "docs-unavailable")
    assert "order" in early.json()["detail"]
    assert (late.status_code, again.content, wire.seen) == (200, late.content, [])


async def test_the_api_browser_takes_everything_from_here(visitor: Visitor) -> None:
    page = await visitor.get("/docs")
    assets = re.findall(r'(?:src|href)="(/docs/[^"]+)"', page.text)
    answers = [await visitor.get(asset) for asset in assets]

    assert page.headers["content-type"].startswith("text/html")
    assert "//" not in page.text.replace("<!--", "")
    assert len(assets) == 4
    assert [answer.status_code for answer in answers] == [200] * 4
    assert all(answer.headers["cache-control"] == "public, max-age=3600" for answer in answers)
    assert "script-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["redoc.standalone.js", "..%2fcore.py", "__init__.py"])
async def test_other_files_of_the_package_are_not_served(visitor: Visitor, name: str) -> None:
    assert (await visitor.get(f"/docs/assets/{name}")).status_code == 404


@pytest.mark.parametrize(
    ("address", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.1", 404), ("10.0.0.1", 404), ("", 404)]
)
async def test_metrics_are_for_a_scraper_on_the_same_machine(gateway: Open, address: str, status: int) -> None:
    async with gateway(address=address) as visitor:
        await visitor.get("/api/v1/products/some-id")
        answer = await visitor.get("/metrics")

    assert answer.status_code == status
    assert status == 404 or 'route="/products/{id}"' in answer.text
