from tests.service.local.audit.conftest import Case


async def test_a_town_whose_services_did_their_work_is_clean(case: Case) -> None:
    report = await case.audit()

    assert report.findings == []
    assert report.counted["I1"]["orders"] == 5
