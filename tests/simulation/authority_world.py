"""One sequencer, its ledger, its uniqueness service and its broker in one loop: everything but the sequencer's node is
a small stand-in that never fails. The node is the real one, over disks that lose what was not synced.

What must hold is checked all the time (consensus.md 7.2): one signed id for each height and one digest for each batch
number, over all incarnations; nothing signed that is not durable in log and register; a claimed height is never
evaluated; contiguous heights and batches; increasing times; every acknowledged submission ordered; no second copy of an
undecided one.
"""

import random
from collections import deque
from dataclasses import dataclass, field

from services.consensus import core
from services.consensus.claims import FileRegister
from services.consensus.node import Arrived, Node, Outcome, Question
from services.consensus.signer import FileSigner, Signatures
from services.consensus.wal import Wal
from slt.bus.messages import Block, Item, decode, encode
from slt.consensus.authority import genesis_head
from slt.consensus.certificates import verify_certificate
from slt.consensus.effects import Sign, Timer
from slt.consensus.events import Evaluated, Event, Stored, TimerFired, Watermark
from slt.consensus.limits import Limits
from slt.merkle.hashing import Digest, tree_root
from slt.statements.batches import batch_digest, parse_batch, verify_batch
from slt.statements.cbor import decode as decode_cbor
from slt.statements.headers import genesis_log_entry, parse_header
from slt.statements.verdicts import Code, Verdict, parse_verdict
from tests.simulation.disk import Crashed, Loss, Machine
from tests.unit.consensus.world import GENESIS, NOW_MS, SEQUENCER, TERM, make_item

SEGMENT_BYTES_MAX = 3_000  # a few blocks: logs roll and are dropped in every run
LIMITS = Limits(block_bytes_max=20_000, block_entries_max=1_000, linger_ms=3, unstored_max=4)


@dataclass(slots=True)
class Ledger:
    """Stores blocks as they come, and checks them as a reader would."""

    blocks: list[Block] = field(default_factory=list)

    @property
    def height(self) -> int:
        return len(self.blocks)

    def take(self, data: bytes) -> None:
        block = decode(Block, data)
        header = parse_header(block.header)
        verify_certificate(header, decode_cbor(block.certificate), GENESIS)
        if header.height <= self.height:
            assert self.blocks[header.height - 1].header == block.header, f"two blocks at height {header.height}"
            return
        assert header.height == self.height + 1, f"gap: {header.height} after {self.height}"
        before = parse_header(self.blocks[-1].header) if self.blocks else None
        assert header.parent_id == (before.block_id if before else GENESIS.chain_id)
        assert before is None or header.time_ms > before.time_ms
        self.blocks.append(block)
        self._check_batches(block)
        assert header.log_size == len(self.log())
        assert header.log_root == tree_root(self.log())

    def _check_batches(self, block: Block) -> None:
        earlier = [one for known in self.blocks[:-1] for one in known.batches]
        seq = len(earlier)
        previous = batch_digest(earlier[-1].batch) if earlier else GENESIS.chain_id
        for one in block.batches:
            batch = parse_batch(one.batch)
            seq += 1
            assert (batch.seq, batch.previous) == (seq, previous)
            verify_batch(batch, GENESIS.chain_id, SEQUENCER.public, one.signature)
            assert [entry.statement for entry in batch.entries] == [item.statement for item in one.items]
            previous = batch.digest
        ids = [item.statement_id for one in block.batches for item in one.items]
        assert len(block.verdicts) == len(ids)
        copies = [core.copy_key(item) for one in block.batches for item in one.items]
        assert len(set(copies)) == len(copies), "a block has two copies of one submission"

    def items(self) -> list[Item]:
        return [item for block in self.blocks for one in block.batches for item in one.items]

    def log(self) -> list[bytes]:
        entries = [genesis_log_entry(GENESIS.origin, GENESIS.chain_id)]
        for block in self.blocks:
            items = [item for one in block.batches for item in one.items]
            for item, data in zip(items, block.verdicts, strict=True):
                verdict = parse_verdict(data)
                if verdict.log_index is not None:
                    assert verdict.log_index == len(entries)
                    entries.append(item.statement)
        return entries

    def final_ids(self) -> set[bytes]:
        found = set()
        for block in self.blocks:
            for data in block.verdicts:
                verdict = parse_verdict(data)
                if verdict.final:
                    found.add(bytes(verdict.statement_id))
        return found


