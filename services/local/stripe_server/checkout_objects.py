"""The objects of Checkout: a session, and what is bought in it."""

from services.local.stripe_server.objects import StripeObject, new_id


def session(items: list[StripeObject], *, url: str, expires_at: int, now: int) -> StripeObject:
    """A session in which nobody has paid yet."""
    session_id = new_id("cs_test")
    nothing = dict.fromkeys(
        (
            "adaptive_pricing",
            "after_expiration",
            "allow_promotion_codes",
            "billing_address_collection",
            "cancel_url",
            "client_reference_id",
            "client_secret",
            "consent",
            "consent_collection",
            "customer",
            "customer_details",
            "customer_email",
            "invoice",
            "locale",
            "payment_intent",
            "payment_link",
            "recovered_from",
            "setup_intent",
            "shipping_cost",
            "submit_type",
            "subscription",
        )
    )
    total = sum(item["amount_total"] for item in items)
    return nothing | {
        "id": session_id,
        "object": "checkout.session",
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "created": now,
        "currency": items[0]["currency"],
        "custom_fields": [],
        "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        "customer_creation": "if_required",
        "expires_at": expires_at,
        "livemode": False,
        "metadata": {},
        "mode": "payment",
        "payment_method_collection": "if_required",
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "status": "open",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{url}/_stand-in/checkout/{session_id}",
    }


def line_item(*, name: str, unit_amount: int, currency: str, quantity: int, now: int) -> StripeObject:
    """So many of something, at a price that was made for it."""
    return {
        "id": new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": unit_amount * quantity,
        "amount_tax": 0,
        "amount_total": unit_amount * quantity,
        "currency": currency,
        "description": name,
        "price": _price(unit_amount, currency, now=now),
        "quantity": quantity,
    }


def _price(unit_amount: int, currency: str, *, now: int) -> StripeObject:
    return {
        "id": new_id("price"),
        "object": "price",
        "active": False,
        "billing_scheme": "per_unit",
        "created": now,
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": new_id("prod"),
        "recurring": None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": unit_amount,
        "unit_amount_decimal": str(unit_amount),
    }


def page_of(items: list[StripeObject], *, url: str) -> StripeObject:
    """All of them, as a list."""
    return {"object": "list", "url": url, "has_more": False, "data": items}
