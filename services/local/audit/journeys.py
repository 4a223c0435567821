"""Each order from all sides: what order, inventory and payment say of it must agree once it is at rest."""

from services.inventory.domain import ASKED_AFTER
from services.local.audit.checks import PICKED_UP_AFTER, Compare, Found, Join, Row, Side, Times, Told
from services.payment.domain.refunds import MOST_TRIES

_ORDER = """
SELECT placement.order_id AS id, placement.outcome, placement.at AS stood_at, orders.user_id, orders.status,
    orders.total_minor, orders.currency, orders.payment_id, orders.version, orders.expires_at, lines.lines,
    told.types, told.followed, told.published_at, coalesce(told.is_settled, true) AS is_settled
FROM placement
LEFT JOIN orders ON orders.id = placement.order_id
LEFT JOIN (
    SELECT order_id, string_agg(product_id || ' x ' || quantity, ', ' ORDER BY product_id) AS lines
    FROM order_line GROUP BY order_id
) AS lines ON lines.order_id = orders.id
LEFT JOIN (
    SELECT aggregate_id, array_agg(type ORDER BY version) AS types, max(published_at) AS published_at,
        max(version) FILTER (WHERE type <> 'order.noted') AS followed,
        bool_and(coalesce(published_at < %(before)s, false)) AS is_settled
    FROM outbox WHERE topic = 'orders' GROUP BY aggregate_id
) AS told ON told.aggregate_id = orders.id
ORDER BY placement.order_id
"""
_HOLD = """
SELECT hold.order_id AS id, user_id, state, confirmed, held_at, lines.lines,
    coalesce(told.is_settled, true) AS is_settled
FROM hold
LEFT JOIN (
    SELECT order_id, string_agg(product_id || ' x ' || quantity, ', ' ORDER BY product_id) AS lines
    FROM hold_line GROUP BY order_id
) AS lines ON lines.order_id = hold.order_id
LEFT JOIN (
    SELECT aggregate_id, bool_and(coalesce(published_at < %(before)s, false)) AS is_settled
    FROM outbox WHERE topic = 'stock' AND type <> 'stock.set' GROUP BY aggregate_id
) AS told ON told.aggregate_id = hold.order_id
ORDER BY hold.order_id
"""
_PAYMENT = """
SELECT payable.order_id AS id, payable.user_id, payable.amount_minor, payable.currency, payable.state,
    payable.order_version, payable.order_status, payment.id AS payment_id, payment.user_id AS payer,
    payment.amount_minor AS payment_minor, payment.currency AS payment_currency, payment.status,
    coalesce(captured_minor, 0) AS captured_minor, coalesce(refunded_minor, 0) AS refunded_minor, cancel_due_at,
    coalesce(refunds.pending, 0) AS pending_minor, coalesce(refunds.promised, 0) AS promised_minor,
    coalesce(lost_minor, 0) AS lost_minor, coalesce(owed_minor, 0) AS owed_minor, debt_due_at, debt_tries,
    EXISTS (SELECT FROM attempt WHERE payment_id = payment.id AND status = 'requires_action') AS awaits_customer,
    coalesce(told.is_settled, true) AS is_settled
FROM payable
LEFT JOIN payment ON payment.order_id = payable.order_id
LEFT JOIN (
    SELECT payment_id, sum(amount_minor) FILTER (WHERE status = 'pending')::bigint AS pending,
        sum(amount_minor) FILTER (WHERE status = 'pending' AND is_promised)::bigint AS promised
    FROM refund GROUP BY payment_id
) AS refunds ON refunds.payment_id = payment.id
LEFT JOIN (
    SELECT aggregate_id, bool_and(coalesce(published_at < %(before)s, false)) AS is_settled
    FROM outbox WHERE topic = 'payments' GROUP BY aggregate_id
) AS told ON told.aggregate_id = payment.id
ORDER BY payable.order_id
"""
_BOUGHT = frozenset({"paid", "shipped", "delivered"})
_ENDED = frozenset({"cancelled", "refunded"})


def _is_placed(found: Found) -> bool:
    return found.order is not None and found.order.status is not None


def _rests(found: Found) -> bool:
    """Whether it is a placed order of which nothing was told for a while."""
    return _is_placed(found) and all(side.is_settled for side in (found.order, found.hold, found.payment) if side)


def _hold_missing(found: Found, _: Times) -> Told | None:
    if _rests(found) and found.hold is None:
        return {"status": found.order.status}
    return None


def _hold_differs(found: Found, _: Times) -> Told | None:
    if not _is_placed(found) or found.hold is None:
        return None
    ordered, held = (found.order.user_id, found.order.lines), (found.hold.user_id, found.hold.lines)
    return {"ordered": ordered, "held": held} if ordered != held else None


