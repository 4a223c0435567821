"""Reading the inbox, and what a customer wishes to get."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.notification import store, views
from services.notification.shapes import Preferences
from services.shared.documents import Documents
from services.shared.errors import NotFound


class NotificationNotFound(NotFound):
    """There is no such notification, or it is not yours."""


async def mark_read(session: AsyncSession, documents: Documents, *, user_id: UUID, notification_id: UUID) -> None:
    """Mark an item of one's own inbox as read; doing it twice does it once.

    :raises NotificationNotFound: it is not in this inbox.
    """
    if not await views.is_in_inbox(documents, user_id, notification_id):
        raise NotificationNotFound
    await store.mark_read(session, notification_id)


async def read_of(session: AsyncSession, ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of the items that were read."""
    return await store.read_of(session, ids)


async def preferences(session: AsyncSession, user_id: UUID) -> Preferences:
    """What a user wishes to get; without a word from them, e-mails about their orders and no advertising."""
    wishes = await store.find_wishes(session, user_id)
    return Preferences.model_validate(wishes) if wishes else Preferences()


async def set_preferences(session: AsyncSession, user_id: UUID, wishes: Preferences) -> Preferences:
    """Keep what a user wishes to get."""
    await store.keep_wishes(session, user_id, wishes.model_dump(mode="json", by_alias=True))
    return wishes
