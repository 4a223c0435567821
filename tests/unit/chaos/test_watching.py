import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.local.chaos import watching
from services.local.chaos.history import Attempt, Following
from services.local.chaos.watching import Watch
from services.local.state import State
from services.local.system import System
from tests.conditions import eventually
from tests.unit.chaos.builders import attempt, stream


def written(file: Path, *attempts: Attempt) -> Following:
    with file.open("a") as lines:
        for one in attempts:
            common = {"process": one.process, "f": one.function, "id": one.id}
            lines.write(json.dumps(common | {"time": one.began, "type": "invoke", "value": one.value}) + "\n")
            ended = common | {"time": one.ended, "type": one.outcome, "value": one.value | one.told}
            lines.write(json.dumps(ended) + "\n")
    return Following(file)


def watch(following: Following, *, now: float, within: float = 30, answers: Callable[[], bool] = lambda: True) -> Watch:
    async def everything_answers() -> bool:
        return answers()

    return Watch(following=following, everything_answers=everything_answers, within=within, clock=lambda: now)


@pytest.mark.parametrize(("now", "serves"), [(25.9, False), (28, False), (29.9, False), (30.1, True)])
async def test_a_shop_serves_again_after_some_quiet_seconds(tmp_path: Path, *, now: float, serves: bool) -> None:
    following = written(tmp_path / "h", *stream((20, 24), until=now))

    assert await watch(following, now=now, within=30 if serves else 0.3).serves_again(20) is serves


async def test_a_shop_that_fails_until_the_time_is_up_does_not_serve(tmp_path: Path) -> None:
    following = written(tmp_path / "h", *stream((20, 90), until=90))

    assert not await watch(following, now=90, within=0.3).serves_again(20)


async def test_what_nobody_asks_for_must_be_back_too(tmp_path: Path) -> None:
    answers: Iterator[bool] = iter([False, False, True])
    following = written(tmp_path / "h", *stream(until=40))

    assert await watch(following, now=40, answers=lambda: next(answers)).serves_again(20)
    assert next(answers, None) is None


async def test_the_history_is_read_on_while_it_is_waited_for(tmp_path: Path) -> None:
    following = written(tmp_path / "h", *stream(until=20))
    waiting = asyncio.create_task(watch(following, now=40).serves_again(20))
    await eventually(lambda: asyncio.sleep(0, following.attempts() != []))

    written(tmp_path / "h", *[attempt(20 + number) for number in range(10)])

    assert await waiting


async def test_a_system_without_a_gateway_does_not_answer(tmp_path: Path) -> None:
    assert not await watching.everything_answers(System(State(tmp_path), 0))
