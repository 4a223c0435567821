"""The journeys of the sweep: between them they pass every failpoint, and each has a payment in it.

A journey tells which part of it begins (`reach`), so that a point can be armed just then, and ends when everything has
become what the customer was promised; the audit looks at the rest.
"""

from collections.abc import Awaitable, Callable, Mapping

from services.local.proofs import errands, purchases, troubles
from services.local.proofs.shop import Outcome, Reach, Shop

Journey = Callable[[Shop, Outcome, Reach], Awaitable[None]]

JOURNEYS: Mapping[str, Journey] = {
    journey.__name__: journey
    for journey in (
        purchases.buy,
        purchases.buy_in_haste,
        purchases.cancel,
        purchases.regret,
        purchases.give_back,
        purchases.refund_late,
        purchases.refund_fails,
        purchases.authenticate,
        purchases.expire,
        troubles.mishear,
        troubles.stumble,
        troubles.give_up,
        troubles.dispute,
        errands.stock_a_shop,
        errands.fill_a_cart,
        errands.keep_an_account,
        errands.abandon,
        errands.hear_late,
        troubles.reconcile,
    )
}
"""By name; the last one reads more than a page of the provider's balance, once the others have been played."""
