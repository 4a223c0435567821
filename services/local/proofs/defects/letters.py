"""Defects of the notification service."""

from services.local.proofs.defects import journeys
from services.local.proofs.defects.defect import Defect
from services.local.proofs.defects.edit import Edit

_DOMAIN = "services/notification/domain.py"
_ANNOUNCING = "services/notification/operations/announcing.py"

LETTERS = (
    Defect(
        name="every-delivery-is-another-letter",
        harm="Customers get the same letter again whenever an event is told again.",
        edits=(
            Edit(file=_DOMAIN, old='return uuid5(event.event_id, f"{EMAIL}/{template}")', new="return uuid4()"),
            Edit(file=_DOMAIN, old="from uuid import UUID, uuid5", new="from uuid import UUID, uuid4, uuid5"),
        ),
        journey=journeys.HEAR_OLD_NEWS,
        breaks=frozenset({"I9"}),
    ),
    Defect(
        name="every-delivery-is-another-notice",
        harm="The inbox in the application shows everything twice.",
        edits=(
            Edit(file=_DOMAIN, old='return uuid5(event.event_id, "inbox")', new="return uuid4()"),
            Edit(file=_DOMAIN, old="from uuid import UUID, uuid5", new="from uuid import UUID, uuid4, uuid5"),
        ),
        journey=journeys.HEAR_EVERYTHING_TWICE,
        breaks=frozenset({"I9"}),
    ),
    Defect(
        name="letters-go-to-those-who-want-none",
        harm="Whoever wants to hear of an order hears nothing.",
        edits=(
            Edit(
                file=_ANNOUNCING,
                old="is_wanted=recipient.wants_order_emails",
                new="is_wanted=not recipient.wants_order_emails",
            ),
        ),
        journey=journeys.BUY,
        breaks=frozenset({"I7", "I9"}),
    ),
    Defect(
        name="a-letter-sent-is-told-to-nobody",
        harm="Staff cannot see on the order's timeline what its customer was told.",
        edits=(
            Edit(
                file="services/notification/operations/sending.py",
                old="outbox.add(session, *(_fact(message, now) for message in due[:sent] if message.id in first))",
                new="[_fact(message, now) for message in due[:sent] if message.id in first]",
            ),
        ),
        journey=journeys.BUY,
        breaks=frozenset({"I9"}),
    ),
)
