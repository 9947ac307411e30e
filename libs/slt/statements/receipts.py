"""The receipt file (formats.md): everything that proves a verdict offline. Codec only: slt.consensus.receipts verifies.

COSE objects, keys and the checkpoint note are byte strings; our own structures are nested arrays.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from slt.merkle.hashing import Digest
from slt.merkle.notes import NOTE_BYTES_MAX
from slt.statements import shapes
from slt.statements.cbor import DecodeError, Value, encode
from slt.statements.cose import ENVELOPE_BYTES_MAX, GOVERNANCE_BYTES_MAX
from slt.statements.headers import Header
from slt.statements.refusals import FINDING_CHARS_MAX
from slt.statements.signatures import SPKI_BYTES_MAX
from slt.statements.submission import APPROVALS_MAX
from slt.statements.verdicts import Verdict

RECEIPT_BYTES_MAX: Final = 8 * 1024 * 1024
PATH_MAX: Final = 64
CHANGES_MAX: Final = 10_000
ROWS_MAX: Final = 1_000_000

FindingsRow: TypeAlias = tuple[str, str, str, str]
"""rule, severity, entry, label: what the findings digest covers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a receipt holds, in the order of its array. Nothing is verified.

    `endorsements` are (endorsement, its signer's SPKI). `log_proof` is (index, path) of an accepted statement.
    `certificate` and `changes` depend on the trust model and stay values here; `changes` are [header, certificate,
    member list] of each block that changed the member set. `findings` are (salt', rows).
    """

    chain_id: Digest
    statement: bytes
    endorsements: tuple[tuple[bytes, bytes], ...]
    spki: bytes
    verdict: Verdict
    verdict_index: int
    verdict_count: int
    verdict_path: tuple[Digest, ...]
    log_proof: tuple[int, tuple[Digest, ...]] | None
    header: Header
    certificate: Value
    changes: tuple[Value, ...]
    checkpoint: str
    findings: tuple[Digest, tuple[FindingsRow, ...]] | None

    def to_value(self) -> list[Value]:
        return [
            1,
            self.chain_id,
            self.statement,
            [list(pair) for pair in self.endorsements],
            self.spki,
            self.verdict.to_value(),
            [self.verdict_index, self.verdict_count, list(self.verdict_path)],
            None if self.log_proof is None else [self.log_proof[0], list(self.log_proof[1])],
            self.header.to_value(),
            self.certificate,
            list(self.changes),
            self.checkpoint.encode(),
            None if self.findings is None else [self.findings[0], [list(row) for row in self.findings[1]]],
        ]


def encode_receipt(receipt: Receipt) -> bytes:
    return encode(receipt.to_value())


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt. Raises DecodeError for anything but the one encoding of one."""
    values = shapes.opened(data, "receipt", 13, bytes_max=RECEIPT_BYTES_MAX)
    shapes.version(values[0], "receipt")
    place, count, path = shapes.array(values[6], "receipt: verdict's place", 3)
    return Receipt(
        chain_id=shapes.digest(values[1], "receipt: chain_id"),
        statement=shapes.octets(values[2], "receipt: statement", low=1, high=GOVERNANCE_BYTES_MAX),
        endorsements=tuple(
            _endorsement(item) for item in shapes.array(values[3], "receipt: endorsements", high=APPROVALS_MAX)
        ),
        spki=shapes.octets(values[4], "receipt: author's SPKI", low=1, high=SPKI_BYTES_MAX),
        verdict=Verdict.from_value(values[5]),
        verdict_index=shapes.integer(place, "receipt: verdict index", high=2**32 - 1),
        verdict_count=shapes.integer(count, "receipt: verdict count", low=1, high=2**32 - 1),
        verdict_path=shapes.digests(path, "receipt: verdict path", high=PATH_MAX),
        log_proof=None if values[7] is None else _log_proof(values[7]),
        header=Header.from_value(values[8]),
        certificate=values[9],
        changes=tuple(_change(item) for item in shapes.array(values[10], "receipt: changes", high=CHANGES_MAX)),
        checkpoint=_note(values[11]),
        findings=None if values[12] is None else _findings(values[12]),
    )


def _endorsement(value: Value) -> tuple[bytes, bytes]:
    endorsement, spki = shapes.array(value, "receipt: endorsement", 2)
    return (
        shapes.octets(endorsement, "receipt: endorsement", low=1, high=ENVELOPE_BYTES_MAX),
        shapes.octets(spki, "receipt: endorser's SPKI", low=1, high=SPKI_BYTES_MAX),
    )


def _log_proof(value: Value) -> tuple[int, tuple[Digest, ...]]:
    index, path = shapes.array(value, "receipt: place in the log", 2)
    return (
        shapes.integer(index, "receipt: log index", high=shapes.HEIGHT_MAX),
        shapes.digests(path, "receipt: log path", high=PATH_MAX),
    )


def _change(value: Value) -> Value:
    return shapes.array(value, "receipt: change of the member set", 3)


def _note(value: Value) -> str:
    note = shapes.octets(value, "receipt: checkpoint", low=1, high=NOTE_BYTES_MAX)
    try:
        return note.decode()
    except UnicodeDecodeError:
        raise DecodeError("receipt: checkpoint must be UTF-8") from None


def _findings(value: Value) -> tuple[Digest, tuple[FindingsRow, ...]]:
    salt, rows = shapes.array(value, "receipt: findings", 2)
    return (
        shapes.digest(salt, "receipt: salt of the findings"),
        tuple(_row(item) for item in shapes.array(rows, "receipt: findings", high=ROWS_MAX)),
    )


def _row(value: Value) -> FindingsRow:
    rule, severity, entry, label = (
        shapes.text(item, "receipt: finding", high=limit)
        for item, limit in zip(shapes.array(value, "receipt: finding", 4), FINDING_CHARS_MAX, strict=False)
    )
    return rule, severity, entry, label
