"""What one stage says to the next, signed: no broker and no taken-over neighbour can forge it or use it elsewhere.

The signature covers Tag("STAGE") || chain_id || framed(stage, service, member) || SHA-256(payload), where framed gives
each of stage and service a length (u32) and its UTF-8 bytes, and member is a u64. The key is the service's own; the
envelope carries its certificate, which the member's governance key in genesis signs. A batch that one service has
signed is thus nothing on another subject, of another member, or in another ledger; a repeat in its own place is what
every receiver bears anyway.
"""

import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from slt.bus.messages import Envelope, Item, decode, encode
from slt.statements.cbor import DecodeError
from slt.statements.genesis import Genesis
from slt.statements.refusals import (
    BadRefusal,
    ServiceCertificate,
    parse_service_certificate,
    verify_service_certificate,
)
from slt.statements.signatures import BadSignature, Signer, verify_ed25519
from slt.statements.tags import tag

# Who may speak where: by stage, the one service whose word counts.
SPEAKERS: Final = {
    "authenticated": "authentication",
    "validated": "validation",
    "admitted": "uniqueness",
    "block": "consensus",
}
CERTIFICATES_CACHED: Final = 64  # a member has five services; renewals overlap


class ForgedStage(Exception):
    """Bytes on a stage's subject that its service did not sign for it. The sentence says which tie is broken."""


class StageSigner:
    """Signs as one service of one member."""

    def __init__(self, chain_id: bytes, member: int, service: str, signer: Signer, certificate: bytes) -> None:
        self._chain_id = chain_id
        self._member = member
        self._service = service
        self._signer = signer
        self._certificate = certificate

    def seal(self, stage: str, items: Sequence[Item]) -> bytes:
        """One message with `items`, for the subject of `stage`."""
        return self.seal_bytes(stage, encode(list(items)))

    def seal_bytes(self, stage: str, payload: bytes) -> bytes:
        """The same around any payload: `block` carries one encoded Block."""
        return encode(
            Envelope(
                stage=stage,
                service=self._service,
                member=self._member,
                certificate=self._certificate,
                signature=self._signer.sign(
                    sign_bytes(self._chain_id, stage, self._service, self._member, sha256(payload).digest())
                ),
                payload=payload,
            )
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class StageOpener:
    """Opens what the services of our ledger have sealed. Certificates are verified once and remembered.

    With `member` only that member's services are heard. `now_ms` is asked for the dates of certificates.
    """

    def __init__(self, genesis: Genesis, *, member: int | None = None, now_ms: Callable[[], int] = _now_ms) -> None:
        self._genesis = genesis
        self._member = member
        self._now_ms = now_ms
        self._certificates: dict[bytes, ServiceCertificate] = {}

    def open(self, stage: str, data: bytes) -> list[Item]:
        """The items of one message of `stage`. Raises Malformed, ForgedStage."""
        return decode(list[Item], self.open_bytes(stage, data))

    def open_bytes(self, stage: str, data: bytes) -> bytes:
        """The payload beneath `open`. Raises Malformed, ForgedStage."""
        envelope = decode(Envelope, data)
        if envelope.stage != stage:
            raise ForgedStage(f"sealed for stage {envelope.stage!r}, found on {stage!r}")
        if envelope.service != SPEAKERS[stage]:
            raise ForgedStage(f"{envelope.service!r} has no say on stage {stage!r}; {SPEAKERS[stage]!r} has")
        if self._member is not None and envelope.member != self._member:
            raise ForgedStage(f"sealed by member {envelope.member}; this is the bus of member {self._member}")
        certificate = self._certified(envelope.certificate)
        if (certificate.service, certificate.member) != (envelope.service, envelope.member):
            raise ForgedStage(
                f"the certificate is that of {certificate.service!r} of member {certificate.member}, "
                f"the sender says {envelope.service!r} of member {envelope.member}"
            )
        if not certificate.not_before <= self._now_ms() <= certificate.not_after:
            raise ForgedStage(f"the certificate of {certificate.service!r} is not valid now; renew it")
        message = sign_bytes(
            self._genesis.chain_id, stage, envelope.service, envelope.member, sha256(envelope.payload).digest()
        )
        try:
            verify_ed25519(certificate.key, message, envelope.signature)
        except BadSignature as error:
            raise ForgedStage(f"the signature of {envelope.service!r} does not fit: {error}") from error
        return envelope.payload

    def _certified(self, data: bytes) -> ServiceCertificate:
        if (known := self._certificates.get(data)) is not None:
            return known
        try:
            certificate = parse_service_certificate(data)
            verify_service_certificate(certificate, self._genesis)
        except (DecodeError, BadRefusal) as error:
            raise ForgedStage(f"the sender's certificate does not hold: {error}") from error
        if len(self._certificates) >= CERTIFICATES_CACHED:
            self._certificates.clear()
        self._certificates[data] = certificate
        return certificate


def sign_bytes(chain_id: bytes, stage: str, service: str, member: int, payload_digest: bytes) -> bytes:
    """What a stage's signature covers."""
    return tag("STAGE") + chain_id + framed(stage) + framed(service) + member.to_bytes(8, "big") + payload_digest


def framed(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(4, "big") + data
