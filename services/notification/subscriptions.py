"""What notification does about other services' events."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import OrderEvent, PaymentEvent, UserChanged, UserRegistered
from services.notification import views
from services.notification.domain import TOLD
from services.notification.operations import announcing
from services.shared.documents import Documents
from services.shared.pubsub import EventDoor

door = EventDoor()


@door.on(UserRegistered)
async def welcome(session: AsyncSession, event: UserRegistered) -> None:
    """A new user is greeted."""
    await announcing.welcome(session, event)


@door.on(UserChanged)
async def keep_recipient(session: AsyncSession, event: UserChanged) -> None:
    """Letters go to the newest address."""
    await announcing.keep_recipient(session, event)


@door.on(*(event for event in TOLD if event is not UserRegistered))
async def announce(session: AsyncSession, event: OrderEvent | PaymentEvent) -> None:
    """Customers hear what becomes of their orders."""
    await announcing.announce(session, event)


@door.project(*TOLD)
async def show_in_inbox(documents: Documents, event: Any) -> None:  # noqa: ANN401 - one of the events in `TOLD`
    """They can also read it in the application."""
    await views.write_inbox(documents, event)