_ANSWERED_AFTER = ASKED_AFTER + PICKED_UP_AFTER


def _hold_unasked(found: Found, times: Times) -> Told | None:
    is_held = found.order is None and found.hold is not None and found.hold.state == "held"
    if is_held and times.is_past(found.hold.held_at, _ANSWERED_AFTER):
        return {"state": found.hold.state, "held_at": found.hold.held_at, "confirmed": found.hold.confirmed}
    return None


def _hold_moved_without_order(found: Found, times: Times) -> Told | None:
    is_moved = not _is_placed(found) and found.hold is not None and found.hold.state in {"committed", "returned"}
    return {"state": found.hold.state} if is_moved and times.is_past(found.hold.held_at) else None


def _abandoned_hold_kept(found: Found, times: Times) -> Told | None:
    if found.order is None or found.order.outcome != "abandoned" or found.hold is None or found.hold.state != "held":
        return None
    since = max(found.order.stood_at, found.hold.held_at + ASKED_AFTER)
    return {"abandoned_at": found.order.stood_at} if times.is_past(since, PICKED_UP_AFTER) else None


def _pending_without_stock(found: Found, _: Times) -> Told | None:
    if _rests(found) and found.hold and found.order.status == "pending" and found.hold.state != "held":
        return {"status": found.order.status, "hold": found.hold.state}
    return None


def _hold_unconfirmed(found: Found, _: Times) -> Told | None:
    if _rests(found) and found.hold and found.hold.state == "held" and not found.hold.confirmed:
        return {"status": found.order.status}
    return None


def _amount_differs(found: Found, _: Times) -> Told | None:
    if not _is_placed(found) or found.payment is None or found.payment.payment_id is None:
        return None
    ordered = (found.order.user_id, found.order.total_minor, found.order.currency)
    paid = (found.payment.payer, found.payment.payment_minor, found.payment.payment_currency)
    return {"ordered": ordered, "paid": paid} if ordered != paid else None


def _order_missing(found: Found, _: Times) -> Told | None:
    if found.payment is None or _is_placed(found) or not found.payment.is_settled:
        return None
    return {"payable": found.payment.amount_minor, "captured": found.payment.captured_minor}


def _paid_unheard(found: Found, _: Times) -> Told | None:
    if _rests(found) and found.order.status == "pending" and found.payment and found.payment.captured_minor:
        return {"captured": found.payment.captured_minor, "payment": found.payment.status}
    return None


def _stock_kept(found: Found, _: Times) -> Told | None:
    if not _rests(found) or found.hold is None or found.order.status not in _ENDED:
        return None
    has_left = "order.shipped" in (found.order.types or ())
    due = {"committed"} if has_left else {"released", "returned"}
    return {"status": found.order.status, "hold": found.hold.state} if found.hold.state not in due else None


def _kept(payment: Row) -> int:
    """What the shop has of a payment and no refund is under way for, in minor units."""
    kept: int = payment.captured_minor - payment.refunded_minor - payment.lost_minor - payment.pending_minor
    return kept


def _money_kept(found: Found, _: Times) -> Told | None:
    """What is owed by the books, because a refund has failed, is a debt; any other money is kept wrongly."""
    if not _rests(found) or found.payment is None or found.order.status not in _ENDED:
        return None
    payment = found.payment
    if _kept(payment) <= payment.owed_minor - payment.promised_minor:
        return None
    return {"status": found.order.status, "captured": payment.captured_minor, "refunded": payment.refunded_minor}


def _debt_forgotten(found: Found, _: Times) -> Told | None:
    if not _rests(found) or found.payment is None or found.order.status != "cancelled" or found.payment.debt_due_at:
        return None
    is_forgotten = _kept(found.payment) > 0 and found.payment.debt_tries < MOST_TRIES
    return {"owed": found.payment.owed_minor, "tries": found.payment.debt_tries} if is_forgotten else None


def _debt_left_to_people(found: Found, _: Times) -> Told | None:
    if found.payment is None or not found.payment.owed_minor or found.payment.debt_due_at:
        return None
    is_left = _kept(found.payment) > 0 and found.payment.debt_tries >= MOST_TRIES
    return {"owed": found.payment.owed_minor, "tries": found.payment.debt_tries} if is_left else None


def _refund_unheard(found: Found, _: Times) -> Told | None:
    if not _rests(found) or found.payment is None or found.order.status == "refunded":
        return None
    is_refunded = 0 < found.payment.captured_minor == found.payment.refunded_minor
    return {"status": found.order.status, "refunded": found.payment.refunded_minor} if is_refunded else None


