"""`./sidecart reconcile`: compare orders, ledger and provider now, and show what differs."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from services.local import console
from services.local.customer import accounts, client
from services.local.customer.client import Api
from services.local.customer.commands import HERE
from services.local.customer.place import Place

_HARMLESS = "late"
_PAUSE_SECONDS = 0.5

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Latest = Annotated[bool, typer.Option("--latest", help="Show the newest result instead of reconciling now.")]


def register(app: typer.Typer, find: Callable[[], Place] = HERE) -> None:
    """Add the command to the command line; `find` tells which system it is about."""

    @app.command()
    def reconcile(*, as_json: AsJson = False, latest: Latest = False) -> None:
        """Compare orders, ledger and payment provider; exit code 1 when they differ."""
        report = asyncio.run(_report(find(), latest=latest))
        if as_json:
            typer.echo(json.dumps(report, indent=2))
        else:
            _show(report)
        if not report["is_equal"]:
            raise typer.Exit(1)


async def _report(where: Place, *, latest: bool) -> Any:  # noqa: ANN401 - JSON has no narrower type
    async with client.connected(where.base_url) as api:
        staff = await accounts.as_operator(api, where)
        return await staff.get("/payments/reconciliation/latest") if latest else await _reconciled(staff)


async def _reconciled(staff: Api) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """The result of a run of now, which waits for one that is running already."""
    while True:
        reply = await staff.call("POST", "/payments/reconciliation")
        if reply.status not in {HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT}:
            return reply.expect(HTTPStatus.OK)
        await asyncio.sleep(_PAUSE_SECONDS)


def _show(report: dict[str, Any]) -> None:
    console.out.print(_sums(report["sums"]))
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in report["compared"].items())
    of_what = f" of what changed since {report['compared_since']}" if report["compared_since"] else ""
    console.out.print(f"[dim]compared {counts}{of_what}[/]", soft_wrap=True)
    if report["newest"]["id"] != report["id"]:
        newer = f"the newest run is {_run(report['newest'])}; this is {_run(report)}"
        console.out.print(f"[yellow]{newer}[/]", soft_wrap=True)
    for one in report["repaired"]:
        console.out.print(f"[green]repaired[/]  {_line(one['difference'], one)}", soft_wrap=True)
    for kind, differs in report["differences"].items():
        _show_class(kind, differs)
    verdict = "Orders, ledger and provider are equal." if report["is_equal"] else "Orders, ledger and provider differ."
    console.out.print(verdict)


def _run(run: dict[str, Any]) -> str:
    age = datetime.now(UTC) - datetime.fromisoformat(run["began_at"])
    return f"{run['status']} and began {age.total_seconds():.0f} s ago"


def _show_class(kind: str, differs: dict[str, Any]) -> None:
    colour = "yellow" if kind == _HARMLESS else "red"
    for item in differs["items"]:
        console.out.print(f"[{colour}]differs[/]   {_line(kind, item)}", soft_wrap=True)
    more = differs["count"] - len(differs["items"])
    if more > 0:
        console.out.print(f"          and {more} more that are {kind}")


def _line(kind: str, item: dict[str, Any]) -> str:
    says = ", ".join(f"{book} {item[book]}" for book in ("order", "payment", "ledger", "provider") if item[book])
    return escape(f"{kind:14}{item['subject']} {item['id']}: {says} {item['currency']}")


def _sums(lines: list[dict[str, Any]]) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("currency", "movement"):
        drawn.add_column(name)
    for name in ("orders", "ledger", "provider"):
        drawn.add_column(name, justify="right")
    for line in lines:
        drawn.add_row(line["currency"], line["movement"], line["orders"] or "", line["ledger"], line["provider"])
    return drawn
