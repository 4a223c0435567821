"""Leases: how long work is left to whoever took it."""

from datetime import timedelta

LEASE = timedelta(seconds=30)
"""For so long a process that works on something is left alone with it; a request that has taken longer is dead."""
LOOK_AFTER = timedelta(seconds=0.5)
"""How soon the timer looks at what a request was told is pending."""
