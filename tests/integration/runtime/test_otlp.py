"""Traces and metrics over OTLP/HTTP, as a collector receives them."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from slt.runtime.telemetry import open_telemetry
from slt.runtime.traces import parse_traceparent

FACILITY = "00-" + "a1" * 16 + "-" + "b2" * 8 + "-01"


class Collector:
    def __init__(self) -> None:
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                import gzip

                body = self.rfile.read(int(self.headers["content-length"]))
                body = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
                if self.path == "/v1/traces":
                    collector.traces.append(ExportTraceServiceRequest.FromString(body))
                elif self.path == "/v1/metrics":
                    collector.metrics.append(ExportMetricsServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.server.shutdown()
    running.server.server_close()


async def test_spans_and_metrics_reach_the_collector_before_the_process_ends(collector: Collector) -> None:
    telemetry = open_telemetry("validation", otlp_endpoint=collector.url, spans_file=None, trace_ratio=1.0)
    with telemetry.batch("validation", [FACILITY], messages=3) as batch:
        traceparent = batch.door(FACILITY, mba="XLR1")
    telemetry.metrics.reports.add(2, stage="validation", outcome="accepted")
    await asyncio.to_thread(telemetry.close)

    resource_spans = [each for request in collector.traces for each in request.resource_spans]
    spans = {span.name: span for each in resource_spans for scope in each.scope_spans for span in scope.spans}
    names = {a.key: a.value.string_value for each in resource_spans for a in each.resource.attributes}
    context = parse_traceparent(traceparent)
    assert context is not None
    assert names["service.name"] == "validation"
    report, process = spans["validation"], spans["process validation"]
    assert (report.trace_id.hex(), report.span_id.hex()) == (context.trace_id, context.span_id)
    assert [link.trace_id.hex() for link in report.links] == ["a1" * 16]
    assert {a.key for a in report.attributes} == {"slt.stage", "slt.mba"}
    assert {link.trace_id.hex() for link in process.links} == {"a1" * 16, context.trace_id}
    assert {a.key: a.value.int_value for a in process.attributes}["messaging.batch.message_count"] == 3

    measured = {
        metric.name: metric
        for request in collector.metrics
        for each in request.resource_metrics
        for scope in each.scope_metrics
        for metric in scope.metrics
    }
    assert measured["slt.reports"].sum.data_points[0].as_int == 2
    assert measured["messaging.client.consumed.messages"].sum.data_points[0].as_int == 3
    assert measured["messaging.process.duration"].histogram.data_points[0].count == 1


async def test_a_collector_that_is_away_holds_up_nobody_for_long() -> None:
    telemetry = open_telemetry("validation", otlp_endpoint="http://127.0.0.1:9", spans_file=None, trace_ratio=1.0)
    with telemetry.batch("validation") as batch:
        batch.door()
    async with asyncio.timeout(6):
        await asyncio.to_thread(telemetry.close)
