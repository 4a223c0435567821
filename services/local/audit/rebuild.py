"""Rebuilding: every aggregate from its facts alone, and every document from the fact that it shows, equal what is kept.

Facts are the outboxes' rows, kept for ever. `services.order.domain.folding` reads a single order from them.
"""

from uuid import uuid5

from services.contracts.events import event_types
from services.local.audit.checks import Compare, Found, Join, Side, Times, Told
from services.local.audit.documents import SOURCES
from services.local.audit.events import DATABASES
from services.order import views

_ORDER = """
SELECT orders.id, user_id, status, total_minor, currency, payment_id, version, created_at, updated_at, expires_at,
    carrier, tracking_number, lines.lines, history.history
FROM orders LEFT JOIN (
    SELECT order_id, jsonb_agg(
        jsonb_build_array(product_id, sku, name, unit_price_minor, quantity, currency) ORDER BY product_id) AS lines
    FROM order_line JOIN orders ON orders.id = order_id GROUP BY order_id
) AS lines ON lines.order_id = orders.id
LEFT JOIN (
    SELECT order_id, jsonb_agg(jsonb_build_array(status, at, actor, reason, cause) ORDER BY position) AS history
    FROM order_history GROUP BY order_id
) AS history ON history.order_id = orders.id
ORDER BY orders.id
"""
_ORDER_REBUILT = """
SELECT aggregate_id AS id, (last ->> 'user_id')::uuid AS user_id, last ->> 'status' AS status,
    replace(last #>> '{total_amount,amount}', '.', '')::bigint AS total_minor,
    last #>> '{total_amount,currency}' AS currency, (last ->> 'payment_id')::uuid AS payment_id,
    facts AS version, created_at, updated_at, (last ->> 'expires_at')::timestamptz AS expires_at,
    parcel ->> 'carrier' AS carrier, parcel ->> 'tracking_number' AS tracking_number, (
        SELECT jsonb_agg(jsonb_build_array(line ->> 'product_id', line ->> 'sku', line ->> 'name',
            replace(line #>> '{unit_price,amount}', '.', '')::bigint, (line ->> 'quantity')::integer,
            line #>> '{unit_price,currency}') ORDER BY line ->> 'product_id')
        FROM jsonb_array_elements(last -> 'lines') AS line
    ) AS lines, history
FROM (
    SELECT aggregate_id, count(*) AS facts, (array_agg(data ORDER BY version DESC))[1] AS last,
        (array_agg(data) FILTER (WHERE type = 'order.shipped'))[1] AS parcel,
        min(at) FILTER (WHERE version = 1) AS created_at, (array_agg(at ORDER BY version DESC))[1] AS updated_at,
        jsonb_agg(jsonb_build_array(data ->> 'status', at, data ->> 'actor', data ->> 'reason', data ->> 'cause')
            ORDER BY version) AS history
    FROM outbox WHERE topic = 'orders' GROUP BY aggregate_id
) AS told
ORDER BY aggregate_id
"""
_PAYMENT = """
SELECT id, order_id, user_id, amount_minor, currency, captured_minor, refunded_minor, disputed_minor, lost_minor,
    version, CASE WHEN captured_minor > 0 THEN status END AS status, (
        SELECT string_agg(refund.id || ' ' || refund.amount_minor, ', ' ORDER BY refund.id) FROM refund
        WHERE payment_id = payment.id AND refund.status = 'succeeded'
    ) AS refunds
FROM payment WHERE version > 0 ORDER BY id
"""
_PAYMENT_REBUILT = """
WITH told AS (
    SELECT aggregate_id, version, type, data, replace(data #>> '{amount,amount}', '.', '')::bigint AS amount,
        replace(data #>> '{captured_amount,amount}', '.', '')::bigint AS captured,
        replace(data #>> '{refunded_amount,amount}', '.', '')::bigint AS refunded,
        replace(data #>> '{dispute_amount,amount}', '.', '')::bigint AS disputed,
        replace(data #>> '{refund_amount,amount}', '.', '')::bigint AS refund
    FROM outbox WHERE topic = 'payments'
), last AS (
    SELECT DISTINCT ON (aggregate_id) * FROM told ORDER BY aggregate_id, version DESC
), disputes AS (
    SELECT aggregate_id, coalesce(sum(disputed) FILTER (WHERE type = 'payment.disputed'), 0)::bigint AS open,
        coalesce(sum(disputed) FILTER (WHERE data ->> 'outcome' = 'lost'), 0)::bigint AS lost
    FROM (
        SELECT DISTINCT ON (data ->> 'dispute_id') * FROM told
        WHERE data ? 'dispute_id' ORDER BY data ->> 'dispute_id', version DESC
    ) AS newest GROUP BY aggregate_id
), refunds AS (
    SELECT aggregate_id,
        string_agg(data ->> 'refund_id' || ' ' || refund, ', ' ORDER BY data ->> 'refund_id') AS refunds
    FROM (
        SELECT DISTINCT ON (data ->> 'refund_id') * FROM told
        WHERE data ? 'refund_id' ORDER BY data ->> 'refund_id', version DESC
    ) AS newest WHERE type = 'payment.refunded' GROUP BY aggregate_id
)
SELECT aggregate_id AS id, (data ->> 'order_id')::uuid AS order_id, (data ->> 'user_id')::uuid AS user_id,
    amount AS amount_minor, data #>> '{amount,currency}' AS currency, captured AS captured_minor,
    refunded AS refunded_minor, coalesce(disputes.open, 0) AS disputed_minor, coalesce(disputes.lost, 0) AS lost_minor,
    version, CASE WHEN captured > 0 THEN data ->> 'status' END AS status, refunds.refunds
FROM last LEFT JOIN disputes USING (aggregate_id) LEFT JOIN refunds USING (aggregate_id)
ORDER BY aggregate_id
"""
_HOLD = """
SELECT order_id AS id, state, version, lines.lines FROM hold LEFT JOIN (
    SELECT order_id, string_agg(product_id || ' x ' || quantity, ', ' ORDER BY product_id) AS lines
    FROM hold_line GROUP BY order_id
) AS lines USING (order_id)
ORDER BY order_id
"""
_HOLD_REBUILT = """
SELECT aggregate_id AS id, replace(type, 'stock.', '') AS state, facts AS version, (
    SELECT string_agg(line ->> 'product_id' || ' x ' || (line ->> 'quantity'), ', ' ORDER BY line ->> 'product_id')
    FROM jsonb_array_elements(data -> 'lines') AS line
) AS lines
FROM (
    SELECT DISTINCT ON (aggregate_id) aggregate_id, type, data, count(*) OVER (PARTITION BY aggregate_id) AS facts
    FROM outbox WHERE topic = 'stock' AND type <> 'stock.set' ORDER BY aggregate_id, version DESC
) AS last
ORDER BY aggregate_id
"""
_LEVEL = "SELECT product_id AS id, on_hand, reserved, version, version AS changes FROM stock_level ORDER BY product_id"
_LEVEL_REBUILT = """
SELECT DISTINCT ON (id) id, on_hand, reserved, version, count(*) OVER (PARTITION BY id) AS changes FROM (
    SELECT (level ->> 'product_id')::uuid AS id, (level ->> 'on_hand')::bigint AS on_hand,
        (level ->> 'reserved')::bigint AS reserved, (level ->> 'version')::integer AS version
    FROM outbox, jsonb_array_elements(data -> 'levels') AS level WHERE topic = 'stock'
) AS told
ORDER BY id, version DESC
"""
_DOCUMENT = "SELECT id, key, at, body FROM document WHERE collection = 'timeline' ORDER BY id"
_FACT = """
SELECT event_id AS id, type, data FROM outbox
WHERE type = ANY(%(shown)s) AND data ->> 'order_id' IS NOT NULL ORDER BY event_id
"""
_NAME = "SELECT event_id AS id, aggregate_id, type, version FROM outbox ORDER BY event_id"
_TYPES = event_types()


