"""Stock: never oversold, and every unit is accounted for by the ledger and by holds."""

from services.local.audit.checks import Count, Rows

_INVENTORY = "inventory"

LEVEL_IS_OVERSOLD = """
SELECT product_id AS subject, on_hand, reserved FROM stock_level WHERE reserved < 0 OR on_hand < reserved
"""
LEVEL_DIFFERS_FROM_ENTRIES = """
SELECT product_id AS subject, level.on_hand, level.reserved, booked.on_hand AS booked_on_hand,
    booked.reserved AS booked_reserved
FROM stock_level AS level FULL JOIN (
    SELECT product_id, sum(on_hand_change)::bigint AS on_hand, sum(reserved_change)::bigint AS reserved
    FROM stock_entry GROUP BY product_id
) AS booked USING (product_id)
WHERE (level.on_hand, level.reserved) IS DISTINCT FROM (coalesce(booked.on_hand, 0), coalesce(booked.reserved, 0))
"""
RESERVED_DIFFERS_FROM_HOLDS = """
SELECT product_id AS subject, level.reserved, held.quantity AS held
FROM stock_level AS level FULL JOIN (
    SELECT product_id, sum(quantity)::bigint AS quantity
    FROM hold_line JOIN hold USING (order_id) WHERE state = 'held' GROUP BY product_id
) AS held USING (product_id)
WHERE level.reserved IS DISTINCT FROM coalesce(held.quantity, 0)
"""
HOLD_DIFFERS_FROM_ENTRIES = """
WITH booked AS (
    SELECT order_id, product_id, sum(on_hand_change)::bigint AS on_hand, sum(reserved_change)::bigint AS reserved
    FROM stock_entry WHERE order_id IS NOT NULL GROUP BY order_id, product_id
), due AS (
    SELECT order_id, product_id, state, quantity, CASE state WHEN 'committed' THEN -quantity ELSE 0 END AS on_hand,
        CASE state WHEN 'held' THEN quantity ELSE 0 END AS reserved
    FROM hold_line JOIN hold USING (order_id)
)
SELECT order_id AS subject, product_id, due.state, due.quantity, booked.on_hand AS booked_on_hand,
    booked.reserved AS booked_reserved
FROM due FULL JOIN booked USING (order_id, product_id)
WHERE (due.on_hand, due.reserved) IS DISTINCT FROM (booked.on_hand, booked.reserved)
"""
HOLD_HAS_NO_LINES = """
SELECT order_id AS subject, state FROM hold WHERE NOT EXISTS (SELECT FROM hold_line WHERE order_id = hold.order_id)
"""
HOLD_DIFFERS_FROM_FACTS = """
SELECT coalesce(hold.order_id, told.aggregate_id) AS subject, hold.state, hold.version, told.type AS told,
    told.version AS told_version
FROM hold FULL JOIN (
    SELECT DISTINCT ON (aggregate_id) aggregate_id, type, version FROM outbox
    WHERE topic = 'stock' AND type <> 'stock.set' ORDER BY aggregate_id, version DESC
) AS told ON told.aggregate_id = hold.order_id
WHERE ('stock.' || hold.state, hold.version) IS DISTINCT FROM (told.type, told.version)
"""
LEVEL_CHANGE_IS_UNTOLD = """
SELECT product_id AS subject, booked.bookings, told.facts
FROM (
    SELECT product_id, count(*) AS bookings FROM stock_entry WHERE order_id IS NULL GROUP BY product_id
) AS booked FULL JOIN (
    SELECT aggregate_id AS product_id, count(*) AS facts FROM outbox WHERE type = 'stock.set' GROUP BY aggregate_id
) AS told USING (product_id)
WHERE booked.bookings IS DISTINCT FROM told.facts
"""

ROWS = (
    Rows(invariant="I3", name="level-oversold", service=_INVENTORY, finds=LEVEL_IS_OVERSOLD),
    Rows(invariant="I3", name="level-unaccounted", service=_INVENTORY, finds=LEVEL_DIFFERS_FROM_ENTRIES),
    Rows(invariant="I3", name="reserved-unheld", service=_INVENTORY, finds=RESERVED_DIFFERS_FROM_HOLDS),
    Rows(invariant="I3", name="hold-unaccounted", service=_INVENTORY, finds=HOLD_DIFFERS_FROM_ENTRIES),
    Rows(invariant="I3", name="hold-empty", service=_INVENTORY, finds=HOLD_HAS_NO_LINES),
    Rows(invariant="I9", name="hold-untold", service=_INVENTORY, finds=HOLD_DIFFERS_FROM_FACTS),
    Rows(invariant="I9", name="level-untold", service=_INVENTORY, finds=LEVEL_CHANGE_IS_UNTOLD),
)
COUNTS = (
    Count(invariant="I3", noun="levels", service=_INVENTORY, counts="SELECT count(*) FROM stock_level"),
    Count(invariant="I3", noun="entries", service=_INVENTORY, counts="SELECT count(*) FROM stock_entry"),
    Count(invariant="I3", noun="holds", service=_INVENTORY, counts="SELECT count(*) FROM hold"),
)
