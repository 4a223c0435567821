"""The inbox: one document per event that a customer is told about."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.notification.domain import inbox_id, notice_of
from services.shared.documents import Document, Documents

INBOX = "inbox"


async def write_inbox(documents: Documents, event: Any) -> None:  # noqa: ANN401 - one of the events in `TOLD`
    """Write what is said about an event into its customer's inbox."""
    notice = notice_of(event)
    body = {"type": notice.template, "title": notice.title, "body": notice.body}
    await documents.put(INBOX, Document(id=inbox_id(event), key=str(event.user_id), at=event.at, body=body))


async def read_inbox(
    documents: Documents, user_id: UUID, *, limit: int, before: tuple[datetime, UUID] | None
) -> Sequence[Document]:
    """A customer's inbox, newest first."""
    return await documents.find(INBOX, str(user_id), limit=limit, before=before)


async def is_in_inbox(documents: Documents, user_id: UUID, notification_id: UUID) -> bool:
    """Whether an item is in this customer's inbox."""
    found = await documents.get(INBOX, notification_id)
    return found is not None and found.key == str(user_id)