def _stock_uncommitted(found: Found, _: Times) -> Told | None:
    if _rests(found) and found.hold and found.order.status in _BOUGHT and found.hold.state != "committed":
        return {"status": found.order.status, "hold": found.hold.state}
    return None


def _money_untaken(found: Found, _: Times) -> Told | None:
    if not _rests(found) or found.order.status not in _BOUGHT:
        return None
    taken = (found.payment.payment_id, found.payment.captured_minor) if found.payment else (None, 0)
    due = (found.order.payment_id, found.order.total_minor)
    return {"status": found.order.status, "due": due, "taken": taken} if due != taken else None


def _payment_untold(found: Found, _: Times) -> Told | None:
    if _is_placed(found) and found.order.status in _BOUGHT and "order.paid" not in (found.order.types or ()):
        return {"status": found.order.status, "facts": found.order.types}
    return None


def _cancellation_undone(found: Found, times: Times) -> Told | None:
    if not _rests(found) or found.payment is None or found.order.status == "pending":
        return None
    is_late = times.is_past(found.order.published_at, PICKED_UP_AFTER)
    if is_late and (found.payment.cancel_due_at or found.payment.awaits_customer):
        return {"status": found.order.status, "cancel_due_at": found.payment.cancel_due_at}
    return None


def _payable_missing(found: Found, _: Times) -> Told | None:
    return {"status": found.order.status} if _rests(found) and found.payment is None else None


def _payable_differs(found: Found, _: Times) -> Told | None:
    if not _rests(found) or found.payment is None:
        return None
    order, payable = found.order, found.payment
    due = (order.user_id, order.total_minor, order.currency, order.followed, order.status)
    is_heard = (order.followed or 0) <= payable.order_version <= order.version
    version = order.followed if is_heard else payable.order_version
    known = (payable.user_id, payable.amount_minor, payable.currency, version, payable.order_status)
    return {"order": due, "payable": known} if due != known else None


def _payable_state_differs(found: Found, times: Times) -> Told | None:
    if not _rests(found) or found.payment is None:
        return None
    is_payable = found.order.status == "pending" and not found.payment.captured_minor
    if is_payable and found.order.expires_at <= times.now:
        return None
    due = "open" if is_payable else "closed"
    return {"status": found.order.status, "payable": found.payment.state} if found.payment.state != due else None


JOURNEYS = Join(
    sides={
        "payment": Side(service="payment", rows=_PAYMENT),
        "hold": Side(service="inventory", rows=_HOLD),
        "order": Side(service="order", rows=_ORDER),
    },
    compares=(
        Compare(invariant="I3", name="hold-missing", wrong=_hold_missing),
        Compare(invariant="I3", name="hold-differs", wrong=_hold_differs),
        Compare(invariant="I3", name="hold-unasked", wrong=_hold_unasked),
        Compare(invariant="I3", name="hold-without-order", wrong=_hold_moved_without_order),
        Compare(invariant="I3", name="abandoned-hold-kept", wrong=_abandoned_hold_kept),
        Compare(invariant="I3", name="pending-without-stock", wrong=_pending_without_stock),
        Compare(invariant="I4", name="amount-differs", wrong=_amount_differs),
        Compare(invariant="I4", name="order-missing", wrong=_order_missing),
        Compare(invariant="I6", name="stock-kept", wrong=_stock_kept),
        Compare(invariant="I6", name="money-kept", wrong=_money_kept),
        Compare(invariant="I6", name="debt-forgotten", wrong=_debt_forgotten),
        Compare(invariant="I8", name="debt-left-to-people", wrong=_debt_left_to_people),
        Compare(invariant="I6", name="refund-unheard", wrong=_refund_unheard),
        Compare(invariant="I7", name="payment-unheard", wrong=_paid_unheard),
        Compare(invariant="I7", name="stock-uncommitted", wrong=_stock_uncommitted),
        Compare(invariant="I7", name="money-untaken", wrong=_money_untaken),
        Compare(invariant="I7", name="payment-untold-to-order", wrong=_payment_untold),
        Compare(invariant="I8", name="cancellation-undone", wrong=_cancellation_undone),
        Compare(invariant="I9", name="hold-unconfirmed", wrong=_hold_unconfirmed),
        Compare(invariant="I9", name="payable-missing", wrong=_payable_missing),
        Compare(invariant="I9", name="payable-differs", wrong=_payable_differs),
        Compare(invariant="I9", name="payable-state-differs", wrong=_payable_state_differs),
    ),
)
