"""What happens by itself, each thing at its own moment."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from services.local.stripe_server import disputes, refunds
from services.local.stripe_server.desk import Desk
from services.local.stripe_server.objects import StripeObject

_HAPPENINGS: Mapping[str, tuple[str, Callable[[Desk, StripeObject], None]]] = {
    "re": (refunds.KIND, refunds.change),
    "ch": ("charge", disputes.strike),
    "du": (disputes.KIND, disputes.decide),
}


def catch_up(desk: Desk) -> None:
    """Let everything happen that is due by now."""
    while (scheduled := desk.records.take_scheduled(now=desk.now)) is not None:
        object_id, moment = scheduled
        kind, happen = _HAPPENINGS[object_id.partition("_")[0]]
        happen(replace(desk, now=moment), desk.get(kind, object_id))