def differs(found: Found, _: Times) -> Told | None:
    """Every column in which what is kept is not what the facts say."""
    kept, rebuilt = found.kept, found.rebuilt
    if kept is None or rebuilt is None:
        return {"kept": kept is not None, "rebuilt": rebuilt is not None}
    columns = zip(kept._fields, kept, rebuilt, strict=True)
    return {name: {"kept": ours, "rebuilt": told} for name, ours, told in columns if ours != told} or None


def _document_differs(found: Found, _: Times) -> Told | None:
    fact = next((fact for source in SOURCES if (fact := getattr(found, source)) is not None), None)
    if fact is None or found.document is None:
        return None
    due = views.document_of(_TYPES[fact.type].model_validate(fact.data))
    shown = (found.document.key, found.document.at, found.document.body)
    return {"fact": due.body, "document": found.document.body} if (due.key, due.at, due.body) != shown else None


def _is_misnamed(found: Found, _: Times) -> Told | None:
    name = f"{found.fact.type}/{found.fact.version}"
    return {"type": name} if uuid5(found.fact.aggregate_id, name) != found.id else None


def _rebuilt(check: str, service: str, kept: str, rebuilt: str) -> Join:
    sides = {"kept": Side(service=service, rows=kept), "rebuilt": Side(service=service, rows=rebuilt)}
    return Join(sides=sides, compares=(Compare(invariant="I9", name=check, wrong=differs),))


def _named(service: str) -> Join:
    compare = Compare(invariant="I9", name="fact-misnamed", wrong=_is_misnamed)
    return Join(sides={"fact": Side(service=service, rows=_NAME)}, compares=(compare,))


JOINS = (
    _rebuilt("order-rebuilt-differs", "order", _ORDER, _ORDER_REBUILT),
    _rebuilt("payment-rebuilt-differs", "payment", _PAYMENT, _PAYMENT_REBUILT),
    _rebuilt("hold-rebuilt-differs", "inventory", _HOLD, _HOLD_REBUILT),
    _rebuilt("level-rebuilt-differs", "inventory", _LEVEL, _LEVEL_REBUILT),
    Join(
        sides={
            "document": Side(service="order", rows=_DOCUMENT),
            **{source: Side(service=source, rows=_FACT) for source in SOURCES},
        },
        compares=(Compare(invariant="I9", name="document-rebuilt-differs", wrong=_document_differs),),
    ),
    *map(_named, DATABASES),
)
