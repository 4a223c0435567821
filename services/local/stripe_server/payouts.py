"""Payouts (https://docs.stripe.com/payouts): every day at midnight (UTC), what is available goes to the bank."""

from services.local.stripe_server import money
from services.local.stripe_server.desk import Desk
from services.local.stripe_server.forms import Form
from services.local.stripe_server.money import DAY, Movement
from services.local.stripe_server.objects import StripeObject

KIND = "payout"
DAILY = "payouts"


def expect(desk: Desk) -> None:
    """The next midnight brings payouts."""
    desk.records.schedule(DAILY, due=money.midnight(desk.now) + DAY)


def daily(desk: Desk, _appointment: str) -> None:
    """Midnight has come."""
    run(desk)
    expect(desk)


def run_now(desk: Desk) -> list[StripeObject]:
    """Pay out everything at once, what is still pending too."""
    desk.records.balance.hurry(now=desk.created)
    return run(desk)


def run(desk: Desk) -> list[StripeObject]:
    """One payout for each currency in which something is available."""
    desk.records.balance.settle(now=desk.created)
    available = desk.records.balance.available(now=desk.created)
    return [_pay(desk, currency, amount) for currency, amount in available if amount > 0]


def _pay(desk: Desk, currency: str, amount: int) -> StripeObject:
    payout = money.payout(amount=amount, currency=currency, now=desk.created)
    movement = Movement(type="payout", amount=-amount, description=payout["description"], at_once=True)
    payout["balance_transaction"] = desk.book(payout, movement)["id"]
    desk.records.balance.pay_out(payout, now=desk.created)
    desk.tell("payout.created", payout)
    desk.later(payout)
    return desk.save(payout)


def arrive(desk: Desk, payout: StripeObject) -> None:
    """The time has come: the bank has it."""
    payout["status"] = "paid"
    desk.save(payout)
    desk.tell("payout.paid", payout)


def balance(desk: Desk, form: Form) -> StripeObject:
    """What is ours, available and pending (https://docs.stripe.com/api/balance)."""
    form.only(())
    stands = desk.records.balance
    return {
        "object": "balance",
        "available": _shown(stands.available(now=desk.created)),
        "livemode": False,
        "pending": _shown(stands.pending(now=desk.created)),
    }


def _shown(sums: list[tuple[str, int]]) -> list[StripeObject]:
    return [{"amount": amount, "currency": currency, "source_types": {"card": amount}} for currency, amount in sums]
