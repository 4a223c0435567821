"""Every event. An event only grows; its schema is kept under tests/contracts."""

from services.contracts.events.event import Event, Fact, Topic, event_types
from services.contracts.events.notifications import NotificationSent
from services.contracts.events.orders import (
    OrderCancelled,
    OrderDelivered,
    OrderEvent,
    OrderLine,
    OrderPaid,
    OrderPlaced,
    OrderReaddressed,
    OrderRefunded,
    OrderShipped,
)
from services.contracts.events.payments import (
    PaymentActionRequired,
    PaymentDeclined,
    PaymentEvent,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentSucceeded,
)
from services.contracts.events.stock import (
    HeldLine,
    HoldEvent,
    Level,
    OpeningLevel,
    OpeningStockDeclared,
    StockCommitted,
    StockEvent,
    StockHeld,
    StockReleased,
    StockReturned,
    StockSet,
)
from services.contracts.events.users import UserChanged, UserEvent, UserRegistered

__all__ = [
    "Event",
    "Fact",
    "HeldLine",
    "HoldEvent",
    "Level",
    "NotificationSent",
    "OpeningLevel",
    "OpeningStockDeclared",
    "OrderCancelled",
    "OrderDelivered",
    "OrderEvent",
    "OrderLine",
    "OrderPaid",
    "OrderPlaced",
    "OrderReaddressed",
    "OrderRefunded",
    "OrderShipped",
    "PaymentActionRequired",
    "PaymentDeclined",
    "PaymentEvent",
    "PaymentRefundFailed",
    "PaymentRefunded",
    "PaymentSucceeded",
    "StockCommitted",
    "StockEvent",
    "StockHeld",
    "StockReleased",
    "StockReturned",
    "StockSet",
    "Topic",
    "UserChanged",
    "UserEvent",
    "UserRegistered",
    "event_types",
]
