"""The surface that every driver has: one event in, one `Effects` value out. The order of its fields is the contract.

A driver decides and touches nothing. Its caller carries the effects out from top to bottom, each field whole before the
next begins, and feeds what comes of it back as events. A caller that signs before it saves can sign twice.
"""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from slt.consensus.records import BatchFormed, Certified, Proposed, Record
from slt.merkle.hashing import Digest

E_contra = TypeVar("E_contra", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One entry of the height register (formats.md, "claim"): at most one for each height, for ever."""

    term: int
    height: int
    block_id: bytes
    header: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Ask the signer for the signatures of one block: of its id, and of the digests of its batches.

    The signer makes its watermark durable before a signature leaves it (consensus.md W2, W3). Answered by `Signed`.
    """

    term: int
    height: int
    block_id: bytes
    first_seq: int  # of the batches in `batch_digests`, which follow each other
    batch_digests: tuple[Digest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Ask the uniqueness service to evaluate `batches`, in order, on top of `parent_id`. Answered by `Evaluated`."""

    height: int
    parent_id: Digest
    time_ms: int
    batches: tuple[BatchFormed, ...]

    @property
    def seqs(self) -> tuple[int, ...]:
        """The sequence numbers of the batches: with height and time, what names this question."""
        return tuple(formed.batch.seq for formed in self.batches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """Come back with `TimerFired(timer)` at `at_ms` (milliseconds since 1970) or later. Stale ones do no harm."""

    height: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A final block: publish it, and keep it until the ledger has stored it."""

    proposed: Proposed
    certified: Certified


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What the caller now does, top to bottom.

    `save` and `note` go to the write-ahead log in this order. Everything in the log is flushed before anything below
    `note` happens, except where `save` is empty: then what is below needs no flush, and `note` becomes durable together
    with the next flush. A crash before that loses only what the driver gets again by asking the signer.
    """

    save: tuple[Record, ...] = ()  # durable before everything below, and before the caller acknowledges their cause
    note: tuple[Record, ...] = ()
    claim: Claim | None = None  # durable in the height register before `sign`
    sign: Sign | None = None
    send: tuple[Ask, ...] = ()
    timer: tuple[Timer, ...] = ()
    commit: tuple[Commit, ...] = ()
    alarm: tuple[str, ...] = ()  # for a person: something is wrong that the driver cannot mend
    halt: str = ""  # not empty: sign nothing more; keep serving what is there; only a person can decide

    def then(self, later: "Effects") -> "Effects":
        """Both, as one value. Only for effects of which at most one claims, signs or halts."""
        assert self.claim is None or later.claim is None
        assert self.sign is None or later.sign is None
        assert not (self.halt and later.halt)
        return Effects(
            save=self.save + later.save,
            note=self.note + later.note,
            claim=self.claim or later.claim,
            sign=self.sign or later.sign,
            send=self.send + later.send,
            timer=self.timer + later.timer,
            commit=self.commit + later.commit,
            alarm=self.alarm + later.alarm,
            halt=self.halt or later.halt,
        )


NOTHING = Effects()


class Driver(Protocol[E_contra]):
    """One ordering protocol. Deterministic: the same events in the same order give the same effects."""

    def step(self, event: E_contra) -> Effects: ...
