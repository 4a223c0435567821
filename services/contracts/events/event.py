"""What every event is: a frozen fact with the state after it, named by its aggregate, its type and its version."""

from abc import abstractmethod
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
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

    @property
    def producer(self) -> str:
        """The one application that publishes it."""
        return _PRODUCERS[self]


_PRODUCERS = {
    Topic.USERS: "user",
    Topic.ORDERS: "order",
    Topic.PAYMENTS: "payment",
    Topic.STOCK: "inventory",
    Topic.OPENING_STOCK: "product",
    Topic.NOTIFICATIONS: "notification",
}


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
    @abstractmethod
    def aggregate_id(self) -> UUID:
        """The aggregate it happened to: the partition key."""

    @property
    def event_id(self) -> UUID:
        """The event's identity, the key of every consumer's inbox."""
        return uuid5(self.aggregate_id, f"{self.TYPE}/{self.version}")


def event_types() -> dict[str, type[Event]]:
    """Every class of events that has a type of its own, by that type; the others only group them."""
    return {event.TYPE: event for event in _kinds_of(Event) if "TYPE" in vars(event)}


def _kinds_of(parent: Any) -> Iterator[type[Event]]:  # noqa: ANN401 - `type[Event]` would not take an abstract class
    for kind in parent.__subclasses__():
        yield kind
        yield from _kinds_of(kind)
