"""A handful of planted defects, one of each kind: the audit sees them, and nothing where there is none."""

from services.local.proofs.defects import commands
from services.local.proofs.defects.rounds import Round
from services.local.proofs.defects.showing import tell
from services.local.proofs.defects.table import DEFECTS

A_HANDFUL = {
    "a-payment-tells-nobody",
    "every-request-is-another-order",
    "what-is-sold-stays-on-hand",
    "cents-are-taken-for-euros",
    "the-relay-marks-whatever-it-tried",
}


def test_the_audit_sees_a_defect_of_each_kind_and_nothing_without_one() -> None:
    planted = [defect for defect in DEFECTS if defect.name in A_HANDFUL]

    rounds = commands.prove(planted, tell=tell)

    assert len(planted) == len(A_HANDFUL)
    assert [_told(one) for one in rounds if not one.is_good] == []


def _told(one: Round) -> tuple[str, str, list[str]]:
    return one.journey, one.defect.name if one.defect else one.trouble, [finding.check for finding in one.findings]
