"""What a member's service puts on record outside the ledger: `[record, signature, service certificate]`.

`record` is the CBOR of an array; the signature, by the key that the certificate names, is over Tag(name) || record. It
verifies against genesis alone, however long the service has been gone.
"""

from typing import NamedTuple

from slt.statements import shapes
from slt.statements.cbor import DecodeError, encode
from slt.statements.genesis import Genesis
from slt.statements.refusals import BadRefusal, parse_service_certificate, verify_service_certificate
from slt.statements.signatures import BadSignature, Signer, verify_ed25519
from slt.statements.tags import tag

RECORD_BYTES_MAX = 8 * 1024


class BadRecord(ValueError):
    """A record that does not hold under this genesis. The message says why."""


class ServiceRecord(NamedTuple):
    """The parts, read and not verified."""

    record: bytes
    signature: bytes
    certificate: bytes


def sign_record(name: str, record: bytes, signer: Signer, certificate: bytes) -> bytes:
    """`record` as it is kept and shown. `certificate` is that of the service whose key `signer` holds."""
    return encode([record, signer.sign(tag(name) + record), certificate])


def parse_record(data: bytes) -> ServiceRecord:
    """Raises DecodeError."""
    record, signature, certificate = shapes.opened(data, "service record", 3, bytes_max=RECORD_BYTES_MAX)
    return ServiceRecord(
        shapes.octets(record, "service record: record"),
        shapes.octets(signature, "service record: signature", 64),
        shapes.octets(certificate, "service record: certificate"),
    )


def verify_record(name: str, data: bytes, genesis: Genesis, *, member: int, service: str, at_ms: int) -> None:
    """Raises BadRecord unless `service` of `member` signed this record, with a key that was certified at `at_ms`."""
    try:
        record, signature, certificate = parse_record(data)
        by = parse_service_certificate(certificate)
        verify_service_certificate(by, genesis, at_ms=at_ms)
        verify_ed25519(by.key, tag(name) + record, signature)
    except (DecodeError, BadRefusal, BadSignature) as error:
        raise BadRecord(str(error)) from None
    if (by.member, by.service) != (member, service):
        raise BadRecord(f"a record of member {member}'s {service} is signed by member {by.member}'s {by.service}")
