"""What a run says in the end: what decides whether it was clean, what else was seen, and what it was done to."""

import math
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

from services.local.audit import Finding
from services.local.chaos import recovery
from services.local.chaos.asking import NONSENSE
from services.local.chaos.history import Attempt, Outcome
from services.local.chaos.recovery import FAST_TARGET, STORE_TARGET, SUCCESS, Recovery
from services.local.chaos.run import Result, acknowledged
from services.local.chaos.schedule import STORES, Deed
from services.local.customer.figures import Figure, number, percentile, table
from services.local.topology import ROOT

_GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Report:
    """The figures of a run, and what they are figures of.

    :param decisive: figures that must be met: zeros, how soon and whether the shop serves again, and what shows that
        there was something to see.
    """

    facts: dict[str, str]
    kills: dict[str, int]
    decisive: list[Figure]
    figures: list[Figure]
    findings: list[Finding]
    strikes: list[dict[str, Any]]

    @property
    def is_clean(self) -> bool:
        """Whether every figure that decides is met."""
        return all(figure.is_met for figure in self.decisive)

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return asdict(self) | {
            "clean": self.is_clean,
            "decisive": [_for_programs(figure) for figure in self.decisive],
            "figures": [_for_programs(figure) for figure in self.figures],
        }

    def tables(self) -> list[Table]:
        """The report for people."""
        facts = Table(box=None, pad_edge=False, show_header=False)
        for name, value in (*self.facts.items(), ("kills by kind", _listed(self.kills))):
            facts.add_row(f"[dim]{name}[/]", value)
        return [facts, table(self.decisive), table(self.figures)]

    def markdown(self) -> str:
        """The report as a section of a document."""
        lines = [f"## Random kills, {self.facts['ended']}", ""]
        lines += [f"- {name}: {value}" for name, value in self.facts.items()]
        lines += [f"- kills by kind: {_listed(self.kills)}", ""]
        lines += ["| figure | target | reached | | beside |", "|---|---|---|---|---|"]
        lines += [_row(figure) for figure in (*self.decisive, *self.figures)]
        return "\n".join([*lines, ""])


def _row(figure: Figure) -> str:
    verdict = ("met" if figure.is_met else "**missed**") if figure.target else ""
    return f"| {figure.name} | {figure.target} | {number(figure.reached)} {figure.unit} | {verdict} | {figure.ratio} |"


def _for_programs(figure: Figure) -> dict[str, Any]:
    return figure.as_json() | {"reached": _finite(figure.reached)}


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


def made(result: Result) -> Report:
    """The report of a run."""
    healed = recovery.recoveries(result.attempts, result.done)
    return Report(
        facts=_facts(result),
        kills=recovery.kills_by_kind(result.done),
        decisive=[*_zeros(result), *_seen(result), *_serving(result), *_alone(healed)],
        figures=[*_figures(result), *_at_random(healed), *_latencies(result, healed)],
        findings=list(result.audited.findings),
        strikes=_strikes(result, healed),
    )


def _facts(result: Result) -> dict[str, str]:
    plan = result.options.plan
    pace = f"--every {plan.every:g} --faults {plan.faults:g}"
    if result.options.rate:
        pace += f" --rate {result.options.rate:g}"
    ended = datetime.fromtimestamp(result.began + result.seconds, UTC)
    return {
        "command": f"./sidecart chaos --kills {plan.kills} --seed {plan.seed} {pace}",
        "ended": f"{ended:%Y-%m-%d %H:%M} UTC",
        "commit": commit(),
        "machine": f"{os.cpu_count()} cores, {psutil.virtual_memory().total / _GIB:.0f} GiB, {platform.system()}"
        f" {platform.release()}, Python {platform.python_version()}",
        "machine load": "{:.1f} before the customers came, {:.1f} after them".format(*result.machine_load),
        "duration": f"{result.seconds:.0f} s, settled {result.settled_after:.0f} s later",
        "load": f"{result.rate:.1f} journeys a second, open loop",
        "other faults": _listed(Counter(one.strike.deed for one in result.done if one.strike.deed is not Deed.KILL)),
    }


def _strikes(result: Result, healed: Sequence[Recovery]) -> list[dict[str, Any]]:
    """Everything that was done, by the clock of the history, and of a kill the seconds until success was back."""
    seconds = {id(one.struck): _finite(one.seconds) for one in healed}
    return [
        {"time": one.time, "strike": str(one.strike), "pids": one.pids, "back_after": seconds.get(id(one))}
        for one in result.done
    ]


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _zeros(result: Result) -> list[Figure]:
    books, samples = result.books, result.samples
    counts = {
        "acknowledged orders lost": (books.lost, "orders"),
        "units oversold": (max(books.oversold, samples.oversold), "units"),
        "money unaccounted for": (books.unaccounted, "cents"),
        "unfinished processes": (books.unfinished, ""),
        "findings of the audit": (len(result.audited.findings) + result.audited.left_off, ""),
        "answers that no rule explains": (len(unexplained(result.attempts)), ""),
    }
    return [Figure(name=name, reached=count, unit=unit, most=0) for name, (count, unit) in counts.items()]


