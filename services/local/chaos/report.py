"""What a run says in the end: what must be zero, how soon the shop served again, and what it was done to."""

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
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
from services.local.chaos.recovery import FAST_TARGET, STORE_TARGET, Recovery
from services.local.chaos.run import Result, acknowledged
from services.local.chaos.schedule import STORES, Deed
from services.local.customer.figures import Figure, number, percentile, table
from services.local.topology import ROOT

_GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Report:
    """The figures of a run, and what they are figures of."""

    facts: dict[str, str]
    kills: dict[str, int]
    zeros: list[Figure]
    figures: list[Figure]
    findings: list[Finding]
    strikes: list[dict[str, Any]]

    @property
    def is_clean(self) -> bool:
        """Whether everything that must be zero is."""
        return all(figure.is_met for figure in self.zeros)

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return asdict(self) | {
            "clean": self.is_clean,
            "zeros": [figure.as_json() for figure in self.zeros],
            "figures": [figure.as_json() for figure in self.figures],
        }

    def tables(self) -> list[Table]:
        """The report for people."""
        facts = Table(box=None, pad_edge=False, show_header=False)
        for name, value in (*self.facts.items(), ("kills by kind", _listed(self.kills))):
            facts.add_row(f"[dim]{name}[/]", value)
        return [facts, table(self.zeros), table(self.figures)]

    def markdown(self) -> str:
        """The report as a section of a document."""
        lines = [f"## Random kills, {self.facts['ended']}", ""]
        lines += [f"- {name}: {value}" for name, value in self.facts.items()]
        lines += [f"- kills by kind: {_listed(self.kills)}", "", "| figure | target | reached |", "|---|---|---|"]
        lines += [
            f"| {figure.name} | {figure.target} | {number(figure.reached)} {figure.unit} |"
            for figure in (*self.zeros, *self.figures)
        ]
        return "\n".join([*lines, ""])


def made(result: Result) -> Report:
    """The report of a run."""
    healed = recovery.recoveries(result.attempts, result.done)
    return Report(
        facts=_facts(result),
        kills=recovery.kills_by_kind(result.done),
        zeros=_zeros(result),
        figures=[*_figures(result), *_healing(healed), *_latencies(result, healed)],
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
        "commit": _commit(),
        "machine": f"{os.cpu_count()} cores, {psutil.virtual_memory().total / _GIB:.0f} GiB, {platform.system()}"
        f" {platform.release()}, Python {platform.python_version()}",
        "duration": f"{result.seconds:.0f} s, settled {result.settled_after:.0f} s later",
        "load": f"{result.rate:.1f} journeys a second, open loop",
        "other faults": _listed(Counter(one.strike.deed for one in result.done if one.strike.deed is not Deed.KILL)),
    }


def _strikes(result: Result, healed: Sequence[Recovery]) -> list[dict[str, Any]]:
    """Everything that was done, by the clock of the history, and of a kill the seconds until success was back."""
    seconds = {id(one.struck): one.seconds for one in healed}
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


def _figures(result: Result) -> list[Figure]:
    places = {one.value["key"] for one in result.attempts if one.function == "place"}
    paid = {
        one.value["order_id"]
        for one in result.attempts
        if one.function == "pay"
        and one.outcome is Outcome.OK
        and one.told["status"] not in {"pending", "requires_action"}
    }
    return [
        Figure(name="kills", reached=sum(recovery.kills_by_kind(result.done).values()), unit=""),
        Figure(name="orders asked for", reached=len(places), unit=""),
        Figure(name="orders acknowledged", reached=len(acknowledged(result.attempts)), unit=""),
        Figure(name="orders acknowledged as paid", reached=len(paid), unit=""),
        Figure(name="requests", reached=len(result.attempts), unit=""),
        Figure(name="looks at the stock", reached=result.samples.taken, unit=""),
    ]


def _healing(healed: Sequence[Recovery]) -> list[Figure]:
    """How soon success was back; a kill that another strike disturbed says little about itself."""
    sides = {
        ("service or sidecar", FAST_TARGET): [one for one in healed if one.struck.strike.kind not in STORES],
        ("store", STORE_TARGET): [one for one in healed if one.struck.strike.kind in STORES],
    }
    found = []
    for (what, target), ones in sides.items():
        alone = [one.seconds for one in ones if one.alone]
        if alone:
            found.append(
                _seconds(f"success back over 99 % after a {what}, alone, worst of {len(alone)}", max(alone), target)
            )
        if ones:
            late = sum(one.seconds > one.target for one in ones)
            every = [one.seconds for one in ones]
            name = f"success back over 99 % after a {what}, p50 of {len(every)}"
            found.append(
                _seconds(name, percentile(every, 0.5), target, f"worst {max(every):.1f} s, {late} beyond the target")
            )
    return found


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


def _commit() -> str:
    command = ("git", "describe", "--always", "--dirty", "--abbrev=12")
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    return told.stdout.strip() or "unknown"


def append(section: str, path: Path) -> None:
    """Write a section at the end of a document."""
    before = f"{path.read_text().rstrip()}\n\n" if path.exists() else ""
    path.write_text(before + section)
