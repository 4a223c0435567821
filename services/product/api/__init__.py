"""The HTTP door of the catalogue, by who comes through it."""

from services.product.api import browsing, editing, importing, internal, inventory, searching

ROUTERS = (searching.router, browsing.router, importing.router, editing.router, inventory.router, internal.router)
"""In the order of matching: `/products/search` comes before `/products/{product_id}`."""