_EXPLAINED = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
)


def unexplained(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Answers that a customer who did everything right should never see: a 404 for an order of their own, a 500."""
    return [
        one
        for one in attempts
        if (one.outcome is Outcome.FAIL and one.told["status"] not in _EXPLAINED)
        or one.told.get("status") == HTTPStatus.INTERNAL_SERVER_ERROR
        or one.told.get("error") == NONSENSE
    ]


def _seen(result: Result) -> list[Figure]:
    """What there must be so that the zeros mean something."""
    kills = sum(recovery.kills_by_kind(result.done).values())
    return [
        Figure(name="kills", reached=kills, unit="processes", least=result.options.plan.kills),
        Figure(name="orders acknowledged as paid", reached=len(_paid(result.attempts)), unit="orders", least=1),
        Figure(name="looks at the stock", reached=result.samples.taken, unit="looks", least=1),
    ]


def _serving(result: Result) -> list[Figure]:
    """Whether the shop serves in the end; refusals are answers, so something must be sold, too."""
    since, until = result.quiet_since, result.quiet_since + result.options.quiet
    ordered = sorted(result.attempts, key=lambda attempt: attempt.began)
    lately = [one for one in ordered if one.ended is not None and since <= one.ended < until]
    answered, quiet = recovery.success(ordered, since, until), f"the last quiet {result.options.quiet:g} s"
    return [
        Figure(name=f"answered in {quiet}", reached=answered * 100, unit="%", least=SUCCESS * 100),
        Figure(name=f"orders acknowledged as paid in {quiet}", reached=len(_paid(lately)), unit="orders", least=1),
    ]


def _paid(attempts: Sequence[Attempt]) -> set[str]:
    return {
        one.value["order_id"]
        for one in attempts
        if one.function == "pay"
        and one.outcome is Outcome.OK
        and one.told["status"] not in {"pending", "requires_action"}
    }


def _alone(healed: Sequence[Recovery]) -> list[Figure]:
    """How soon success was back after the kills that nothing else disturbed; without one of them it never was."""
    found = []
    for what, target, ones in _classes([one for one in healed if one.struck.strike.alone]):
        each = ", ".join(f"{one.struck.strike} {number(one.seconds)} s" for one in ones)
        worst = max((one.seconds for one in ones), default=math.inf)
        found.append(_seconds(f"success back over 99 % after {what} was killed alone, worst", worst, target, each))
    return found


def _at_random(healed: Sequence[Recovery]) -> list[Figure]:
    """The same among other strikes: such a kill says little about itself."""
    found = []
    for what, target, ones in _classes([one for one in healed if not one.struck.strike.alone]):
        if ones:
            seconds = [one.seconds for one in ones]
            late = sum(one > target for one in seconds)
            beside = f"worst {number(max(seconds))} s, {late} of {len(ones)} later than {number(target)} s"
            name = f"the same after {what} among other strikes, p50"
            found.append(_seconds(name, percentile(seconds, 0.5), ratio=beside))
    return found


def _classes(healed: Sequence[Recovery]) -> Iterator[tuple[str, float, list[Recovery]]]:
    yield "a store", STORE_TARGET, [one for one in healed if one.struck.strike.kind in STORES]
    yield "a service, sidecar or stand-in", FAST_TARGET, [one for one in healed if one.struck.strike.kind not in STORES]


def _figures(result: Result) -> list[Figure]:
    places = {one.value["key"] for one in result.attempts if one.function == "place"}
    return [
        Figure(name="orders asked for", reached=len(places), unit=""),
        Figure(name="orders acknowledged", reached=len(acknowledged(result.attempts)), unit=""),
        Figure(name="requests", reached=len(result.attempts), unit=""),
    ]


def _seconds(name: str, reached: float, most: float | None = None, ratio: str = "") -> Figure:
    return Figure(name=name, reached=reached, unit="s", most=most, ratio=ratio)


def _latencies(result: Result, healed: Sequence[Recovery]) -> list[Figure]:
    took = recovery.latencies(result.attempts, result.done, healed)
    return [
        Figure(name=f"answer, {state}, p{share * 100:.0f}", reached=percentile(values, share) * 1000, unit="ms")
        for state, values in (("calm", took.calm), ("disturbed", took.disturbed))
        if values
        for share in (0.5, 0.99)
    ]


def commit() -> str:
    """What of the source is run."""
    command = ("git", "describe", "--always", "--dirty", "--abbrev=12")
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    return told.stdout.strip() or "unknown"


def append(section: str, path: Path) -> None:
    """Write a section at the end of a document."""
    before = f"{path.read_text().rstrip()}\n\n" if path.exists() else ""
    path.write_text(before + section)
