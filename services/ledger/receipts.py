"""Receipts, made out of what a block's rows hold. Pure, and deterministic: the same rows give the same bytes for ever.

The parts that all receipts of a block share (header, certificate, checkpoint) are written once, and paths for all its
statements are taken out of two trees, so a receipt costs little more than its bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.ledger.core import Examined
from services.ledger.rows import StoredBlock, StoredEntry, salts_of
from services.ledger.vetting import Kept, good_endorsement
from slt.merkle.hashing import Digest
from slt.merkle.tree import Frontier, paths_of_appended
from slt.statements.cbor import encode, head
from slt.statements.governance import Ordered, parse_ordered
from slt.statements.tags import list_paths
from slt.statements.verdicts import Verdict

ARRAY: Final = 4  # CBOR major type (RFC 8949 section 3.1)
FIELDS: Final = 13  # of a receipt (formats.md)
MESSAGE_BYTES_MAX: Final = 256 * 1024  # formats.md: answers are cut there, an oversize one travels alone
MESSAGE_FIXED_BYTES: Final = 64  # version, chain_id, height and the array's head
ITEM_FIXED_BYTES: Final = 5  # the head of a byte string of less than 4 GiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One statement with a final verdict: what its receipt holds beside the block's part, and where it is sent."""

    position: int  # among the statements of its block, from 0
    statement: Ordered
    endorsements: Sequence[bytes]
    endorsers: Sequence[bytes]  # kids of those whose endorsement is good
    verdict: Verdict
    findings_salt: bytes
    findings: Sequence[Sequence[str]]  # rule, severity, entry, label first; what follows stays beside
    state: str
    mba: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """One receipt, and the facility that waits for it."""

    statement_id: bytes
    state: str
    mba: str
    receipt: bytes


class BlockProofs:
    """Everything that proves the verdicts of one block. Makes the receipt of any of its statements."""

    def __init__(
        self,
        *,
        chain_id: bytes,
        header: bytes,
        certificate: bytes,
        checkpoint: str,
        before: Frontier,
        verdicts: Sequence[bytes],
        leaves: Sequence[Digest],
    ) -> None:
        """`verdicts` are the CBOR of all of them in order, `leaves` what the block appended to the log of `before`."""
        self._begin = head(ARRAY, FIELDS) + encode(1) + encode(chain_id)
        self._block = header + certificate + encode([]) + encode(checkpoint.encode())
        self._verdicts = verdicts
        self._verdict_paths = list_paths(verdicts)
        self._before = before
        self._log_paths = paths_of_appended(before, leaves)

    def receipt(self, decided: Decided, keys: Mapping[bytes, bytes]) -> bytes:
        """The receipt of `decided`, whose verdict is final. `keys` gives the SubjectPublicKeyInfo of a kid."""
        verdict, place = decided.verdict, decided.position
        log_index = verdict.log_index
        return b"".join(
            (
                self._begin,
                encode(decided.statement.raw),
                encode(list(_endorsed(decided, keys))),
                encode(keys[decided.statement.kid]),
                self._verdicts[place],
                encode([place, len(self._verdicts), self._verdict_paths[place]]),
                encode(None if log_index is None else [log_index, self._log_paths[log_index - self._before.size]]),
                self._block,
                encode(None if verdict.findings_digest is None else _findings(decided)),
            )
        )

    def issued(self, decided: Sequence[Decided], keys: Mapping[bytes, bytes]) -> list[Issued]:
        return [
            Issued(statement_id=one.statement.id, state=one.state, mba=one.mba, receipt=self.receipt(one, keys))
            for one in decided
        ]


def proofs_of_examined(examined: Examined, checkpoint: str) -> BlockProofs:
    """Out of a block that was just stored."""
    return BlockProofs(
        chain_id=examined.header.chain_id,
        header=examined.header.encoded,
        certificate=examined.certificate,
        checkpoint=checkpoint,
        before=examined.before,
        verdicts=[one.verdict_cbor for one in examined.ordered],
        leaves=examined.leaves,
    )


def proofs_of_stored(
    block: StoredBlock, chain_id: bytes, verdicts: Sequence[bytes], leaves: Sequence[Digest]
) -> BlockProofs:
    """Out of a block that was read back."""
    return BlockProofs(
        chain_id=chain_id,
        header=block.header,
        certificate=block.certificate,
        checkpoint=block.checkpoint,
        before=block.before,
        verdicts=verdicts,
        leaves=leaves,
    )


def decided_of_examined(examined: Examined, kept: Sequence[Kept]) -> list[Decided]:
    """The statements with final verdicts of a block that was just stored."""
    return [
        Decided(
            position=position,
            statement=one.statement,
            endorsements=one.entry.endorsements,
            endorsers=one.item.endorsers,
            verdict=one.verdict,
            findings_salt=beside.findings_salt,
            findings=one.findings,
            state=one.item.state,
            mba=one.item.mba,
        )
        for position, (one, beside) in enumerate(zip(examined.ordered, kept, strict=True))
        if one.verdict.final
    ]


def decided_of_stored(block: StoredBlock, entry: StoredEntry) -> Decided:
    """A statement with a final verdict, read back with its body and findings."""
    statement = parse_ordered(entry.statement)
    return Decided(
        position=entry.entry - block.first_entry,
        statement=statement,
        endorsements=entry.endorsements,
        endorsers=entry.beside.endorsers,
        verdict=entry.verdict,
        findings_salt=salts_of(entry, statement)[0],
        findings=entry.findings.all,
        state=entry.beside.state,
        mba=entry.beside.mba,
    )


def cut(receipts: Sequence[bytes], bytes_max: int = MESSAGE_BYTES_MAX) -> list[list[bytes]]:
    """`receipts` in order, cut into messages of at most `bytes_max`; an oversize one is alone in its message."""
    messages: list[list[bytes]] = []
    room = 0
    for receipt in receipts:
        size = len(receipt) + ITEM_FIXED_BYTES
        if not messages or size > room:
            messages.append([])
            room = bytes_max - MESSAGE_FIXED_BYTES
        messages[-1].append(receipt)
        room -= size
    return messages


def _endorsed(decided: Decided, keys: Mapping[bytes, bytes]) -> Iterator[list[bytes]]:
    """Endorsement and key of each good endorser. With one endorsement and one endorser there is nothing to look for."""
    alone = len(decided.endorsements) == len(decided.endorsers) == 1
    for kid in decided.endorsers:
        spki = keys[kid]
        good = decided.endorsements[0] if alone else None
        good = good or good_endorsement(decided.endorsements, decided.statement, kid, spki)
        if good is not None:
            yield [good, spki]


def _findings(decided: Decided) -> list[bytes | list[list[str]]]:
    return [decided.findings_salt, [list(row[:4]) for row in decided.findings]]
