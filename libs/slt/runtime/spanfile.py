"""Spans as a readable file, for a person and for `slt trace`."""

import json
import os
from pathlib import Path

from slt.runtime.spans import Span


class SpanFile:
    """One JSON object a line: trace_id, span_id, parent_id, links, name, service, start_ns, end_ns, attributes.

    Each line is one write to a file opened for appending, so it is whole even when the process is killed.
    """

    def __init__(self, path: Path, service: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        self._service = service

    def record(self, span: Span) -> None:
        line = {
            "trace_id": span.context.trace_id,
            "span_id": span.context.span_id,
            "parent_id": span.parent.span_id if span.parent else None,
            "links": [{"trace_id": link.trace_id, "span_id": link.span_id} for link in span.links],
            "name": span.name,
            "service": self._service,
            "kind": span.kind,
            "start_ns": span.start_ns,
            "end_ns": span.end_ns,
            "attributes": dict(span.attributes),
        }
        os.write(self._handle, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def close(self, within_s: float) -> None:  # noqa: ARG002 - every line is written already
        os.close(self._handle)
