"""Filling a cart. A guest's cart goes into the customer's on the first call that names both."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from services.order import clients
from services.order.domain.cart import Cart, CartBusy, PricedCart, item_of, price
from services.order.store import carts, orders
from services.shared.database import Database
from services.shared.failpoints import failpoint
from services.shared.sidecar import Sidecar

_TRIES = 5


@dataclass(frozen=True, kw_only=True)
class Shopper:
    """Whose cart: a customer's, or a guest's by their token; both when a guest has just signed in."""

    user_id: UUID | None
    guest_token: str | None

    @property
    def key(self) -> str | None:
        """Where the cart is kept; None for a guest who has none yet."""
        if self.user_id is not None:
            return f"cart:{self.user_id}"
        return _guest_key(self.guest_token) if self.guest_token else None


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Where carts and prices come from, and where it is written which carts were ordered."""

    sidecar: Sidecar
    database: Database


@dataclass(frozen=True, kw_only=True)
class StandingCart:
    """A cart that can still be ordered, and the order that the one before it became if nothing was put in since."""

    cart: Cart
    ordered_as: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class GuestCart:
    """A guest's cart that is about to be merged."""

    token: str
    cart: Cart
    etag: str | None


async def show(shopper: Shopper, *, shop: Shop) -> PricedCart:
    """The cart at today's prices.

    :raises CartBusy: it could not be merged with the guest's for being changed at the same moment.
    """
    return await _priced(await load(shopper, shop=shop), shop)


async def put_item(shopper: Shopper, product_id: UUID, quantity: int, *, shop: Shop) -> PricedCart:
    """Have so many units of a product in the cart, at today's price.

    :raises ProductNotFound: it is not on sale.
    :raises CartFull: there are a hundred other lines.
    :raises CartBusy: it is being changed at the same moment, again and again.
    """
    item = item_of(product_id, quantity, await clients.prices(shop.sidecar, [product_id]))
    return await _priced(await _change(shopper, shop, lambda cart: cart.with_item(item)), shop)


async def remove_item(shopper: Shopper, product_id: UUID, *, shop: Shop) -> PricedCart:
    """Have none of a product in the cart.

    :raises CartBusy: it is being changed at the same moment, again and again.
    """
    return await _priced(await _change(shopper, shop, lambda cart: cart.without(product_id)), shop)


async def clear(shopper: Shopper, *, shop: Shop) -> PricedCart:
    """Have nothing in the cart.

    :raises CartBusy: it is being changed at the same moment, again and again.
    """
    return await _priced(await _change(shopper, shop, Cart.emptied), shop)


async def load(shopper: Shopper, *, shop: Shop) -> StandingCart:
    """The cart as it is kept, with the guest's merged into it.

    :raises CartBusy: it could not be merged with the guest's for being changed at the same moment.
    """
    return await _change(shopper, shop, lambda cart: cart)


async def _change(shopper: Shopper, shop: Shop, change: Callable[[Cart], Cart]) -> StandingCart:
    if shopper.key is None:
        return StandingCart(cart=Cart())
    for _ in range(_TRIES):
        kept = await carts.load(shop.sidecar, shopper.key)
        standing = await _standing(kept.cart, shop)
        guest = await _unmerged_guest(shopper, standing.cart, shop)
        changed = change(standing.cart.merge(guest.token, guest.cart) if guest else standing.cart)
        if changed == standing.cart:
            return standing
        if await carts.save(shop.sidecar, shopper.key, changed, etag=kept.etag):
            failpoint("cart.saved.before_guest_emptied")
            if guest is not None:
                await _empty(guest, shop)
                failpoint("cart.guest_emptied.before_answer")
            return StandingCart(cart=changed, ordered_as=standing.ordered_as)
    raise CartBusy


async def _standing(cart: Cart | None, shop: Shop) -> StandingCart:
    if cart is None:
        return StandingCart(cart=Cart())
    async with shop.database.read() as session:
        order_id = await orders.find_order_of_cart(session, cart.cart_id)
    return StandingCart(cart=cart.successor() if order_id else cart, ordered_as=order_id)


async def _unmerged_guest(shopper: Shopper, cart: Cart, shop: Shop) -> GuestCart | None:
    if shopper.user_id is None or shopper.guest_token is None:
        return None
    kept = await carts.load(shop.sidecar, _guest_key(shopper.guest_token))
    if kept.cart is None or not cart.lacks(shopper.guest_token, kept.cart):
        return None
    return GuestCart(token=shopper.guest_token, cart=kept.cart, etag=kept.etag)


async def _empty(guest: GuestCart, shop: Shop) -> None:
    """That it was merged is recorded in the customer's cart, so it does no harm if this write is lost."""
    await carts.save(shop.sidecar, _guest_key(guest.token), guest.cart.successor(), etag=guest.etag)


async def _priced(standing: StandingCart, shop: Shop) -> PricedCart:
    product_ids = [item.product_id for item in standing.cart.items]
    return price(standing.cart, await clients.prices(shop.sidecar, product_ids) if product_ids else [])


def _guest_key(token: str) -> str:
    return f"guest:{token}"
