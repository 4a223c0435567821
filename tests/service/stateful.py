"""Machines of rules on real stores: short in every run, and `SIDECART_THOROUGHNESS` times as long where that is set."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

Opened = TypeVar("Opened")
Run = Callable[[Coroutine[Any, Any, Any]], Any]

THOROUGHNESS = int(os.environ.get("SIDECART_THOROUGHNESS", "1"))


@contextmanager
def staged(opening: AbstractAsyncContextManager[Opened]) -> Iterator[tuple[Run, Opened]]:
    """What an asynchronous context opens, and how to run coroutines beside it: machines are not asynchronous."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        opened = runner.run(stack.enter_async_context(opening))
        try:
            yield runner.run, opened
        finally:
            runner.run(stack.aclose())


def explore(machine: Callable[[], RuleBasedStateMachine], *, examples: int, steps: int) -> None:
    """Let the machine live so many lives of so many steps."""
    chosen = settings(
        max_examples=examples * THOROUGHNESS,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)  # type: ignore[arg-type]  # it takes any factory
