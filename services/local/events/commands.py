"""`./sidecart dead-letters` and `./sidecart outbox`: each command in a few lines, the work elsewhere."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Table

from services.contracts.events import Topic
from services.local import console
from services.local.events import letters, republishing
from services.local.events.letters import ParkedLetter
from services.local.events.stores import Urls, only, urls_of
from services.local.refusals import Refusal
from services.local.state import State

HERE = partial(urls_of, State())
"""The system that runs in this checkout."""


class NothingNamed(Refusal):
    """Either one letter is replayed, or all of them."""


def moment(text: str) -> datetime:
    """A moment as an operator writes it: RFC 3339, or a date; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        message = "a time such as 2026-11-23T18:00:00Z, or a date"
        raise typer.BadParameter(message) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


Id = Annotated[UUID, typer.Argument(metavar="ID", help="The letter's id.")]
MaybeId = Annotated[UUID | None, typer.Argument(metavar="ID", help="The letter's id.")]
Service = Annotated[str | None, typer.Option("--service", help="Of this service alone.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
All = Annotated[bool, typer.Option("--all", help="Every letter, the dead ones too.")]
Since = Annotated[
    datetime, typer.Option("--since", metavar="TIME", parser=moment, help="What was published from then on.")
]
OfTopic = Annotated[Topic | None, typer.Option("--topic", help="Of this topic alone.")]


def register(app: typer.Typer, find: Callable[[], Urls] = HERE) -> None:
    """Add the commands to the command line; `find` tells whose databases they are about."""
    commands = Commands(find)
    dead = typer.Typer(help="Events that could not be handled.", no_args_is_help=True)
    dead.command("list")(commands.list_letters)
    dead.command("show")(commands.show)
    dead.command("replay")(commands.replay)
    dead.command("drop")(commands.drop)
    app.add_typer(dead, name="dead-letters")
    outbox = typer.Typer(help="The facts that the services keep.", no_args_is_help=True)
    outbox.callback()(_outbox)
    outbox.command("republish")(commands.republish)
    app.add_typer(outbox, name="outbox")


def _outbox() -> None:
    """Keep `outbox republish` two words, although it is the only one."""


@dataclass(frozen=True)
class Commands:
    """The commands about one system."""

    find: Callable[[], Urls]

    def list_letters(self, *, service: Service = None, as_json: AsJson = False) -> None:
        """List the letters that are parked, each service's oldest first."""
        found = letters.parked(only(self.find(), service))
        if as_json:
            typer.echo(json.dumps([one.as_json() for one in found], indent=2))
        elif found:
            console.out.print(_table(found))
        else:
            console.out.print("No letter is parked.")

    def show(self, id_: Id, *, service: Service = None) -> None:
        """Show a letter whole."""
        for one in letters.find(only(self.find(), service), id_):
            typer.echo(json.dumps(one.as_json(), indent=2, ensure_ascii=False))

    def replay(
        self,
        id_: MaybeId = None,
        *,
        all_: All = False,
        service: Service = None,
    ) -> None:
        """Have a letter dispatched again at once, and for another 24 hours if that fails; dead ones too."""
        if (id_ is None) != all_:
            raise NothingNamed("Name one letter, or say --all.")
        urls = only(self.find(), service)
        if id_ is not None:
            letters.find(urls, id_)
        count = letters.replay(urls, id_)
        console.out.print(f"{_counted(count, 'letter')} will be dispatched again within seconds.")
        console.out.print("What fails again is in: ./sidecart dead-letters list")

    def drop(self, id_: Id, *, service: Service = None, yes: Yes = False) -> None:
        """Forget a letter for good: its event will never be handled."""
        urls = only(self.find(), service)
        for one in letters.find(urls, id_):
            console.out.print(f"{one.service} could not handle {escape(one.type or '?')} ({one.topic}), {one.state}.")
        if not yes:
            typer.confirm("Forget it for good?", abort=True)
        console.out.print(f"{_counted(letters.drop(urls, id_), 'letter')} dropped.")

    def republish(
        self,
        *,
        since: Since,
        service: Service = None,
        topic: OfTopic = None,
        yes: Yes = False,
    ) -> None:
        """Publish facts again, for a broker that has lost them. Whoever has handled one before changes nothing."""
        urls = only(self.find(), service)
        found = republishing.published(urls, since=since, topic=topic)
        if not found:
            console.out.print(f"Nothing was published since {since.isoformat()}.")
            return
        _tell(found, "were published since then")
        if not yes:
            typer.confirm("Publish them again?", abort=True)
        _tell(republishing.republish(urls, since=since, topic=topic), "are being published again")


def _tell(found: Mapping[str, int], what: str) -> None:
    for topic, count in sorted(found.items()):
        console.out.print(f"  {topic:<14} {count:>9}")
    console.out.print(f"{_counted(sum(found.values()), 'fact')} {what}.")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _table(found: Sequence[ParkedLetter]) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "service", "topic", "type", "state", "tries", "parked at", "next try"):
        drawn.add_column(column, justify="right" if column == "tries" else "left", no_wrap=column == "id")
    for one in found:
        colour, next_try = ("red", "never") if one.state == "dead" else ("yellow", _short(one.next_at))
        drawn.add_row(
            *(str(one.id), one.service, one.topic, escape(one.type or "?"), f"[{colour}]{one.state}[/]"),
            *(str(one.attempts), _short(one.parked_at), next_try),
        )
    return drawn


def _short(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
