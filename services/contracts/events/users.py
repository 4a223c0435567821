"""What happens to accounts."""

from typing import ClassVar
from uuid import UUID

from services.contracts.events.event import Event, Topic


class UserEvent(Event):
    """A change of an account; carries the account after it."""

    TOPIC: ClassVar[Topic] = Topic.USERS

    user_id: UUID
    email: str
    first_name: str
    last_name: str
    role: str
    is_active: bool

    @property
    def aggregate_id(self) -> UUID:
        """The account."""
        return self.user_id


class UserRegistered(UserEvent):
    """Somebody registered."""

    TYPE: ClassVar[str] = "user.registered"


class UserChanged(UserEvent):
    """An account's profile, role or activity changed."""

    TYPE: ClassVar[str] = "user.changed"
