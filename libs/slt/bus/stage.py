"""What one stage says to the next, signed: no broker and no taken-over neighbour can forge it or use it elsewhere.

The signature covers Tag("STAGE") || chain_id || framed(stage, service, member) || SHA-256(payload), where framed gives
each of stage and service a length (u32) and its UTF-8 bytes, and member is a u64. The key is the service's own; the
envelope carries its certificate, which the member's governance key in genesis signs. A batch that one service has
signed is thus nothing on another subject, of another member, or in another ledger; a repeat in its own place is what
every receiver bears anyway. Questions and answers are signed in the same way: requests.py.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from slt.bus.messages import Envelope, Item, decode, encode
from slt.bus.subjects import (
    AGAIN,
    BLOCK_GET,
    BLOCK_YOUNG,
    EVALUATE,
    RECEIPT_GET,
    STATE_GET,
    VET_AUTHENTICATION,
    VET_VALIDATION,
)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Who may ask on a subject, and the one service whose answer counts there."""

    askers: frozenset[str]
    answerer: str


# Who may ask and who answers, by subject: those that have a reason today, and nobody else.
PARTIES: Final = {
    EVALUATE: Parties(askers=frozenset({"consensus"}), answerer="uniqueness"),
    VET_AUTHENTICATION: Parties(askers=frozenset({"consensus"}), answerer="authentication"),
    VET_VALIDATION: Parties(askers=frozenset({"consensus"}), answerer="validation"),
    STATE_GET: Parties(askers=frozenset({"authentication", "validation", "consensus"}), answerer="uniqueness"),
    BLOCK_YOUNG: Parties(askers=frozenset({"uniqueness", "ledger"}), answerer="consensus"),
    BLOCK_GET: Parties(askers=frozenset({"uniqueness", "consensus"}), answerer="ledger"),
    RECEIPT_GET: Parties(askers=frozenset({"authentication", "validation", "uniqueness"}), answerer="ledger"),
    AGAIN: Parties(askers=frozenset({"authentication", "validation", "uniqueness"}), answerer="ledger"),
}
CERTIFICATES_CACHED: Final = 64  # a member has five services; renewals overlap


class Forged(Exception):
    """Bytes that no service with a say there has signed for the place where they are. The sentence names the fault."""


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


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Certificates:
    """Service certificates of our ledger, each verified against genesis once and remembered.

    With `member` only that member's services are heard. `clock_ms` is asked for the dates, every time.
    """

    def __init__(self, genesis: Genesis, *, member: int | None, clock_ms: Callable[[], int]) -> None:
        self._genesis = genesis
        self._member = member
        self._clock_ms = clock_ms
        self._known: dict[bytes, ServiceCertificate] = {}

    def key(self, data: bytes, *, service: str, member: int) -> bytes:
        """The key that certificate `data` gives `service` of `member` for today. Raises Forged."""
        if self._member is not None and member != self._member:
            raise Forged(f"sealed by member {member}; this is the bus of member {self._member}")
        certificate = self._certified(data)
        if (certificate.service, certificate.member) != (service, member):
            raise Forged(
                f"the certificate is that of {certificate.service!r} of member {certificate.member}, "
                f"the sender says {service!r} of member {member}"
            )
        if not certificate.not_before <= self._clock_ms() <= certificate.not_after:
            raise Forged(f"the certificate of {certificate.service!r} is not valid now; renew it")
        return certificate.key

    def _certified(self, data: bytes) -> ServiceCertificate:
        if (known := self._known.get(data)) is not None:
            return known
        try:
            certificate = parse_service_certificate(data)
            verify_service_certificate(certificate, self._genesis)
        except (DecodeError, BadRefusal) as error:
            raise Forged(f"the sender's certificate does not hold: {error}") from error
        if len(self._known) >= CERTIFICATES_CACHED:
            self._known.clear()
        self._known[data] = certificate
        return certificate


class StageOpener:
    """Opens what the services of our ledger have sealed; with `member`, what those of that member have."""

    def __init__(self, genesis: Genesis, *, member: int | None = None, now_ms: Callable[[], int] = now_ms) -> None:
        self._chain_id = genesis.chain_id
        self._certificates = Certificates(genesis, member=member, clock_ms=now_ms)

    def open(self, stage: str, data: bytes) -> list[Item]:
        """The items of one message of `stage`. Raises Malformed, Forged."""
        return decode(list[Item], self.open_bytes(stage, data))

    def open_bytes(self, stage: str, data: bytes) -> bytes:
        """The payload beneath `open`. Raises Malformed, Forged."""
        envelope = decode(Envelope, data)
        if envelope.stage != stage:
            raise Forged(f"sealed for stage {envelope.stage!r}, found on {stage!r}")
        if envelope.service != SPEAKERS[stage]:
            raise Forged(f"{envelope.service!r} has no say on stage {stage!r}; {SPEAKERS[stage]!r} has")
        key = self._certificates.key(envelope.certificate, service=envelope.service, member=envelope.member)
        digest = sha256(envelope.payload).digest()
        check(
            key,
            sign_bytes(self._chain_id, stage, envelope.service, envelope.member, digest),
            envelope.signature,
            service=envelope.service,
        )
        return envelope.payload


def check(key: bytes, message: bytes, signature: bytes, *, service: str) -> None:
    """Raises Forged unless `key`, that of `service`, made `signature` over `message`."""
    try:
        verify_ed25519(key, message, signature)
    except BadSignature as error:
        raise Forged(f"the signature of {service!r} does not fit: {error}") from error


def sign_bytes(chain_id: bytes, stage: str, service: str, member: int, payload_digest: bytes) -> bytes:
    """What a stage's signature covers."""
    return tag("STAGE") + chain_id + framed(stage) + framed(service) + member.to_bytes(8, "big") + payload_digest


def framed(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(4, "big") + data