class WatchedSigner:
    """The real signer; whatever leaves it is remembered over all incarnations and checked."""

    def __init__(self, inner: FileSigner, world: "World") -> None:
        self._inner = inner
        self._world = world

    @property
    def watermark(self) -> Watermark | None:
        return self._inner.watermark

    def sign(self, request: Sign) -> Signatures:
        signatures = self._inner.sign(request)
        self._world.check_signed(request)
        return signatures


class World:
    """Runs until everything that was submitted is ordered and stored."""

    def __init__(self, machine: Machine, *, messages: list[list[Item]], rng: random.Random) -> None:
        self.machine = machine
        self.rng = rng
        self.ledger = Ledger()
        self.queue = deque(messages)  # the broker's: a message stays until it is acknowledged
        self.acknowledged: list[Item] = []
        self.signed: dict[int, bytes] = {}
        self.signed_batches: dict[int, bytes] = {}
        self.now_ms = NOW_MS
        self.incarnations = 0
        self.crashes: list[str] = []

    def run(self, crashes: dict[int, tuple[int, Loss]]) -> None:
        """`crashes`: by incarnation, after how many points it ends, and what that loses."""
        while True:
            blow, loss = crashes.get(self.incarnations, (-1, "kill"))
            self.incarnations += 1
            self.machine.points, self.machine.blows_at = 0, blow
            try:
                self._live()
                break
            except Crashed as crash:
                self.crashes.append(crash.label)
                self.machine.lose(loss)
        self._check_end()

    def _live(self) -> None:
        """One incarnation of the sequencer, from its start until there is nothing left to do."""
        machine = self.machine
        node = Node(
            genesis=GENESIS,
            proposer=0,
            term=TERM,
            limits=LIMITS,
            wal=Wal(machine.disk("wal"), genesis_head(GENESIS), segment_bytes_max=SEGMENT_BYTES_MAX),
            register=FileRegister(machine.disk("claims"), segment_bytes_max=SEGMENT_BYTES_MAX),
            signer=WatchedSigner(FileSigner(machine.disk("signer"), SEQUENCER, GENESIS.chain_id), self),
        )
        young: dict[int, bytes] = {}
        timers: list[Timer] = []
        questions: list[Question] = []
        self._take(node.start(now_ms=self._tick()), young, timers, questions)
        idle = 0
        while idle < 3:
            events: list[Arrived | Event] = []
            taken = self._deliver(events)
            self._answer(node, questions, events)
            events += self._fire(timers)
            events += self._store(young)
            idle = 0 if taken or len(events) > 1 or self._unfinished(node) else idle + 1
            outcome = node.handle(events)
            assert outcome.halt == ""
            self.check_copies(node)
            for message in taken:  # the flush was before: now they may be acknowledged
                machine.point("before acknowledgement")
                assert self.queue.popleft() is message
                self.acknowledged += message
            self._take(outcome, young, timers, questions)

    def _deliver(self, events: list[Arrived | Event]) -> list[list[Item]]:
        """Some messages from the front of the queue, and at times a second copy of what came before."""
        count = min(len(self.queue), self.rng.randint(0, 2))
        taken = [self.queue[index] for index in range(count)]
        items = [item for message in taken for item in message]
        if self.acknowledged and self.rng.random() < 0.3:
            items.append(self.rng.choice(self.acknowledged))
        if items:
            events.append(Arrived(now_ms=self._tick(), items=items))
        return taken

    def _answer(self, node: Node, questions: list[Question], events: list[Arrived | Event]) -> None:
        """The uniqueness service: it knows what the ledger knows, and answers only on top of that."""
        for question in list(questions):
            if self.ledger.height < question.ask.height - 1 or self.rng.random() < 0.3:
                continue
            questions.remove(question)
            events.append(self._evaluated(question))

    def _evaluated(self, question: Question) -> Evaluated:
        request = question.request
        claimed = FileRegister(self.machine.disk("claims").durable_view()).last
        assert claimed is None or claimed.height < request.height, f"height {request.height} is evaluated again"
        seen, size, verdicts = self.ledger.final_ids(), len(self.ledger.log()), []
        for item in [item for batch in request.batches for item in batch.items]:
            accepted = item.statement_id not in seen
            seen.add(item.statement_id)
            verdicts.append(
                Verdict(
                    statement_id=Digest(item.statement_id),
                    code=Code.ACCEPTED if accepted else Code.DUPLICATE,
                    log_index=size if accepted else None,
                    rules_version=1,
                ).encoded
            )
            size += accepted
        return Evaluated(
            now_ms=self._tick(),
            height=request.height,
            time_ms=request.time_ms,
            seqs=question.ask.seqs,
            verdicts=tuple(verdicts),
            state_root=bytes([request.height % 256]) * 32,
            parameters_root=GENESIS.parameters_root,
            beside=core.findings_out([[] for _ in verdicts]),
        )

    def _fire(self, timers: list[Timer]) -> list[TimerFired]:
        self._tick()
        due = [timer for timer in timers if timer.at_ms <= self.now_ms]
        timers[:] = [timer for timer in timers if timer.at_ms > self.now_ms]
        return [TimerFired(now_ms=self.now_ms, timer=timer) for timer in due]

    def _store(self, young: dict[int, bytes]) -> list[Stored]:
        """The ledger asks for what it needs; its question says what it has stored."""
        asked = self.ledger.height
        for height in sorted(young):
            if height <= asked:
                del young[height]
        if asked + 1 in young:
            self.machine.point("before serving a block")
            self.ledger.take(young[asked + 1])
        return [Stored(now_ms=self._tick(), height=asked)]

    def _take(self, outcome: Outcome, young: dict[int, bytes], timers: list[Timer], questions: list[Question]) -> None:
        for block in outcome.blocks:
            self.machine.point("before publishing a block")
            young[block.height] = data = encode(block.message)
            if self.rng.random() < 0.5 and block.height == self.ledger.height + 1:
                self.ledger.take(data)  # from the stream, without asking
            self.machine.point("after publishing a block")
        timers += outcome.timers
        questions += outcome.questions

    def _unfinished(self, node: Node) -> bool:
        standing = node.standing()
        return bool(self.queue or standing.pending_batches or standing.unstored)

    def _tick(self) -> int:
        self.now_ms += 1
        return self.now_ms

    # What must hold

    def check_signed(self, request: Sign) -> None:
        known = self.signed.setdefault(request.height, request.block_id)
        assert known == request.block_id, f"two signed ids at height {request.height}"
        for seq, digest in enumerate(request.batch_digests, request.first_seq):
            assert self.signed_batches.setdefault(seq, digest) == digest, f"two signed batches with number {seq}"
        claim = FileRegister(self.machine.disk("claims").durable_view()).last
        assert claim is not None and (claim.height, claim.block_id) == (request.height, request.block_id)
        held = Wal(self.machine.disk("wal").durable_view(), genesis_head(GENESIS)).recover()
        saved = held.recovered.proposed or held.blocks[-1].proposed
        assert (saved.height, saved.block_id) == (request.height, request.block_id), "signed, and not in the log"

    def check_copies(self, node: Node) -> None:
        """At most one undecided copy of a submission. Reads what the driver has on its chain."""
        keys = [id_ for formed in node.driver.pending for id_ in formed.statement_ids]
        assert len(keys) == len(set(keys)), "two copies of a submission are undecided"

    def _check_end(self) -> None:
        ordered = {core.copy_key(item) for item in self.ledger.items()}
        assert not self.queue
        for item in self.acknowledged:
            assert core.copy_key(item) in ordered, "an acknowledged submission was lost"
        accepted = self.ledger.log()[1:]
        assert len(accepted) == len(set(accepted)), "a statement is in the log twice"
        assert set(accepted) == {item.statement for item in self.acknowledged}
        assert sorted(self.signed) == list(range(1, self.ledger.height + 1))


def make_messages(rng: random.Random, count: int) -> list[list[Item]]:
    """Messages of one to three items of very different sizes."""
    return [
        [make_item(f"{number}.{place}", body=rng.choice([10, 300, 2_500])) for place in range(rng.randint(1, 3))]
        for number in range(count)
    ]
