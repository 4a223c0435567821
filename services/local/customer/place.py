"""Where a running system is reached, and the secrets that an operator of this machine has."""

import json
from dataclasses import dataclass
from pathlib import Path

from services.local.refusals import Refusal
from services.local.state import State
from services.local.topology import LOOPBACK, Ports

OPERATOR = "operator@example.com"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One running system."""

    base_url: str
    mailbox_url: str
    operator_password: str
    state: Path


class NothingRuns(Refusal):
    """Nothing runs here. Start the system with `./sidecart up`."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def running(state: State) -> Place:
    """The system that the state folder tells of.

    :raises NothingRuns: there is none
    """
    record = state.running()
    if record is None:
        raise NothingRuns
    return at_offset(state, record.offset)


def at_offset(state: State, offset: int) -> Place:
    """The system of a state folder whose ports are moved by `offset`."""
    ports = Ports(offset=offset)
    return Place(
        base_url=f"http://{LOOPBACK}:{ports.public}",
        mailbox_url=f"http://{LOOPBACK}:{ports.mailbox}",
        operator_password=json.loads(state.secrets.read_text())["operator-password"],
        state=state.root,
    )
