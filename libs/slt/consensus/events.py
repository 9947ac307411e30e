"""What can happen to the private driver. Past participles: each is a fact. Every event brings the time it happened."""

from dataclasses import dataclass
from typing import TypeAlias

from slt.consensus.effects import Claim, Timer
from slt.statements.batches import BatchEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """What the signer signed last, out of its own file."""

    term: int
    height: int
    block_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The process is up. Brings the last words of the two stores that guard the log: register and signer.

    None: that store is empty.
    """

    now_ms: int
    last_claim: Claim | None
    watermark: Watermark | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What becomes one batch: statements that the uniqueness service admitted, in order."""

    statement_ids: tuple[bytes, ...]
    entries: tuple[BatchEntry, ...]
    size_bytes: int
    report_entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Submissions arrived, cut into what becomes batches."""

    now_ms: int
    batches: tuple[Admission, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """The uniqueness service answered the `Ask` for `height` at `time_ms` with the batches `seqs`."""

    now_ms: int
    height: int
    time_ms: int
    seqs: tuple[int, ...]
    verdicts: tuple[bytes, ...]  # CBOR each, in order of statements
    state_root: bytes
    parameters_root: bytes  # of the state after the block
    beside: bytes  # opaque: kept with the block, in no hash


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationFailed:
    """The uniqueness service could not evaluate what the `Ask` for `height` at `time_ms` named."""

    now_ms: int
    height: int
    time_ms: int
    seqs: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VettedAgain:
    """What the `Ask` for `height` at `time_ms` named is vetted under the terms of its parent state now: ask again."""

    now_ms: int
    height: int
    time_ms: int
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The signer answered `Sign` for this block."""

    now_ms: int
    height: int
    block_id: bytes
    signature: bytes
    batch_signatures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRefused:
    """Register or signer refused what the driver asked for: somebody else signs, or a store was put back."""

    now_ms: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The ledger said that it has every block up to `height`."""

    now_ms: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeScheduled:
    """A governance change waits for `height`: blocks without batches are made until then (architecture section 6)."""

    now_ms: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    now_ms: int
    timer: Timer


Event: TypeAlias = (
    Started
    | Admitted
    | Evaluated
    | EvaluationFailed
    | VettedAgain
    | Signed
    | SigningRefused
    | Stored
    | ChangeScheduled
    | TimerFired
)
