"""Turns: who has one, who waits, who is sent away, and how the limit follows what answers take."""

import asyncio
import math
from contextlib import AsyncExitStack, suppress

import pytest

from services.gateway.routes import ROUTES, Table
from services.gateway.turns import LEAST, Limits, Overloaded, Turns

LATE = 0.5


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def serve(service: Turns, clock: Clock, *, at_once: int, seconds: float, rounds: int = 1) -> None:
    """So many calls side by side, each of which takes so long; and again, until all rounds are done."""
    for _ in range(rounds):
        async with AsyncExitStack() as running:
            for _ in range(at_once):
                await running.enter_async_context(service.turn())
            clock.now += seconds


async def settled() -> None:
    """Everybody has run as far as they can."""
    for _ in range(5):
        await asyncio.sleep(0)


class Caller:
    """Somebody who takes a turn and keeps it until told to end."""

    def __init__(self, service: Turns) -> None:
        self.has_turn = False
        self._end = asyncio.Event()
        self.task = asyncio.create_task(self._call(service))

    async def _call(self, service: Turns) -> None:
        async with service.turn():
            self.has_turn = True
            await self._end.wait()

    async def ends(self) -> None:
        self._end.set()
        await self.task
        await settled()


async def test_a_limit_that_is_used_grows_by_one_at_most_a_round_while_answers_come_in_time(clock: Clock) -> None:
    service = Turns(late=LATE, most=512, first=20, clock=clock)

    await serve(service, clock, at_once=20, seconds=0.1, rounds=10)

    assert 20 < service.limit <= 30


async def test_a_limit_that_is_not_used_stays(clock: Clock) -> None:
    service = Turns(late=LATE, most=512, first=20, clock=clock)

    await serve(service, clock, at_once=9, seconds=0.1, rounds=100)

    assert service.limit == 20


async def test_a_limit_never_grows_beyond_the_most(clock: Clock) -> None:
    service = Turns(late=LATE, most=24, first=20, clock=clock)

    await serve(service, clock, at_once=20, seconds=0.1, rounds=100)

    assert service.limit == 24


async def test_late_answers_lower_the_limit_once_a_round_and_never_below_the_least(clock: Clock) -> None:
    service = Turns(late=LATE, most=512, first=100, clock=clock)
    await serve(service, clock, at_once=LEAST, seconds=2.0)

    once = service.limit
    await serve(service, clock, at_once=LEAST, seconds=2.0)
    twice = service.limit
    await serve(service, clock, at_once=LEAST, seconds=2.0, rounds=30)

    assert (once, twice, service.limit) == (80, 64, LEAST)


async def test_a_single_answer_that_hangs_changes_nothing(clock: Clock) -> None:
    service = Turns(late=LATE, most=512, first=20, clock=clock)
    await serve(service, clock, at_once=1, seconds=0.1, rounds=20)

    await serve(service, clock, at_once=1, seconds=60.0)

    assert service.limit == 20


async def test_who_came_first_has_the_next_turn(clock: Clock) -> None:
    service = Turns(late=LATE, most=1, clock=clock)
    first, second, third = (Caller(service) for _ in range(3))
    await settled()

    await first.ends()
    after_first = (second.has_turn, third.has_turn)
    await second.ends()

    assert after_first == (True, False)
    assert third.has_turn
    await third.ends()


async def test_who_has_waited_too_long_is_sent_away_and_told_when_to_come_back(clock: Clock) -> None:
    service = Turns(late=LATE, most=1, longest=0.01, clock=clock)
    first, second = Caller(service), Caller(service)

    with pytest.raises(Overloaded) as sent_away:
        await second.task
    await first.ends()
    async with service.turn():
        pass

    assert 1 <= int(sent_away.value.headers["Retry-After"]) <= 4


async def test_whoever_would_wait_too_long_is_known_at_once(clock: Clock) -> None:
    service = Turns(late=LATE, most=1, clock=clock)
    await serve(service, clock, at_once=1, seconds=LATE, rounds=100)

    idle = service.is_hopeless
    first = Caller(service)
    await settled()
    nobody_waits = service.is_hopeless
    others = [Caller(service) for _ in range(2)]
    await settled()

    assert (idle, nobody_waits, service.is_hopeless) == (False, False, True)
    for caller in (first, *others):
        await caller.ends()


async def test_those_who_are_on_their_way_to_a_turn_are_before_whoever_comes_now(clock: Clock) -> None:
    service = Turns(late=LATE, most=1, clock=clock)
    await serve(service, clock, at_once=1, seconds=LATE, rounds=100)

    with service.coming(), service.coming():
        one_waits = service.is_hopeless
        with service.coming():
            two_wait = service.is_hopeless

    assert (one_waits, two_wait, service.is_hopeless) == (False, True, False)


async def test_many_may_wait_for_what_is_quick(clock: Clock) -> None:
    service = Turns(late=LATE, most=1, clock=clock)
    await serve(service, clock, at_once=1, seconds=0.005, rounds=100)
    callers = [Caller(service) for _ in range(50)]
    await settled()

    assert not service.is_hopeless
    for caller in callers:
        await caller.ends()


async def test_a_turn_of_somebody_who_was_cancelled_goes_to_the_next(clock: Clock) -> None:
    service = Turns(late=LATE, most=1, clock=clock)
    first, gone, too_late, last = (Caller(service) for _ in range(4))
    await settled()

    gone.task.cancel()  # while waiting
    await settled()
    first._end.set()  # noqa: SLF001 - not awaited: the next is cancelled in the moment in which it is given the turn
    await asyncio.sleep(0)
    too_late.task.cancel()
    with suppress(asyncio.CancelledError):
        await too_late.task
    await settled()

    assert last.has_turn
    await last.ends()


async def test_a_failure_gives_the_turn_back(clock: Clock) -> None:
    service = Turns(late=LATE, most=1, clock=clock)

    with pytest.raises(ZeroDivisionError):
        async with service.turn():
            raise ZeroDivisionError

    async with asyncio.timeout(1), service.turn():
        pass


async def test_a_service_that_hangs_takes_no_turns_from_another() -> None:
    limits = Limits(ROUTES, most=1)
    order, product = Table().find("POST", "/api/v1/orders"), Table().find("GET", "/api/v1/products")

    async with limits.of(order).turn(), asyncio.timeout(1), limits.of(product).turn():
        assert limits.of(order) is not limits.of(product)


async def test_what_takes_long_by_nature_shares_no_turns_and_says_nothing_about_the_load(clock: Clock) -> None:
    limits = Limits(ROUTES, most=512)
    pay, webhook = Table().find("POST", "/api/v1/payments"), Table().find("POST", "/api/v1/webhooks/stripe")
    patient = Turns(late=math.inf, most=512, first=512, clock=clock)

    await serve(patient, clock, at_once=20, seconds=60.0, rounds=20)

    assert limits.of(pay) is not limits.of(webhook)
    assert (limits.of(pay).limit, patient.limit) == (512, 512)
