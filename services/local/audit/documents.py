"""What is shown and sent: every fact has its document, its letter and its place in an inbox, and no more."""

from services.local.audit.checks import Compare, Count, Found, Join, Row, Side, Times, Told
from services.local.audit.shown import FACTS_OF_CUSTOMERS, LETTERS, SHOWN_TYPES

_DOCUMENT = """
SELECT id, key, at, body ->> 'type' AS type, body ->> 'source' AS source FROM document
WHERE collection = 'timeline' ORDER BY id
"""
_FACT = """
SELECT event_id AS id, data ->> 'order_id' AS key, at, type,
    coalesce(published_at < %(before)s, false) AS is_settled
FROM outbox WHERE type = ANY(%(shown)s) AND data ->> 'order_id' IS NOT NULL ORDER BY event_id
"""
SOURCES = ("order", "payment", "inventory", "notification")
_FORGOTTEN = "notification"
"""Whose facts are forgotten after a week, while the documents about them stay."""
_LEVEL = """
SELECT product_id AS id, on_hand, reserved, version, coalesce(last.at < %(before)s, true) AS is_settled
FROM stock_level AS level LEFT JOIN LATERAL (
    SELECT at FROM stock_entry WHERE product_id = level.product_id ORDER BY id DESC LIMIT 1
) AS last ON true
ORDER BY product_id
"""
_AVAILABILITY = "SELECT product_id AS id, on_hand, reserved, version FROM availability ORDER BY product_id"
_ACCOUNT = """
SELECT account.id, email, first_name, account.version, coalesce(told.is_settled, true) AS is_settled
FROM account LEFT JOIN (
    SELECT aggregate_id, bool_and(coalesce(published_at < %(before)s, false)) AS is_settled
    FROM outbox GROUP BY aggregate_id
) AS told ON told.aggregate_id = account.id
ORDER BY account.id
"""
_CUSTOMER_FACTS = """
SELECT id, jsonb_object_agg(type, total) AS total, jsonb_object_agg(type, settled) AS settled FROM (
    SELECT (data ->> 'user_id')::uuid AS id, type, count(*) AS total,
        count(*) FILTER (WHERE published_at < %(before)s) AS settled
    FROM outbox WHERE type = ANY(%(told)s) GROUP BY 1, 2
) AS counted GROUP BY id ORDER BY id
"""
_TOLD = """
SELECT user_id AS id, email, first_name, version, wishes IS NOT NULL AS has_wishes,
    coalesce(letters.total, '{}') AS letters, coalesce(inbox.total, '{}') AS inbox
FROM recipient
LEFT JOIN preference USING (user_id)
LEFT JOIN (
    SELECT user_id, jsonb_object_agg(template, n) AS total
    FROM (SELECT user_id, template, count(*) AS n FROM message GROUP BY user_id, template) AS counted GROUP BY user_id
) AS letters USING (user_id)
LEFT JOIN (
    SELECT key::uuid AS user_id, jsonb_object_agg(type, n) AS total FROM (
        SELECT key, body ->> 'type' AS type, count(*) AS n FROM document WHERE collection = 'inbox' GROUP BY 1, 2
    ) AS counted GROUP BY key
) AS inbox USING (user_id)
ORDER BY user_id
"""


def _fact_of(found: Found) -> Row:
    return next((fact for source in SOURCES if (fact := getattr(found, source)) is not None), None)


def _source_of(found: Found) -> str:
    return next(source for source in SOURCES if getattr(found, source) is not None)


def _timeline_lacks(found: Found, _: Times) -> Told | None:
    fact = _fact_of(found)
    if found.document is None and fact is not None and fact.is_settled:
        return {"order_id": fact.key, "type": fact.type, "at": fact.at}
    return None


def _timeline_differs(found: Found, _: Times) -> Told | None:
    fact, document = _fact_of(found), found.document
    if fact is None or document is None:
        return None
    due = (fact.key, fact.at, fact.type, _source_of(found))
    shown = (document.key, document.at, document.type, document.source)
    return {"fact": due, "document": shown} if due != shown else None


