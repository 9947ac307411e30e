"""Erasure records: one member's signed word that it no longer holds a body, and what it may no longer show.

What treaties may ask to erase is the document and its salt. Statement, verdict, receipt and log stay; so do the two
salts that are derived from the body's (formats.md, "Facts, findings, verdicts"), because facts and findings could not
be checked without them. They do not lead back to the salt.

    record     [1, chain_id, member, statement id, submission id, body digest, body length, findings salt, facts salt,
                time_ms, reason]
    erasure    [record, signature over Tag("ERASURE") || record, service certificate of the ledger]
"""

from dataclasses import dataclass
from typing import Final

from slt.merkle.hashing import Digest
from slt.statements import shapes
from slt.statements.cbor import DecodeError, Value, encode
from slt.statements.genesis import Genesis
from slt.statements.refusals import BadRefusal, parse_service_certificate, verify_service_certificate
from slt.statements.signatures import BadSignature, Signer, verify_ed25519
from slt.statements.tags import tag

REASON_CHARS_MAX: Final = 1_000  # a reference to a decision, not the decision
ERASURE_BYTES_MAX: Final = 8 * 1024
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
    record = erasure.encoded
    return encode([record, signer.sign(tag("ERASURE") + record), certificate])


def parse_erasure(data: bytes) -> Erasure:
    """Read what an erasure says, without asking whether it is true. Raises DecodeError."""
    record, _, _ = _parts(data)
    fields = shapes.opened(record, "erasure", 11, bytes_max=ERASURE_BYTES_MAX)
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
        record, signature, certificate = _parts(data)
        by = parse_service_certificate(certificate)
        verify_service_certificate(by, genesis, at_ms=erasure.time_ms)
        verify_ed25519(by.key, tag("ERASURE") + record, signature)
    except (DecodeError, BadRefusal, BadSignature) as error:
        raise BadErasure(f"the erasure record does not hold: {error}") from None
    if erasure.chain_id != genesis.chain_id:
        raise BadErasure(f"the erasure record is of ledger {erasure.chain_id.hex()}, not {genesis.chain_id.hex()}")
    if (by.member, by.service) != (erasure.member, ERASER):
        raise BadErasure(
            f"an erasure of member {erasure.member}'s {ERASER} is signed by member {by.member}'s {by.service}"
        )
    return erasure


def _parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    record, signature, certificate = shapes.opened(data, "erasure", 3, bytes_max=ERASURE_BYTES_MAX)
    return (
        shapes.octets(record, "erasure: record"),
        shapes.octets(signature, "erasure: signature", 64),
        shapes.octets(certificate, "erasure: certificate"),
    )
