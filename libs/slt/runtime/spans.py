"""A finished span, and where it may go. The sinks (slt.runtime.spanfile, slt.runtime.otlp) stand on this file alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from slt.runtime.traces import TraceContext

Attribute: TypeAlias = str | int | float | bool
Kind: TypeAlias = Literal["internal", "consumer", "producer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A finished span. Times are nanoseconds since 1970 UTC."""

    name: str
    context: TraceContext
    parent: TraceContext | None
    links: tuple[TraceContext, ...] = ()
    kind: Kind = "internal"
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


class SpanSink(Protocol):
    """Where spans go."""

    def record(self, span: Span) -> None:
        """Take a finished span; must not block on a network."""

    def close(self, within_s: float) -> None:
        """Hand over what is held, for at most `within_s`."""
