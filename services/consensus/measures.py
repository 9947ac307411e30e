"""What people see of this service: metrics, one log line for each decision, a span for each traced report."""

from typing import Final

import msgspec

from services.consensus.core import STAGE
from services.consensus.node import FinalBlock, Outcome
from slt.bus.messages import BlockBatch, Item
from slt.runtime.run import Runtime
from slt.runtime.spans import Span
from slt.runtime.traces import TraceContext, new_span_id, parse_traceparent

MS_IN_NS: Final = 1_000_000


class Measures:
    def __init__(self, runtime: Runtime) -> None:
        metrics = runtime.telemetry.metrics
        self._runtime = runtime
        self.reports = metrics.reports
        self._blocks = metrics.counter("slt.consensus.blocks", "Blocks certified")
        self._flushes = metrics.counter("slt.consensus.flushes", "Flushes of the write-ahead log")
        self._alarms = metrics.counter("slt.consensus.alarms", "What a person should look at")
        self._height = metrics.gauge("slt.consensus.height", "Height of the last certified block")
        self._unstored = metrics.gauge("slt.consensus.unstored", "Blocks that the ledger has not stored")
        self._pending = metrics.gauge("slt.consensus.pending", "Reports in batches that are in no block")
        self._halted = metrics.gauge("slt.consensus.halted", "1 once this process signs nothing more")

    def outcome(self, outcome: Outcome) -> None:
        """Measure what left the node."""
        standing = outcome.standing
        self._height.set(standing.height)
        self._unstored.set(standing.unstored)
        self._pending.set(standing.pending_reports)
        self._halted.set(bool(standing.halted))
        self._flushes.add(outcome.flushes)
        if outcome.absorbed:
            self.reports.add(outcome.absorbed, stage=STAGE, outcome="absorbed")
        for alarm in outcome.alarms:
            self._alarms.add()
            self._runtime.log.error("alarm", stage=STAGE, reason=alarm)
        if outcome.halt:
            self._alarms.add()
            self._runtime.log.error("halted", stage=STAGE, reason=outcome.halt, height=standing.height)

    def block(self, final: FinalBlock) -> FinalBlock:
        """Log and count a block; its traced items travel on under the spans of this stage."""
        self._blocks.add()
        reports = 0
        for batch in final.message.batches:
            reports += len(batch.items)
            for item in batch.items:
                self._runtime.log.decision(
                    "ordered",
                    stage=STAGE,
                    submission=item.submission_id,
                    statement=item.statement_id,
                    traceparent=item.traceparent,
                    height=final.height,
                )
        self.reports.add(reports, stage=STAGE, outcome="ordered")
        self._runtime.log.info(
            "block", height=final.height, block_id=final.block_id, batches=len(final.message.batches), reports=reports
        )
        return self._traced(final)

    def _traced(self, final: FinalBlock) -> FinalBlock:
        parents = [item.traceparent for batch in final.message.batches for item in batch.items if item.traceparent]
        if not parents or not self._runtime.telemetry.tracing:
            return final
        with self._runtime.telemetry.batch(STAGE, parents, messages=len(final.message.batches)):
            batches = [
                BlockBatch(
                    batch=batch.batch,
                    signature=batch.signature,
                    items=[self._span(item, final.height) for item in batch.items],
                )
                for batch in final.message.batches
            ]
        message = msgspec.structs.replace(final.message, batches=batches)
        return FinalBlock(height=final.height, block_id=final.block_id, message=message)

    def _span(self, item: Item, height: int) -> Item:
        """From when the item came to when its block was certified: waiting, evaluation and signing included."""
        parent = parse_traceparent(item.traceparent) if item.traceparent else None
        if parent is None:
            return item
        own = item.timings[-1]
        context = TraceContext(parent.trace_id, new_span_id())
        self._runtime.telemetry.record(
            Span(
                name=STAGE,
                context=context,
                parent=parent,
                start_ns=own.received_ms * MS_IN_NS,
                end_ns=own.done_ms * MS_IN_NS,
                attributes={
                    "slt.stage": STAGE,
                    "slt.statement_id": item.statement_id.hex(),
                    "slt.mba": item.mba,
                    "slt.height": height,
                },
            )
        )
        return msgspec.structs.replace(item, traceparent=context.traceparent)
