from collections import Counter

import pytest

from services.local.chaos.schedule import STORES, Deed, Plan, Strike, Victim, drawn

SERVICES = ("gateway", "user", "product", "inventory", "order", "payment", "notification")
RELAYS = ("order", "payment", "inventory")


def strikes(*, seed: int = 1, kills: int = 200, **more: float) -> tuple[Strike, ...]:
    return drawn(Plan(seed=seed, kills=kills, **more), services=SERVICES, relays=RELAYS)


def test_the_same_seed_is_the_same_sequence() -> None:
    assert strikes(seed=4) == strikes(seed=4)
    assert strikes(seed=4) != strikes(seed=5)


def test_there_are_as_many_kills_as_were_asked_for() -> None:
    assert [sum(strike.deed is Deed.KILL for strike in strikes(kills=kills)) for kills in (3, 10, 12)] == [3, 10, 12]


def test_every_kind_is_killed_alone_before_anything_else_is_done() -> None:
    every = strikes(kills=20, faults=1)
    first, rest = every[: len(Victim)], every[len(Victim) :]

    assert {strike.kind for strike in first if strike.alone and strike.deed is Deed.KILL} == set(Victim)
    assert not any(strike.alone for strike in rest)


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_long_run_kills_every_service_and_every_sidecar_alone(seed: int) -> None:
    """Nobody misses some of them, so that how soon the shop serves again must not depend on which of them is drawn."""
    first = [strike for strike in strikes(seed=seed) if strike.alone]

    services = [strike.names for strike in first if strike.kind == Victim.SERVICE]
    sidecars = [strike.names for strike in first if strike.kind == Victim.SIDECAR]
    assert sorted(services) == sorted((name,) for name in SERVICES)
    assert sorted(sidecars) == sorted((f"{name}.sidecar",) for name in SERVICES)
    assert {strike.kind for strike in first} == set(Victim)
    assert strikes(seed=seed)[: len(first)] == tuple(first)


def test_a_long_run_kills_every_service_and_every_sidecar() -> None:
    killed = {name for strike in strikes() if strike.deed is Deed.KILL for name in strike.names}

    assert {*SERVICES, *(f"{name}.sidecar" for name in SERVICES), *STORES, "stripe", "mailbox", "sentry"} <= killed


def test_a_relay_holder_is_sought_where_there_is_a_relay() -> None:
    sought = {strike.names for strike in strikes() if strike.kind == Victim.RELAY_HOLDER}

    assert sought == {(name,) for name in RELAYS}


def test_a_pair_is_a_service_with_its_own_sidecar() -> None:
    pairs = [strike.names for strike in strikes() if strike.kind == Victim.PAIR]

    assert pairs
    assert all(sidecar == f"{service}.sidecar" for service, sidecar in pairs)


def test_kills_are_so_far_apart_on_average_and_in_order() -> None:
    times = [strike.at for strike in strikes(every=9) if strike.deed is Deed.KILL and not strike.alone]

    assert times == sorted(times)
    assert times[-1] / len(times) == pytest.approx(9, rel=0.1)


def test_everything_else_that_goes_wrong_is_among_the_faults() -> None:
    deeds = Counter(strike.deed for strike in strikes())

    assert set(deeds) == set(Deed)
    assert deeds[Deed.KILL] == 200
    assert 70 < sum(deeds.values()) - 200 < 110


def test_without_faults_there_are_only_kills() -> None:
    assert {strike.deed for strike in strikes(faults=0)} == {Deed.KILL}


def test_most_pauses_are_short_and_none_is_longer_than_it_may_be() -> None:
    pauses = [strike.seconds for seed in range(5) for strike in strikes(seed=seed) if strike.deed is Deed.PAUSE]

    assert all(1 <= pause <= 60 for pause in pauses)
    assert max(pauses) > 15
    assert sum(pause <= 5 for pause in pauses) > len(pauses) / 2
    assert all(strike.seconds <= 3 for strike in strikes(longest_pause=3) if strike.deed is Deed.PAUSE)


def test_the_provider_loses_answers_and_webhooks_come_in_any_order() -> None:
    provider = [strike.fault for strike in strikes() if strike.deed is Deed.PROVIDER]
    webhooks = [strike.fault for strike in strikes() if strike.deed is Deed.WEBHOOKS]

    assert {"drop_answer", "drop_request", "latency", "error_500", "error_503", "error_429"} == {
        fault["kind"] for fault in provider
    }
    assert any(fault["duplicates"] and fault["reorder_within_seconds"] for fault in webhooks)


@pytest.mark.parametrize(
    ("strike", "words"),
    [
        (Strike(at=1, deed=Deed.KILL, kind="sidecar", names=("order.sidecar",)), "sidecar: order.sidecar"),
        (Strike(at=1, deed=Deed.PAUSE, kind="pause", names=("redis",), seconds=2.5), "pause: redis for 2.5 s"),
        (
            Strike(
                at=1,
                deed=Deed.PROVIDER,
                kind="provider",
                names=("stripe",),
                seconds=3,
                fault={"kind": "drop_answer", "match": "*", "seed": 9},
            ),
            "provider: kind drop_answer, match * for 3.0 s",
        ),
    ],
)
def test_a_strike_says_what_it_is(strike: Strike, words: str) -> None:
    assert str(strike) == words
