"""Follows the chain by height. `slt.block` is only a hint: what counts is the next height, and asking for it."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from services.ledger.answers import Answers
from services.ledger.core import BadBlock
from services.ledger.joined import Rotten
from services.ledger.keeper import Keeper, SplitLedger, Stored
from services.ledger.reader import Reader
from slt.bus import BusDown, NoReply, TooLarge, subjects
from slt.bus.messages import Block, BlockGet, BlockReply, Malformed, decode, encode
from slt.bus.stage import Forged
from slt.runtime.files import durable_write
from slt.statements.verdicts import TABLE, Code

if TYPE_CHECKING:
    from slt.runtime.run import Runtime
    from slt.runtime.stage import Batch

STAGE: Final = "ledger"
ASKED_S: Final = 5.0  # an answer of several megabytes on a loaded machine takes a second
BLOCKS_ASKED: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the follower works with."""

    keeper: Keeper
    answers: Answers
    reader: Reader


class Follower:
    """One block at a time, whoever brings it.

    A block that does not verify is an alarm: nothing of it is stored, the service is not ready, and consensus is asked
    for the height again and again, so a copy that was merely damaged is replaced by a good one. Two certified blocks
    for one height are the end: the evidence is kept, and while it lies there nothing is stored, restarts included.
    """

    def __init__(self, runtime: "Runtime", parts: Parts, *, block_poll_s: float) -> None:
        self._runtime = runtime
        self._keeper = parts.keeper
        self._answers = parts.answers
        self._reader = parts.reader
        self._poll_s = block_poll_s
        self._turn = asyncio.Lock()
        self._look = asyncio.Event()  # ask consensus now
        self._missing = True  # whether to ask for blocks, or only to say what is stored
        self._evidence = runtime.config.data_dir / "evidence"
        self.alarm: str | None = None  # why the ledger does not go on; not ready while it stands
        self.split = any(self._evidence.glob("*.block"))
        metrics = runtime.telemetry.metrics
        self._refused = metrics.counter("slt.ledger.refused_blocks", "Blocks that did not verify", "fault")
        self._alarmed = metrics.gauge("slt.ledger.alarm", "1 while the ledger does not go on and a person must look")
        self._height = metrics.gauge("slt.ledger.height", "The last stored height")
        self._height.set(self._keeper.head.height)
        if self.split:
            self._sound(
                f"two certified blocks for one height: see {self._evidence}; remove it only when that is settled"
            )

    # The two ways in

    async def hinted(self, batch: "Batch") -> None:
        """Blocks that came on the bus. Done on return: a block that is not stored by now is asked for."""
        for delivery in batch.deliveries:
            try:
                block = decode(Block, self._runtime.stage_opener.open_bytes("block", delivery.data))
            except (Malformed, Forged) as error:
                batch.park(delivery, str(error))
                continue
            await self._arrived(block)

    async def poll(self) -> None:
        """Ask at start, when told to look, and every block_poll_s, until the service stops.

        The asking says `stored` for everything below the asked height.
        """
        stopping = asyncio.create_task(self._runtime.stopping.wait())
        while not stopping.done():
            missing, self._missing = self._missing, True
            self._look.clear()
            while not self.split and not stopping.done() and await self._ask(BLOCKS_ASKED if missing else 0):
                missing = True
            look = asyncio.create_task(self._look.wait())
            await asyncio.wait({stopping, look}, timeout=self._poll_s, return_when=asyncio.FIRST_COMPLETED)
            look.cancel()

    async def _ask(self, count: int) -> bool:
        """Whether blocks came and were stored."""
        next_height = self._keeper.head.height + 1
        question = BlockGet(from_height=next_height, count=count)
        try:
            reply = await self._runtime.ask(subjects.BLOCK_YOUNG, question, BlockReply, timeout_s=ASKED_S)
            blocks = [decode(Block, data) for data in reply.blocks]
        except (NoReply, BusDown, TooLarge):
            return False  # Consensus is away: the next poll asks again, and meanwhile a hint may come.
        except Malformed as error:
            self._sound(f"the answer of consensus cannot be read: {error}")
            return False
        for block in blocks:
            await self._arrived(block)
        return bool(blocks) and self._keeper.head.height >= next_height

    async def _arrived(self, block: Block) -> None:
        """Store a block if it is the next, compare it if it is an old one, and look for those before it otherwise."""
        async with self._turn:
            if self.split:
                return
            next_height = self._keeper.head.height + 1
            try:
                if block.height == next_height:
                    await self._take(block)
                elif block.height < next_height:
                    await self._again(block)
                else:
                    self._runtime.log.info("gap", stage=STAGE, expected=next_height, got=block.height)
                    self._look.set()
            except BadBlock as error:
                self._refused.add(fault=error.fault)
                self._sound(str(error), height=error.height, fault=error.fault)
            except Rotten as error:
                self._sound(str(error), height=block.height)
            except SplitLedger as error:
                self._refused.add(fault="split")
                await self._keep_evidence(block, error)
                self._sound(str(error), height=error.height, fault="split")

    # What is done with a block

    async def _take(self, block: Block) -> None:
        received_ms = self._runtime.now_ms()
        traced = [item.traceparent for batch in block.batches for item in batch.items]
        with self._runtime.telemetry.batch(STAGE, traced) as span:
            stored = await self._keeper.take(block, received_ms=received_ms, published=self._answers.published)
            # Committed. From here on the start would answer, too.
            await self._answers.put(block.height, stored.issued)
            for one in stored.examined.ordered:
                span.item(
                    one.item.traceparent,
                    statement_id=one.statement.id.hex(),
                    mba=one.item.mba,
                    height=block.height,
                    outcome=TABLE[Code(one.verdict.code)].name,
                )
        self._missing = False
        self._look.set()
        self._height.set(block.height)
        if self.alarm is not None:
            self._runtime.log.info("goes on", stage=STAGE, height=block.height)
            self.alarm = None
            self._alarmed.set(0)
        self._report(stored)

    async def _again(self, block: Block) -> None:
        """A block of a stored height: the same one is known, with its receipts published or about to be.

        Another one is a split, or nobody's. Genesis is not sent by anybody.
        """
        if block.height < 1:
            raise BadBlock(block.height, "height", "height 0 is genesis, and is not sent")
        await self._keeper.check_again(block)

    async def _keep_evidence(self, block: Block, error: SplitLedger) -> None:
        """Both blocks as files: each is signed by somebody who should not have signed the other."""
        self.split = True
        stored = await self._reader.encoded(error.height)
        self._evidence.mkdir(exist_ok=True)
        durable_write(self._evidence / f"{error.height}-{error.stored.hex()}.block", stored or b"")
        durable_write(self._evidence / f"{error.height}-{error.other.hex()}.block", encode(block))

    def _sound(self, reason: str, **fields: Any) -> None:
        self.alarm = reason
        self._alarmed.set(1)
        self._runtime.log.error("alarm", stage=STAGE, reason=reason, **fields)

    def _report(self, stored: Stored) -> None:
        header = stored.examined.header
        log, reports = self._runtime.log, self._runtime.telemetry.metrics.reports
        counts: Counter[str] = Counter()
        for one in stored.examined.ordered:
            row = TABLE[Code(one.verdict.code)]
            outcome = "accepted" if not row.code else "rejected" if row.final else "void"
            counts[outcome] += 1
            log.decision(
                outcome,
                stage=STAGE,
                submission=one.item.submission_id,
                statement=one.statement.id,
                traceparent=one.item.traceparent,
                verdict=row.name,
                height=header.height,
                log_index=one.verdict.log_index,
            )
        for outcome, count in counts.items():
            reports.add(count, stage=STAGE, outcome=outcome)
        log.info("stored", stage=STAGE, height=header.height, block=header.block_id, log_size=header.log_size)
