"""How unreliable the way to the shop's webhook is, as a test asks for it; it ends with the process."""

from random import Random

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

EVERY_TYPE = "*"


class Unreliability(BaseModel):
    """What happens to events on their way. Each of them still arrives in the end, except while it is withheld."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    duplicates: NonNegativeInt = 0
    """How many more times each event is delivered, all at the same moment."""
    delay_seconds: NonNegativeFloat = 0.0
    """How much later than usual each event is delivered first."""
    reorder_within_seconds: NonNegativeFloat = 0.0
    """Each event is delivered up to this much later, by chance: the later overtake the earlier."""
    drop: float = Field(default=0.0, ge=0, lt=1)
    """The share of deliveries that are lost on the way, and attempted again after the usual pause."""
    withhold: tuple[str, ...] = ()
    """Types of events (`*` for all) that are not delivered for as long as this is asked for."""
    seed: int = 0


class Way:
    """The way to the webhook: as unreliable as it was asked to be, drawn from its seed."""

    def __init__(self, asked: Unreliability) -> None:
        self.asked = asked
        self._random = Random(asked.seed)  # noqa: S311 - a test repeats what it drew

    @property
    def copies(self) -> int:
        """How many times each event is delivered."""
        return 1 + self.asked.duplicates

    def delay(self) -> float:
        """Seconds by which an event is late."""
        return self.asked.delay_seconds + self._random.uniform(0, self.asked.reorder_within_seconds)

    def loses(self) -> bool:
        """Whether a delivery is lost on the way."""
        return self._random.random() < self.asked.drop

    def withholds(self, event_type: str) -> bool:
        """Whether an event has to wait until the way is another."""
        return not {event_type, EVERY_TYPE}.isdisjoint(self.asked.withhold)
