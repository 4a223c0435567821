"""Defects of the order service."""

from services.local.proofs.defects import breakdowns, journeys
from services.local.proofs.defects.defect import Defect
from services.local.proofs.defects.edit import Edit
from services.local.proofs.defects.payments import KEEP_A_LATE_SUCCESS

_CHECKOUT = "services/order/operations/checkout.py"
_DOMAIN = "services/order/domain/order.py"
_LINES = "services/order/domain/lines.py"
_FULFILMENT = "services/order/operations/fulfilment.py"
_SETTLEMENT = "services/order/operations/settlement.py"
_SUBSCRIPTIONS = "services/order/subscriptions.py"

ORDERS = (
    Defect(
        name="a-cancellation-tells-nobody",
        harm="The order is cancelled and its stock stays reserved for ever.",
        edits=(
            Edit(
                file=_FULFILMENT,
                old="outbox.add(session, order.cancel(by=str(principal), reason=REQUESTED, at=at))",
                new="order.cancel(by=str(principal), reason=REQUESTED, at=at)",
            ),
        ),
        journey=journeys.CANCEL_UNPAID,
        breaks=frozenset({"I6", "I9"}),
    ),
    Defect(
        name="a-payment-tells-nobody",
        harm="The order is paid and nobody takes its goods out of the stock.",
        edits=(
            Edit(
                file=_SETTLEMENT,
                old="outbox.add(session, order.pay(payment_id, by=PAYMENT, at=at, cause=cause))",
                new="order.pay(payment_id, by=PAYMENT, at=at, cause=cause)",
            ),
        ),
        journey=journeys.BUY,
        breaks=frozenset({"I7", "I9"}),
    ),
    Defect(
        name="a-placing-tells-nobody",
        harm="The order exists and neither its customer nor the till ever hears of it.",
        edits=(Edit(file=_CHECKOUT, old="            outbox.add(session, fact)\n", new=""),),
        journey=journeys.CANCEL_UNPAID,
        breaks=frozenset({"I9"}),
    ),
    Defect(
        name="every-request-is-another-order",
        harm="A customer who clicks twice gets two orders.",
        edits=(
            Edit(
                file="services/order/api/shopping.py",
                old="order_id=command_id(customer.id, OPERATION, key)",
                new="order_id=command_id(customer.id, OPERATION, secrets.token_hex())",
            ),
        ),
        journey=journeys.CLICK_TWICE,
        breaks=frozenset({"I2"}),
    ),
    Defect(
        name="asking-writes-nothing-down",
        harm="Inventory gives the units of an order back that is placed a moment later: they are sold twice.",
        edits=(
            Edit(
                file="services/order/operations/placements.py",
                old="        await placements.abandon(session, order_id)\n"
                "        standing = await placements.get(session, order_id)",
                new="        standing = await placements.find(session, order_id)",
            ),
            Edit(
                file="services/order/operations/placements.py",
                old="outcome=standing.outcome)",
                new='outcome=standing.outcome if standing else "abandoned")',
            ),
        ),
        journey=breakdowns.WRITE_SLOWLY,
        breaks=frozenset({"I1", "I3", "I7"}),
    ),
    Defect(
        name="a-line-costs-what-one-unit-costs",
        harm="Two lamps are sold for the price of one.",
        edits=(Edit(file=_LINES, old="line_total=product.price * quantity,", new="line_total=product.price,"),),
        journey=journeys.BUY,
        breaks=frozenset({"I1", "I4", "I5"}),
    ),
    Defect(
        name="a-late-payment-revives-a-cancelled-order",
        harm="An order whose units were given to somebody else is paid, and sent all the same.",
        edits=(
            Edit(
                file=_DOMAIN,
                old="OrderStatus.CANCELLED: frozenset({OrderStatus.REFUNDED})",
                new="OrderStatus.CANCELLED: frozenset({OrderStatus.PAID, OrderStatus.REFUNDED})",
            ),
            Edit(
                file=_SETTLEMENT,
                old="    if order.status is OrderStatus.PENDING:\n        outbox",
                new="    if order.status in {OrderStatus.PENDING, OrderStatus.CANCELLED}:\n        outbox",
            ),
            KEEP_A_LATE_SUCCESS,
        ),
        journey=breakdowns.GIVE_UP_WHILE_PAYING,
        breaks=frozenset({"I7"}),
    ),
    Defect(
        name="a-declined-card-pays-the-order",
        harm="Goods leave the shop for which nobody was charged.",
        edits=(
            Edit(
                file=_SUBSCRIPTIONS,
                old="    PaymentDisputeClosed,\n",
                new="    PaymentDeclined,\n    PaymentDisputeClosed,\n",
            ),
            Edit(
                file=_SUBSCRIPTIONS, old="@door.on(PaymentSucceeded)", new="@door.on(PaymentSucceeded, PaymentDeclined)"
            ),
        ),
        journey=journeys.BE_DECLINED,
        breaks=frozenset({"I4", "I7"}),
    ),
    Defect(
        name="nobody-ends-what-nobody-pays",
        harm="Unpaid orders keep their stock for ever: the shelf is empty and nothing is sold.",
        edits=(
            Edit(
                file="services/order/store/orders.py",
                old="WHERE status = 'pending' AND expires_at <= :now",
                new="WHERE status = 'expired' AND expires_at <= :now",
            ),
        ),
        journey=journeys.NEVER_COME_BACK,
        breaks=frozenset({"I1", "I8"}),
    ),
    Defect(
        name="the-timeline-forgets-the-stock",
        harm="Customers and staff read a history of their order in which its goods never left.",
        edits=(
            Edit(
                file=_SUBSCRIPTIONS,
                old="project_in_bulk(*views.IN_BULK)",
                new="project_in_bulk(*(event for event in views.IN_BULK if event.TOPIC != 'stock'))",
            ),
        ),
        journey=journeys.BUY,
        breaks=frozenset({"I7", "I9"}),
    ),
)
