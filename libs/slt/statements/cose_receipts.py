"""COSE Receipts (RFC 9942) of our log, attached to the statement that they are about (RFC 9943).

    18([ << statement's header >>, {394: [ << receipt >> ], "slt-receipt": << receipt v1 >>}, body digest, signature ])
    receipt: 18([ << {1: -8, 4: kid, 15: {1: iss, 2: sub, 6: iat, "log_size": size}, 16: typ, 395: 1} >>,
                  {396: {-1: [ << [size, index, [hash...]] >> ]}}, nil, signature over the root ])

The log's entry is the statement with its unprotected header emptied: the bytes that its author signed and sent. The
payload is detached: it is the root that the path leads to (RFC 9942 section 4.3). `iss` names ledger and chain, because
a root alone names no log; `sub` is the statement's; `log_size` binds the size, which a root alone does not: one path
leads from leaf 1 of 2 and from leaf 2 of 3 to one root. Codec and signing only: slt.consensus.forms verifies.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from slt.merkle.hashing import Digest
from slt.merkle.tree import SIZE_MAX
from slt.statements import cose, shapes
from slt.statements.cbor import DecodeError, Tagged, Value, decode, encode
from slt.statements.receipts import PATH_MAX, RECEIPT_BYTES_MAX
from slt.statements.signatures import ALG_EDDSA, Signer

RECEIPT_TYP: Final = "application/scitt-receipt+cose"  # RFC 9943 section 9.5
RECEIPTS_LABEL: Final = 394
EVIDENCE_LABEL: Final = "slt-receipt"
"""Beside the standard's receipts: the receipt v1 of the same verdict. Others pass it over."""

GOVERNANCE_SUB: Final = "governance"
TRANSPARENT_BYTES_MAX: Final = RECEIPT_BYTES_MAX + 64 * 1024

_VDS, _VDP, _RFC9162_SHA256, _INCLUSION = 395, 396, 1, -1
_AUDIENCE_CHARS_MAX: Final = 256
_LOG_SIZE: Final = "log_size"
_LABELS: Final = frozenset({cose.ALG, cose.KID, cose.CLAIMS, cose.TYP, _VDS})
_CLAIMS: Final = frozenset({cose.ISS, cose.SUB, cose.IAT, _LOG_SIZE})


