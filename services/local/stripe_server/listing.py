"""Reading: one object, or a page of them (https://docs.stripe.com/api/pagination)."""

from collections.abc import Mapping

from services.local.stripe_server import refusals
from services.local.stripe_server.desk import Desk
from services.local.stripe_server.forms import Form
from services.local.stripe_server.objects import StripeObject
from services.local.stripe_server.records import Page

RESOURCES: Mapping[str, str] = {
    "payment_intents": "payment_intent",
    "charges": "charge",
    "refunds": "refund",
    "events": "event",
    "balance_transactions": "balance_transaction",
    "payment_methods": "payment_method",
    "disputes": "dispute",
    "payouts": "payout",
    "checkout/sessions": "checkout.session",
}
_FILTERS: Mapping[str, tuple[str, ...]] = {
    "charges": ("payment_intent",),
    "refunds": ("payment_intent", "charge"),
    "events": ("type",),
    "balance_transactions": ("type", "source", "currency"),
    "disputes": ("charge", "payment_intent"),
    "payouts": ("status", "destination"),
    "checkout/sessions": ("payment_intent", "status"),
}
_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_MOST = 100


def retrieve(desk: Desk, form: Form, *, resource: str, object_id: str) -> StripeObject:
    """One object.

    :raises Refusal: when there is none
    """
    form.only({"client_secret"})
    return desk.get(_kind(resource), object_id)


def page(desk: Desk, form: Form, *, resource: str) -> StripeObject:
    """A page of a resource, newest first."""
    kind, filters = _kind(resource), _FILTERS.get(resource, ())
    form.only({"limit", "starting_after", "ending_before", "created", *filters, *_paid(resource)})
    found, more = desk.records.page(
        kind,
        Page(
            limit=_limit(form),
            starting_after=_beside(desk, form, kind, "starting_after"),
            ending_before=_beside(desk, form, kind, "ending_before"),
            created=_created(form),
            payout=form.text("payout"),
            equal=tuple((name, form.required(name)) for name in filters if form.text(name)),
        ),
    )
    return {"object": "list", "url": f"/v1/{resource}", "has_more": more, "data": found}


def _beside(desk: Desk, form: Form, kind: str, name: str) -> str | None:
    object_id = form.text(name)
    if object_id is not None:
        desk.get(kind, object_id, param=name)
    return object_id


def _kind(resource: str) -> str:
    if resource not in RESOURCES:
        raise refusals.unknown_address(f"/v1/{resource}")
    return RESOURCES[resource]


def unknown(_desk: Desk, _form: Form, *, path: str) -> StripeObject:
    """Nothing.

    :raises Refusal: always
    """
    raise refusals.unknown_address(f"/v1/{path}")


def _paid(resource: str) -> tuple[str, ...]:
    return ("payout",) if resource == "balance_transactions" else ()


def _limit(form: Form) -> int:
    limit = form.whole("limit")
    if limit is None:
        return Page.limit
    if not 1 <= limit <= _MOST:
        raise refusals.invalid("limit", f"Invalid limit: must be 1 to {_MOST}.", "parameter_invalid_integer")
    return limit


def _created(form: Form) -> tuple[tuple[str, int], ...]:
    if isinstance(form.values.get("created"), str):
        moment = form.whole("created")
        return () if moment is None else (("=", moment),)
    bounds = Form(form.mapping("created"))
    bounds.only(_SIGNS)
    return tuple((_SIGNS[name], moment) for name in _SIGNS if (moment := bounds.whole(name)) is not None)
