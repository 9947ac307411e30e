"""The private driver: one sequencer under a term certificate (consensus.md 6.2; architecture sections 5 and 6).

The life of a block, in the order in which the code stands:

    Admitted    batches are formed: each claims the next sequence number of this member's chain by being saved
    Ask         the oldest batches that fit are put to the uniqueness service, if guards P1 to P6 hold
    Evaluated   verdicts and state root are checked (E1 to E4), the header is formed: save -> claim -> sign
    Signed      the certificate is checked as every reader will: commit
    Stored      the ledger has it

Invariants. I1: whatever is signed at a height was saved and claimed before. I2: a height is claimed once. So there are
never two signed ids at one height, whatever crashed in between. What was saved for the next height is never evaluated
again: a restart goes on with exactly those bytes.
"""

from collections import deque
from dataclasses import dataclass
from itertools import accumulate
from typing import assert_never

from slt.consensus.answers import WrongEvaluation, log_after
from slt.consensus.certificates import CertificateError, verify_certificate
from slt.consensus.effects import NOTHING, Ask, Claim, Commit, Effects, Sign, Timer
from slt.consensus.events import (
    Admitted,
    ChangeScheduled,
    Evaluated,
    EvaluationFailed,
    Event,
    Signed,
    SigningRefused,
    Started,
    Stored,
    TimerFired,
    VettedAgain,
)
from slt.consensus.limits import Limits
from slt.consensus.records import BatchFormed, Certified, Head, Proposed, Recovered
from slt.consensus.recovery import disagreement
from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.tree import Frontier
from slt.statements.batches import Batch, batch_digest
from slt.statements.cbor import encode
from slt.statements.genesis import Genesis
from slt.statements.headers import Header, genesis_log_entry, parse_header
from slt.statements.tags import list_root, tagged_hash
from slt.statements.terms import PrivateCertificate, TermCertificate


@dataclass(slots=True)
class _Waiting:
    formed: BatchFormed
    since_ms: int  # moved back with a clock that goes back


def genesis_head(genesis: Genesis) -> Head:
    """Where a new ledger stands: height 0, and a log with its first entry (formats.md, "genesis is height 0")."""
    entry = genesis_log_entry(genesis.origin, genesis.chain_id)
    return Head(
        height=0,
        block_id=genesis.chain_id,
        time_ms=0,
        log=Frontier.EMPTY.extended([leaf_hash(entry)]),
        batch_seq=0,
        batch_digest=genesis.chain_id,
    )


