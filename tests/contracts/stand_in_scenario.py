"""Everything that is asked of the Stripe stand-in, once: as the payment service asks, and through the SDK at large."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import stripe

from services.payment.clients import stripe_provider
from services.payment.clients.provider import Provider
from tests.contracts.recording import CONTROL, Recorder
from tests.unit.stripe_server import hooks
from tests.unit.stripe_server.conftest import KEY, StandIn, running
from tests.unit.stripe_server.hooks import Shop, wait_for

DAY = 86_400
ROUTE = "https://shop.example/back"


@contextmanager
def recorded(folder: Path) -> Iterator[tuple[StandIn, Recorder, Shop]]:
    """A stand-in whose every exchange and event is kept."""
    recorders: list[Recorder] = []

    def around(app: Any) -> Recorder:
        recorders.append(Recorder(app))
        return recorders[0]

    with hooks.listening() as shop, running(folder, shop, around=around) as stand_in:
        yield stand_in, recorders[0], shop


@dataclass
class Purchase:
    """An order that is paid as the payment service pays it: one method for each of the provider's."""

    provider: Any
    stand_in: StandIn
    card: str = "pm_card_visa"
    order_id: str = field(default_factory=lambda: str(uuid4()))
    refund_id: str = field(default_factory=lambda: str(uuid4()))
    intent_id: str = ""
    refunded: str = ""
    disputed: str = ""

    async def create(self) -> None:
        metadata = {"order_id": self.order_id, "user_id": str(uuid4())}
        key = f"pi:{self.order_id}"
        opened = await self.provider.create(key=key, amount_minor=2_500, currency="EUR", metadata=metadata)
        self.intent_id = opened.id

    async def confirm(self) -> None:
        await self.provider.confirm(self.intent_id, key=f"confirm:{self.order_id}:1", payment_method=self.card)

    async def retrieve(self) -> None:
        await self.provider.retrieve(self.intent_id)

    async def cancel(self) -> None:
        await self.provider.cancel(self.intent_id)

    async def refund(self) -> None:
        key = f"refund:{self.refund_id}"
        refund = await self.provider.refund(self.intent_id, key=key, amount_minor=500, refund_id=self.refund_id)
        self.refunded = refund.id

    async def retrieve_refund(self) -> None:
        await self.provider.retrieve_refund(self.refunded)

    async def find_refund(self) -> None:
        assert await self.provider.find_refund(self.intent_id, refund_id=self.refund_id)

    async def list_movements(self) -> None:
        await self.provider.list_movements(since=None)
        await self.provider.list_movements(since=datetime.now(UTC) - timedelta(days=1))
        newest = self.stand_in.client.v1.balance_transactions.list(params={"limit": 1}).data[0]
        await self.provider.list_movements(since=datetime.now(UTC) - timedelta(days=1), after=newest.id)

    async def retrieve_dispute(self) -> None:
        self.disputed = self.stand_in.dispute(payment_intent=self.intent_id)["id"]
        await self.provider.retrieve_dispute(self.disputed)

    async def list_disputes(self) -> None:
        assert await self.provider.list_disputes(self.intent_id)


async def serve_customers(stand_in: StandIn) -> None:
    """Every call that the payment service makes, in the order in which its provider names them."""
    calls = [name for name in vars(Provider) if not name.startswith("_")]
    connected = stripe_provider.connect(api_key=KEY, address=stand_in.url, return_url=ROUTE, seconds=10)
    async with connected as provider:
        await pay(Purchase(provider, stand_in), calls)
        for card in ("pm_card_chargeDeclined", "pm_card_authenticationRequired"):
            await pay(Purchase(provider, stand_in, card), ["create", "confirm", "retrieve", "cancel"])


async def pay(purchase: Purchase, calls: Iterable[str]) -> None:
    """Make the calls; one that this scenario does not know of fails it."""
    for call in calls:
        await getattr(purchase, call)()


def take_and_give(stand_in: StandIn) -> None:
    """Intents of every kind and fate, refunds and charges."""
    intents, v1 = stand_in.intents, stand_in.client.v1
    full = {"amount": 9_000, "currency": "eur", "payment_method": "pm_card_mastercard", "confirm": True}
    words = {"description": "Lamps", "receipt_email": "ada@example.com", "metadata": {"order_id": "o-1"}}
    shipping = {"name": "Ada", "address": {"line1": "1 Lamp St", "city": "Rome", "postal_code": "1", "country": "IT"}}
    held = intents.create(params={**full, **words, "capture_method": "manual", "shipping": shipping})
    intents.capture(held.id, params={"amount_to_capture": 4_000})
    intents.cancel(intents.create(params={**full, "capture_method": "manual"}).id)
    intents.cancel(
        intents.create(params={"amount": 500, "currency": "usd"}).id, params={"cancellation_reason": "abandoned"}
    )
    for card in ("pm_card_visa_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclinedExpiredCard"):
        with suppress(stripe.CardError):
            intents.create(params={**full, "payment_method": card})
    paid = intents.create(params=full, options={"idempotency_key": "once"})
    intents.create(params=full, options={"idempotency_key": "once"})
    for card in ("pm_card_pendingRefund", "pm_card_refundFail"):
        changing = stand_in.paid(card=card)
        stand_in.refunds.create(params={"payment_intent": changing.id, "amount": 300, "metadata": {"refund_id": "r"}})
    stand_in.refunds.create(params={"charge": str(paid.latest_charge), "reason": "requested_by_customer"})
    intents.retrieve(paid.id, params={"expand": ["latest_charge.balance_transaction", "payment_method"]})
    v1.charges.retrieve(str(paid.latest_charge), params={"expand": ["payment_intent", "balance_transaction.source"]})
    v1.payment_methods.retrieve(str(paid.payment_method))


