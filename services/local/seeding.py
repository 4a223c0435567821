"""Filling an empty catalogue with the demo products, through the public API like anybody else."""

from collections.abc import Mapping

import aiohttp

from services.local.console import Steps
from services.local.customer import seeding as demo


async def seed_if_empty(base_url: str, secrets: Mapping[str, str], steps: Steps) -> None:
    """Import the demo catalogue unless there are products already."""
    if await _has_products(base_url):
        return
    steps("seeding the demo catalogue")
    count = await demo.seed(base_url, secrets, steps)
    steps(f"seeded {count} products")


async def _has_products(base_url: str) -> bool:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{base_url}/api/v1/products", params={"limit": "1"}) as response,
    ):
        response.raise_for_status()
        return bool((await response.json())["items"])
