"""Filling an empty catalogue with the demo products, through the public API like anybody else."""

from collections.abc import Mapping

from services.local.console import Steps
from services.local.customer import client
from services.local.customer import seeding as demo


async def seed_if_empty(base_url: str, secrets: Mapping[str, str], steps: Steps) -> None:
    """Import the demo catalogue unless there are products already."""
    if await _has_products(base_url):
        return
    steps("seeding the demo catalogue")
    count = await demo.seed(base_url, secrets, steps)
    steps(f"seeded {count} products")


async def _has_products(base_url: str) -> bool:
    async with client.connected(base_url) as api:
        return bool((await api.get("/products", limit="1"))["items"])
