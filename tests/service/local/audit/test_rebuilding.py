"""What is kept is what the facts say."""

import pytest

from tests.service.local.audit.conftest import Case

DAMAGES = [
    ("order-rebuilt-differs", "order", "UPDATE orders SET carrier = 'another' WHERE id = %(delivered)s"),
    ("order-rebuilt-differs", "order", "UPDATE order_line SET name = 'another' WHERE order_id = %(paid)s"),
    ("order-rebuilt-differs", "order", "UPDATE order_history SET actor = 'another' WHERE order_id = %(paid)s"),
    ("payment-rebuilt-differs", "payment", "UPDATE refund SET id = %(stranger)s WHERE id = %(refund)s::uuid"),
    ("hold-rebuilt-differs", "inventory", "UPDATE hold SET version = 9 WHERE order_id = %(paid)s"),
    ("level-rebuilt-differs", "inventory", "UPDATE stock_level SET version = 99 WHERE product_id = %(rug)s"),
    (
        "document-rebuilt-differs",
        "order",
        "UPDATE document SET body = body || '{\"summary\": \"nothing\"}' WHERE collection = 'timeline'",
    ),
    ("fact-misnamed", "user", "UPDATE outbox SET event_id = gen_random_uuid()"),
]


async def test_everything_rebuilt_from_its_facts_is_what_is_kept(case: Case) -> None:
    report = await case.audit(rebuilds=True)

    assert report.findings == []


@pytest.mark.parametrize(("check", "service", "damage"), DAMAGES)
async def test_what_is_not_what_its_facts_say_is_found(case: Case, check: str, service: str, damage: str) -> None:
    case.plant(service, damage)

    report = await case.audit(rebuilds=True)

    assert check in {finding.check for finding in report.findings}


async def test_a_row_without_facts_and_facts_without_a_row_are_found(case: Case) -> None:
    case.plant("inventory", "UPDATE hold SET order_id = %(stranger)s WHERE order_id = %(paid)s")

    report = await case.audit(rebuilds=True)

    told = {one.subject: one.told for one in report.findings if one.check == "hold-rebuilt-differs"}
    ids = case.sold.ids
    assert told[str(ids["stranger"])] == {"kept": True, "rebuilt": False}
    assert told[ids["paid"]] == {"kept": False, "rebuilt": True}
