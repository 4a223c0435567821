from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.local.chaos import network
from services.local.chaos.network import Network, NetworkStaysBroken
from tests.conditions import free_port
from tests.unit.chaos.toxiproxy import Toxiproxy, serving

HOLE = {"kind": "black hole", "stream": "upstream"}


@pytest.fixture
async def toxiproxy() -> AsyncIterator[Toxiproxy]:
    async with serving() as one:
        yield one


@pytest.fixture
def way(toxiproxy: Toxiproxy) -> Network:
    return Network(f"http://127.0.0.1:{toxiproxy.port}")


@pytest.mark.parametrize(
    ("fault", "toxic"),
    [
        (HOLE, {"type": "timeout", "stream": "upstream", "attributes": {}}),
        ({"kind": "reset", "stream": "downstream"}, {"type": "reset_peer", "stream": "downstream", "attributes": {}}),
        (
            {"kind": "latency", "stream": "upstream", "latency": 900, "jitter": 100},
            {"type": "latency", "stream": "upstream", "attributes": {"latency": 900, "jitter": 100}},
        ),
        (
            {"kind": "cut", "stream": "downstream", "bytes": 50},
            {"type": "limit_data", "stream": "downstream", "attributes": {"bytes": 50}},
        ),
    ],
)
async def test_a_fault_is_a_toxic_on_the_way_to_a_backend_until_it_is_over(
    toxiproxy: Toxiproxy, way: Network, fault: dict[str, Any], toxic: dict[str, Any]
) -> None:
    async with way.troubled("redis", fault) as is_troubled:
        assert is_troubled
        ((key, added),) = toxiproxy.toxics.items()

    assert (key[0], added) == ("redis", toxic)
    assert toxiproxy.toxics == {}


async def test_two_faults_on_one_way_do_not_end_each_other(toxiproxy: Toxiproxy, way: Network) -> None:
    async with way.troubled("redis", HOLE):
        first = set(toxiproxy.toxics)
        async with way.troubled("redis", HOLE):
            assert len(toxiproxy.toxics) == 2

        assert set(toxiproxy.toxics) == first


async def test_a_fault_that_is_not_taken_is_no_trouble_and_is_ended_all_the_same(
    toxiproxy: Toxiproxy, way: Network
) -> None:
    toxiproxy.troubles = [503]

    async with way.troubled("redis", HOLE) as is_troubled:
        assert not is_troubled

    assert toxiproxy.told == [("POST", "redis"), ("DELETE", "redis")]


async def test_the_end_of_a_fault_is_asked_for_until_it_is_there(toxiproxy: Toxiproxy, way: Network) -> None:
    async with way.troubled("redis", HOLE):
        toxiproxy.troubles = [503, 503]

    assert toxiproxy.toxics == {}
    assert len(toxiproxy.told) == 4


async def test_a_network_that_stays_broken_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_GONE_WITHIN", 0.1)

    with pytest.raises(NetworkStaysBroken):
        await Network(f"http://127.0.0.1:{free_port()}").calm()