def _timeline_invents(found: Found, _: Times) -> Told | None:
    if _fact_of(found) is None and found.document.source != _FORGOTTEN:
        return {"order_id": found.document.key, "type": found.document.type, "at": found.document.at}
    return None


def _availability_differs(found: Found, _: Times) -> Told | None:
    if found.level is not None and not found.level.is_settled:
        return None
    level, known = _units(found.level), _units(found.known)
    return {"level": level, "availability": known} if level != known else None


def _units(row: Row) -> tuple[int, int, int]:
    return (row.on_hand, row.reserved, row.version) if row is not None else (0, 0, 0)


def _recipient_differs(found: Found, _: Times) -> Told | None:
    if found.account is None or not found.account.is_settled:
        return None
    due = (found.account.email, found.account.first_name, found.account.version)
    known = (found.told.email, found.told.first_name, found.told.version) if found.told else None
    return {"version": due[2], "known_version": known[2] if known else None} if due != known else None


def _letters_differ(found: Found, _: Times) -> Told | None:
    """Who has wishes may have had others before: then there may be fewer letters than facts, never more."""
    if found.told is None:
        return None
    least, most = _expected(found)
    return _outside(found.told.letters, {} if found.told.has_wishes else least, most)


def _inbox_differs(found: Found, _: Times) -> Told | None:
    if found.told is None:
        return None
    least, most = _expected(found)
    return _outside(found.told.inbox, least, most)


def _expected(found: Found) -> tuple[dict[str, int], dict[str, int]]:
    least: dict[str, int] = {}
    most: dict[str, int] = {}
    for facts in filter(None, (found.orders, found.payments)):
        least |= {LETTERS[type_]: count for type_, count in facts.settled.items()}
        most |= {LETTERS[type_]: count for type_, count in facts.total.items()}
    return least, most


def _outside(written: dict[str, int], least: dict[str, int], most: dict[str, int]) -> Told | None:
    templates = LETTERS.values()
    wrong = {name for name in templates if not least.get(name, 0) <= written.get(name, 0) <= most.get(name, 0)}
    if not wrong:
        return None
    return {name: {"facts": most.get(name, 0), "written": written.get(name, 0)} for name in sorted(wrong)}


TIMELINE = Join(
    sides={
        "document": Side(service="order", rows=_DOCUMENT),
        **{source: Side(service=source, rows=_FACT) for source in SOURCES},
    },
    compares=(
        Compare(invariant="I9", name="timeline-lacks", wrong=_timeline_lacks),
        Compare(invariant="I9", name="timeline-differs", wrong=_timeline_differs),
        Compare(invariant="I9", name="timeline-invents", wrong=_timeline_invents),
    ),
)
AVAILABILITY = Join(
    sides={"known": Side(service="product", rows=_AVAILABILITY), "level": Side(service="inventory", rows=_LEVEL)},
    compares=(Compare(invariant="I9", name="availability-differs", wrong=_availability_differs),),
)
CUSTOMERS = Join(
    sides={
        "told": Side(service="notification", rows=_TOLD),
        "payments": Side(service="payment", rows=_CUSTOMER_FACTS),
        "orders": Side(service="order", rows=_CUSTOMER_FACTS),
        "account": Side(service="user", rows=_ACCOUNT),
    },
    compares=(
        Compare(invariant="I9", name="recipient-differs", wrong=_recipient_differs),
        Compare(invariant="I9", name="letters-differ", wrong=_letters_differ),
        Compare(invariant="I9", name="inbox-differs", wrong=_inbox_differs),
    ),
)
ROWS = ()
COUNTS = (
    Count(
        invariant="I9",
        noun="documents",
        service="order",
        counts="SELECT count(*) FROM document WHERE collection = 'timeline'",
    ),
)
PARAMETERS = {"shown": SHOWN_TYPES, "told": FACTS_OF_CUSTOMERS}