class Authority:
    """The sequencer's state machine. Deterministic; `step` never raises for anything that arrived from outside."""

    def __init__(
        self, *, genesis: Genesis, proposer: int, term: TermCertificate, limits: Limits, recovered: Recovered
    ) -> None:
        """`proposer`: this member's id. `recovered`: what the write-ahead log holds. `step(Started)` comes first."""
        self.genesis = genesis
        self.proposer = proposer
        self.term = term
        self.limits = limits
        self.head = recovered.head
        self.stored = recovered.stored
        self.halted = "not started"  # why nothing is signed; "" = may sign
        self.ledger_spoke = False  # since the start: until then a log that was rolled back might not show
        self._started_ms = 0
        self._asked: Ask | None = None
        self._proposed = recovered.proposed  # saved and not yet certified
        self._waiting = deque(_Waiting(formed, 0) for formed in recovered.pending)
        tail = recovered.pending[-1] if recovered.pending else None
        self._chain_seq = tail.batch.seq if tail else recovered.head.batch_seq
        self._chain_digest = tail.digest if tail else recovered.head.batch_digest
        self._not_before_ms = 0  # of the next Ask: set after an evaluation that failed
        self._failures = 0  # evaluations in a row that gave no block
        self._vetted_again = 0  # times in a row that the next block was vetted again
        self.trouble = ""  # why the next block could not be evaluated, until it can be
        self._change_at = 0  # the height that a governance change waits for
        self._term_alarmed = False

    @property
    def step_name(self) -> str:
        """For people: what the driver is doing."""
        if self.halted:
            return "halted"
        if self._proposed:
            return "signing"
        return "evaluating" if self._asked else "idle"

    @property
    def pending(self) -> tuple[BatchFormed, ...]:
        """Batches in no certified block, in order."""
        return tuple(waiting.formed for waiting in self._waiting)

    def awaits(self, event: VettedAgain) -> bool:
        """Whether `event` is about the question that is open now."""
        return self._asked is not None and _answers(event, self._asked)

    def step(self, event: Event) -> Effects:
        """What `event` leads to. After a halt: nothing, except that what the ledger stored is still noted."""
        match event:
            case Started():
                return self._start(event)
            case Stored():
                return self._note_stored(event)
            case _ if self.halted:
                return NOTHING
            case Admitted():
                return self._form_batches(event).then(self._propose(event.now_ms))
            case Evaluated():
                return self._form_header(event)
            case EvaluationFailed():
                return self._retry_later(event, event.reason)
            case VettedAgain():
                return self._ask_again(event)
            case Signed():
                return self._certify(event).then(self._propose(event.now_ms))
            case SigningRefused():
                return self._halt(event.reason)
            case ChangeScheduled():
                self._change_at = max(self._change_at, event.height)
                return self._propose(event.now_ms)
            case TimerFired():
                return self._propose(event.now_ms)
            case _:
                assert_never(event)

    # Started

    def _start(self, event: Started) -> Effects:
        """Compare log, register and signer; then finish the block that a crash interrupted, with exactly its bytes."""
        self._started_ms = event.now_ms
        trouble = disagreement(self.head, self._proposed, self.term, event.last_claim, event.watermark)
        if trouble:
            return self._halt(trouble)
        self.halted = ""
        block = self._proposed
        if block is None:
            return self._propose(event.now_ms)
        # Saved before the crash, so all that claim and signature need is durable. A claim that is there is this one.
        claimed = event.last_claim is not None and event.last_claim.height == block.height
        return Effects(claim=None if claimed else self._claim(block), sign=self._sign(block))

    # Admitted

    def _form_batches(self, event: Admitted) -> Effects:
        """Put what was admitted on this member's chain. Saved, the sequence numbers are taken for ever."""
        formed: list[BatchFormed] = []
        for admission in event.batches:
            assert admission.entries and len(admission.entries) == len(admission.statement_ids)
            batch = Batch(
                author=self.proposer,
                seq=self._chain_seq + 1,
                previous=self._chain_digest,
                entries=admission.entries,
            )
            encoded = batch.encoded
            one = BatchFormed(
                batch=batch,
                encoded=encoded,
                digest=batch_digest(encoded),
                statement_ids=admission.statement_ids,
                size_bytes=admission.size_bytes,
                report_entries=admission.report_entries,
            )
            self._chain_seq, self._chain_digest = batch.seq, one.digest
            self._waiting.append(_Waiting(one, event.now_ms))
            formed.append(one)
        return Effects(save=tuple(formed))

    # Ask

    def _propose(self, now_ms: int) -> Effects:
        """Ask for the evaluation of the next block, if one is due."""
        if self._asked or self._proposed or self.halted:  # P1: one block in flight
            return NOTHING
        if not self.ledger_spoke:  # P2: the ledger has said that it is not ahead of our log
            return NOTHING
        if self.head.height - self.stored >= self.limits.unstored_max:  # P3: the ledger keeps up
            return NOTHING
        due_ms = max(self._due_ms(now_ms), self._not_before_ms)
        if now_ms < due_ms:  # P4: there is something to order and it has lingered, or an empty block is due
            return Effects(timer=(Timer(height=self.head.height + 1, at_ms=due_ms),))
        time_ms = max(now_ms, self.head.time_ms + 1)  # P5: time goes forward, whatever the clock did
        if self.term.not_after is not None and time_ms > self.term.not_after:  # P6: the term is not over
            return self._alarm_term_over(time_ms)
        self._asked = Ask(
            height=self.head.height + 1,
            parent_id=self.head.block_id,
            time_ms=time_ms,
            batches=tuple(self._select()),
        )
        return Effects(send=(self._asked,))

    def _due_ms(self, now_ms: int) -> int:
        """When the next block is due. With batches: after the linger, or at once when they fill it.

        A clock that was put back must not hold up what waits: pauses then begin anew.
        """
        self._not_before_ms = min(self._not_before_ms, now_ms + self._retry_ms)
        if self._waiting:
            self._waiting[0].since_ms = min(self._waiting[0].since_ms, now_ms)
            sizes = accumulate(waiting.formed.size_bytes for waiting in self._waiting)
            full = any(size >= self.limits.block_bytes_max for size in sizes)
            return 0 if full else self._waiting[0].since_ms + self.limits.linger_ms
        pause_ms = self.limits.idle_ms if self._change_at > self.head.height else self.limits.heartbeat_ms
        return max(self.head.time_ms, self._started_ms if self.head.height == 0 else 0) + pause_ms

    def _select(self) -> list[BatchFormed]:
        """The oldest batches that fit together. The first is always taken: an oversize report travels alone.

        After an evaluation that failed it goes alone, too: the ledger's limits may be lower by now than those that we
        were started with, and the smallest question is the likeliest to be answered.
        """
        chosen: list[BatchFormed] = []
        size_bytes = report_entries = 0
        for waiting in self._waiting:
            size_bytes += waiting.formed.size_bytes
            report_entries += waiting.formed.report_entries
            fits = size_bytes <= self.limits.block_bytes_max and report_entries <= self.limits.block_entries_max
            if chosen and (self._failures or not fits):
                break
            chosen.append(waiting.formed)
        return chosen

    def _alarm_term_over(self, time_ms: int) -> Effects:
        if self._term_alarmed:
            return NOTHING
        self._term_alarmed = True
        return Effects(
            alarm=(f"term {self.term.term} is over since {self.term.not_after} and it is {time_ms}: renew it",)
        )

    # Evaluated

    def _form_header(self, event: Evaluated) -> Effects:
        """Turn the answer into a block: save it, claim its height, have it signed."""
        asked = self._asked
        if asked is None or not _answers(event, asked):  # E1: an answer to an older question
            return NOTHING
        included = asked.batches
        try:
            log = log_after(self.head.log, included, event)
        except WrongEvaluation as error:
            return self._retry_later(event, str(error))
        header = Header(
            chain_id=self.genesis.chain_id,
            height=asked.height,
            parent_id=asked.parent_id,
            epoch=0,
            time_ms=asked.time_ms,
            proposer=self.proposer,
            members_root=self.genesis.members_root,
            next_members_root=self.genesis.members_root,
            parameters_root=Digest(event.parameters_root),
            batches_root=list_root("batches", [encode(formed.digest) for formed in included]),
            verdicts_root=list_root("verdicts", event.verdicts),
            state_root=Digest(event.state_root),
            log_size=log.size,
            log_root=log.root(),
            evidence_root=list_root("evidence", []),
        )
        self._asked = None
        self._failures = self._vetted_again = 0
        self.trouble = ""
        encoded = header.encoded
        self._proposed = Proposed(
            height=asked.height,
            block_id=tagged_hash("block", encoded),
            header=encoded,
            time_ms=asked.time_ms,
            first_seq=self.head.batch_seq + 1,
            batch_digests=tuple(formed.digest for formed in included),
            verdicts=event.verdicts,
            beside=event.beside,
            log=log,
        )
        return Effects(save=(self._proposed,), claim=self._claim(self._proposed), sign=self._sign(self._proposed))

    @property
    def _retry_ms(self) -> int:
        """The pause after the last failure: twice as long with each further one."""
        doublings = min(max(0, self._failures - 1), 20)  # a million times retry_ms is beyond every maximum
        return int(min(self.limits.retry_max_ms, self.limits.retry_ms << doublings))

    def _retry_later(self, event: Evaluated | EvaluationFailed | VettedAgain, reason: str) -> Effects:
        """Ask again after a pause, with a later time: nothing was saved, so nothing binds us to the old question."""
        if self._asked is None or not _answers(event, self._asked):
            return NOTHING
        height = self._asked.height
        self._asked = None
        self._failures += 1
        self._vetted_again = 0
        self._not_before_ms = event.now_ms + self._retry_ms
        self.trouble = f"block {height} could not be evaluated: {reason} (attempt {self._failures})"
        return Effects(timer=(Timer(height=height, at_ms=self._not_before_ms),), alarm=(self.trouble,))

    def _ask_again(self, event: VettedAgain) -> Effects:
        """Ask once more, at once, unless that has not helped several times: then vetting and evaluation disagree."""
        if self._asked is None or not _answers(event, self._asked):
            return NOTHING
        self._vetted_again += 1
        if self._vetted_again > self.limits.vetted_again_max:
            times = self._vetted_again - 1
            return self._retry_later(event, f"vetted again {times} times, and it is still to be vetted again")
        self._asked = None
        return self._propose(event.now_ms)

    def _claim(self, block: Proposed) -> Claim:
        return Claim(term=self.term.term, height=block.height, block_id=block.block_id, header=block.header)

    def _sign(self, block: Proposed) -> Sign:
        return Sign(
            term=self.term.term,
            height=block.height,
            block_id=block.block_id,
            first_seq=block.first_seq,
            batch_digests=block.batch_digests,
        )

    # Signed

    def _certify(self, event: Signed) -> Effects:
        """The block is final.

        Its signatures need no flush of their own: the signer keeps them until it signs the next block, and that comes
        after the flush of the next block.
        """
        block = self._proposed
        if block is None or (event.height, event.block_id) != (block.height, block.block_id):
            return NOTHING
        certificate = PrivateCertificate(term=self.term, signature=event.signature).to_value()
        try:
            verify_certificate(parse_header(block.header), certificate, self.genesis)
        except CertificateError as error:  # Whoever receives it would say so: a wrong key, or a wrong certificate.
            return self._halt(f"our own certificate does not hold: {error}")
        certified = Certified(
            height=block.height,
            block_id=block.block_id,
            certificate=encode(certificate),
            batch_signatures=event.batch_signatures,
        )
        self.head = self.head.after(block)
        self._proposed = None
        while self._waiting and self._waiting[0].formed.batch.seq <= self.head.batch_seq:
            self._waiting.popleft()
        return Effects(note=(certified,), commit=(Commit(proposed=block, certified=certified),))

    # Stored

    def _note_stored(self, event: Stored) -> Effects:
        """The ledger has every block up to `event.height`. One that knows more than our log shows that ours is old."""
        if event.height > self.head.height:
            if self.halted:
                return NOTHING
            return self._halt(
                f"the ledger has block {event.height} and our log ends at {self.head.height}: it was lost or put back"
            )
        self.ledger_spoke = True
        self.stored = max(self.stored, event.height)  # an older question may arrive later
        return self._propose(event.now_ms)

    def _halt(self, reason: str) -> Effects:
        self.halted = reason
        self._asked = None
        return Effects(halt=reason)


def _answers(event: Evaluated | EvaluationFailed | VettedAgain, asked: Ask) -> bool:
    return (event.height, event.time_ms, event.seqs) == (asked.height, asked.time_ms, asked.seqs)
