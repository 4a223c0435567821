"""The commands themselves: each a few lines, the work elsewhere."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from services.local import console
from services.local.customer import accounts, bench, client, demo, importing, mail, place
from services.local.customer.figures import Figure
from services.local.customer.importing import Summary
from services.local.customer.place import Place
from services.local.refusals import Refusal
from services.local.state import State

HERE = partial(place.running, State())
"""The system that runs in this checkout."""

_SHOWN_ERRORS = 20


class Role(StrEnum):
    """What an account may do."""

    CUSTOMER = "customer"
    STAFF = "staff"
    ADMIN = "admin"


class EmptyPassword(Refusal):
    """A password is read from standard input, and none came."""


PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
OnHand = Annotated[int | None, typer.Option("--on-hand", min=0, help="The opening stock of rows that name none.")]


@dataclass(frozen=True, kw_only=True)
class Measures:
    """How a system of its own, and a running one, are measured."""

    fresh: Callable[[], list[Figure]] = bench.measure_fresh
    running: Callable[[Place], list[Figure]] = bench.measure_running


def register(app: typer.Typer, find: Callable[[], Place] = HERE, measures: Measures = Measures()) -> None:
    """Add the commands to the command line; `find` tells which system they are about."""
    commands = Commands(find, measures)
    users = typer.Typer(help="Accounts.", no_args_is_help=True)
    users.command("add")(commands.add_user)
    app.add_typer(users, name="user")
    app.command("import")(commands.import_file)
    app.command("mail")(commands.show_mail)
    app.command("demo")(commands.play_demo)
    app.command("bench")(commands.measure)


@dataclass(frozen=True)
class Commands:
    """The commands about one system."""

    find: Callable[[], Place]
    measures: Measures

    def add_user(
        self,
        email: Annotated[str, typer.Argument(metavar="EMAIL")],
        *,
        role: Annotated[Role, typer.Option("--role", help="What the account may do.")],
        password_stdin: PasswordStdin = False,
    ) -> None:
        """Make an account with a role."""
        where = self.find()
        password = sys.stdin.readline().rstrip("\r\n") if password_stdin else typer.prompt("Password", hide_input=True)
        if not password:
            raise EmptyPassword("The password is empty.")
        asyncio.run(accounts.add(where, email, password, role=role))
        console.out.print(f"{escape(email)} is {role}.")

    def import_file(
        self,
        file: Annotated[
            Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="JSON Lines or CSV, .gz too.")
        ],
        *,
        on_hand: OnHand = None,
    ) -> None:
        """Import products."""
        where = self.find()
        began = time.monotonic()
        summary = asyncio.run(_imported(where, file, on_hand=on_hand))
        _show(summary, seconds=time.monotonic() - began)
        if summary.failed:
            raise typer.Exit(1)

    def show_mail(
        self,
        *,
        to: Annotated[str | None, typer.Option("--to", help="Only to this address.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Show what the shop has sent."""
        where = self.find()
        letters = asyncio.run(mail.letters(where.mailbox_url, to=to))
        if as_json:
            typer.echo(json.dumps(letters, indent=2, ensure_ascii=False))
            return
        for letter in letters:
            _show_letter(letter)
        console.out.print(f"[dim]{len(letters)} letters; to look at them: {where.mailbox_url}[/]")

    def play_demo(self) -> None:
        """Play the journey of an order, step by step."""
        asyncio.run(demo.play(self.find()))

    def measure(
        self,
        *,
        running: Annotated[
            bool, typer.Option("--running", help="Measure the running system, not one of its own.")
        ] = False,
        json_file: Annotated[
            Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there too.")
        ] = None,
    ) -> None:
        """Measure how fast the whole system is."""
        figures = self.measures.running(self.find()) if running else self.measures.fresh()
        if json_file is not None:
            json_file.write_text(json.dumps([figure.as_json() for figure in figures], indent=2) + "\n")


async def _imported(where: Place, file: Path, *, on_hand: int | None) -> Summary:
    async with client.connected(where.base_url) as api:
        staff = await accounts.as_operator(api, where)
        return await importing.from_file(staff, file, on_hand=on_hand, console=console.out)


def _show(summary: Summary, *, seconds: float) -> None:
    console.out.print(
        f"{summary.rows} rows in {seconds:.1f} s: {summary.created} created, {summary.updated} updated,"
        f" {summary.unchanged} unchanged, {summary.failed} refused."
    )
    for error in summary.errors[:_SHOWN_ERRORS]:
        console.out.print(f"  line {error.line}: {escape(error.message)}")
    if summary.failed > _SHOWN_ERRORS:
        console.out.print(f"  and {summary.failed - _SHOWN_ERRORS} more")


def _show_letter(letter: dict[str, Any]) -> None:
    console.out.print(f"[bold]{escape(letter['subject'])}[/]  [dim]{escape(letter['to'])}, {letter['at']}[/]")
    console.out.print(escape(letter["text"].strip()))
    console.out.print()
