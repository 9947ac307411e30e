"""The instruments of a service. Names are an interface; labels are few and closed: stage, outcome, reason."""

from collections.abc import Callable
from typing import Final, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as PrometheusCounter
from prometheus_client import Gauge as PrometheusGauge
from prometheus_client import Histogram as PrometheusHistogram

# Seconds: a batch takes milliseconds, a large report seconds.
DURATION_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Mirror(Protocol):
    """Takes the same measurements elsewhere: OTLP."""

    def counter(self, name: str, description: str) -> Callable[[float, dict[str, str]], None]: ...
    def histogram(self, name: str, description: str, unit: str) -> Callable[[float, dict[str, str]], None]: ...
    def close(self, within_s: float) -> None: ...


class Counter:
    """Counts up. `name` is the OpenTelemetry name; /metrics shows it with underscores and `_total`."""

    def __init__(
        self, registry: CollectorRegistry, mirror: Mirror | None, name: str, description: str, labels: tuple[str, ...]
    ) -> None:
        self._counter = PrometheusCounter(name.replace(".", "_"), description, labels, registry=registry)
        self._mirror = mirror.counter(name, description) if mirror else None

    def add(self, amount: float = 1, **labels: str) -> None:
        (self._counter.labels(**labels) if labels else self._counter).inc(amount)
        if self._mirror:
            self._mirror(amount, labels)


class Histogram:
    """Observes durations in seconds."""

    def __init__(
        self, registry: CollectorRegistry, mirror: Mirror | None, name: str, description: str, labels: tuple[str, ...]
    ) -> None:
        self._histogram = PrometheusHistogram(
            f"{name.replace('.', '_')}_seconds", description, labels, registry=registry, buckets=DURATION_BUCKETS
        )
        self._mirror = mirror.histogram(name, description, "s") if mirror else None

    def observe(self, seconds: float, **labels: str) -> None:
        (self._histogram.labels(**labels) if labels else self._histogram).observe(seconds)
        if self._mirror:
            self._mirror(seconds, labels)


class Metrics:
    """What every service measures, and `counter`, `histogram`, `gauge` for what is its own."""

    def __init__(self, registry: CollectorRegistry, *, mirror: Mirror | None = None) -> None:
        self.registry = registry
        self._mirror = mirror
        self.consumed = self.counter("messaging.client.consumed.messages", "Messages taken in", "stage")
        self.sent = self.counter("messaging.client.sent.messages", "Messages published", "stage")
        self.process_duration = self.histogram(
            "messaging.process.duration", "Time for one batch of messages", "stage", "outcome"
        )
        self.reports = self.counter("slt.reports", "Reports decided", "stage", "outcome")
        self.parked = self.counter("slt.parked", "Messages given up and parked for a person", "stage", "reason")
        self.redelivered = self.counter("slt.redelivered", "Messages that came again", "stage")
        self.waiting = self.gauge("slt.waiting", "1 while the stage waits for a dependency", "stage")
        self.bus_errors = self.gauge("slt.bus.errors", "Refused by the broker, or dropped by the client, since start")

    def counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(self.registry, self._mirror, name, description, labels)

    def histogram(self, name: str, description: str, *labels: str) -> Histogram:
        return Histogram(self.registry, self._mirror, name, description, labels)

    def gauge(self, name: str, description: str, *labels: str) -> PrometheusGauge:
        """A gauge of /metrics only."""
        return PrometheusGauge(name.replace(".", "_"), description, labels, registry=self.registry)

    def close(self, within_s: float) -> None:
        if self._mirror:
            self._mirror.close(within_s)
