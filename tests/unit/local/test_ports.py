import os
import socket
from collections.abc import Iterator

import pytest

from services.local import ports
from services.local.refusals import PortTaken, Refusal
from tests.conditions import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_taken_port_is_refused_with_its_number_its_holder_and_the_way_out(taken: int) -> None:
    with pytest.raises(PortTaken) as refused:
        ports.refuse_taken([taken])

    assert f"Port {taken}" in str(refused.value)
    assert f"(pid {os.getpid()})" in str(refused.value)
    assert "--port" in str(refused.value)


def test_free_ports_are_not_refused() -> None:
    ports.refuse_taken([free_port()])


def test_a_port_that_nobody_visible_holds_is_said_to_be_somebody_elses() -> None:
    assert ports.holder(free_port()) == "a process of another user"


def test_an_offset_is_found_at_which_all_ports_are_free() -> None:
    offset = ports.free_offset([8080, 8101])

    assert ports.is_free(8080 + offset)
    assert ports.is_free(8101 + offset)


def test_an_offset_that_does_not_exist_is_refused(taken: int) -> None:
    with pytest.raises(Refusal, match="No range of free ports"):
        ports.free_offset([taken - 20], offsets=[20])
