"""The cases of the sweep: which there are, which are taken, and what became of them."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.local.audit import Finding
from services.local.proofs import points
from services.local.proofs.journeys import JOURNEYS
from services.local.proofs.scouting import Passage, Target
from services.local.proofs.shop import Outcome

_OTHERS = 3

Passages = dict[tuple[Target, Outcome], list[Passage]]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How much of the sweep: `sample` cases or all, those whose application or point contains `only`, every passage."""

    seed: int
    sample: int | None = None
    only: str = ""
    thorough: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """One death."""

    target: Target
    outcome: Outcome
    passage: Passage
    others: Sequence[Passage] = ()
    """Where else the point may be passed, should it not be passed there this time."""

    def __str__(self) -> str:
        """For people."""
        where = f"{self.passage.journey}: {self.passage.stage}"
        return f"{self.target.app_id} dies at {self.target.point} ({where}; payment {self.outcome})"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a case; an empty `failure` means that it converged."""

    case: Case
    seconds: float
    has_died: bool = True
    """False where the process did not come by this time."""
    failure: str = ""
    findings: Sequence[Finding] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the sweep found: the failpoints that were to be died at, and what became of every case."""

    options: Options
    targets: Sequence[Target]
    results: Sequence[Result]
    seconds: float

    @property
    def deaths(self) -> list[Result]:
        """The cases in which something died."""
        return [result for result in self.results if result.has_died]

    @property
    def failures(self) -> list[Result]:
        """The cases that did not converge."""
        return [result for result in self.results if result.failure]

    @property
    def died_at(self) -> set[Target]:
        """The failpoints at which something died."""
        return {result.case.target for result in self.deaths}

    @property
    def not_passed(self) -> list[tuple[Target, Outcome]]:
        """Where nothing died with one outcome of the payment; a sample tells only of what it had planned."""
        died = {(result.case.target, result.case.outcome) for result in self.deaths}
        planned = {(result.case.target, result.case.outcome) for result in self.results}
        every = {(target, outcome) for target in self.targets for outcome in Outcome}
        return sorted((planned if self.options.sample else planned | every) - died)

    @property
    def missed(self) -> list[Target]:
        """The failpoints at which nothing died, whatever the outcome; a sample leaves out what it likes."""
        return [] if self.options.sample else sorted(set(self.targets) - self.died_at)

    @property
    def has_converged(self) -> bool:
        """Whether every case did, and every point was died at."""
        return bool(self.deaths) and not self.failures and not self.missed

    def as_json(self) -> str:
        """For programs."""
        told = {
            "options": vars(self.options),
            "seconds": round(self.seconds, 1),
            "points": len({target.point for target in self.died_at}),
            "planned": len(self.results),
            "died": len(self.deaths),
            "not_passed": [vars(target) | {"outcome": outcome} for target, outcome in self.not_passed],
            "missed": [vars(target) for target in self.missed],
            "failures": [_told(result) for result in self.failures],
            "results": [[str(result.case), round(result.seconds, 1), not result.failure] for result in self.deaths],
        }
        return json.dumps(told, indent=2, default=str) + "\n"


def _told(result: Result) -> dict[str, object]:
    return {
        "case": str(result.case),
        "failure": result.failure,
        "findings": [vars(finding) for finding in result.findings],
    }


def targets(options: Options) -> list[Target]:
    """Every failpoint in every application that runs it, or some of them."""
    every = (Target(app_id, point.name) for point in points.find() for app_id in points.runners(point))
    return sorted(target for target in every if options.only in f"{target.app_id} {target.point}")


def scouted(options: Options) -> list[tuple[str, Outcome]]:
    """The journeys to scout: all with every outcome; for a sample one for each outcome."""
    every = [(journey, outcome) for journey in JOURNEYS for outcome in Outcome]
    if options.sample is None:
        return every
    draw = random.Random(options.seed)  # noqa: S311 - the same for the same seed
    return list(zip(draw.sample(list(JOURNEYS), len(Outcome)), draw.sample(list(Outcome), len(Outcome)), strict=True))


def chosen(passages: Mapping[tuple[Target, Outcome], Sequence[Passage]], options: Options) -> list[Case]:
    """Every passage, or one of each point and outcome as the seed falls; for a sample the applications in turn."""
    draw = random.Random(options.seed)  # noqa: S311 - the same for the same seed
    cases = []
    for (target, outcome), where in sorted(passages.items()):
        first, *others = draw.sample(sorted(where), len(where))
        elsewhere = [passage for passage in others if passage.journey != first.journey]
        taken = where if options.thorough else [first]
        cases += [Case(target=target, outcome=outcome, passage=one, others=elsewhere[:_OTHERS]) for one in taken]
    return cases if options.sample is None else _in_turn(cases, draw)


def _in_turn(cases: Sequence[Case], draw: random.Random) -> list[Case]:
    """The cases as the seed falls, the applications in turn."""
    by_app: dict[str, list[Case]] = {}
    for case in draw.sample(cases, len(cases)):
        by_app.setdefault(case.target.app_id, []).append(case)
    taken: list[Case] = []
    while any(by_app.values()):
        taken += [waiting.pop() for _, waiting in sorted(by_app.items()) if waiting]
    return taken
