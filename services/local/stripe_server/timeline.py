"""What happens by itself, each thing at its own moment."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from services.local.stripe_server import captures, charges, checkout, disputes, intents, payouts, refunds
from services.local.stripe_server.desk import Desk
from services.local.stripe_server.objects import StripeObject


def _to(kind: str, happen: Callable[[Desk, StripeObject], None]) -> Callable[[Desk, str], None]:
    return lambda desk, object_id: happen(desk, desk.get(kind, object_id))


_HAPPENINGS: Mapping[str, Callable[[Desk, str], None]] = {
    "re": _to(refunds.KIND, refunds.change),
    "ch": _to(charges.KIND, disputes.strike),
    "du": _to(disputes.KIND, disputes.decide),
    "pi": _to(intents.KIND, captures.expire),
    "po": _to(payouts.KIND, payouts.arrive),
    "cs": _to(checkout.KIND, checkout.lapse),
    payouts.DAILY: payouts.daily,
}


def begin(desk: Desk) -> None:
    """Make the appointments that need no object."""
    payouts.expect(desk)


def catch_up(desk: Desk) -> None:
    """Let everything happen that is due by now."""
    while (scheduled := desk.records.take_scheduled(now=desk.now)) is not None:
        object_id, moment = scheduled
        happen = _HAPPENINGS[object_id.partition("_")[0]]
        happen(replace(desk, now=moment), object_id)
