"""A shop's staff at work, for tests of the product service."""

import json
from dataclasses import dataclass
from typing import Any

import httpx2

from services.product.app import follow_changes, work_on_imports
from tests.service.doors import Client

LAMP = {
    "sku": "LAMP-1",
    "name": "Desk lamp with a brass arm",
    "description": "Warm light for long evenings.",
    "price": {"amount": "39.90", "currency": "EUR"},
    "category": "home/lighting",
    "brand": "Lumen",
    "attributes": {"colour": "brass", "watts": 7, "dimmable": True, "weight": 1.5},
    "gtin": ["4006381333931"],
}


@dataclass
class Shop:
    """The service and the staff's headers."""

    client: Client
    staff: dict[str, str]

    async def create(self, **fields: Any) -> dict[str, Any]:
        """Create a product; answers it as shown."""
        answer = await self.client.post("/products", json=LAMP | fields, headers=self.staff)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def put(self, product_id: str, body: Any, if_match: str | None = None) -> httpx2.Response:
        condition = {"If-Match": if_match} if if_match else {}
        return await self.client.put(f"/products/{product_id}", json=body, headers=self.staff | condition)

    async def start_import(self, *rows: Any) -> str:
        """Post JSON Lines; a string is a line as it stands. Answers the import's id."""
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        answer = await self.post_import("\n".join(lines))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def post_import(self, content: str | bytes, kind: str = "application/x-ndjson") -> httpx2.Response:
        return await self.client.post("/products/import", content=content, headers=self.staff | {"Content-Type": kind})

    async def import_all(self, *rows: Any) -> dict[str, Any]:
        """Import rows and wait for the end; answers the import's progress."""
        job_id = await self.start_import(*rows)
        while await work_on_imports(self.client.runtime):
            pass
        return await self.progress(job_id)

    async def progress(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"/products/imports/{job_id}", headers=self.staff)).json()
        return found

    async def search(self, q: str = "", **filters: Any) -> dict[str, Any]:
        """Search with an index that is up to date."""
        await follow_changes(self.client.runtime)
        answer = await self.client.get("/products/search", params={"q": q} | filters)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def found(self, q: str = "", **filters: Any) -> list[str]:
        """The SKUs of a search's results."""
        return [card["sku"] for card in (await self.search(q, **filters))["items"]]
