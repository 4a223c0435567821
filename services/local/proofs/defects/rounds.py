"""Rounds: go a journey with a defect or without one, let everything come to rest, and ask the audit."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from services.local.audit import Finding, audit, sources_of
from services.local.proofs.defects.defect import Defect
from services.local.proofs.defects.stage import PATIENCE, Journey, Stage, mentions
from services.local.proofs.defects.workshop import Workshop
from services.local.refusals import Refusal

CONTROL_EVERY = 10
"""So many defects are planted between two rounds without any."""

_LASTING = 1.0
"""Seconds for which a finding must last: what is still under way is no proof."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What came of one round; a control has no defect and must have no findings."""

    journey: str
    defect: Defect | None
    findings: Sequence[Finding]
    seconds: float
    trouble: str = ""
    """What kept the journey from its end, if anything did."""

    @property
    def seen(self) -> Sequence[Finding]:
        """The findings that name what the defect breaks."""
        return [one for one in self.findings if self.defect and one.invariant in self.defect.breaks]

    @property
    def is_good(self) -> bool:
        """Whether a defect was caught, or a control is clean and came to its end."""
        return bool(self.seen) if self.defect else not (self.findings or self.trouble)


Tell = Callable[[Round], None]


@dataclass(kw_only=True)
class Proof:
    """All rounds of one proof, each told as it ends."""

    workshop: Workshop
    history: Path
    tell: Tell
    rounds: list[Round] = field(default_factory=list)

    async def run(self, defects: Sequence[Defect]) -> list[Round]:
        """Go every journey once without a defect, then plant the defects one at a time, with a control now and then."""
        for journey in journeys_of(defects):
            await self._round(journey, None)
        for number, defect in enumerate(defects, start=1):
            await self._round(defect.journey, defect)
            if number % CONTROL_EVERY == 0 or number == len(defects):
                await self._round(defects[0].journey, None)
        return self.rounds

    async def _round(self, journey: Journey, defect: Defect | None) -> None:
        began = time.monotonic()
        await self.workshop.wear((*journey.clocks, *(defect.edits if defect else ())))
        async with Stage.opened(self.workshop.system, self.history) as stage:
            trouble = await self._acted(stage, journey, defect)
            findings = await self._found(stage, journey, defect)
        seconds = time.monotonic() - began
        done = Round(journey=journey.name, defect=defect, findings=findings, seconds=seconds, trouble=trouble)
        self.rounds.append(done)
        self.tell(done)

    async def _acted(self, stage: Stage, journey: Journey, defect: Defect | None) -> str:
        rules = defect.rules if defect else ()
        for rule in rules:
            await stage.rows(rule.service, rule.taken)
        try:
            await journey.act(stage)
        except Refusal as refusal:
            return str(refusal)
        finally:
            for rule in rules:
                await stage.rows(rule.service, rule.given_back)
        return ""

    async def _found(self, stage: Stage, journey: Journey, defect: Defect | None) -> Sequence[Finding]:
        """The findings about this round that last; those of a control get some time to go away."""
        await stage.calm()
        until = time.monotonic() + PATIENCE
        while True:
            first = await self._look(stage, journey.later)
            await stage.calm(seconds=_LASTING)
            lasting = [one for one in await self._look(stage, journey.later) if one in first]
            expected = [one for one in lasting if defect is None or one.invariant in defect.breaks]
            if bool(expected) == (defect is not None) or time.monotonic() > until:
                return lasting

    async def _look(self, stage: Stage, later: timedelta) -> Sequence[Finding]:
        ours = await stage.everything_of_ours()
        sources = sources_of(self.workshop.system, histories=[self.history])
        report = await audit(sources, quiet=timedelta(0), now=datetime.now(UTC) + later)
        return [one for one in report.findings if mentions([one.subject, one.told], ours)]


def journeys_of(defects: Iterable[Defect]) -> list[Journey]:
    """Every journey that the defects need, once; those that need the same clocks stand together."""
    found = {defect.journey.name: defect.journey for defect in defects}
    return sorted(found.values(), key=lambda journey: [edit.file for edit in journey.clocks])


def chosen(defects: Sequence[Defect], *, only: str | None, sample: int | None, seed: int) -> Sequence[Defect]:
    """The defects to plant: all of them, one, or so many that the seed chooses.

    :raises Refusal: there is none of that name.
    """
    if only is not None:
        found = [defect for defect in defects if defect.name == only]
        if not found:
            raise Refusal(f"There is no defect {only}. There are: {', '.join(defect.name for defect in defects)}")
        return found
    if sample is None or sample >= len(defects):
        return defects
    taken = {defect.name for defect in Random(seed).sample(defects, sample)}  # noqa: S311 - a sample, not a secret
    return [defect for defect in defects if defect.name in taken]