@dataclass(frozen=True, slots=True, kw_only=True)
class CoseReceipt:
    """A receipt as received; nothing is verified. `claimed_size` is the signed size, `size` that of the proof.

    `kid` is the SHA-256 of the SubjectPublicKeyInfo of a member's checkpoint key; `iat` is the block's time in seconds.
    """

    kid: bytes
    iss: str
    sub: str
    iat: int
    claimed_size: int
    size: int
    index: int
    path: tuple[Digest, ...]
    signature: bytes
    protected: bytes

    def to_be_signed(self, root: Digest) -> bytes:
        """What the signature covers when the path leads to `root`."""
        return cose.sig_structure(self.protected, root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transparent:
    """A statement with what was attached to it. `statement` has its unprotected header emptied: the log's entry."""

    statement: bytes
    receipts: tuple[bytes, ...]
    evidence: bytes | None


def make_cose_receipt(
    signer: Signer,
    statement: bytes,
    *,
    iat: int,
    index: int,
    size: int,
    path: tuple[Digest, ...],
    root: Digest,
) -> bytes:
    """Sign that `statement` stands at `index` of the log that its `aud` names, with `size` entries and `root`.

    `signer` holds the checkpoint key, an Ed25519 key; `iat` is in seconds. The same arguments give the same bytes.
    """
    aud, sub = addressed(statement)
    claims: dict[Value, Value] = {cose.ISS: aud, cose.SUB: sub, cose.IAT: iat, _LOG_SIZE: size}
    protected = encode(
        {cose.ALG: signer.alg, cose.KID: signer.kid, cose.CLAIMS: claims, cose.TYP: RECEIPT_TYP, _VDS: _RFC9162_SHA256}
    )
    proof = encode([size, index, list(path)])
    signature = signer.sign(cose.sig_structure(protected, root))
    return encode(Tagged([protected, {_VDP: {_INCLUSION: [proof]}}, None, signature]))


def parse_cose_receipt(raw: bytes) -> CoseReceipt:
    """Read a receipt of ours. Raises DecodeError for anything but the one encoding of one."""
    if len(raw) > cose.ENVELOPE_BYTES_MAX:
        raise DecodeError(f"COSE receipt has {len(raw)} bytes; at most {cose.ENVELOPE_BYTES_MAX} are read")
    protected, unprotected, payload, signature = _sign1(raw, "COSE receipt")
    encoded = shapes.octets(protected, "COSE receipt: protected header")
    header = _map(decode(encoded), "COSE receipt: protected header", _LABELS)
    if header[cose.ALG] != ALG_EDDSA:
        raise DecodeError("COSE receipt: alg must be -8 (EdDSA)")
    if header[cose.TYP] != RECEIPT_TYP:
        raise DecodeError(f"COSE receipt: typ must be {RECEIPT_TYP}")
    if header[_VDS] != _RFC9162_SHA256 or type(header[_VDS]) is not int:
        raise DecodeError("COSE receipt: vds (label 395) must be 1, RFC9162_SHA256")
    if payload is not None:
        raise DecodeError("COSE receipt: the payload must be detached")
    claims = _map(header[cose.CLAIMS], "COSE receipt: claims", _CLAIMS)
    vdp = _map(unprotected, "COSE receipt: unprotected header", frozenset({_VDP}))[_VDP]
    proofs = _map(vdp, "COSE receipt: vdp (label 396)", frozenset({_INCLUSION}))[_INCLUSION]
    (proof,) = shapes.array(proofs, "COSE receipt: inclusion proofs", 1)
    size, index, path = shapes.array(
        decode(shapes.octets(proof, "COSE receipt: inclusion proof")), "COSE receipt: inclusion proof", 3
    )
    return CoseReceipt(
        kid=shapes.digest(header[cose.KID], "COSE receipt: kid"),
        iss=shapes.text(claims[cose.ISS], "COSE receipt: iss", low=1, high=_AUDIENCE_CHARS_MAX),
        sub=shapes.text(claims[cose.SUB], "COSE receipt: sub", low=1, high=cose.NAME_CHARS_MAX),
        iat=cose.time_of(claims, "COSE receipt"),
        claimed_size=shapes.integer(claims[_LOG_SIZE], "COSE receipt: log_size", low=1, high=SIZE_MAX),
        size=shapes.integer(size, "COSE receipt: tree size", low=1, high=SIZE_MAX),
        index=shapes.integer(index, "COSE receipt: leaf index", high=SIZE_MAX),
        path=shapes.digests(path, "COSE receipt: inclusion path", high=PATH_MAX),
        signature=shapes.octets(signature, "COSE receipt: signature", 64),
        protected=encoded,
    )


def addressed(statement: bytes) -> tuple[str, str]:
    """For which ledger `statement` was made, and what it is about: `aud` and `sub` of its claims.

    Governance statements have no `sub`: theirs is GOVERNANCE_SUB. Raises DecodeError.
    """
    protected, *_ = _sign1(statement, "statement")
    header = decode(shapes.octets(protected, "statement: protected header"))
    claims = header.get(cose.CLAIMS) if isinstance(header, dict) else None
    if not isinstance(claims, dict):
        raise DecodeError("statement: claims must be a map")
    return (
        shapes.text(claims.get(cose.AUD), "statement: aud", low=1, high=_AUDIENCE_CHARS_MAX),
        shapes.text(claims.get(cose.SUB, GOVERNANCE_SUB), "statement: sub", low=1, high=cose.NAME_CHARS_MAX),
    )


def attach(statement: bytes, *, receipts: tuple[bytes, ...], evidence: bytes | None) -> bytes:
    """`statement` with COSE `receipts` and, for our own verifier, a receipt v1. At least one of them is there."""
    tagged = decode(statement)
    assert type(tagged) is Tagged
    protected, _, payload, signature = shapes.array(tagged.value, "statement", 4)
    beside: dict[Value, Value] = {}
    if receipts:
        beside[RECEIPTS_LABEL] = list(receipts)
    if evidence is not None:
        beside[EVIDENCE_LABEL] = evidence
    assert beside, "a statement to which nothing is attached is the log's entry"
    return encode(Tagged([protected, beside, payload, signature]))


def detach(raw: bytes) -> Transparent:
    """Part a statement from what is attached to it. Raises DecodeError for anything but one of `attach`."""
    if len(raw) > TRANSPARENT_BYTES_MAX:
        raise DecodeError(f"transparent statement has {len(raw)} bytes; at most {TRANSPARENT_BYTES_MAX} are read")
    protected, beside, payload, signature = _sign1(raw, "transparent statement")
    if type(beside) is not dict or not beside or not beside.keys() <= {RECEIPTS_LABEL, EVIDENCE_LABEL}:
        raise DecodeError(
            f"transparent statement: the unprotected header has label {RECEIPTS_LABEL}, {EVIDENCE_LABEL!r}, or both"
        )
    receipts: tuple[bytes, ...] = ()
    if RECEIPTS_LABEL in beside:
        listed = shapes.array(beside[RECEIPTS_LABEL], "transparent statement: receipts", 1)
        receipts = tuple(shapes.octets(one, "transparent statement: receipt", low=1) for one in listed)
    evidence: bytes | None = None
    if EVIDENCE_LABEL in beside:
        given = beside[EVIDENCE_LABEL]
        evidence = shapes.octets(given, "transparent statement: receipt v1", low=1, high=RECEIPT_BYTES_MAX)
    entry = encode(Tagged([protected, {}, payload, signature]))
    return Transparent(statement=entry, receipts=receipts, evidence=evidence)


def _sign1(raw: bytes, what: str) -> list[Value]:
    tagged = decode(raw)
    if type(tagged) is not Tagged:
        raise DecodeError(f"{what} must be a COSE_Sign1 under tag 18")
    return shapes.array(tagged.value, what, 4)


def _map(value: Value, what: str, labels: AbstractSet[object]) -> dict[Value, Value]:
    if type(value) is not dict:
        raise DecodeError(f"{what} must be a map")
    if value.keys() != labels:
        raise DecodeError(f"{what} must have exactly the labels {sorted(labels, key=str)}")
    return value
