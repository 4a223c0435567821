"""The commands themselves: each a few lines, the work elsewhere."""

import asyncio
import json
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from services.local import console
from services.local.customer import accounts, bench, client, demo, importing, mail, place
from services.local.customer.importing import Summary
from services.local.refusals import Refusal
from services.local.state import State

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


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    users = typer.Typer(help="Accounts.", no_args_is_help=True)
    users.command("add")(_user_add)
    app.add_typer(users, name="user")
    app.command("import")(_import)
    app.command("mail")(_mail)
    app.command("demo")(_demo)
    app.command("bench")(_bench)


def _user_add(
    email: Annotated[str, typer.Argument(metavar="EMAIL")],
    *,
    role: Annotated[Role, typer.Option("--role", help="What the account may do.")],
    password_stdin: PasswordStdin = False,
) -> None:
    """Make an account with a role."""
    where = place.running(State())
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else typer.prompt("Password", hide_input=True)
    if not password:
        raise EmptyPassword("The password is empty.")
    asyncio.run(accounts.add(where, email, password, role=role))
    console.out.print(f"{escape(email)} is {role}.")


def _import(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="JSON Lines or CSV, .gz too.")
    ],
    *,
    on_hand: OnHand = None,
) -> None:
    """Import products."""
    where = place.running(State())
    began = time.monotonic()
    summary = asyncio.run(_imported(where, file, on_hand=on_hand))
    _show(summary, seconds=time.monotonic() - began)
    if summary.failed:
        raise typer.Exit(1)


async def _imported(where: place.Place, file: Path, *, on_hand: int | None) -> Summary:
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


def _mail(
    *, to: Annotated[str | None, typer.Option("--to", help="Only to this address.")] = None, as_json: AsJson = False
) -> None:
    """Show what the shop has sent."""
    where = place.running(State())
    letters = asyncio.run(mail.letters(where.mailbox_url, to=to))
    if as_json:
        typer.echo(json.dumps(letters, indent=2, ensure_ascii=False))
        return
    for letter in letters:
        _show_letter(letter)
    console.out.print(f"[dim]{len(letters)} letters; to look at them: {where.mailbox_url}[/]")


def _show_letter(letter: dict[str, Any]) -> None:
    console.out.print(f"[bold]{escape(letter['subject'])}[/]  [dim]{escape(letter['to'])}, {letter['at']}[/]")
    console.out.print(escape(letter["text"].strip()))
    console.out.print()


def _demo() -> None:
    """Play the journey of an order, step by step."""
    asyncio.run(demo.play(place.running(State())))


def _bench(
    *,
    running: Annotated[bool, typer.Option("--running", help="Measure the running system, not one of its own.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there too.")
    ] = None,
) -> None:
    """Measure how fast the whole system is."""
    figures = bench.measure_running(place.running(State())) if running else bench.measure_fresh()
    if json_file is not None:
        json_file.write_text(json.dumps([figure.as_json() for figure in figures], indent=2) + "\n")
