"""What can happen to the consortium driver, and what it does then: events in, `Effects` out.

The order of the fields of `Effects` is the contract, as in the private driver: save, sign, send, timer, commit. Signing
is an effect that an event answers, because the signer keeps its watermark in a store of its own (W1 to W3).
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

from slt.consensus.tendermint.certs import Certificate
from slt.consensus.tendermint.evidence import Evidence
from slt.consensus.tendermint.proposals import Content, Proposal
from slt.consensus.tendermint.status import Status
from slt.consensus.tendermint.votes import Ballot, Vote
from slt.merkle.hashing import Digest
from slt.statements.registry import Member


class Step(IntEnum):
    """Of one height. IDLE: nothing to order yet. DECIDED: until the block is applied."""

    IDLE = 0
    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3
    DECIDED = 4


class TimerKind(IntEnum):
    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """Come back with `TimerFired(timer)` at `at_ms` or later. Carries its place: a stale one has no effect."""

    kind: TimerKind
    height: int
    round: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A block that was decided, for whoever missed it: its content, and the certificate that makes it final."""

    content: Content
    certificate: Certificate


Message: TypeAlias = Vote | Proposal | Certificate | Decision


# Events. Those that counted are in `Effects.save`; fed again in that order they give the same state and effects.


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The process is up; what the log held was fed again. `signed`: the last ballot under the signer's watermark."""

    now_ms: int
    signed: Ballot | None = None
    work: bool = True  # there is something to order


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkWaiting:
    """There is something to order at `height`: batches, or a block that is due without any."""

    now_ms: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message that was decoded. Nothing in it is verified."""

    now_ms: int
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The application answered `Build`."""

    now_ms: int
    height: int
    round: int
    content: Content
    entries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The application answered `Check`: everything it names is here, evaluated, and as the header says, or not."""

    now_ms: int
    height: int
    block_id: Digest
    valid: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The signer answered, after its watermark was durable."""

    now_ms: int
    ballot: Ballot
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRefused:
    """The signer has signed something else in this place, or a later one (W3): it signs no more at this height."""

    now_ms: int
    ballot: Ballot
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    now_ms: int
    timer: Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The committed block is durable, applied and marked (W9). `members`: who votes from now on, if that changed."""

    now_ms: int
    height: int
    members: tuple[Member, ...] | None = None
    work: bool = True  # there is something to order at the next height


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Once a second, never logged: own votes are said again until the height is decided."""

    now_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusHeard:
    """A peer says where it stands. Never logged."""

    now_ms: int
    status: Status


Event: TypeAlias = (
    Started
    | WorkWaiting
    | Received
    | Built
    | Checked
    | Signed
    | SigningRefused
    | TimerFired
    | Applied
    | Ticked
    | StatusHeard
)


# Effects


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Make a block for this height: it is our turn. Answered by `Built`, or not in time."""

    height: int
    round: int
    parent_id: Digest
    not_before_ms: int  # its time: later than the parent's, whatever the clock says


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Fetch what `content` names, evaluate it, compare. Answered by `Checked`, whenever it is done."""

    height: int
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Ask the members `peers` for the decided block of `height`. Answered by `Received(Decision)`."""

    height: int
    peers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Send member `to` the decided block of `height`, from the store: it is behind."""

    height: int
    to: int


Ask: TypeAlias = Build | Check | Fetch | Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A final block. Answered by `Applied`."""

    height: int
    content: Content
    certificate: Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What the caller now does, top to bottom, each field whole before the next begins.

    `save` goes to the log, and is flushed before anything below that leaves the process or reaches the signer. `keep`
    are blocks whose header, batches, bodies and items are durable before `sign`: our own, and what we lock (W8).
    """

    save: tuple[Event, ...] = ()
    keep: tuple[Digest, ...] = ()
    sign: tuple[Ballot, ...] = ()
    send: tuple[Message, ...] = ()  # to everyone
    relay: tuple[tuple[int, Message], ...] = ()  # to one member that lacks it, byte for byte as it came
    ask: tuple[Ask, ...] = ()
    timer: tuple[Timer, ...] = ()
    commit: Commit | None = None
    evidence: tuple[Evidence, ...] = ()
    alarm: tuple[str, ...] = ()  # for a person
    halt: str = ""  # not empty: sign nothing more, keep serving; only a person can decide


NOTHING: Final = Effects()
