import json
import logging
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from slt.runtime.logs import LibraryLogs, Log
from slt.runtime.metrics import Metrics
from slt.runtime.spanfile import SpanFile
from slt.runtime.spans import Span
from slt.runtime.telemetry import LINKS_MAX, Telemetry, open_telemetry
from slt.runtime.traces import new_trace, parse_traceparent

SAMPLED = "00-" + "a1" * 16 + "-" + "b2" * 8 + "-01"


class Collected:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def record(self, span: Span) -> None:
        self.spans.append(span)

    def close(self, within_s: float) -> None:
        pass


def telemetry(service: str, sink: Collected | None, *, ratio: float = 1.0) -> Telemetry:
    return Telemetry(service, sink=sink, trace_ratio=ratio, metrics=Metrics(CollectorRegistry()))


def logged(level: str = "info") -> tuple[Log, list[dict[str, object]]]:
    lines: list[dict[str, object]] = []
    return Log("validation", level=level, write=lambda line: lines.append(json.loads(line))), lines


def test_a_decision_is_one_line_with_ids_in_hex() -> None:
    log, lines = logged()
    log.decision(
        "refused", stage="validation", submission=b"\x01\x02", statement=b"\xff", traceparent=SAMPLED, rule="V07"
    )
    (line,) = lines
    assert line.pop("time")
    assert line == {
        "severity": "info", "service": "validation", "event": "refused", "stage": "validation", "submission": "0102",
        "statement": "ff", "trace_id": "a1" * 16, "rule": "V07",
    }  # fmt: skip


def test_lines_below_the_level_are_not_written() -> None:
    log, lines = logged("warning")
    log.decision("refused", stage="validation")
    log.info("x")
    log.warning("y")
    assert [line["event"] for line in lines] == ["y"]


def test_a_failure_has_its_traceback_and_libraries_speak_json() -> None:
    log, lines = logged()
    try:
        raise ZeroDivisionError("by us")
    except ZeroDivisionError as error:
        log.failure("ended", error)
    record = logging.LogRecord("lib", logging.ERROR, __file__, 1, "it %s", ("broke",), None)
    LibraryLogs(log).emit(record)
    assert "by us" in str(lines[0]["traceback"])
    assert (lines[1]["event"], lines[1]["logger"], lines[1]["text"]) == ("library", "lib", "it broke")


@pytest.mark.parametrize(
    "text",
    [
        "", "x", SAMPLED[:-1], SAMPLED + "-more", SAMPLED.upper(), "01" + SAMPLED[2:], SAMPLED[:-2] + "00",
        SAMPLED.replace("a1" * 16, "0" * 32), SAMPLED.replace("b2" * 8, "0" * 16), SAMPLED + "\n",
    ],
)  # fmt: skip
def test_what_is_no_sampled_traceparent_is_none(text: str) -> None:
    assert parse_traceparent(text) is None


@pytest.mark.parametrize("flags", ["01", "03", "ff"])
def test_any_flags_with_the_sampled_bit_are_taken(flags: str) -> None:
    context = parse_traceparent(SAMPLED[:-2] + flags)
    assert context is not None
    assert context.traceparent == SAMPLED


def test_one_report_has_one_trace_over_all_stages() -> None:
    sink = Collected()
    traceparent = ""
    for number, stage in enumerate(("authentication", "validation", "uniqueness", "consensus", "ledger")):
        with telemetry(stage, sink).batch(stage, [traceparent]) as span:
            traceparent = span.item(traceparent, mba="XLR1") if number else span.door(SAMPLED, mba="XLR1")
    items = [
        span
        for span in sink.spans
        if span.name in {"authentication", "validation", "uniqueness", "consensus", "ledger"}
    ]
    batches = [span for span in sink.spans if span.name.startswith("process ")]
    assert len(items) == len(batches) == 5
    assert len({span.context.trace_id for span in items}) == 1
    assert [span.parent.span_id if span.parent else None for span in items] == [
        None, *(span.context.span_id for span in items[:-1])
    ]  # fmt: skip
    assert all(items[0].context.trace_id in {link.trace_id for link in span.links} for span in batches)
    assert items[0].attributes["slt.mba"] == "XLR1"


