"""Trace contexts by hand (W3C traceparent, 55 characters): the general library costs more than the span it carries."""

import os
import re
from dataclasses import dataclass
from typing import Final

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\Z")


@dataclass(frozen=True, slots=True)
class TraceContext:
    trace_id: str  # 32 hex digits, not all zero
    span_id: str  # 16 hex digits, not all zero

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-01"


def parse_traceparent(text: str) -> TraceContext | None:
    """The context of a sampled traceparent; None for an unsampled one and for anything that is none."""
    match = _TRACEPARENT.match(text)
    if match is None or not int(match[3], 16) & 1:
        return None
    if match[1] == "0" * 32 or match[2] == "0" * 16:
        return None
    return TraceContext(match[1], match[2])


def new_trace() -> TraceContext:
    return TraceContext(os.urandom(16).hex(), new_span_id())


def new_span_id() -> str:
    return os.urandom(8).hex()