def dispute(stand_in: StandIn) -> None:
    """Disputes that are won, lost, accepted, answered and asked about."""
    disputes = stand_in.client.v1.disputes
    for outcome in ("won", "lost"):
        stand_in.decide(stand_in.dispute(payment_intent=stand_in.paid().id, amount=1_000), outcome)
        stand_in.decide(stand_in.dispute(payment_intent=stand_in.paid().id, inquiry=True), outcome)
    disputes.close(stand_in.dispute(payment_intent=stand_in.paid().id)["id"])
    answered = stand_in.dispute(payment_intent=stand_in.paid().id)["id"]
    evidence: Any = {"evidence": {"uncategorized_text": "winning_evidence"}, "metadata": {"case": "7"}, "submit": True}
    disputes.update(answered, params=evidence)
    disputes.retrieve(answered, params={"expand": ["charge", "payment_intent"]})


def check_out(stand_in: StandIn) -> None:
    """Sessions that are paid, given up and forgotten."""
    sessions = stand_in.client.v1.checkout.sessions
    price: Any = {"currency": "eur", "unit_amount": 2_500, "product_data": {"name": "Lamp"}}
    cart: Any = {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 2}],
        "success_url": f"{stand_in.url}/healthz?session={{CHECKOUT_SESSION_ID}}",
        "cancel_url": ROUTE,
        "customer_email": "ada@example.com",
        "client_reference_id": "o-1",
        "metadata": {"order_id": "o-1"},
        "payment_intent_data": {"metadata": {"order_id": "o-1"}},
    }
    paid, given_up, _ = (sessions.create(params=cart) for _ in range(3))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    path = f"{CONTROL}/checkout/{paid.id}"
    stand_in.request("POST", path, headers=form, form={"payment_method": "pm_card_visa"})
    sessions.expire(given_up.id)
    sessions.retrieve(paid.id, params={"expand": ["line_items", "payment_intent"]})
    sessions.line_items.list(paid.id, params={"limit": 10})
    sessions.list(params={"limit": 100, "status": "complete"})


def pass_days(stand_in: StandIn) -> None:
    """Days with their payouts, and one that is made by hand."""
    v1 = stand_in.client.v1
    v1.balance.retrieve()
    stand_in.advance(8 * DAY)
    stand_in.paid()
    stand_in.request("POST", f"{CONTROL}/payouts")
    payout = v1.payouts.list(params={"limit": 1, "created": {"gt": 0}, "expand": ["data.balance_transaction"]}).data[0]
    v1.payouts.retrieve(payout.id)
    v1.balance_transactions.list(params={"payout": payout.id, "limit": 100})
    for kind in ("charge", "refund", "adjustment", "refund_failure", "payout"):
        page: Any = {"type": kind, "created": {"gte": 1, "lt": 4_000_000_000}, "limit": 2, "expand": ["data.source"]}
        found = v1.balance_transactions.list(params=page)
        v1.balance_transactions.retrieve(found.data[0].id)
        of_source: Any = {"source": found.to_dict()["data"][0]["source"]["id"], "currency": "eur"}
        v1.balance_transactions.list(params=of_source)
    v1.balance.retrieve()


def read_lists(stand_in: StandIn) -> None:
    """A page of everything."""
    v1 = stand_in.client.v1
    stand_in.intents.list(params={"limit": 100, "created": {"gte": 1, "lt": 4_000_000_000}})
    v1.charges.list(params={"limit": 100, "expand": ["data.balance_transaction", "data.payment_intent"]})
    intent_id = str(v1.disputes.list(params={"limit": 100, "created": {"gte": 1}}).data[0].payment_intent)
    v1.disputes.list(params={"payment_intent": intent_id})
    stand_in.refunds.list(params={"payment_intent": intent_id, "limit": 100})
    events = v1.events.list(params={"limit": 100, "type": "payment_intent.succeeded", "created": {"gte": 1}})
    v1.events.retrieve(events.data[0].id)
    list(v1.balance_transactions.list(params={"limit": 3}).auto_paging_iter())


def err(stand_in: StandIn) -> None:
    """Errors of every kind; stripe-mock needn't accept what is asked here."""
    paid = stand_in.paid()
    stand_in.dispute(payment_intent=paid.id)
    asks: tuple[Callable[[], Any], ...] = (
        lambda: stand_in.refunds.create(params={"payment_intent": paid.id}),
        lambda: stand_in.intents.cancel(paid.id),
        lambda: stand_in.intents.retrieve("pi_unknown"),
        lambda: stand_in.intents.create(params={"amount": "much"}),
        lambda: stand_in.client.raw_request("get", "/v1/unicorns"),
    )
    for ask in asks:
        with suppress(stripe.StripeError):
            ask()
    for kind in ("error_409", "error_429", "error_500", "error_503"):
        stand_in.fault(match="list", kind=kind)
        with suppress(stripe.StripeError):
            stand_in.intents.list()


def everything(stand_in: StandIn) -> None:
    """Every call that can go well."""
    take_and_give(stand_in)
    dispute(stand_in)
    check_out(stand_in)
    pass_days(stand_in)
    read_lists(stand_in)


def everything_told(stand_in: StandIn, shop: Shop) -> None:
    """Wait until the shop has heard every event."""
    ids = {event.id for event in stand_in.client.v1.events.list(params={"limit": 100}).auto_paging_iter()}
    wait_for(lambda: {event.id for event in shop.events} >= ids, within=30)
