"""The table of planted defects cannot rot: each still fits the source, and changes what it is planted in."""

from collections import Counter

import pytest

from services.local.audit import INVARIANTS
from services.local.proofs.defects.defect import Defect
from services.local.proofs.defects.edit import Edit, EditMisplaced, edited
from services.local.proofs.defects.table import DEFECTS
from services.local.proofs.defects.workshop import SOURCE
from services.local.topology import ROOT, load

LEAST = {"order": 4, "inventory": 4, "payment": 4, "notification": 1, "shared": 5}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_fits_the_source_and_still_compiles(defect: Defect) -> None:
    planted = edited(ROOT, (*defect.journey.clocks, *defect.edits))

    for path, text in planted.items():
        compile(text, str(path), "exec")
        assert text != path.read_text()
        assert path.relative_to(ROOT).parts[0] in SOURCE


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_says_what_it_breaks_and_who_wears_it(defect: Defect) -> None:
    worn = {service for edit in (*defect.journey.clocks, *defect.edits) for service in edit.services}

    assert defect.breaks
    assert defect.breaks <= set(INVARIANTS)
    assert worn <= {app.app_id for app in load()}
    assert defect.harm.endswith(".")


def test_there_are_thirty_defects_and_more_in_every_part_of_the_shop() -> None:
    areas = Counter(defect.area for defect in DEFECTS)

    assert len(DEFECTS) >= 30
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS)
    assert {area: areas[area] for area, least in LEAST.items() if areas[area] < least} == {}


def test_defects_of_one_journey_share_its_name() -> None:
    acts = {(defect.journey.name, defect.journey.act) for defect in DEFECTS}

    assert len({name for name, _ in acts}) == len(acts)


def test_edits_of_one_file_follow_one_another() -> None:
    file = "services/order/domain/order.py"
    first = Edit(file=file, old="PAYABLE_FOR = timedelta(minutes=15)", new="PAYABLE_FOR = timedelta(minutes=16)")
    second = Edit(file=file, old="timedelta(minutes=16)", new="timedelta(minutes=17)")

    (text,) = edited(ROOT, (first, second)).values()

    assert "PAYABLE_FOR = timedelta(minutes=17)" in text


@pytest.mark.parametrize(("text", "times"), [("nothing of it", "0 times"), ("old, old", "2 times")])
def test_an_edit_that_does_not_fit_exactly_once_is_refused(text: str, times: str) -> None:
    edit = Edit(file="services/order/app.py", old="old", new="new")

    with pytest.raises(EditMisplaced, match=times):
        edit.applied(text)


def test_shared_code_is_worn_by_whom_the_edit_names() -> None:
    own = Edit(file="services/order/app.py", old="a", new="b")
    shared = Edit(file="services/shared/inbox.py", old="a", new="b", worn_by=("payment", "inventory"))

    assert own.services == ("order",)
    assert shared.services == ("payment", "inventory")
