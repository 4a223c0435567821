"""What every event is: a frozen fact with the state after it, named by its aggregate, its type and its version."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict


class Topic(StrEnum):
    """The topics, one per aggregate."""

    USERS = "users"
    ORDERS = "orders"
    PAYMENTS = "payments"
    STOCK = "stock"
    OPENING_STOCK = "opening-stock"
    NOTIFICATIONS = "notifications"


class Fact(BaseModel):
    """Part of an event: immutable, tolerant of fields that a newer producer adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(Fact):
    """Something that happened to one aggregate.

    `version` is the aggregate's version after it, so (aggregate, type, version) names the event and `event_id` needs
    no randomness: the same change published twice is the same event.
    """

    TYPE: ClassVar[str]
    TOPIC: ClassVar[Topic]

    version: int
    at: datetime

    @property
    def aggregate_id(self) -> UUID:
        """The aggregate it happened to: the partition key."""
        raise NotImplementedError

    @property
    def event_id(self) -> UUID:
        """The event's identity, the key of every consumer's inbox."""
        return uuid5(self.aggregate_id, f"{self.TYPE}/{self.version}")


def event_types() -> dict[str, type[Event]]:
    """Every concrete event class by its type."""
    found: dict[str, type[Event]] = {}
    pending: list[type[Event]] = [Event]
    while pending:
        for child in pending.pop().__subclasses__():
            pending.append(child)
            if "TYPE" in vars(child):
                found[child.TYPE] = child
    return found
