"""Questions and answers between the services of one member, signed: who asks and who answers is proven, never said.

Every message is one `Said`, signed with its service's own key over

    Tag(kind) || chain_id || framed(subject) || framed(service) || member u64 || bound || SHA-256(payload)

where Tag is that of ASK, ANSWER or DECLINE and `framed` is as in stage.py. `bound` of an ask is 32 random bytes; of an
answer, or of a decline, it is the SHA-256 of the whole ask as it was sent. So what was said to one question is nothing
to another, not even to the same one asked again, and nothing said on one subject, by one member or in one ledger is
anything elsewhere. Who may ask and who answers stands in stage.PARTIES.

An ask that a broker repeats later, in its own place, is signed and is answered again: whoever acts on being asked must
bear an old question. Where freshness matters the service asks, and believes the answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from slt.bus import BusError, NoReply
from slt.bus.messages import Said, decode, encode
from slt.bus.stage import PARTIES, Certificates, Forged, check, framed, now_ms
from slt.bus.streams import MAX_PAYLOAD_BYTES
from slt.statements.genesis import Genesis
from slt.statements.signatures import Signer
from slt.statements.tags import tag

NONCE_BYTES: Final = 32  # as wide as the digest that stands in its place in an answer
REASON_CHARACTERS_MAX: Final = 300  # of a decline, for the log
# What may be asked or answered in one message: room for the envelope, the bus's own bytes and the broker's headers.
SAID_BYTES_MAX: Final = MAX_PAYLOAD_BYTES - 16 * 1024

Kind = Literal["ask", "answer", "decline"]


class Declined(NoReply):
    """The service that answers on `subject` has read the question and does not answer it: `reason` says why.

    Never a "no" to what was asked. Raised by a handler, it travels signed and is raised again where it was asked.
    """

    def __init__(self, subject: str, reason: str) -> None:
        BusError.__init__(self, f"{subject}: declined: {reason}")
        self.subject = subject
        self.reason = reason


class ForgedReply(NoReply):
    """A reply came on `subject` that its service did not give to this question: worth no more than silence."""

    def __init__(self, subject: str, reason: str) -> None:
        BusError.__init__(self, f"{subject}: no reply that can be believed: {reason}")
        self.subject = subject
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question whose signature holds."""

    asker: str  # the service that its certificate names
    payload: bytes


class Dialogue:
    """One service's side of every question: what it says, and what it believes. Safe to use from several threads."""

    def __init__(
        self,
        genesis: Genesis,
        *,
        member: int,
        service: str,
        signer: Signer,
        certificate: bytes,
        now_ms: Callable[[], int] = now_ms,
    ) -> None:
        """`certificate` is that of `signer`. `now_ms` is asked for the dates of the others' certificates."""
        self._chain_id = genesis.chain_id
        self._member = member
        self._service = service
        self._signer = signer
        self._certificate = certificate
        self._certificates = Certificates(genesis, member=member, clock_ms=now_ms)

    def ask(self, subject: str, payload: bytes, *, nonce: bytes) -> bytes:
        """The question to send. `nonce`: 32 bytes that were never used before."""
        return self._say("ask", subject, nonce, payload)

    def open_ask(self, subject: str, data: bytes) -> Asked:
        """Read a question that came on `subject`. Raises Malformed, Forged."""
        said = decode(Said, data)
        if said.kind != "ask":
            raise Forged(f"{said.kind!r} is no question")
        if said.service not in PARTIES[subject].askers:
            raise Forged(f"{said.service!r} may not ask on {subject}")
        self._verify(subject, said)
        return Asked(asker=said.service, payload=said.payload)

    def answer(self, subject: str, ask: bytes, payload: bytes) -> bytes:
        """The answer to `ask`, the question as it came."""
        return self._say("answer", subject, sha256(ask).digest(), payload)

    def decline(self, subject: str, ask: bytes, reason: str) -> bytes:
        """What is said to a question that is not answered."""
        return self._say("decline", subject, sha256(ask).digest(), reason[:REASON_CHARACTERS_MAX].encode())

    def open_answer(self, subject: str, ask: bytes, data: bytes) -> bytes:
        """The payload of the answer to `ask`, the question as it was sent. Raises Malformed, Forged, Declined."""
        if not data:
            raise Forged("an empty reply, as a service gives to a question that it does not believe")
        said = decode(Said, data)
        if said.kind == "ask":
            raise Forged("a question is no answer")
        if said.service != (answerer := PARTIES[subject].answerer):
            raise Forged(f"{said.service!r} does not answer on {subject}; {answerer!r} does")
        if said.bound != sha256(ask).digest():
            raise Forged("it was said to another question")
        self._verify(subject, said)
        if said.kind == "decline":
            raise Declined(subject, said.payload.decode(errors="replace")[:REASON_CHARACTERS_MAX])
        return said.payload

    def _say(self, kind: Kind, subject: str, bound: bytes, payload: bytes) -> bytes:
        message = said_bytes(
            kind, self._chain_id, subject, self._service, self._member, bound, sha256(payload).digest()
        )
        return encode(
            Said(
                kind=kind,
                subject=subject,
                service=self._service,
                member=self._member,
                bound=bound,
                certificate=self._certificate,
                signature=self._signer.sign(message),
                payload=payload,
            )
        )

    def _verify(self, subject: str, said: Said) -> None:
        if said.subject != subject:
            raise Forged(f"said on {said.subject!r}, found on {subject!r}")
        if len(said.bound) != NONCE_BYTES:
            raise Forged(f"bound to {len(said.bound)} bytes; {NONCE_BYTES} are expected")
        key = self._certificates.key(said.certificate, service=said.service, member=said.member)
        digest = sha256(said.payload).digest()
        message = said_bytes(said.kind, self._chain_id, subject, said.service, said.member, said.bound, digest)
        check(key, message, said.signature, service=said.service)


def said_bytes(
    kind: Kind, chain_id: bytes, subject: str, service: str, member: int, bound: bytes, payload_digest: bytes
) -> bytes:
    """What the signature covers. `bound` and `payload_digest`: 32 bytes each."""
    place = chain_id + framed(subject) + framed(service) + member.to_bytes(8, "big")
    return tag(kind.upper()) + place + bound + payload_digest