def test_the_door_links_the_facilitys_trace_and_does_not_go_on_with_it() -> None:
    sink = Collected()
    with telemetry("authentication", sink).batch("authentication") as span:
        traceparent = span.door(SAMPLED)
    assert parse_traceparent(traceparent) is not None
    assert "a1" * 16 not in traceparent
    assert [link.traceparent for link in sink.spans[0].links] == [SAMPLED]


def test_the_facility_cannot_decide_that_it_is_traced() -> None:
    sink = Collected()
    with telemetry("authentication", sink, ratio=0.0).batch("authentication") as span:
        assert span.door(SAMPLED) == ""
    assert sink.spans == []


def test_a_report_that_is_not_traced_leaves_no_span() -> None:
    sink = Collected()
    with telemetry("validation", sink).batch("validation", ["", "nonsense"]) as span:
        assert span.item("") == ""
        assert span.item("nonsense") == ""
    assert sink.spans == []


def test_a_stage_without_a_sink_passes_the_trace_on() -> None:
    with telemetry("validation", None).batch("validation", [SAMPLED]) as span:
        assert span.item(SAMPLED) == SAMPLED


def test_a_batch_span_has_no_more_links_than_allowed() -> None:
    sink = Collected()
    with telemetry("validation", sink).batch("validation", (new_trace().traceparent for _ in range(300))):
        pass
    assert len(sink.spans[0].links) == LINKS_MAX


def test_a_failed_batch_says_so() -> None:
    sink = Collected()
    with pytest.raises(KeyError), telemetry("validation", sink).batch("validation", [SAMPLED]):
        raise KeyError("x")
    assert sink.spans[0].attributes["error.type"] == "exception"


def test_the_span_file_is_json_a_line_and_grows_over_processes(tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    for service in ("authentication", "validation"):
        with telemetry(service, None).batch(service):
            pass
        opened = open_telemetry(service, otlp_endpoint=None, spans_file=path, trace_ratio=1.0)
        with opened.batch(service) as span:
            span.door(SAMPLED, height=7)
        opened.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["service"] for line in lines] == ["authentication"] * 2 + ["validation"] * 2
    assert set(lines[0]) == {
        "trace_id", "span_id", "parent_id", "links", "name", "service", "kind", "start_ns", "end_ns", "attributes"
    }  # fmt: skip
    assert lines[0]["attributes"] == {"slt.stage": "authentication", "slt.height": 7}
    assert lines[0]["start_ns"] <= lines[0]["end_ns"]


def test_nothing_is_traced_and_nothing_written_when_nobody_asks() -> None:
    opened = open_telemetry("validation", otlp_endpoint=None, spans_file=None, trace_ratio=1.0)
    assert not opened.tracing
    with opened.batch("validation") as span:
        assert span.door(SAMPLED) == ""


def test_metric_names_are_an_interface() -> None:
    opened = telemetry("validation", None)
    with opened.batch("validation", messages=3):
        pass
    opened.metrics.reports.add(2, stage="validation", outcome="accepted")
    text = opened.exposition().decode()
    for line in (
        'messaging_client_consumed_messages_total{stage="validation"} 3.0',
        'messaging_process_duration_seconds_count{outcome="ok",stage="validation"} 1.0',
        'slt_reports_total{outcome="accepted",stage="validation"} 2.0',
    ):
        assert line in text


def test_the_span_file_survives_a_missing_folder(tmp_path: Path) -> None:
    SpanFile(tmp_path / "a/b/spans.jsonl", "x").close(1.0)
    assert (tmp_path / "a/b/spans.jsonl").exists()
