"""Whether ports are free, who holds one that is not, and which offset has all of them free."""

import random
import socket
from collections.abc import Iterable

import psutil

from services.local.refusals import PortTaken, Refusal
from services.local.topology import LOOPBACK

OFFSETS = range(2_000, 23_000, 20)
"""Candidates that keep every port below the range that Linux hands out to outgoing connections (32768 and up)."""


def refuse_taken(ports: Iterable[int]) -> None:
    """Make sure that every port can be listened on.

    :raises PortTaken: one cannot.
    """
    for port in ports:
        if not is_free(port):
            raise PortTaken(port, holder(port))


def is_free(port: int) -> bool:
    """Whether a server could listen on the loopback port now (one that was closed a moment ago counts as free)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def holder(port: int) -> str:
    """The process that listens on the port, as far as this user may see it."""
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
            return _described(connection.pid)
    return "a process of another user"


def free_offset(ports: Iterable[int], *, offsets: Iterable[int] = OFFSETS) -> int:
    """An offset at which every one of the topology's ports is free; a random one, so that two seekers seldom collide.

    :raises Refusal: there is none.
    """
    wanted = tuple(ports)
    candidates = list(offsets)
    random.shuffle(candidates)
    for offset in candidates:
        if all(is_free(port + offset) for port in wanted):
            return offset
    message = "No range of free ports was found."
    raise Refusal(message)


def _described(pid: int) -> str:
    try:
        return f"{' '.join(psutil.Process(pid).cmdline()[:4])} (pid {pid})"
    except psutil.Error:
        return f"pid {pid}"
