"""The height register: one claim for each height, for ever (consensus.md 6.2 point 2, "Applied" 5).

Whoever holds a claim durable may sign that block, and nobody may ever claim the height for another one. Here it is a
file of its own, for one sequencer on one machine. The interface is narrow so that a store that several machines trust
can stand in its place: a JetStream stream (R3, `sync_interval: always`, expected last sequence) or a PostgreSQL table.
"""

from typing import Final, Protocol

from services.consensus.disk import Disk
from services.consensus.segments import Draft, LogCorrupt, SegmentedLog
from slt.consensus.effects import Claim
from slt.statements.cbor import DecodeError, encode
from slt.statements.shapes import array, digest, integer, octets, opened

CLAIM: Final = 1
SEGMENT_BYTES_MAX: Final = 4 * 1024 * 1024  # some 8,000 claims
CLAIM_BYTES_MAX: Final = 4096


class HeightTaken(Exception):
    """The height has another claim, or a later one has: somebody else sequences. Stop signing at once."""

    def __init__(self, wanted: Claim, there: Claim) -> None:
        super().__init__(
            f"height {wanted.height} cannot be claimed for block {wanted.block_id.hex()}: the register holds height "
            f"{there.height}, block {there.block_id.hex()}, of term {there.term}"
        )
        self.wanted = wanted
        self.there = there


class HeightRegister(Protocol):
    """Linearizable: of two that claim one height for different blocks, one fails."""

    @property
    def last(self) -> Claim | None:
        """The claim of the greatest height."""

    def claim(self, claim: Claim) -> None:
        """Durable on return. The same claim again changes nothing. Raises HeightTaken; FatalStorage if unknown."""

    def forget_below(self, height: int) -> None:
        """Claims below `height` may go: their blocks are stored by who answers for them."""


class FileRegister:
    """Claims in an append-only log of their own: `[term, height, block_id, header bytes]` in CBOR (formats.md)."""

    def __init__(self, disk: Disk, *, segment_bytes_max: int = SEGMENT_BYTES_MAX) -> None:
        """Raises LogCorrupt: a register that cannot be read in full allows no claim."""
        self._last: Claim | None = None
        self._log = SegmentedLog(disk, segment_bytes_max=segment_bytes_max, preface=self._preface)
        self._ends: dict[str, int] = {}  # by segment: its greatest height
        for segment, entry in self._log.take_entries():
            claim = _claim_in(entry.payload)
            if claim.height != entry.height or not _follows(claim, self._last):
                raise LogCorrupt(f"height register: height {claim.height} does not follow {self._last}")
            self._last = claim
            self._ends[segment] = claim.height

    @property
    def last(self) -> Claim | None:
        return self._last

    def claim(self, claim: Claim) -> None:
        last = self._last
        if last is not None and claim.height <= last.height:
            if (claim.height, claim.block_id, claim.header) == (last.height, last.block_id, last.header):
                return
            raise HeightTaken(claim, last)
        self._log.append(Draft(kind=CLAIM, height=claim.height, payload=_claim_out(claim)))
        self._log.flush()
        self._last = claim
        self._ends[self._log.active] = claim.height

    def forget_below(self, height: int) -> None:
        while len(self._log.segments) > 1 and self._ends.get(self._log.segments[0].name, 0) < height:
            self._ends.pop(self._log.segments[0].name, None)
            self._log.drop_first()

    def close(self) -> None:
        self._log.close()

    def _preface(self) -> list[Draft]:
        """Every segment begins with the last claim of the one before it, so that it can stand alone."""
        if self._last is None:
            return []
        return [Draft(kind=CLAIM, height=self._last.height, payload=_claim_out(self._last))]


def _follows(claim: Claim, last: Claim | None) -> bool:
    return last is None or claim == last or claim.height > last.height


def _claim_out(claim: Claim) -> bytes:
    return encode([claim.term, claim.height, claim.block_id, claim.header])


def _claim_in(payload: bytes) -> Claim:
    try:
        term, height, block_id, header = array(opened(payload, "claim", 4, bytes_max=CLAIM_BYTES_MAX), "claim", 4)
        return Claim(
            term=integer(term, "claim: term"),
            height=integer(height, "claim: height", low=1),
            block_id=digest(block_id, "claim: block_id"),
            header=octets(header, "claim: header"),
        )
    except DecodeError as error:
        raise LogCorrupt(f"height register: {error}") from error
