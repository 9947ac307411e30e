"""Admission: fast feedback against final state, and the hold of reports whose predecessor is missing.

    receive   a batch of validated items, or the time of something that is held
    decide    core.plan
    publish   what passes, as slt.admitted; then what is held is durable, then refusals and repeated receipts
    done      the deliveries are acknowledged

One task at a time is inside `_turn`: what passes makes way for the next number, and nobody must be between the two.
"""

import asyncio
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from services.uniqueness.core import HELD_MAX, STAGE, Held, Holding, OnTheirWay, Pending, Plan, plan, told
from services.uniqueness.evaluations import Evaluations
from services.uniqueness.follower import Area, Listener
from services.uniqueness.store import Store
from slt.bus import BusDown, NoReply, StreamFull
from slt.bus.messages import Item, Malformed, Timing
from slt.inventory.admission import Number, keys_admitted
from slt.inventory.keys import Kind, key
from slt.inventory.records import last_number_of
from slt.inventory.state import NeedRecords, Records
from slt.inventory.vetting import BadVetting, Vetted
from slt.reports.facts import BadFacts
from slt.reports.findings import Finding
from slt.runtime.answers import RefusalPublisher, Refused, ask_receipts, issue_again
from slt.runtime.run import Runtime
from slt.runtime.stage import Batch, Waiting
from slt.runtime.telemetry import BatchSpan

