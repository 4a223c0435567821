"""Orders: whole, placed once, ended in time, and as their facts tell."""

from services.local.audit.checks import Count, Rows

_ORDER = "order"

ORDER_IS_OVERDUE = """
SELECT id AS subject, status, expires_at FROM orders
WHERE status = 'pending' AND expires_at + interval '15 seconds' < %(before)s
"""
ORDER_DIFFERS_FROM_LINES = """
SELECT id AS subject, total_minor, lines.minor AS lines_minor
FROM orders LEFT JOIN (
    SELECT order_id, sum(unit_price_minor * quantity)::bigint AS minor FROM order_line GROUP BY order_id
) AS lines ON lines.order_id = orders.id
WHERE orders.total_minor IS DISTINCT FROM lines.minor
"""
PLACEMENT_DIFFERS_FROM_ORDER = """
SELECT coalesce(placement.order_id, orders.id) AS subject, placement.outcome, orders.status
FROM placement FULL JOIN orders ON orders.id = placement.order_id
WHERE (placement.outcome IS NOT DISTINCT FROM 'placed') <> (orders.id IS NOT NULL)
"""
CART_IS_ORDERED_TWICE = """
SELECT cart_id AS subject, array_agg(id) AS orders FROM orders
WHERE cart_id IS NOT NULL GROUP BY cart_id HAVING count(*) > 1
"""
ORDER_DIFFERS_FROM_FACTS = """
SELECT coalesce(orders.id, told.aggregate_id) AS subject, orders.status, orders.version, told.status AS told_status,
    told.version AS told_version
FROM orders FULL JOIN (
    SELECT DISTINCT ON (aggregate_id) aggregate_id, version, data ->> 'status' AS status FROM outbox
    WHERE topic = 'orders' ORDER BY aggregate_id, version DESC
) AS told ON told.aggregate_id = orders.id
WHERE (orders.status, orders.version) IS DISTINCT FROM (told.status, told.version)
"""
ORDER_DIFFERS_FROM_HISTORY = """
SELECT id AS subject, orders.status, orders.version, last.status AS last_status, last.position + 1 AS entries
FROM orders LEFT JOIN (
    SELECT DISTINCT ON (order_id) order_id, status, position FROM order_history ORDER BY order_id, position DESC
) AS last ON last.order_id = orders.id
WHERE orders.status IS DISTINCT FROM last.status OR last.position + 1 < orders.version
"""
EFFECT_IS_TOLD_TWICE = """
SELECT aggregate_id AS subject, type, data ->> 'cause' AS cause, count(*) AS facts FROM outbox
WHERE topic = 'orders' AND data ->> 'cause' IS NOT NULL GROUP BY aggregate_id, type, cause HAVING count(*) > 1
"""

ROWS = (
    Rows(invariant="I1", name="order-overdue", service=_ORDER, finds=ORDER_IS_OVERDUE),
    Rows(invariant="I1", name="order-incomplete", service=_ORDER, finds=ORDER_DIFFERS_FROM_LINES),
    Rows(invariant="I2", name="placement-contradicted", service=_ORDER, finds=PLACEMENT_DIFFERS_FROM_ORDER),
    Rows(invariant="I2", name="cart-ordered-twice", service=_ORDER, finds=CART_IS_ORDERED_TWICE),
    Rows(invariant="I9", name="order-untold", service=_ORDER, finds=ORDER_DIFFERS_FROM_FACTS),
    Rows(invariant="I9", name="order-history-differs", service=_ORDER, finds=ORDER_DIFFERS_FROM_HISTORY),
    Rows(invariant="I9", name="effect-told-twice", service=_ORDER, finds=EFFECT_IS_TOLD_TWICE),
)
_ENDED = "SELECT count(*) FROM orders WHERE status IN ('cancelled', 'refunded')"
_BOUGHT = "SELECT count(*) FROM orders WHERE status IN ('paid', 'shipped', 'delivered')"
COUNTS = (
    Count(invariant="I1", noun="orders", service=_ORDER, counts="SELECT count(*) FROM orders"),
    Count(invariant="I2", noun="placements", service=_ORDER, counts="SELECT count(*) FROM placement"),
    Count(invariant="I6", noun="ended orders", service=_ORDER, counts=_ENDED),
    Count(invariant="I7", noun="paid orders", service=_ORDER, counts=_BOUGHT),
)
