"""Evidence on its way into a block, and what a block's evidence must be (consensus.md 1.12).

Everyone keeps a pool; what one found is sent to all, and kept until it stands in a block or is too old. What a block
may hold is one question for its proposer and for everyone who votes on it, so both ask here.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from slt.consensus.tendermint.evidence import (
    Accusation,
    BadEvidence,
    Evidence,
    Key,
    height_of,
    parse_evidence,
    verify_evidence,
)
from slt.consensus.tendermint.members import MemberSet, Verify
from slt.consensus.tendermint.proposals import EVIDENCE_BYTES_MAX, EVIDENCE_ITEMS_MAX
from slt.statements.cbor import DecodeError

AGE_MAX: Final = 100_000  # blocks; after that whoever is accused may have lost what would defend him
WAITING_MAX: Final = 1_024  # pieces kept, all together
EACH_MAX: Final = 64  # against the same members: a liar can make one for every round there is, and the first say enough


@dataclass(slots=True)
class EvidencePool:
    """`set_at(height)`: the member set of a decided height, or of the one being decided; None when it is not known."""

    set_at: Callable[[int], MemberSet | None]
    verify: Verify
    waiting: dict[Key, bytes] = field(default_factory=dict)  # verified, in no block, in the order they came
    committed: dict[Key, int] = field(default_factory=dict)  # by the height that it is about

    def add(self, evidence: Evidence) -> bool:
        """Keep `evidence`. False when it says nothing new, or there is no room. Raises BadEvidence."""
        key = self._accusation(evidence).key
        if key in self.committed or key in self.waiting or len(self.waiting) >= WAITING_MAX:
            return False
        if sum(known[0] == key[0] for known in self.waiting) >= EACH_MAX:
            return False
        self.waiting[key] = evidence.encoded
        return True

    def for_block(self, height: int) -> tuple[bytes, ...]:
        """What a block of `height` should hold: the oldest pieces that fit, about heights below it."""
        chosen: list[bytes] = []
        size = 0
        for key, encoded in self.waiting.items():
            about = key[2]
            if not about < height <= about + AGE_MAX:
                continue
            if len(chosen) == EVIDENCE_ITEMS_MAX or size + len(encoded) > EVIDENCE_BYTES_MAX:
                break
            chosen.append(encoded)
            size += len(encoded)
        return tuple(chosen)

    def check_block(self, height: int, items: Sequence[bytes]) -> tuple[Accusation, ...]:
        """What the evidence of a block of `height` proves. Raises BadEvidence: then the block is invalid.

        Each piece holds, is about an earlier height that is not too old, and says what no block has said before. So
        honest members who have the same blocks give the same answer.
        """
        if len(items) > EVIDENCE_ITEMS_MAX or sum(map(len, items)) > EVIDENCE_BYTES_MAX:
            raise BadEvidence("more evidence than a block may hold")
        found: dict[Key, Accusation] = {}
        for encoded in items:
            try:
                accusation = self._accusation(parse_evidence(encoded))
            except DecodeError as error:
                raise BadEvidence(f"a piece of evidence cannot be read: {error}") from error
            if not accusation.height < height <= accusation.height + AGE_MAX:
                raise BadEvidence(f"evidence about height {accusation.height} in block {height}")
            if accusation.key in self.committed or accusation.key in found:
                raise BadEvidence(f"{accusation.kind.name} at height {accusation.height} stands on the ledger already")
            found[accusation.key] = accusation
        return tuple(found.values())

    def note_block(self, height: int, accusations: Iterable[Accusation]) -> None:
        """A block is final: what it proves waits no more, and what is too old for any block is forgotten."""
        for accusation in accusations:
            self.waiting.pop(accusation.key, None)
            self.committed[accusation.key] = accusation.height
        for known in (self.waiting, self.committed):
            for key in [key for key in known if key[2] + AGE_MAX < height]:
                del known[key]

    def _accusation(self, evidence: Evidence) -> Accusation:
        try:
            height = height_of(evidence)
        except DecodeError as error:
            raise BadEvidence(str(error)) from error
        members = self.set_at(height)
        if members is None:
            raise BadEvidence(f"evidence about height {height}, whose members are not known here")
        return verify_evidence(evidence, members, self.verify)
