"""Products into the shop: files in requests, each followed until the shop has done with it."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.local.customer import formats
from services.local.customer.client import Api
from services.local.customer.formats import Part
from services.local.refusals import Refusal

_POLL = 0.2
LIMIT = 600.0
_FINISHED = {"done", "failed"}


class Unfinished(Refusal):
    """The shop has not finished an import in time."""


@dataclass(frozen=True, kw_only=True)
class RowError:
    """What is wrong with one row of the file."""

    line: int
    message: str


@dataclass(kw_only=True)
class Summary:
    """What became of the rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    errors: list[RowError] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """All rows that the shop has looked at."""
        return self.created + self.updated + self.unchanged + self.failed


async def from_file(staff: Api, file: Path, *, on_hand: int | None, console: Console) -> Summary:
    """Import a file, with a progress bar.

    :param on_hand: the opening stock of rows that name none.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"reading {file.name}", total=None)
        parts = list(formats.parts(file, on_hand=on_hand))
        progress.update(task, description="importing", total=sum(len(part.lines) for part in parts))
        return await send(staff, parts, report=lambda rows: progress.update(task, completed=rows))


async def send(staff: Api, parts: Iterable[Part], *, report: Callable[[int], None], limit: float = LIMIT) -> Summary:
    """Import the parts one after the other; `report` hears how many rows are done so far.

    :raises Unexpected: a request as a whole is refused
    :param limit: seconds that the shop may take over one part.
    :raises Unfinished: it takes longer
    """
    summary = Summary()
    for part in parts:
        told = await _one(staff, part, report=partial(_add, report, summary.rows), limit=limit)
        summary.created += told["created"]
        summary.updated += told["updated"]
        summary.unchanged += told["unchanged"]
        summary.failed += told["failed"]
        summary.errors.extend(_errors(told, part))
        report(summary.rows)
    return summary


def _add(report: Callable[[int], None], before: int, rows: int) -> None:
    report(before + rows)


async def _one(staff: Api, part: Part, *, report: Callable[[int], None], limit: float) -> dict[str, Any]:
    headers = {"Content-Type": part.content_type}
    reply = await staff.call("POST", "/products/import", data=part.body, headers=headers)
    import_id = reply.expect(HTTPStatus.ACCEPTED)["id"]
    try:
        async with asyncio.timeout(limit):
            return await _followed(staff, import_id, report=report)
    except TimeoutError:
        raise Unfinished(f"Import {import_id} has not finished within {limit:.0f} s.") from None


async def _followed(staff: Api, import_id: str, *, report: Callable[[int], None]) -> dict[str, Any]:
    while True:
        told: dict[str, Any] = await staff.get(f"/products/imports/{import_id}")
        report(told["processed"])
        if told["status"] in _FINISHED:
            return told
        await asyncio.sleep(_POLL)


def _errors(told: dict[str, Any], part: Part) -> Iterator[RowError]:
    """The shop tells the line of the request; a person looks for the line of the file."""
    for error in told["errors"]:
        yield RowError(line=part.lines.get(error["line"], error["line"]), message=error["message"])
