"""The driver and its three stores: carries effects out in the order that slt.consensus.effects prescribes.

Synchronous and single-threaded: every method blocks on the disk, and the one thread that owns a node runs them one
after the other (service.py). What leaves it has become durable before.

A crash may come at any line. What it leaves, and who repairs it:

    before the flush of a batch         nothing; the message is not acknowledged and comes again
    after it                            the batch is in the log; the next start proposes it
    after the flush of a proposal       the next start claims and signs exactly that block, evaluated once
    after its claim                     the same; the claim is there already
    after the watermark                 the same; the signer gives the signatures that it has stored
    before the certificate is flushed   the same; then the same block is published again
    before `stored` is noted            the ledger says it again with its next question
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.consensus import core
from services.consensus.claims import HeightRegister, HeightTaken
from services.consensus.signer import BlockSigner, Refused
from services.consensus.wal import Block, Wal
from slt.bus.messages import Block as BlockMessage
from slt.bus.messages import EvaluateRequest, Item
from slt.consensus.authority import Authority
from slt.consensus.effects import Ask, Claim, Commit, Effects, Sign, Timer
from slt.consensus.events import Admitted, Event, Signed, SigningRefused, Started, Stored, VettedAgain
from slt.consensus.limits import Limits
from slt.consensus.records import BatchFormed
from slt.statements.genesis import Genesis
from slt.statements.terms import TermCertificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """Admitted items from the bus, those of several messages together."""

    now_ms: int
    items: list[Item]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revetted:
    """The answer to a question that named what is to be vetted again: `items` by batch and place in it."""

    event: VettedAgain
    items: Mapping[tuple[int, int], Item]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalBlock:
    """A certified block as it travels."""

    height: int
    block_id: bytes
    message: BlockMessage
    again: bool = False  # found by a start: it was shown before, by an earlier process


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be asked on slt.evaluate, and the driver's name for it."""

    ask: Ask
    request: EvaluateRequest
    items: Mapping[int, Sequence[Item]]  # by batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the node stands, for people and for back-pressure."""

    height: int
    block_id: bytes
    time_ms: int
    log_size: int
    batch_seq: int
    step: str
    stored: int
    pending_batches: int
    pending_reports: int
    pending_bytes: int
    undecided: int
    halted: str
    trouble: str  # why the next block cannot be evaluated
    ledger_spoke: bool

    @property
    def unstored(self) -> int:
        return self.height - self.stored


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What leaves the node after a group of events. The events' own causes may be acknowledged now."""

    questions: list[Question] = field(default_factory=list)
    blocks: list[FinalBlock] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    halt: str = ""
    taken: bool = True  # False: halted, so what arrived was not taken and must not be acknowledged
    absorbed: int = 0  # items that were copies of one that is here
    flushes: int = 0
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a submission stands in this member's batch chain."""

    statement_id: bytes
    submission_id: bytes
    seq: int
    place: int

    def shown(self) -> dict[str, object]:
        return {
            "statement": self.statement_id.hex(),
            "submission": self.submission_id.hex(),
            "batch": self.seq,
            "place": self.place,
        }


