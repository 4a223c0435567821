"""The stand-in's clock: it runs as the machine's does, and can be put forward, for good."""

import time

from services.local.stripe_server.records import Records

_AHEAD = "clock_ahead"


class VirtualClock:
    """Seconds since the epoch, ahead of the machine's by what the records say."""

    def __init__(self, records: Records) -> None:
        """Continue where the last process stood."""
        self._records = records
        self.ahead = float(records.find_setting(_AHEAD) or 0.0)

    def __call__(self) -> float:
        """Now."""
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        """Put it forward."""
        self._records.keep_setting(_AHEAD, str(self.ahead + seconds))
        self.ahead += seconds
