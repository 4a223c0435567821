"""How a report is printed: a line for each invariant and a table of findings for people, JSON for programs."""

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.local.audit.report import INVARIANTS, Report, Unseen


def as_json(report: Report) -> str:
    """The report for programs."""
    invariants = {
        invariant: {
            "promise": promise,
            "clean": not report.of(invariant),
            "findings": len(report.of(invariant)),
            "not_looked_at": [{"check": one.check, "no": one.source} for one in report.unseen_of(invariant)],
            "counted": report.counted.get(invariant, {}),
        }
        for invariant, promise in INVARIANTS.items()
    }
    whole: dict[str, Any] = {"clean": report.is_clean, "seconds": round(report.seconds, 3), "invariants": invariants}
    findings = [
        {"invariant": one.invariant, "check": one.check, "subject": one.subject, "told": one.told}
        for one in report.findings
    ]
    return json.dumps({**whole, "findings": findings, "left_off": report.left_off}, default=str, indent=2)


def show(report: Report, console: Console) -> None:
    """The report for people."""
    console.print(_summary(report))
    if not report.is_clean:
        console.print()
        console.print(_table(report))
        if report.left_off:
            console.print(f"and {report.left_off:,} more")
    verdict = "[green]clean[/]" if report.is_clean else f"[red]{_findings(len(report.findings) + report.left_off)}[/]"
    console.print(f"\n{verdict} in {report.seconds:.1f} s{_not_looked_at(report.unseen)}")


def _summary(report: Report) -> Table:
    drawn = Table(box=None, show_header=False, pad_edge=False)
    for invariant, promise in INVARIANTS.items():
        counted = ", ".join(f"{count:,} {noun}" for noun, count in report.counted.get(invariant, {}).items())
        found = len(report.of(invariant))
        verdict = f"[red]{_findings(found)}[/]" if found else "[green]clean[/]"
        verdict += _not_looked_at(report.unseen_of(invariant))
        drawn.add_row(invariant, promise, counted or "[dim]nothing to look at[/]", verdict)
    return drawn


def _not_looked_at(unseen: Sequence[Unseen]) -> str:
    sources = sorted({one.source for one in unseen})
    return f"[yellow], not looked at: {', '.join(f'no {source}' for source in sources)}[/]" if sources else ""


def _table(report: Report) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "check", "subject", "what stands there"):
        drawn.add_column(column, overflow="fold")
    for one in report.findings:
        told = "  ".join(f"{name}={value}" for name, value in one.told.items())
        drawn.add_row(one.invariant, one.check, escape(one.subject), escape(told))
    return drawn


def _findings(count: int) -> str:
    return "1 finding" if count == 1 else f"{count:,} findings"
