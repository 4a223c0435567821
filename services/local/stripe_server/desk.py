"""What an operation works with: the records, the moment, and whose request it is."""

from dataclasses import dataclass

from services.local.stripe_server import money, objects, refusals
from services.local.stripe_server.money import Movement
from services.local.stripe_server.objects import StripeObject
from services.local.stripe_server.records import Records


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One request at work inside one transaction."""

    records: Records
    now: float
    url: str
    change_after: float
    request: StripeObject

    @property
    def created(self) -> int:
        """The moment in Stripe's form: whole seconds."""
        return int(self.now)

    def get(self, kind: str, object_id: str, *, param: str = "id") -> StripeObject:
        """An object by its id.

        :raises Refusal: when there is none
        """
        found = self.records.find(kind, object_id)
        if found is None:
            raise refusals.missing(kind, object_id, param)
        return found

    def save(self, stripe_object: StripeObject) -> StripeObject:
        """Keep an object as it stands now."""
        self.records.save(stripe_object)
        return stripe_object

    def tell(self, event_type: str, about: StripeObject) -> None:
        """Keep an event and owe its delivery."""
        event = objects.event(event_type, about, request=self.request, now=self.created)
        self.records.queue(event, now=self.now)

    def book(self, source: StripeObject, movement: Movement) -> StripeObject:
        """Move the balance; the answer is the balance transaction."""
        booked = self.save(money.balance_transaction(source, movement, now=self.created))
        self.records.balance.owe(booked)
        return booked

    def later(self, stripe_object: StripeObject, *, after: float | None = None) -> None:
        """Something is going to happen to an object by itself, after `change_after` unless told otherwise."""
        due = self.now + (self.change_after if after is None else after)
        self.records.schedule(stripe_object["id"], due=due)
