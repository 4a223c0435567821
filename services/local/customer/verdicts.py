"""What the runs of the load generator mean, beside their targets."""

from dataclasses import dataclass

from services.local.customer.figures import Figure, percentile
from services.local.customer.load import Measured


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one run of the load generator gave, and the CPU seconds that the system spent on it."""

    measured: Measured
    cpu: float

    @property
    def rate(self) -> float:
        """Successes a second."""
        return len(self.measured.times) / self.measured.seconds

    @property
    def p50(self) -> float:
        """The median time in milliseconds."""
        return percentile(self.measured.times, 0.5) * 1000

    @property
    def cpu_each(self) -> float:
        """CPU milliseconds for one success, over all processes of the system."""
        return self.cpu / len(self.measured.times) * 1000


def placing(one: Load, many: Load, *, alone: Load) -> list[Figure]:
    """How fast orders are placed."""
    worst = percentile(one.measured.times, 0.99) * 1000
    return [
        Figure(
            name="order placed, 1 client, p50",
            reached=one.p50,
            unit="ms",
            most=60,
            ratio=f"{one.p50 / alone.p50:.1f} times the bare gateway ({alone.p50:.1f} ms)",
        ),
        Figure(name="order placed, 1 client, p99", reached=worst, unit="ms"),
        Figure(name="orders, 8 clients", reached=many.rate, unit="/s", least=40),
        Figure(name="CPU for an order", reached=many.cpu_each, unit="ms"),
    ]


def reading(read: Load, *, pair: Load) -> list[Figure]:
    """How fast products are read past the cache."""
    return [
        Figure(
            name="product read past the cache, p50",
            reached=read.p50,
            unit="ms",
            most=25,
            ratio=f"{read.p50 / pair.p50:.1f} times a bare sidecar pair ({pair.p50:.1f} ms)",
        ),
        Figure(name="product reads past the cache, 8 clients", reached=read.rate, unit="/s"),
        Figure(name="CPU for a read", reached=read.cpu_each, unit="ms"),
    ]


def following(paying: Load, *, rate: float) -> list[Figure]:
    """How soon a payment is seen elsewhere."""
    at = f"at {rate:.1f} orders a second, open loop"
    return [
        Figure(
            name="payment accepted to order paid, p50",
            reached=percentile(paying.measured.paid, 0.5) * 1000,
            unit="ms",
            most=250,
            ratio=at,
        ),
        Figure(
            name="payment accepted to timeline, p50",
            reached=percentile(paying.measured.told, 0.5) * 1000,
            unit="ms",
            most=500,
            ratio=at,
        ),
        Figure(name="CPU for an order placed and paid", reached=paying.cpu_each, unit="ms"),
    ]
