"""Carts in Dapr's state store, guarded by ETags, kept for 30 days after the last change."""

from dataclasses import dataclass
from datetime import timedelta

from services.order.domain.cart import Cart
from services.shared.sidecar import Sidecar

KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class KeptCart:
    """A cart as it was read; None when there is none."""

    cart: Cart | None
    etag: str | None


async def load(sidecar: Sidecar, key: str) -> KeptCart:
    """The cart under a key."""
    item = await sidecar.load_state(key)
    cart = Cart.model_validate(item.value) if item.value is not None else None
    return KeptCart(cart=cart, etag=item.etag)


async def save(sidecar: Sidecar, key: str, cart: Cart, *, etag: str | None) -> bool:
    """Write a cart; False when it has changed since it was read."""
    seconds = int(KEPT_FOR.total_seconds())
    return await sidecar.save_state(key, cart.model_dump(mode="json"), etag=etag, seconds_to_live=seconds)
