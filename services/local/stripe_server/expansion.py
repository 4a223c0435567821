"""`expand[]`: an id is answered as the object that it names (https://docs.stripe.com/api/expanding_objects)."""

from collections.abc import Callable, Iterable

from services.local.stripe_server import refusals
from services.local.stripe_server.objects import StripeObject

_KINDS = {
    "pi": "payment_intent",
    "ch": "charge",
    "re": "refund",
    "pm": "payment_method",
    "txn": "balance_transaction",
    "du": "dispute",
    "po": "payout",
    "cs": "checkout.session",
}
_DEEPEST = 4

Find = Callable[[str, str], StripeObject | None]


def expand(result: StripeObject, paths: Iterable[str], *, find: Find) -> StripeObject:
    """Put objects in the place of ids along dotted paths such as `latest_charge.balance_transaction`.

    :raises Refusal: when a path is deeper than Stripe allows, or names nothing that can be expanded
    """
    for path in paths:
        steps = path.split(".")
        if len(steps) > _DEEPEST:
            raise _unexpandable(path)
        _follow(result, steps, path=path, find=find)
    return result


def _follow(result: StripeObject, steps: list[str], *, path: str, find: Find) -> None:
    if not steps:
        return
    step, *rest = steps
    if step not in result:
        raise _unexpandable(path)
    value = result[step]
    if isinstance(value, list):
        for item in value:
            _follow(item, rest, path=path, find=find)
    elif value is not None:
        result[step] = inner = _object(value, path=path, find=find)
        _follow(inner, rest, path=path, find=find)


def _object(value: object, *, path: str, find: Find) -> StripeObject:
    if isinstance(value, dict):
        return value
    prefix, _, _ = str(value).partition("_")
    found = find(_KINDS[prefix], str(value)) if prefix in _KINDS else None
    if found is None:
        raise _unexpandable(path)
    return found


def _unexpandable(path: str) -> refusals.Unexecuted:
    return refusals.invalid("expand", f"This property cannot be expanded ({path}).", "parameter_invalid")
