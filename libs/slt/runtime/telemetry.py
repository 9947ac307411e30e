"""Spans and metrics: cheap when nobody looks.

The door (authentication) decides which reports are traced, starts their traces and links the facility's own; every
stage adds one short span for each traced report, under the span of the stage before, and one batch span that links
them. Spans go to OTLP/HTTP, to a file of JSON lines, or nowhere. Metrics stand on /metrics and go out over OTLP with
the spans. Labels name stages and outcomes, never a facility and never a subject with ids.
"""

import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest

from slt.runtime.metrics import Metrics
from slt.runtime.spanfile import SpanFile
from slt.runtime.spans import Attribute, Span, SpanSink
from slt.runtime.traces import TraceContext, new_span_id, new_trace, parse_traceparent

LINKS_MAX: Final = 128  # the SDK's default limit for one span
FLUSH_WITHIN_S: Final = 3.0


class Telemetry:
    """The spans and metrics of one service process."""

    def __init__(self, service: str, *, sink: SpanSink | None, trace_ratio: float, metrics: Metrics) -> None:
        self.service = service
        self.metrics = metrics
        self._sink = sink
        self._trace_ratio = trace_ratio

    @property
    def tracing(self) -> bool:
        return self._sink is not None

    @contextmanager
    def batch(self, stage: str, traceparents: Iterable[str] = (), *, messages: int = 1) -> Iterator["BatchSpan"]:
        """The span around one batch of work; its duration is measured even when nothing is traced.

        `traceparents` are those of the items in it ("" = not traced); up to 128 of them are linked. A batch in which
        nothing is traced leaves no span.
        """
        span = BatchSpan(self, stage, traceparents if self._sink else ())
        began = time.perf_counter()
        outcome = "error"
        try:
            yield span
            outcome = "ok"
        finally:
            duration_s = time.perf_counter() - began
            self.metrics.process_duration.observe(duration_s, stage=stage, outcome=outcome)
            self.metrics.consumed.add(messages, stage=stage)
            span.end(messages=messages, failed=outcome == "error")

    def record(self, span: Span) -> None:
        if self._sink is not None:
            self._sink.record(span)

    def sampled(self) -> bool:
        """The door's decision about one report: a share of `trace_ratio`."""
        return self._sink is not None and random.random() < self._trace_ratio  # noqa: S311 - no secret hangs on it

    def exposition(self) -> bytes:
        """/metrics, in the Prometheus text format."""
        return generate_latest(self.metrics.registry)

    def close(self) -> None:
        """Hand over what is held. Blocks for at most FLUSH_WITHIN_S, even when the collector is away."""
        closing = threading.Thread(target=self._hand_over, name="telemetry-close", daemon=True)
        closing.start()
        closing.join(FLUSH_WITHIN_S)

    def _hand_over(self) -> None:
        if self._sink is not None:
            self._sink.close(FLUSH_WITHIN_S)
        self.metrics.close(FLUSH_WITHIN_S)


class BatchSpan:
    """One batch of a stage. `item` and `door` give each traced report its own short span."""

    def __init__(self, telemetry: Telemetry, stage: str, traceparents: Iterable[str]) -> None:
        self._telemetry = telemetry
        self._stage = stage
        self._start_ns = time.time_ns()
        self._links = {
            context.trace_id: context for text in traceparents if text and (context := parse_traceparent(text))
        }

    def door(self, facility_traceparent: str = "", **attributes: Attribute) -> str:
        """Decide whether this report is traced; if so begin its trace here. Returns what travels on with it, or "".

        The facility's own context is linked and never continued: it must not decide what we record.
        """
        if not self._telemetry.sampled():
            return ""
        facility = parse_traceparent(facility_traceparent) if facility_traceparent else None
        context = new_trace()
        self._record(context, None, (facility,) if facility else (), attributes)
        return context.traceparent

    def item(self, traceparent: str, **attributes: Attribute) -> str:
        """Record this stage's span of a traced report, under the span of the stage before.

        Returns what travels on with the report: the new span's context, or "" when the report is not traced. Without
        a sink the context is passed on unchanged, so that later stages can go on with the trace.
        """
        if not traceparent or (parent := parse_traceparent(traceparent)) is None:
            return ""
        if not self._telemetry.tracing:
            return traceparent
        context = TraceContext(parent.trace_id, new_span_id())
        self._record(context, parent, (), attributes)
        return context.traceparent

    def _record(
        self,
        context: TraceContext,
        parent: TraceContext | None,
        links: tuple[TraceContext, ...],
        attributes: Mapping[str, Attribute],
    ) -> None:
        named = {_attribute_name(name): value for name, value in attributes.items()}
        self._telemetry.record(
            Span(
                name=self._stage,
                context=context,
                parent=parent,
                links=links,
                start_ns=self._start_ns,
                end_ns=time.time_ns(),
                attributes={"slt.stage": self._stage, **named},
            )
        )
        self._links.setdefault(context.trace_id, context)

    def end(self, *, messages: int, failed: bool) -> None:
        """Record the batch span, if anything in the batch is traced."""
        if not self._links:
            return
        attributes: dict[str, Attribute] = {
            "messaging.system": "nats",
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.consumer.group.name": self._stage,
            "messaging.batch.message_count": messages,
            "slt.stage": self._stage,
        }
        if failed:
            attributes["error.type"] = "exception"
        self._telemetry.record(
            Span(
                name=f"process {self._stage}",
                context=new_trace(),
                parent=None,
                links=tuple(self._links.values())[:LINKS_MAX],
                kind="consumer",
                start_ns=self._start_ns,
                end_ns=time.time_ns(),
                attributes=attributes,
            )
        )


def open_telemetry(
    service: str, *, otlp_endpoint: str | None, spans_file: Path | None, trace_ratio: float
) -> Telemetry:
    """OTLP when there is an endpoint, a file when one is asked for, otherwise nothing; see BaseConfig."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped there; they say when the process began
    registry = CollectorRegistry()
    if otlp_endpoint:
        from slt.runtime import otlp  # noqa: PLC0415 - loading the SDK costs 0.2 s

        return Telemetry(
            service,
            sink=otlp.OtlpSpans(otlp_endpoint, service),
            trace_ratio=trace_ratio,
            metrics=Metrics(registry, mirror=otlp.OtlpMeters(otlp_endpoint, service)),
        )
    sink = SpanFile(spans_file, service) if spans_file else None
    return Telemetry(service, sink=sink, trace_ratio=trace_ratio, metrics=Metrics(registry))


def _attribute_name(name: str) -> str:
    """statement_id -> slt.statement_id; a name with a dot in it stays."""
    return name if "." in name else f"slt.{name}"
