"""Refusals: one member's signed "not passed on, because", and the certificates of the service keys that sign them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from slt.merkle.hashing import Digest
from slt.statements import shapes
from slt.statements.cbor import DecodeError, Value, encode
from slt.statements.genesis import Genesis
from slt.statements.signatures import BadSignature, Signer, verify_ed25519
from slt.statements.tags import tag

SERVICES: Final = ("authentication", "validation", "uniqueness", "consensus", "ledger")
CERTIFICATE_BYTES_MAX: Final = 512
REFUSAL_BYTES_MAX: Final = 4 * 1024 * 1024
FINDINGS_MAX: Final = 10_000
FINDING_TEXT_MAX: Final = 4096
FINDING_CHARS_MAX: Final = (32, 16, 64, 64, FINDING_TEXT_MAX, FINDING_TEXT_MAX, FINDING_TEXT_MAX)
"""Of each element of a finding; the same for the first four in a receipt."""

FindingRow: TypeAlias = tuple[str, str, str, str, str, str, str]
"""rule, severity ("error" or "warning"), entry, label, value, expected, text."""


class BadRefusal(ValueError):
    """A refusal or service certificate that does not hold under this genesis. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCertificate:
    """A member's governance key says: this key (raw Ed25519, 32 bytes) is my `service`, from `not_before` to
    `not_after` (milliseconds, both inclusive).
    """

    chain_id: Digest
    member: int
    service: str
    key: bytes
    not_before: int
    not_after: int
    signature: bytes

    @property
    def sign_bytes(self) -> bytes:
        """Tag("SERVICE") || CBOR of the first six fields."""
        return tag("SERVICE") + encode(self.to_value()[:6])

    def to_value(self) -> list[Value]:
        return [
            self.chain_id,
            self.member,
            self.service,
            self.key,
            self.not_before,
            self.not_after,
            self.signature,
        ]

    @property
    def encoded(self) -> bytes:
        return encode(self.to_value())


def parse_service_certificate(data: bytes) -> ServiceCertificate:
    """Read a service certificate. Raises DecodeError. Its signature is not verified here."""
    chain_id, member, service, key, not_before, not_after, signature = shapes.opened(
        data, "service certificate", 7, bytes_max=CERTIFICATE_BYTES_MAX
    )
    name = shapes.text(service, "service certificate: service", high=32)
    if name not in SERVICES:
        raise DecodeError(f"service certificate: service must be one of {', '.join(SERVICES)}")
    return ServiceCertificate(
        chain_id=shapes.digest(chain_id, "service certificate: chain_id"),
        member=shapes.integer(member, "service certificate: member", high=2**32 - 1),
        service=name,
        key=shapes.octets(key, "service certificate: key", 32),
        not_before=shapes.integer(not_before, "service certificate: not_before", high=shapes.TIME_MS_MAX),
        not_after=shapes.integer(not_after, "service certificate: not_after", high=shapes.TIME_MS_MAX),
        signature=shapes.octets(signature, "service certificate: signature", 64),
    )


def make_service_certificate(
    governance: Signer,
    *,
    chain_id: bytes,
    member: int,
    service: str,
    key: bytes,
    not_before: int,
    not_after: int,
) -> ServiceCertificate:
    """Certify `key` for one of SERVICES, valid from `not_before` to `not_after` (milliseconds)."""
    if service not in SERVICES:
        raise ValueError(f"a service is one of {', '.join(SERVICES)}, not {service!r}")

    def certificate(signature: bytes) -> ServiceCertificate:
        return ServiceCertificate(
            chain_id=Digest(chain_id),
            member=member,
            service=service,
            key=key,
            not_before=not_before,
            not_after=not_after,
            signature=signature,
        )

    return certificate(governance.sign(certificate(b"").sign_bytes))