OFF_THE_LOOP_BYTES: Final = 64 * 1024  # of compressed facts in a batch: reading more would hold up everybody else
RETRY_S: Final = 0.5  # held reports that could not be passed on or answered are tried again after this
WATCH_S: Final = 1.0  # held reports are refused at most so late


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What is to be said about the submissions of one delivery, or about held ones."""

    refused: tuple[Refused, ...]
    again: tuple[tuple[bytes, str, str], ...]  # statement id, State, MBA: the receipt answers


class Admissions(Listener):
    """Decides about submissions before they are ordered. `open` it before use."""

    def __init__(self, runtime: Runtime, store: Store, evaluations: Evaluations, *, hold_s: float) -> None:
        self._runtime = runtime
        self._store = store
        self._evaluations = evaluations
        self._hold_ms = int(hold_s * 1000)
        self._refusals = RefusalPublisher(runtime)
        self.pending = Pending()
        self.holding = Holding()
        self._turn = asyncio.Lock()
        self._owed: dict[int, Answers] = {}  # by delivery: its good items are passed on, the ledger's word is missing
        self._moved: set[Area] = set()  # areas in which a held report may be next
        self._wake = asyncio.Event()
        self._held = runtime.telemetry.metrics.gauge("slt.uniqueness.held", "Submissions that wait for another report")

    async def open(self) -> None:
        """Take up what the process before us held: its time goes on running."""
        self.holding = Holding(await self._store.held())
        self._moved = {one.number[:2] for one in await self._store.held()}
        self._wake.set()
        self._held.set(len(self.holding))

    def block_committed(self, statement_ids: Iterable[bytes], areas: Iterable[Area]) -> None:
        self.pending.decided(statement_ids)
        self._moved.update(areas)
        if len(self.holding):
            self._wake.set()

    # Validated items

    async def handle(self, batch: Batch) -> None:
        """One batch of deliveries. What is owed to the ledger's silence is kept back and tried again."""
        fresh = [(delivery, items) for delivery, items in batch.opened if delivery.sequence not in self._owed]
        items = [item for _, delivered in fresh for item in delivered]
        if items:
            owed: dict[int, Answers] = {}
            async with self._turn:
                traces = [item.traceparent for item in items]
                with self._runtime.telemetry.batch(STAGE, traces, messages=len(fresh)) as span:
                    refused, again = await self._admit(items, batch.received_ms, span)
            position = 0
            for delivery, delivered in fresh:
                mine = range(position, position + len(delivered))
                position += len(delivered)
                answers = Answers(
                    refused=tuple(refused[at] for at in mine if at in refused),
                    again=tuple(again[at] for at in mine if at in again),
                )
                if answers.refused or answers.again:
                    owed[delivery.sequence] = answers
            self._owed |= owed
        await self._answer_owed(batch)

    async def _admit(
        self, items: Sequence[Item], received_ms: int, span: BatchSpan
    ) -> tuple[dict[int, Refused], dict[int, tuple[bytes, str, str]]]:
        """Pass on, hold; what is to be refused or answered again comes back by position.

        A crash before the return brings the batch again: what was published is repeated, which consensus bears, and
        what was held is found there.
        """
        vetted = await self._read(items)
        now_ms = self._runtime.now_ms()
        self.pending.expire(now_ms)
        made = await self._plan(vetted, now_ms)
        passed = [self._passed(items[at], received_ms, now_ms, span) for at, _ in made.passed]
        numbers = {items[at].statement_id: number for at, number in made.passed}
        released = await self._released(list(numbers.values()), now_ms, span)
        await self._publish([*passed, *(item for item, _ in released)], numbers | _numbers(released), now_ms)
        await self._let_go(
            [item.submission_id for item in passed if self.holding.get(item.submission_id) is not None]
            + [item.submission_id for item, _ in released]
        )
        await self._hold([(self._held_of(items[at], hold.number, now_ms), items[at]) for at, hold in made.held])
        refused = {at: self._refusal(items[at], vetted[at], findings) for at, findings in made.refused}
        again = {at: (items[at].statement_id, items[at].state, items[at].mba) for at in made.again}
        return refused, again

    async def _answer_owed(self, batch: Batch) -> None:
        for delivery in batch.deliveries:
            answers = self._owed.get(delivery.sequence)
            if answers is None:
                continue
            try:
                await self._answer(answers)
            except (NoReply, Waiting, BusDown, StreamFull) as silence:
                batch.keep(delivery, f"answers wait for the ledger or the bus: {silence}")
            else:
                del self._owed[delivery.sequence]

    async def _answer(self, answers: Answers) -> None:
        """Receipts where there is a final verdict, refusals elsewhere. Raises NoReply, Waiting; repeats do no harm."""
        asked = [refusal for refusal in answers.refused if refusal.statement_id is not None]
        receipts = await ask_receipts(self._runtime, [one.statement_id for one in asked if one.statement_id])
        final = {one.submission_id for one, receipt in zip(asked, receipts, strict=True) if receipt is not None}
        again = [
            *answers.again,
            *((one.statement_id or b"", one.state, one.mba) for one in asked if one.submission_id in final),
        ]
        if again:
            await issue_again(self._runtime, again)
            self._runtime.telemetry.metrics.reports.add(len(again), stage=STAGE, outcome="again")
        for statement_id, state, mba in again:
            self._runtime.log.decision("again", stage=STAGE, statement=statement_id, mba=f"{state}/{mba}")
        refused = [one for one in answers.refused if one.submission_id not in final]
        if refused:
            await self._refusals.publish(refused)

    # Held reports

    async def watch(self) -> None:
        """Release what may go and refuse what has waited long enough, until cancelled."""
        while True:
            try:
                await self._look_at_held()
            except (NoReply, Waiting, BusDown, StreamFull) as missing:
                self._runtime.log.warning("waiting", stage=STAGE, reason=f"held reports: {missing}")
                await asyncio.sleep(RETRY_S)
                continue
            due_ms = self.holding.next_due_ms()
            until_due_s = WATCH_S if due_ms is None else (due_ms - self._runtime.now_ms()) / 1000
            try:
                async with asyncio.timeout(min(WATCH_S, max(0.0, until_due_s))):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def _look_at_held(self) -> None:
        """Judge again what stands next in its area, and what is due. Whatever fails on the way is tried again."""
        async with self._turn:
            now_ms = self._runtime.now_ms()
            moved = set(self._moved)
            looked_at = {one.submission_id: one for one in self.holding.due(now_ms)}
            for state, mba in moved:
                number = (state, mba, await self._last_number(state, mba) + 1)
                looked_at |= {one.submission_id: one for one in self.holding.up_to(number)}
            if looked_at:
                await self._judge_held(list(looked_at.values()), now_ms)
            self._moved -= moved

    async def _judge_held(self, held: Sequence[Held], now_ms: int) -> None:
        ordered = sorted(held, key=lambda one: (one.number, one.held_ms))
        items = await self._store.held_items([one.submission_id for one in ordered])
        vetted = await self._read(items)
        made = await self._plan(vetted, now_ms)
        traces = [item.traceparent for item in items]
        with self._runtime.telemetry.batch(STAGE, traces, messages=0) as span:
            numbers = {items[at].statement_id: number for at, number in made.passed}
            passed = [self._passed(items[at], self._since(items[at], now_ms), now_ms, span) for at, _ in made.passed]
            released = await self._released(list(numbers.values()), now_ms, span)
            await self._publish([*passed, *(item for item, _ in released)], numbers | _numbers(released), now_ms)
            await self._let_go([item.submission_id for item in [*passed, *(item for item, _ in released)]])
        due = {one.submission_id for one in held if one.until_ms <= now_ms}
        expired = [(at, hold.findings) for at, hold in made.held if items[at].submission_id in due]
        refused = [self._refusal(items[at], vetted[at], findings) for at, findings in [*made.refused, *expired]]
        again = [(items[at].statement_id, items[at].state, items[at].mba) for at in made.again]
        await self._answer(Answers(refused=tuple(refused), again=tuple(again)))
        # Answered; a crash before the next line answers once more.
        answered = [items[at].submission_id for at in made.again]
        await self._let_go([*answered, *(refusal.submission_id for refusal in refused)])

    async def _released(self, passed: list[Number], now_ms: int, span: BatchSpan) -> list[tuple[Item, Number]]:
        """Held reports that stand next to one that passes, and those next to them, in order; they are still held.

        What does not pass now is looked at by `watch`.
        """
        released: list[tuple[Item, Number]] = []
        on_their_way = OnTheirWay(self.pending, passed)
        ahead = list(passed)
        while ahead:
            number = ahead.pop(0)
            successors = self.holding.next_of(number)
            if not successors:
                continue
            items = await self._store.held_items([one.submission_id for one in successors])
            made = await self._plan(await self._read(items), now_ms, pending=on_their_way)
            for at, successor in made.passed:
                item = self._passed(items[at], self._since(items[at], now_ms), now_ms, span)
                released.append((item, successor))
                on_their_way.add(successor)
            ahead += dict.fromkeys(successor for _, successor in made.passed)
        return released

    # The steps

    async def _read(self, items: Sequence[Item]) -> list[Vetted]:
        """The items as slt.inventory takes them; read once, for evaluation too."""
        if sum(len(item.facts_z) for item in items) > OFF_THE_LOOP_BYTES:
            return await asyncio.to_thread(self._read_now, items)
        return self._read_now(items)

    def _read_now(self, items: Sequence[Item]) -> list[Vetted]:
        vetted = []
        for item in items:
            try:
                one = self._evaluations.memory.vetted(item)
                one.read_facts()
            except (Malformed, BadVetting, BadFacts) as error:
                # Validation of our own member signed this: a bug there, which a person must see.
                raise BrokenItem(item.submission_id, str(error)) from error
            self._evaluations.memory.remember(item, one)
            vetted.append(one)
        return vetted

    async def _plan(self, vetted: Sequence[Vetted], now_ms: int, *, pending: Container[Number] | None = None) -> Plan:
        keys: set[bytes] = set()
        for one in vetted:
            keys |= keys_admitted(one)
        known = await self._store.load(keys)
        while True:
            try:
                return plan(
                    Records(known),
                    vetted,
                    next_height=self._evaluations.final.height + 1,
                    now_ms=now_ms,
                    pending=self.pending if pending is None else pending,
                    may_hold=HELD_MAX - len(self.holding),
                )
            except NeedRecords as need:
                known |= await self._store.load(need.keys)

    async def _publish(self, items: Sequence[Item], numbers: dict[bytes, Number], now_ms: int) -> None:
        """Pass `items` on. Pending before they are published: a block may have their verdicts before this returns."""
        if not items:
            return
        for item in items:
            self.pending.add(item.statement_id, numbers[item.statement_id], now_ms)
        try:
            await self._runtime.publish_items("admitted", items)
        except BaseException:
            self.pending.decided(item.statement_id for item in items)
            raise

    async def _hold(self, held: Sequence[tuple[Held, Item]]) -> None:
        """Keep what is not held yet. A retry of the same submission is held already, and its time runs on."""
        new = [(one, item) for one, item in held if self.holding.get(one.submission_id) is None]
        if not new:
            return
        await self._store.hold(new)
        # A crash before the deliveries are acknowledged brings them again, and finds them held.
        for one, item in new:
            self.holding.add(one)
            self._runtime.telemetry.metrics.reports.add(stage=STAGE, outcome="held")
            self._runtime.log.decision(
                "held",
                stage=STAGE,
                submission=item.submission_id,
                statement=item.statement_id,
                traceparent=item.traceparent,
                mba=item.area,
                waits_for=one.number[2] - 1,
                until_ms=one.until_ms,
            )
        self._held.set(len(self.holding))
        self._wake.set()

    async def _let_go(self, submission_ids: Sequence[bytes]) -> None:
        await self._store.let_go(submission_ids)
        self.holding.remove(submission_ids)
        self._held.set(len(self.holding))

    async def _last_number(self, state: str, mba: str) -> int:
        record_key = key(Kind.HEAD, state, mba)
        return last_number_of((await self._store.load([record_key]))[record_key])

    def _since(self, item: Item, now_ms: int) -> int:
        held = self.holding.get(item.submission_id)
        return now_ms if held is None else held.held_ms

    def _held_of(self, item: Item, number: Number, now_ms: int) -> Held:
        return Held(
            submission_id=item.submission_id,
            statement_id=item.statement_id,
            number=number,
            held_ms=now_ms,
            until_ms=self.holding.until_ms(item.statement_id, now_ms, self._hold_ms),
        )

    def _passed(self, item: Item, received_ms: int, done_ms: int, span: BatchSpan) -> Item:
        mba = item.area
        traceparent = span.item(item.traceparent, statement_id=item.statement_id.hex(), mba=mba, outcome="passed")
        self._runtime.telemetry.metrics.reports.add(stage=STAGE, outcome="passed")
        self._runtime.log.decision(
            "passed",
            stage=STAGE,
            submission=item.submission_id,
            statement=item.statement_id,
            traceparent=traceparent,
            mba=mba,
        )
        timing = Timing(stage=STAGE, received_ms=received_ms, done_ms=done_ms)
        return msgspec.structs.replace(item, traceparent=traceparent, timings=[*item.timings, timing])

    def _refusal(self, item: Item, vetted: Vetted, findings: Iterable[Finding]) -> Refused:
        return Refused(
            state=item.state,
            mba=item.mba,
            submission_id=item.submission_id,
            statement_id=item.statement_id,
            findings=told(vetted, findings),
            height=self._evaluations.final.height,
            rules_version=item.rules_version,
            traceparent=item.traceparent,
        )


class BrokenItem(Exception):
    """An item that our own validation has signed and that cannot be read: a bug of ours."""

    def __init__(self, submission_id: bytes, text: str) -> None:
        super().__init__(f"submission {submission_id.hex()}: {text}")


def _numbers(released: Iterable[tuple[Item, Number]]) -> dict[bytes, Number]:
    return {item.statement_id: number for item, number in released}
