from uuid import uuid4

import pytest

from services.contracts.money import Money
from services.order.domain.cart import Cart, CartFull, CartItem, ProductNotFound, item_of, price
from tests.unit.order.builders import product


def item(quantity: int = 1, name: str = "Lamp") -> CartItem:
    return CartItem(product_id=uuid4(), name=name, quantity=quantity, unit_price=Money.parse("12.50", "EUR"))


def test_putting_a_product_in_again_replaces_its_line_in_its_place() -> None:
    lamp, rug = item(name="Lamp"), item(name="Rug")

    cart = Cart(items=(lamp, rug)).with_item(lamp.model_copy(update={"quantity": 5}))

    assert [(one.name, one.quantity) for one in cart.items] == [("Lamp", 5), ("Rug", 1)]


def test_a_full_cart_takes_no_other_product_but_other_quantities() -> None:
    cart = Cart(items=tuple(item() for _ in range(100)))

    with pytest.raises(CartFull, match="at most 100 lines"):
        cart.with_item(item())

    assert cart.with_item(cart.items[0].model_copy(update={"quantity": 9})).items[0].quantity == 9


def test_two_carts_never_have_the_same_id() -> None:
    cart = Cart()

    assert cart.cart_id != Cart().cart_id != cart.successor().cart_id


def test_a_merge_adds_up_and_is_recorded_so_that_it_happens_once() -> None:
    lamp, rug = item(2), item(3)
    guest = Cart(items=(lamp.model_copy(update={"quantity": 4}), rug))
    cart = Cart(items=(lamp,))

    merged = cart.merge("token", guest)

    assert [one.quantity for one in merged.items] == [6, 3]
    assert merged.cart_id == cart.cart_id
    assert cart.lacks("token", guest)
    assert not merged.lacks("token", guest)
    assert not merged.successor().lacks("token", guest)


def test_a_guest_who_fills_another_cart_under_the_same_token_can_merge_it_too() -> None:
    first, second = Cart(items=(item(),)), Cart(items=(item(),))

    merged = Cart().merge("token", first)

    assert merged.lacks("token", second)
    assert not merged.lacks("token", Cart())


def test_a_cart_keeps_the_record_of_the_newest_twenty_guests() -> None:
    guests = {f"token-{number}": Cart(items=(item(),)) for number in range(21)}
    cart, again = Cart(), Cart(items=(item(),))

    for token, guest in guests.items():
        cart = cart.merge(token, guest)
    cart = cart.merge("token-1", again).merge("token-21", again)

    assert list(cart.merged) == [*(f"token-{number}" for number in range(3, 21)), "token-1", "token-21"]
    assert not cart.lacks("token-1", again)


def test_a_merge_stays_within_what_a_line_and_a_cart_hold() -> None:
    lamp = item(900)
    guest = Cart(items=(lamp, *(item() for _ in range(100))))

    merged = Cart(items=(lamp,)).merge("token", guest)

    assert merged.items[0].quantity == 1000
    assert len(merged.items) == 100


def test_a_line_is_made_only_of_a_product_that_is_on_sale() -> None:
    lamp, retired = product("12.50"), product(is_active=False)

    assert str(item_of(lamp.product_id, 2, [retired, lamp]).unit_price) == "12.50 EUR"
    with pytest.raises(ProductNotFound):
        item_of(retired.product_id, 1, [retired])
    with pytest.raises(ProductNotFound):
        item_of(lamp.product_id, 1, [])


def test_a_view_flags_what_changed_and_leaves_what_is_unavailable_out_of_the_total() -> None:
    same, dearer, gone = item(2), item(1), item(1)
    products = [product("12.50", product_id=same.product_id), product("13.00", product_id=dearer.product_id)]

    view = price(Cart(items=(same, dearer, gone)), products)

    assert [line.flags for line in view.items] == [[], ["price_changed"], ["unavailable"]]
    assert [str(line.unit_price) for line in view.items] == ["12.50 EUR", "13.00 EUR", "12.50 EUR"]
    assert str(view.total_amount) == "38.00 EUR"


def test_an_empty_cart_and_a_cart_in_two_currencies_have_no_total() -> None:
    lamp, book = item(), item()
    products = [product(product_id=lamp.product_id), product("9.00", "USD", product_id=book.product_id)]

    assert price(Cart(), []).total_amount is None
    assert price(Cart(items=(lamp, book)), products).total_amount is None
