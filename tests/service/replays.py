"""Bringing a service everything again: nothing may change, in whatever order and whether or not it remembers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hypothesis import strategies as st

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]
Again = tuple[list[int], bool]

_REMEMBERING = {"inbox", "alembic_version"}


def replays(count: int) -> st.SearchStrategy[Again]:
    """Every one of so many events twice in any order, and whether the inbox is emptied before."""
    twice = [*range(count), *range(count)]
    orders = st.one_of(st.permutations(twice), st.just(twice), st.just(twice[::-1]))
    return st.tuples(orders, st.booleans())


async def bring_again(
    rows: Rows, deliver: Callable[[Any], Awaitable[str]], events: Sequence[Any], again: Again
) -> list[str]:
    """Deliver the events again; answers what was told."""
    order, is_emptied = again
    if is_emptied:
        await rows("DELETE FROM inbox")
    return [await deliver(events[index]) for index in order]


async def everything(rows: Rows) -> dict[str, list[str]]:
    """Every row of every table but the inbox."""
    tables = await rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    names = [row["tablename"] for row in tables if row["tablename"] not in _REMEMBERING]
    return {name: [row["it"] for row in await rows(f"SELECT t::text AS it FROM {name} t ORDER BY 1")] for name in names}  # noqa: S608 - the catalogue's own names
