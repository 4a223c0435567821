"""Facts and letters: all are published, none is missing, none was given up; and nothing waits past its time."""

from services.local import topology
from services.local.audit.checks import Count, Rows

DATABASES = topology.databases(topology.load())

FACT_IS_UNPUBLISHED = """
SELECT event_id AS subject, type, aggregate_id, version, at FROM outbox WHERE published_at IS NULL AND at < %(before)s
"""
FACTS_HAVE_GAPS = """
SELECT aggregate_id AS subject, topic, count(*) AS facts, min(version) AS first, max(version) AS last FROM outbox
WHERE type <> 'stock.set' GROUP BY topic, aggregate_id
HAVING count(*) <> max(version) - min(version) + 1 OR count(*) <> count(DISTINCT version)
    OR (min(version) <> 1 AND topic IN ('orders', 'payments', 'stock'))
"""
LETTER_IS_DEAD = """
SELECT id AS subject, topic, letter ->> 'type' AS type, parked_at, attempts FROM parked_letter WHERE state = 'dead'
"""
LETTER_IS_OVERDUE = """
SELECT id AS subject, topic, letter ->> 'type' AS type, parked_at, next_at, attempts FROM parked_letter
WHERE state = 'parked'
AND (parked_at + interval '25 hours' < %(before)s OR next_at + interval '40 seconds' < %(before)s)
"""
MESSAGE_IS_UNSENT = """
SELECT id AS subject, template, order_id, state, attempts, written_at, next_at FROM message
WHERE state = 'dead' OR (state = 'pending' AND written_at + interval '130 seconds' < %(before)s)
"""
MESSAGE_IS_UNTOLD = """
SELECT id AS subject, template, order_id, sent_at FROM message
WHERE state = 'sent' AND sent_at BETWEEN %(now)s - interval '6 days' AND %(before)s
AND NOT EXISTS (SELECT FROM outbox WHERE type = 'notification.sent' AND aggregate_id = message.id)
"""
MESSAGE_IS_WITHHELD = """
SELECT id AS subject, user_id, template, order_id FROM message
WHERE state = 'unwanted' AND NOT EXISTS (SELECT FROM preference WHERE preference.user_id = message.user_id)
"""
IMPORT_IS_UNFINISHED = """
SELECT id AS subject, status, processed, total, created_at FROM import_job
WHERE status IN ('queued', 'running') AND created_at + interval '10 minutes' < %(before)s
"""

ROWS = (
    *(Rows(invariant="I9", name="fact-unpublished", service=each, finds=FACT_IS_UNPUBLISHED) for each in DATABASES),
    *(Rows(invariant="I9", name="facts-incomplete", service=each, finds=FACTS_HAVE_GAPS) for each in DATABASES),
    *(Rows(invariant="I10", name="letter-dead", service=each, finds=LETTER_IS_DEAD) for each in DATABASES),
    *(Rows(invariant="I10", name="letter-overdue", service=each, finds=LETTER_IS_OVERDUE) for each in DATABASES),
    Rows(invariant="I8", name="message-unsent", service="notification", finds=MESSAGE_IS_UNSENT),
    Rows(invariant="I9", name="message-untold", service="notification", finds=MESSAGE_IS_UNTOLD),
    Rows(invariant="I9", name="message-withheld", service="notification", finds=MESSAGE_IS_WITHHELD),
    Rows(invariant="I8", name="import-unfinished", service="product", finds=IMPORT_IS_UNFINISHED),
)
COUNTS = (
    *(Count(invariant="I9", noun="facts", service=each, counts="SELECT count(*) FROM outbox") for each in DATABASES),
    *(
        Count(invariant="I10", noun="parked", service=each, counts="SELECT count(*) FROM parked_letter")
        for each in DATABASES
    ),
    Count(invariant="I8", noun="messages", service="notification", counts="SELECT count(*) FROM message"),
)
