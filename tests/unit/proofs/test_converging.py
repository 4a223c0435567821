"""When a case of the sweep has converged: not before everything that was taken up has ended."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat

from services.local.audit import Finding, Report
from services.local.proofs.converging import Convergence

LOST = Finding(invariant="I1", check="order-lost", subject="7", told={})


@dataclass
class Shop:
    """How much is unfinished at each look, the last number for ever, and what the audit finds."""

    unfinished: Iterator[int]
    findings: list[Finding] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def convergence(self, *, within: float) -> Convergence:
        return Convergence(hurry=self.hurry, unfinished=self.count, look=self.look, within=within)

    def hurry(self) -> None:
        self.done.append("hurry")

    def count(self) -> int:
        return next(self.unfinished)

    async def look(self) -> Report:
        self.done.append("audit")
        return Report(findings=self.findings, seconds=0)


def unfinished(*counts: int) -> Iterator[int]:
    return chain(counts, repeat(counts[-1]))


async def test_a_clean_shop_in_which_nothing_waits_has_converged() -> None:
    shop = Shop(unfinished(0))

    rest = await shop.convergence(within=60).reached()

    assert rest.failure == ""
    assert shop.done == ["hurry", "audit"]


async def test_what_was_taken_up_and_never_ended_has_not_converged_although_the_audit_excuses_it() -> None:
    rest = await Shop(unfinished(2)).convergence(within=0).reached()

    assert (rest.failure, rest.unfinished) == ("2 unfinished", 2)


async def test_it_is_waited_for_before_the_audit_looks() -> None:
    shop = Shop(unfinished(1, 0))

    rest = await shop.convergence(within=60).reached()

    assert rest.failure == ""
    assert shop.done == ["hurry", "hurry", "audit"]


async def test_what_the_audit_still_finds_has_not_converged() -> None:
    rest = await Shop(unfinished(0), findings=[LOST]).convergence(within=0).reached()

    assert (rest.failure, rest.findings) == ("the audit finds something", [LOST])


async def test_what_one_case_was_blamed_for_no_later_one_is() -> None:
    shop = Shop(unfinished(2, 2, 3), findings=[LOST])
    convergence = shop.convergence(within=0)

    convergence.blame(await convergence.reached())

    assert (await convergence.reached()).failure == ""
    assert (await convergence.reached()).failure == "1 unfinished"


async def test_what_an_earlier_case_left_and_has_ended_since_excuses_nobody() -> None:
    convergence = Shop(unfinished(2, 0, 2)).convergence(within=0)

    convergence.blame(await convergence.now())

    assert (await convergence.now()).failure == ""
    assert (await convergence.now()).failure == "2 unfinished"
