"""Whatever is due at a moment has a timer that looks after it: a new column of time says which, or that it is none."""

import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

SERVICES = Path(__file__).parents[2] / "services"

EVERYWHERE = {
    "outbox.published_at": "relay",
    "parked_letter.next_at": "dead-letters",
    "inbox.at": "prune-inbox",
}
"""The relay is no timer: it hears of facts as they are committed, and looks four times a second besides."""
DEADLINES: dict[str, dict[str, str]] = {
    "user": {
        "login.expires_at": "forget-old-logins",
        "login_failure.began_at": "forget-old-logins",
    },
    "product": {"product_change.at": "changes"},
    "inventory": {"hold.ask_at": "asker", "hold.follow_at": "follower"},
    "order": {"orders.expires_at": "expire", "orders.next_check_at": "expire"},
    "payment": {
        "attempt.due_at": "attempts",
        "payable.follow_at": "follower",
        "payment.cancel_due_at": "cancellations",
        "payment.debt_due_at": "debts",
        "refund.due_at": "refunds",
        "webhook_event.due_at": "webhooks",
        "webhook_event.processed_at": "old-webhooks",
    },
    "notification": {"message.next_at": "sender", "message.sent_at": "old-letters"},
}
"""Column of a service's database -> the timer that acts on it. Work without a moment (an import) is due at once."""
DUE = re.compile(r"^(due|next|ask|follow|expires|.*_due|.*_check|.*expires)(_at)?$")


def timers(service: str) -> set[str]:
    """The names of a service's timers, and of those that every service has."""
    files = [*(SERVICES / service).rglob("*.py"), SERVICES / "shared" / "service.py"]
    return {name for file in files for name in re.findall(r'Timer\(\s*name="([a-z-]+)"', file.read_text())}


@pytest.mark.parametrize("service", DEADLINES)
def test_whatever_is_due_has_a_timer(service: str, migrated: Callable[[str], str]) -> None:
    with psycopg.connect(migrated(service)) as connection:
        rows = connection.execute(
            "SELECT table_name || '.' || column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type LIKE 'timestamp%'"
        ).fetchall()
    columns = {row[0] for row in rows}
    owned = DEADLINES[service] | EVERYWHERE

    assert set(owned) <= columns
    assert {name for name in columns if DUE.match(name.partition(".")[2])} <= set(owned)
    assert set(owned.values()) <= timers(service) | {"relay"}