def verify_service_certificate(certificate: ServiceCertificate, genesis: Genesis, *, at_ms: int | None = None) -> None:
    """Raise BadRefusal unless a member of `genesis` certified this key, and, with `at_ms`, for that moment."""
    if certificate.chain_id != genesis.chain_id:
        raise BadRefusal(f"the service certificate is for ledger {certificate.chain_id.hex()}")
    try:
        member = genesis.member(certificate.member)
    except KeyError:
        raise BadRefusal(f"genesis names no member {certificate.member}") from None
    try:
        verify_ed25519(member.governance_key, certificate.sign_bytes, certificate.signature)
    except BadSignature as error:
        raise BadRefusal(f"member {member.name} did not certify this {certificate.service} key: {error}") from None
    if at_ms is not None and not certificate.not_before <= at_ms <= certificate.not_after:
        raise BadRefusal(
            f"the {certificate.service} key is certified from {certificate.not_before} to {certificate.not_after} "
            f"(milliseconds), not at {at_ms}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One member's word that a submission is not passed on. No ledger fact; only a receipt supersedes it.

    `stage` is the service that refuses, `statement_id` None until the statement's signature has been verified,
    `height` the final block that the service knew, `time_ms` its clock.
    """

    chain_id: Digest
    submission_id: Digest
    statement_id: Digest | None
    member: int
    stage: str
    height: int
    rules_version: int
    time_ms: int
    findings: tuple[FindingRow, ...]

    def to_value(self) -> list[Value]:
        return [
            1,
            self.chain_id,
            self.submission_id,
            self.statement_id,
            self.member,
            self.stage,
            self.height,
            self.rules_version,
            self.time_ms,
            [list(row) for row in self.findings],
        ]

    @property
    def encoded(self) -> bytes:
        return encode(self.to_value())


def parse_refusal(data: bytes) -> Refusal:
    """Read a refusal. Raises DecodeError. Its signature stands beside it and is not verified here."""
    values = shapes.opened(data, "refusal", 10, bytes_max=REFUSAL_BYTES_MAX)
    shapes.version(values[0], "refusal")
    stage = shapes.text(values[5], "refusal: stage", high=32)
    if stage not in SERVICES:
        raise DecodeError(f"refusal: stage must be one of {', '.join(SERVICES)}")
    return Refusal(
        chain_id=shapes.digest(values[1], "refusal: chain_id"),
        submission_id=shapes.digest(values[2], "refusal: submission id"),
        statement_id=shapes.digest_or_none(values[3], "refusal: statement id"),
        member=shapes.integer(values[4], "refusal: member", high=2**32 - 1),
        stage=stage,
        height=shapes.integer(values[6], "refusal: height", high=shapes.HEIGHT_MAX),
        rules_version=shapes.integer(values[7], "refusal: rules version", high=2**32 - 1),
        time_ms=shapes.integer(values[8], "refusal: time_ms", high=shapes.TIME_MS_MAX),
        findings=tuple(
            _finding(item) for item in shapes.array(values[9], "refusal: findings", low=1, high=FINDINGS_MAX)
        ),
    )


def sign_refusal(refusal: bytes, signer: Signer) -> bytes:
    """The service's signature, 64 bytes, over Tag("REFUSAL") || `refusal`, which is Refusal.encoded."""
    return signer.sign(tag("REFUSAL") + refusal)


def verify_refusal(refusal: bytes, signature: bytes, certificate: bytes, genesis: Genesis) -> Refusal:
    """The refusal, if the service whose `certificate` comes with it signed it for this ledger. Raises BadRefusal."""
    try:
        read, by = parse_refusal(refusal), parse_service_certificate(certificate)
    except DecodeError as error:
        raise BadRefusal(str(error)) from None
    if read.chain_id != genesis.chain_id:
        raise BadRefusal(f"the refusal is of ledger {read.chain_id.hex()}, not {genesis.chain_id.hex()}")
    verify_service_certificate(by, genesis, at_ms=read.time_ms)
    if (by.member, by.service) != (read.member, read.stage):
        raise BadRefusal(
            f"a refusal of member {read.member}'s {read.stage} is signed by member {by.member}'s {by.service}"
        )
    try:
        verify_ed25519(by.key, tag("REFUSAL") + refusal, signature)
    except BadSignature as error:
        raise BadRefusal(f"the signature under the refusal does not hold: {error}") from None
    return read


def bounded(findings: Sequence[FindingRow]) -> tuple[FindingRow, ...]:
    """As many findings, and as much of each text, as a refusal carries; the last one says what was left out."""
    rows = [_shortened(row) for row in findings[:FINDINGS_MAX]]
    if len(findings) > FINDINGS_MAX:
        left = len(findings) - FINDINGS_MAX + 1
        rows[-1] = (*rows[-1][:6], f"{left} more findings are not shown; correct these first.")
    return tuple(rows)


def _shortened(row: FindingRow) -> FindingRow:
    rule, severity, entry, label, value, expected, text = (
        item if len(item) <= limit else item[: limit - 3] + "..."
        for item, limit in zip(row, FINDING_CHARS_MAX, strict=True)
    )
    return rule, severity, entry, label, value, expected, text


def _finding(value: Value) -> FindingRow:
    rule, severity, entry, label, seen, expected, text = (
        shapes.text(item, "finding", high=limit)
        for item, limit in zip(shapes.array(value, "finding", 7), FINDING_CHARS_MAX, strict=True)
    )
    return rule, severity, entry, label, seen, expected, text
