"""How the demo speaks: chapters, steps with their time, and claims that are checked as they are made."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape

from services.local.refusals import Refusal

_POLL = 0.05

Told = TypeVar("Told")


class Broken(Refusal):
    """Something that the demo claims is not so."""


def check(claim: object, otherwise: str) -> None:
    """Go on only when the claim holds.

    :raises Broken: it does not
    """
    if not claim:
        raise Broken(otherwise)


async def eventually(
    ask: Callable[[], Awaitable[Told]], accept: Callable[[Told], object], *, what: str, within: float = 15.0
) -> Told:
    """Ask until the answer is acceptable, and give it.

    :raises Broken: it has not become so within so many seconds
    """
    until = time.monotonic() + within
    while not accept(answer := await ask()):
        if time.monotonic() > until:
            raise Broken(f"{what} has not happened within {within:.0f} s; last seen: {str(answer)[:300]}")
        await asyncio.sleep(_POLL)
    return answer


@dataclass
class Step:
    """One thing that is done, and what is worth saying about it."""

    remarks: list[str] = field(default_factory=list)

    def remark(self, words: str) -> None:
        """Say something below the step."""
        self.remarks.append(words)


@dataclass(frozen=True)
class Narrator:
    """Tells the story to a person."""

    console: Console

    def chapter(self, title: str) -> None:
        """Begin a part of the story."""
        self.console.print(f"\n[bold]{escape(title)}[/]")

    @contextmanager
    def step(self, words: str) -> Iterator[Step]:
        """Do one thing; when it is done it is told, with the time that it took."""
        step, began = Step(), time.perf_counter()
        try:
            yield step
        except Refusal:
            self.console.print(f"  [red]✗[/] {escape(words)}")
            raise
        took = (time.perf_counter() - began) * 1000
        self.console.print(f"  [green]✓[/] {escape(words)} [dim]{took:.0f} ms[/]")
        for remark in step.remarks:
            self.console.print(f"      [dim]{escape(remark)}[/]", soft_wrap=True)


def short(identifier: str) -> str:
    """Enough of an id to recognise it by."""
    return identifier[:8]


def money(value: dict[str, Any]) -> str:
    """An amount with its currency."""
    return f"{value['amount']} {value['currency']}"
