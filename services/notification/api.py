"""The HTTP door: the inbox and the preferences."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, status

from services.notification import views
from services.notification.operations import inbox
from services.notification.shapes import Notification, Preferences
from services.shared.database import Transaction
from services.shared.documents import Document
from services.shared.identity import Customer
from services.shared.pages import Cursor, Limit, Page, decode_cursor, page_of
from services.shared.runtime import Docs

router = APIRouter(prefix="/notifications", tags=["notification"])


@router.get("", summary="Read your inbox, newest first")
async def list_notifications(
    customer: Customer, documents: Docs, session: Transaction, limit: Limit = 20, cursor: Cursor = None
) -> Page[Notification]:
    """What became of your orders, in short."""
    before = decode_cursor(cursor, datetime.fromisoformat, UUID)
    found = await views.read_inbox(
        documents, customer.id, limit=limit + 1, before=(before[0], before[1]) if before else None
    )
    read = await inbox.read_of(session, [document.id for document in found])

    def shown(document: Document) -> Notification:
        return Notification(id=document.id, at=document.at, read=document.id in read, **document.body)

    return page_of(found, limit, shown, lambda last: (last.at.isoformat(), str(last.id)))


@router.post("/{notification_id}/read", status_code=status.HTTP_204_NO_CONTENT, summary="Mark as read")
async def mark_notification_read(
    notification_id: UUID, customer: Customer, documents: Docs, session: Transaction
) -> None:
    """Doing it again changes nothing."""
    await inbox.mark_read(session, documents, user_id=customer.id, notification_id=notification_id)


@router.get("/preferences", summary="What you wish to get")
async def get_notification_preferences(customer: Customer, session: Transaction) -> Preferences:
    """The defaults, unless you changed them."""
    return await inbox.preferences(session, customer.id)


@router.put("/preferences", summary="Change what you wish to get")
async def set_notification_preferences(wishes: Preferences, customer: Customer, session: Transaction) -> Preferences:
    """Replaces them all; what is left out gets its default."""
    return await inbox.set_preferences(session, customer.id, wishes)
