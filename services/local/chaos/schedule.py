"""What is going to happen, decided before anything does: the same seed is the same sequence of kills and faults."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import Any


class Deed(StrEnum):
    """What is done."""

    KILL = "kill"
    PAUSE = "pause"
    ROLL = "roll"
    PROVIDER = "provider"
    WEBHOOKS = "webhooks"


class Victim(StrEnum):
    """The kinds of process that are killed; a relay holder is whichever process holds a database's relay lock."""

    SERVICE = "service"
    SIDECAR = "sidecar"
    PAIR = "service and sidecar"
    RELAY_HOLDER = "relay holder"
    POSTGRES = "postgres"
    REDIS = "redis"
    BROKER = "broker"
    STRIPE = "stripe"
    MAILBOX = "mailbox"
    SENTRY = "sentry"


STORES = frozenset({Victim.POSTGRES, Victim.REDIS, Victim.BROKER})

_SHARES: Mapping[Victim, int] = MappingProxyType(
    dict.fromkeys(Victim, 1)
    | {Victim.SERVICE: 4, Victim.SIDECAR: 4, Victim.PAIR: 3, Victim.RELAY_HOLDER: 2, Victim.POSTGRES: 2}
    | {Victim.BROKER: 2, Victim.STRIPE: 2}
)
_FAULTS = {Deed.PAUSE: 8, Deed.PROVIDER: 8, Deed.WEBHOOKS: 3, Deed.ROLL: 1}
_PAUSES = ((0.7, 1.0, 5.0), (0.9, 5.0, 15.0), (1.0, 15.0, 60.0))
"""Up to this share of the pauses: between so many and so many seconds."""

_ROLLED = 3


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One thing that is done to the system.

    :param at: seconds after the random part has begun.
    :param kind: the kind of process that is killed; for other deeds their own name.
    :param names: the processes; of a relay holder the service whose database it is.
    :param seconds: how long a pause or a trouble with the provider lasts.
    :param fault: what the provider's stand-in is asked for.
    :param alone: whether it belongs to the first part, in which nothing else is done until the shop serves again.
    """

    at: float
    deed: Deed
    kind: str
    names: tuple[str, ...]
    seconds: float = 0.0
    fault: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False

    def __str__(self) -> str:
        """The strike in words."""
        told = (f"{name} {value}" for name, value in self.fault.items() if value and name != "seed")
        what = ", ".join(told) or " and ".join(self.names)
        return f"{self.kind if self.deed is Deed.KILL else self.deed}: {what}" + (
            f" for {self.seconds:.1f} s" if self.seconds else ""
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a run is made: so many kills from this seed; those that are not alone so many seconds apart on average."""

    seed: int
    kills: int
    every: float = 9.0
    faults: float = 0.5
    """How many other faults there are for each kill that is not alone."""
    longest_pause: float = 60.0


def drawn(plan: Plan, *, services: Sequence[str], relays: Sequence[str]) -> tuple[Strike, ...]:
    """All strikes: first those that are alone, and then comes what is random, in order of time.

    Every kind of process is killed alone; where half of the kills are enough for it, every service and every sidecar.

    :param services: every service; its sidecar is named after it.
    :param relays: the services with a database, and so with a relay.
    """
    draw = _Draw(plan, services, relays)
    alone = draw.alone()
    return (*alone, *sorted(draw.random(plan.kills - len(alone)), key=lambda strike: strike.at))


class _Draw:
    """The lottery. Kinds and processes come from bags, so that none is forgotten in a long run."""

    def __init__(self, plan: Plan, services: Sequence[str], relays: Sequence[str]) -> None:
        self._plan = plan
        self._random = Random(plan.seed)  # noqa: S311 - it must be repeatable
        self._services, self._relays = services, relays
        self._bags: dict[str, list[str]] = {}

    def alone(self) -> list[Strike]:
        kinds = self._random.sample(list(Victim), len(Victim))[: self._plan.kills]
        others = (Victim.SERVICE, Victim.SIDECAR) * (len(self._services) - 1)
        kinds += others[: max(0, self._plan.kills // 2 - len(kinds))]
        return [Strike(at=0, deed=Deed.KILL, kind=kind, names=self._victims(kind), alone=True) for kind in kinds]

    def random(self, kills: int) -> Iterator[Strike]:
        at = 0.0
        for kind in self._random.choices(list(_SHARES), list(_SHARES.values()), k=kills):
            gap = self._plan.every * self._random.uniform(0.5, 1.5)
            if self._random.random() < self._plan.faults:
                yield self._fault(at + gap * self._random.random())
            at += gap
            yield Strike(at=at, deed=Deed.KILL, kind=kind, names=self._victims(kind))

    def _victims(self, kind: Victim) -> tuple[str, ...]:
        match kind:
            case Victim.SERVICE:
                return (self._one("service", self._services),)
            case Victim.SIDECAR:
                return (f"{self._one('sidecar', self._services)}.sidecar",)
            case Victim.PAIR:
                name = self._one("pair", self._services)
                return (name, f"{name}.sidecar")
            case Victim.RELAY_HOLDER:
                return (self._one("relay", self._relays),)
            case _:
                return (kind.value,)

    def _one(self, bag: str, of: Sequence[str]) -> str:
        """The next from a shuffled bag, which is filled again when it is empty."""
        names = self._bags.setdefault(bag, [])
        if not names:
            names += self._random.sample(of, len(of))
        return names.pop()

    def _fault(self, at: float) -> Strike:
        (deed,) = self._random.choices(list(_FAULTS), list(_FAULTS.values()))
        match deed:
            case Deed.PAUSE:
                return Strike(at=at, deed=deed, kind=deed, names=(self._paused(),), seconds=self._pause())
            case Deed.ROLL:
                rolled = tuple(self._one("roll", self._services) for _ in range(_ROLLED))
                return Strike(at=at, deed=deed, kind=deed, names=rolled)
            case _:
                fault = self._trouble() if deed is Deed.PROVIDER else self._disorder()
                seconds = self._random.uniform(3, 12)
                return Strike(at=at, deed=deed, kind=deed, names=("stripe",), seconds=seconds, fault=fault)

    def _paused(self) -> str:
        services = [name for service in self._services for name in (service, f"{service}.sidecar")]
        return self._one("pause", [*services, *sorted(kind.value for kind in STORES), Victim.STRIPE.value])

    def _pause(self) -> float:
        drawn = self._random.random()
        least, most = next((least, most) for share, least, most in _PAUSES if drawn <= share)
        return min(self._random.uniform(least, most), self._plan.longest_pause)

    def _trouble(self) -> Mapping[str, Any]:
        kind = self._random.choice(TROUBLES)
        match = self._random.choice(("*", "create", "confirm", "refund"))
        probability = self._random.choice((0.3, 0.6, 1.0))
        more = {"seconds": self._random.uniform(0.5, 10.0)} if kind == "latency" else {}
        return {"match": match, "kind": kind, "probability": probability, "seed": self._random.randrange(2**31)} | more

    def _disorder(self) -> Mapping[str, Any]:
        """Webhooks that come twice or more often, late, out of order, or only when they are tried again."""
        return {
            "duplicates": self._random.choice((0, 1, 3)),
            "reorder_within_seconds": self._random.choice((1.0, 5.0)),
            "drop": self._random.choice((0.0, 0.3)),
            "seed": self._random.randrange(2**31),
        }


TROUBLES = ("drop_answer", "drop_answer", "drop_request", "latency", "error_500", "error_503", "error_429")
"""What goes wrong at the provider; a lost answer is the worst of them and twice as likely."""
