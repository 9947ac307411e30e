"""Statements, endorsements and bodies: the signed fact "this identity reports the body with this digest".

A statement is a COSE hash envelope (RFC 9995): its payload is the digest of a body that travels and lives beside it.
Its id is the hash of what is signed, so that a re-made signature over the same fact has the same id.
"""

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from slt.merkle.hashing import Digest
from slt.statements import cose, shapes
from slt.statements.cbor import DecodeError, Value
from slt.statements.signatures import Signer, verify
from slt.statements.tags import tagged_hash

STATEMENT_TYP: Final = "application/vnd.slt.statement+cose"
ENDORSEMENT_TYP: Final = "application/vnd.slt.endorsement+cose"

CODE10: Final = "application/vnd.slt.body+code10"
EURATOM: Final = "application/vnd.slt.body+euratom"
EURATOM_XML: Final = "application/vnd.slt.body+euratom-xml"
MEDIA_TYPES: Final = frozenset({CODE10, EURATOM, EURATOM_XML})

SALT_BYTES: Final = 16

_HASH_ALG, _PREIMAGE_TYPE, _SHA_256 = 258, 259, -16
_STATEMENT_LABELS: Final = frozenset({cose.ALG, cose.KID, cose.CLAIMS, cose.TYP, _HASH_ALG, _PREIMAGE_TYPE})
_STATEMENT_CLAIMS: Final = frozenset({cose.ISS, cose.SUB, cose.AUD, cose.IAT})
_ENDORSEMENT_LABELS: Final = frozenset({cose.ALG, cose.KID, cose.CLAIMS, cose.TYP})
_ENDORSEMENT_CLAIMS: Final = frozenset({cose.ISS, cose.AUD, cose.IAT})
_SUB: Final = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")  # 16 bytes in base64url; the four spare bits are zero.


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement as received, and what it says; not yet verified. `iat` is in seconds since 1970 UTC."""

    raw: bytes
    id: Digest
    kid: bytes
    alg: int
    iss: str
    sub: str
    aud: str
    iat: int
    media_type: str
    body_digest: Digest
    signature: bytes
    to_be_signed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsement:
    """An authority's signature over a statement id. Not yet verified; `iat` in seconds since 1970 UTC."""

    raw: bytes
    kid: bytes
    alg: int
    iss: str
    aud: str
    iat: int
    statement_id: Digest
    signature: bytes
    to_be_signed: bytes


def parse_statement(raw: bytes) -> Statement:
    """Read a statement. Raises DecodeError, naming the field, for anything but the one encoding of one."""
    envelope = cose.open_envelope(
        raw, "statement", typ=STATEMENT_TYP, labels=_STATEMENT_LABELS, claims=_STATEMENT_CLAIMS
    )
    header, claims = envelope.header, envelope.claims
    if header[_HASH_ALG] != _SHA_256:
        raise DecodeError("statement: label 258 must be -16 (SHA-256)")
    media_type = header[_PREIMAGE_TYPE]
    if type(media_type) is not str or media_type not in MEDIA_TYPES:
        raise DecodeError(f"statement: label 259 must be one of {', '.join(sorted(MEDIA_TYPES))}")
    return Statement(
        raw=raw,
        id=Digest(sha256(envelope.to_be_signed).digest()),
        kid=envelope.kid,
        alg=envelope.alg,
        iss=cose.name_of(claims, "statement"),
        sub=shapes.text(claims[cose.SUB], "statement: sub", high=22, pattern=_SUB),
        aud=cose.audience_of(claims, "statement"),
        iat=cose.time_of(claims, "statement"),
        media_type=media_type,
        body_digest=shapes.digest(envelope.payload, "statement: payload"),
        signature=envelope.signature,
        to_be_signed=envelope.to_be_signed,
    )


def make_statement(signer: Signer, *, iss: str, sub: str, aud: str, iat: int, media_type: str, digest: bytes) -> bytes:
    """Sign the statement that `iss` reports the body with `digest` (32 bytes) at `iat` (seconds). Returns its bytes."""
    header: dict[Value, Value] = {
        cose.CLAIMS: {cose.ISS: iss, cose.SUB: sub, cose.AUD: aud, cose.IAT: iat},
        cose.TYP: STATEMENT_TYP,
        _HASH_ALG: _SHA_256,
        _PREIMAGE_TYPE: media_type,
    }
    return cose.make_envelope(signer, header, digest)


def verify_statement(statement: Statement, spki: bytes) -> None:
    """Raise BadSignature unless the key of `spki`, which the caller found by the statement's kid, signed it."""
    verify(spki, statement.alg, statement.to_be_signed, statement.signature)


def parse_endorsement(raw: bytes, *, typ: str = ENDORSEMENT_TYP, what: str = "endorsement") -> Endorsement:
    """Read an endorsement. Raises DecodeError, naming the field, for anything but the one encoding of one.

    `typ` and `what`: approvals are endorsements under a typ of their own (governance.py).
    """
    envelope = cose.open_envelope(raw, what, typ=typ, labels=_ENDORSEMENT_LABELS, claims=_ENDORSEMENT_CLAIMS)
    return Endorsement(
        raw=raw,
        kid=envelope.kid,
        alg=envelope.alg,
        iss=cose.name_of(envelope.claims, what),
        aud=cose.audience_of(envelope.claims, what),
        iat=cose.time_of(envelope.claims, what),
        statement_id=shapes.digest(envelope.payload, f"{what}: payload"),
        signature=envelope.signature,
        to_be_signed=envelope.to_be_signed,
    )


def make_endorsement(
    signer: Signer, *, iss: str, aud: str, iat: int, statement_id: bytes, typ: str = ENDORSEMENT_TYP
) -> bytes:
    """Sign the endorsement of the statement with `statement_id` at `iat` (seconds). Returns its bytes."""
    header: dict[Value, Value] = {cose.CLAIMS: {cose.ISS: iss, cose.AUD: aud, cose.IAT: iat}, cose.TYP: typ}
    return cose.make_envelope(signer, header, statement_id)


def verify_endorsement(endorsement: Endorsement, spki: bytes) -> None:
    """Raise BadSignature unless the key of `spki`, which the caller found by the endorsement's kid, signed it."""
    verify(spki, endorsement.alg, endorsement.to_be_signed, endorsement.signature)


def make_body(salt: bytes, document: bytes) -> bytes:
    """`salt` (16 random bytes, fresh for each submission) and the document."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt is {SALT_BYTES} bytes, not {len(salt)}")
    return salt + document


def split_body(body: bytes) -> tuple[bytes, bytes]:
    """Salt and document. Raises DecodeError when there is not even a salt."""
    if len(body) < SALT_BYTES:
        raise DecodeError(f"a body begins with {SALT_BYTES} bytes of salt; this one has {len(body)} bytes in all")
    return body[:SALT_BYTES], body[SALT_BYTES:]


def body_digest(body: bytes) -> Digest:
    return Digest(sha256(body).digest())


def subject_of(salt: bytes, report: str) -> str:
    """The opaque `sub` of a report such as "XL/XLR1/41": base64url of half of H("sub", salt || report)."""
    return urlsafe_b64encode(tagged_hash("sub", salt + report.encode())[:16]).decode().rstrip("=")


def audience(origin: str, chain_id: bytes) -> str:
    """The `aud` of everything that is said to one ledger: origin, '#', hex chain_id."""
    return f"{origin}#{chain_id.hex()}"
