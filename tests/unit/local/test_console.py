import os
import socket
from collections.abc import Iterator

import pytest
from rich.console import Console

from services.local import console
from services.local.console import Steps
from services.local.state import Kind, Phase, Record, Running, birth
from services.local.topology import Ports
from tests.conditions import free_port


@pytest.fixture
def listening() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"


def record(probe: str, phase: Phase, *, started: str | None = None) -> Record:
    me = os.getpid()
    started = birth(me) if started is None else started
    running = Running(name="order", kind=Kind.SERVICE, pid=me, started=started, url="http://x", probe=probe)
    return Record(supervisor=1, started="", offset=0, phase=phase, processes=(running,))


async def test_health_is_measured_now(listening: str) -> None:
    silent = f"tcp://127.0.0.1:{free_port()}"

    async def health_of(told: Record) -> str:
        (row,) = await console.rows(told)
        return row["health"]

    assert await health_of(record(listening, Phase.HEALTHY)) == "healthy"
    assert await health_of(record(silent, Phase.HEALTHY)) == "unhealthy"
    assert await health_of(record(silent, Phase.STARTING)) == "starting"
    assert await health_of(record(listening, Phase.HEALTHY, started="earlier")) == "down"


async def test_a_row_says_what_status_promises(listening: str) -> None:
    (row,) = await console.rows(record(listening, Phase.HEALTHY))

    expected = {"name": "order", "kind": "service", "pid": os.getpid(), "url": "http://x", "health": "healthy"}
    assert row == expected


async def test_the_table_shows_every_process(listening: str) -> None:
    page = Console(record=True, width=100)

    page.print(console.table(await console.rows(record(listening, Phase.HEALTHY))))

    assert ["order", "service", str(os.getpid()), "http://x", "healthy"] in [
        line.split() for line in page.export_text().splitlines()
    ]


def test_steps_say_how_long_it_took_and_print_brackets_as_they_are() -> None:
    page = Console(record=True, width=100)

    Steps(page)("migrating [order]")

    assert page.export_text().strip().endswith("s  migrating [order]")


def test_next_steps_name_the_moved_addresses() -> None:
    assert "http://127.0.0.1:18080/docs" in console.next_steps(Ports(offset=10_000))
