"""What is sent to customers."""

from typing import ClassVar
from uuid import UUID

from services.contracts.events.event import Event, Topic


class NotificationSent(Event):
    """A message left for a customer (the address and the text stay in the notification service)."""

    TYPE: ClassVar[str] = "notification.sent"
    TOPIC: ClassVar[Topic] = Topic.NOTIFICATIONS

    notification_id: UUID
    user_id: UUID
    order_id: UUID | None = None
    channel: str
    template: str

    @property
    def aggregate_id(self) -> UUID:
        """The message."""
        return self.notification_id