class Node:
    def __init__(
        self,
        *,
        genesis: Genesis,
        proposer: int,
        term: TermCertificate,
        limits: Limits,
        wal: Wal,
        register: HeightRegister,
        signer: BlockSigner,
    ) -> None:
        """Read what the stores hold. Raises LogCorrupt. Nothing is signed before `start`."""
        self._wal = wal
        self._register = register
        self._signer = signer
        held = wal.recover()
        self._waiting = {formed.batch.seq: (formed, held.items[formed.batch.seq]) for formed in held.recovered.pending}
        self._found = held.blocks  # certified before this start; let go once they are encoded
        self._ordered: dict[int, list[_Place]] = {}  # by height, of the blocks that are not stored
        self._undecided = core.Undecided()
        for _, items in self._waiting.values():
            self._undecided.restore(items)
        self.driver = Authority(genesis=genesis, proposer=proposer, term=term, limits=limits, recovered=held.recovered)

    def start(self, *, now_ms: int) -> Outcome:
        """Finish what a crash interrupted. The outcome has every block that is not known to be stored."""
        outcome = Outcome(standing=self.standing())
        for block in self._found:
            for items in block.items:
                self._undecided.restore(items)
            outcome.blocks.append(replace(self._final(block, now_ms=now_ms), again=True))
        self._found = ()
        started = Started(now_ms=now_ms, last_claim=self._register.last, watermark=self._signer.watermark)
        self._carry_out([(now_ms, self.driver.step(started))], outcome)
        outcome.standing = self.standing()
        return outcome

    def handle(self, events: Sequence[Arrived | Revetted | Event]) -> Outcome:
        """Take a group of events, oldest first. On return everything that they caused is durable.

        Raises FatalStorage: then nothing of it may be acknowledged, and the process must end.
        """
        outcome = Outcome(standing=self.standing())
        steps: list[tuple[int, Effects]] = []
        for event in events:
            if isinstance(event, Arrived):
                steps += self._arrive(event, outcome)
            elif isinstance(event, Revetted):
                steps += self._vetted_again(event)
            else:
                steps.append((event.now_ms, self.driver.step(event)))
                if isinstance(event, Stored):
                    self._forget_stored()
        self._carry_out(steps, outcome)
        outcome.standing = self.standing()
        return outcome

    def standing(self) -> Standing:
        driver = self.driver
        pending = driver.pending
        return Standing(
            height=driver.head.height,
            block_id=driver.head.block_id,
            time_ms=driver.head.time_ms,
            log_size=driver.head.log.size,
            batch_seq=driver.head.batch_seq,
            step=driver.step_name,
            stored=driver.stored,
            pending_batches=len(pending),
            pending_reports=sum(len(formed.statement_ids) for formed in pending),
            pending_bytes=sum(formed.size_bytes for formed in pending),
            undecided=len(self._undecided),
            halted=driver.halted,
            trouble=driver.trouble,
            ledger_spoke=driver.ledger_spoke,
        )

    def find(self, id_: bytes) -> dict[str, object] | None:
        """What is known here of the submission or statement `id_`. None: nothing, or the ledger has it."""
        for seq, (_, items) in self._waiting.items():
            for place in _places(seq, items):
                if id_ in (place.statement_id, place.submission_id):
                    return {"state": "pending", **place.shown()}
        for height, places in self._ordered.items():
            for place in places:
                if id_ in (place.statement_id, place.submission_id):
                    return {"state": "ordered", "height": height, **place.shown()}
        return None

    # Effects, top to bottom

    def _carry_out(self, steps: list[tuple[int, Effects]], outcome: Outcome) -> None:
        """Save everything first, with one flush; then the rest of each step. Signatures lead to further steps."""
        while steps:
            self._save([effects for _, effects in steps], outcome)
            following: list[tuple[int, Effects]] = []
            for now_ms, effects in steps:
                if effects.sign is not None:
                    answer = self._claim_and_sign(effects.claim, effects.sign, now_ms=now_ms)
                    following.append((now_ms, self.driver.step(answer)))
                for ask in effects.send:
                    outcome.questions.append(self._question(ask))
                outcome.timers += effects.timer
                for commit in effects.commit:
                    outcome.blocks.append(self._commit(commit, now_ms=now_ms))
                outcome.alarms += effects.alarm
                outcome.halt = outcome.halt or effects.halt
            steps = following

    def _save(self, effects: Iterable[Effects], outcome: Outcome) -> None:
        must_flush = False
        for one in effects:
            for record in (*one.save, *one.note):
                items = self._waiting[record.batch.seq][1] if isinstance(record, BatchFormed) else ()
                self._wal.append(record, items)
            must_flush = must_flush or bool(one.save)
        if must_flush:
            self._wal.flush()
            outcome.flushes += 1

    def _claim_and_sign(self, claim: Claim | None, sign: Sign, *, now_ms: int) -> Event:
        """I1: the claim is durable before the signer is asked. A refusal of either ends signing."""
        try:
            if claim is not None:
                self._register.claim(claim)
            signatures = self._signer.sign(sign)
        except (HeightTaken, Refused) as error:
            return SigningRefused(now_ms=now_ms, reason=str(error))
        return Signed(
            now_ms=now_ms,
            height=sign.height,
            block_id=sign.block_id,
            signature=signatures.block,
            batch_signatures=signatures.batches,
        )

    # What effects need, and what they leave

    def _arrive(self, event: Arrived, outcome: Outcome) -> list[tuple[int, Effects]]:
        """Put what is no copy on the batch chain."""
        if self.driver.halted:
            outcome.taken = False
            outcome.halt = self.driver.halted
            return []
        fresh = self._undecided.fresh(event.items)
        outcome.absorbed += len(event.items) - len(fresh)
        if not fresh:
            return []
        groups = core.cut([core.received(item, now_ms=event.now_ms) for item in fresh])
        admitted = Admitted(now_ms=event.now_ms, batches=tuple(core.admission(group) for group in groups))
        effects = self.driver.step(admitted)
        formed = [record for record in effects.save if isinstance(record, BatchFormed)]
        self._waiting |= {one.batch.seq: (one, group) for one, group in zip(formed, groups, strict=True)}
        return [(event.now_ms, effects)]

    def _vetted_again(self, event: Revetted) -> list[tuple[int, Effects]]:
        """Put the new vetting beside the batches, in memory and in the log, and ask again.

        In the log before a block that is made of it is: one flush makes both durable, in this order. A crash before
        that leaves the old vetting, and uniqueness will say once more that it is old.
        """
        if not self.driver.awaits(event.event):
            return []
        for seq in sorted({seq for seq, _ in event.items}):
            formed, items = self._waiting[seq]
            items = [event.items.get((seq, at), item) for at, item in enumerate(items)]
            self._waiting[seq] = formed, items
            self._wal.append_vetted(seq, items)
        return [(event.event.now_ms, self.driver.step(event.event))]

    def _question(self, ask: Ask) -> Question:
        items = {seq: self._waiting[seq][1] for seq in ask.seqs}
        return Question(ask=ask, request=core.evaluate_request(ask, items), items=items)

    def _commit(self, commit: Commit, *, now_ms: int) -> FinalBlock:
        proposed = commit.proposed
        waiting = [self._waiting.pop(seq) for seq in range(proposed.first_seq, proposed.next_seq)]
        self._wal.advance(self.driver.head)
        block = Block(
            proposed=proposed,
            certified=commit.certified,
            batches=tuple(formed for formed, _ in waiting),
            items=tuple(items for _, items in waiting),
        )
        return self._final(block, now_ms=now_ms)

    def _final(self, block: Block, *, now_ms: int) -> FinalBlock:
        """Encode a certified block and remember what is in it until it is stored."""
        height = block.proposed.height
        items = [item for items in block.items for item in items]
        self._undecided.decided(height, items, core.final_flags(block.proposed.verdicts))
        self._ordered[height] = [
            place
            for formed, beside in zip(block.batches, block.items, strict=True)
            for place in _places(formed.batch.seq, beside)
        ]
        commit = Commit(proposed=block.proposed, certified=block.certified)
        message = core.block_message(commit, block.batches, block.items, now_ms=now_ms)
        return FinalBlock(height=height, block_id=block.proposed.block_id, message=message)

    def _forget_stored(self) -> None:
        """Let go of what the ledger has: in memory, then in the log, then in the register."""
        stored = self.driver.stored
        for height in [height for height in self._ordered if height <= stored]:
            del self._ordered[height]
        self._undecided.stored(stored)
        self._wal.note_stored(stored)
        self._register.forget_below(stored)


def _places(seq: int, items: Sequence[Item]) -> list[_Place]:
    return [
        _Place(statement_id=item.statement_id, submission_id=item.submission_id, seq=seq, place=place)
        for place, item in enumerate(items)
    ]
