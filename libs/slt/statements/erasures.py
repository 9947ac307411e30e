"""Erasure records: one member's signed word that it no longer holds a body, and what it may no longer show.

What treaties may ask to erase is the document and its salt. Statement, verdict, receipt and log stay; so do the two
salts that are derived from the body's (formats.md, "Facts, findings, verdicts"), because facts and findings could not
be checked without them. They do not lead back to the salt.

    record     [1, chain_id, member, statement id, submission id, body digest, body length, findings salt, facts salt,
                time_ms, reason]
    erasure    that record, signed by the ledger service (service_records, "ERASURE")
"""

from dataclasses import dataclass
from typing import Final

from slt.merkle.hashing import Digest
from slt.statements import shapes
from slt.statements.cbor import DecodeError, Value, encode
from slt.statements.genesis import Genesis
from slt.statements.service_records import RECORD_BYTES_MAX, BadRecord, parse_record, sign_record, verify_record
from slt.statements.signatures import Signer

REASON_CHARS_MAX: Final = 1_000  # a reference to a decision, not the decision
BODY_LENGTH_MAX: Final = 2**40 - 1
ERASER: Final = "ledger"  # the one service that holds bodies


class BadErasure(ValueError):
    """An erasure record that does not hold under this genesis, or is about another body. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What was erased, by whom, when (milliseconds, the member's clock) and why."""

    chain_id: Digest
    member: int
    statement_id: Digest
    submission_id: Digest  # under which it came, so that it is still found by it
    body_digest: Digest
    body_length: int  # bytes, inflated, salt included
    findings_salt: Digest
    facts_salt: Digest
    time_ms: int
    reason: str

    def to_value(self) -> list[Value]:
        return [
            1,
            self.chain_id,
            self.member,
            self.statement_id,
            self.submission_id,
            self.body_digest,
            self.body_length,
            self.findings_salt,
            self.facts_salt,
            self.time_ms,
            self.reason,
        ]

    @property
    def encoded(self) -> bytes:
        return encode(self.to_value())


def sign_erasure(erasure: Erasure, signer: Signer, certificate: bytes) -> bytes:
    """The erasure as it is kept and shown. `certificate` is that of the ledger service whose key `signer` holds."""
    return sign_record("ERASURE", erasure.encoded, signer, certificate)


def parse_erasure(data: bytes) -> Erasure:
    """Read what an erasure says, without asking whether it is true. Raises DecodeError."""
    fields = shapes.opened(parse_record(data).record, "erasure", 11, bytes_max=RECORD_BYTES_MAX)
    shapes.version(fields[0], "erasure")
    return Erasure(
        chain_id=shapes.digest(fields[1], "erasure: chain_id"),
        member=shapes.integer(fields[2], "erasure: member", high=2**32 - 1),
        statement_id=shapes.digest(fields[3], "erasure: statement id"),
        submission_id=shapes.digest(fields[4], "erasure: submission id"),
        body_digest=shapes.digest(fields[5], "erasure: body digest"),
        body_length=shapes.integer(fields[6], "erasure: body length", high=BODY_LENGTH_MAX),
        findings_salt=shapes.digest(fields[7], "erasure: findings salt"),
        facts_salt=shapes.digest(fields[8], "erasure: facts salt"),
        time_ms=shapes.integer(fields[9], "erasure: time_ms", high=shapes.TIME_MS_MAX),
        reason=shapes.text(fields[10], "erasure: reason", high=REASON_CHARS_MAX),
    )


def verify_erasure(data: bytes, genesis: Genesis) -> Erasure:
    """The erasure, if the ledger service of the member that it names signed it. Raises BadErasure."""
    try:
        erasure = parse_erasure(data)
        verify_record("ERASURE", data, genesis, member=erasure.member, service=ERASER, at_ms=erasure.time_ms)
    except (DecodeError, BadRecord) as error:
        raise BadErasure(f"the erasure record does not hold: {error}") from None
    if erasure.chain_id != genesis.chain_id:
        raise BadErasure(f"the erasure record is of ledger {erasure.chain_id.hex()}, not {genesis.chain_id.hex()}")
    return erasure
