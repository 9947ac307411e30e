"""COSE_Sign1 (RFC 9052) as all of ours are: tag 18, unprotected header empty, exactly the protected labels of its kind.

18([ << {1: alg, 4: kid, 15: claims, 16: typ, ...} >>, {}, payload, signature ])

The payload is a digest of 32 bytes, but for governance statements, which carry what they say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from slt.statements import shapes
from slt.statements.cbor import DecodeError, Tagged, Value, decode, encode, head
from slt.statements.signatures import SIGNATURE_BYTES, Signer

ALG: Final = 1
KID: Final = 4
CLAIMS: Final = 15
TYP: Final = 16
ISS, SUB, AUD, IAT = 1, 2, 3, 6  # CWT claims (RFC 8392) under CLAIMS.

ENVELOPE_BYTES_MAX: Final = 8192  # An ML-DSA-65 signature is 3,309 bytes; names and claims stay below 1,000.
GOVERNANCE_BYTES_MAX: Final = 65_535  # An entry bundle of a C2SP log gives the length of a leaf in 16 bits.
NAME_CHARS_MAX: Final = 128

_SIGN1: Final = b"\x84\x6aSignature1"
_NO_AAD: Final = b"\x40"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a COSE_Sign1 of ours holds. `header` has all protected labels, `claims` those under 15."""

    alg: int
    kid: bytes
    header: Mapping[Value, Value]
    claims: Mapping[Value, Value]
    payload: bytes
    signature: bytes
    to_be_signed: bytes


def open_envelope(
    raw: bytes,
    what: str,
    *,
    typ: str,
    labels: frozenset[int],
    claims: frozenset[int],
    bytes_max: int = ENVELOPE_BYTES_MAX,
) -> Envelope:
    """Read `raw`, at most `bytes_max` long, as the kind of object that `typ` names.

    `labels` and `claims` are the protected labels and CWT claims that it has, no more and no fewer. Raises DecodeError,
    which names `what` and the field. The signature is not verified here, and the payload may be any bytes.
    """
    protected, unprotected, payload, signature = _items(raw, what, bytes_max)
    if unprotected != {}:
        raise DecodeError(f"{what}: the unprotected header must be empty")
    encoded = shapes.octets(protected, f"{what}: protected header")
    header = _map(decode(encoded), f"{what}: protected header", labels)
    if header[TYP] != typ:
        raise DecodeError(f"{what}: typ must be {typ}")
    content = shapes.octets(payload, f"{what}: payload")
    alg = shapes.integer(header[ALG], f"{what}: alg", low=-(2**31))
    if alg not in SIGNATURE_BYTES:
        raise DecodeError(f"{what}: alg must be -8 (EdDSA), -7 (ES256) or -49 (ML-DSA-65)")
    return Envelope(
        alg=alg,
        kid=shapes.digest(header[KID], f"{what}: kid"),
        header=header,
        claims=_map(header[CLAIMS], f"{what}: claims", claims),
        payload=content,
        signature=shapes.octets(signature, f"{what}: signature", SIGNATURE_BYTES[alg]),
        to_be_signed=sig_structure(encoded, content),
    )


def typ_of(raw: bytes, what: str) -> str:
    """What kind of object `raw` says that it is; at most GOVERNANCE_BYTES_MAX are read. Raises DecodeError."""
    protected, *_ = _items(raw, what, GOVERNANCE_BYTES_MAX)
    header = decode(shapes.octets(protected, f"{what}: protected header"))
    if type(header) is not dict:
        raise DecodeError(f"{what}: protected header must be a map")
    return shapes.text(header.get(TYP), f"{what}: typ", high=128)


def make_envelope(signer: Signer, header: Mapping[Value, Value], payload: bytes) -> bytes:
    """Sign `payload` under `header`, to which alg and kid are added."""
    protected = encode({**header, ALG: signer.alg, KID: signer.kid})
    signature = signer.sign(sig_structure(protected, payload))
    return encode(Tagged([protected, {}, payload, signature]))


def sig_structure(protected: bytes, payload: bytes) -> bytes:
    """The bytes that are signed: Sig_structure of RFC 9052 section 4.4 with empty external_aad."""
    return _SIGN1 + head(2, len(protected)) + protected + _NO_AAD + head(2, len(payload)) + payload


def name_of(claims: Mapping[Value, Value], what: str) -> str:
    return shapes.text(claims[ISS], f"{what}: iss", low=1, high=NAME_CHARS_MAX)


def audience_of(claims: Mapping[Value, Value], what: str) -> str:
    return shapes.text(claims[AUD], f"{what}: aud", low=1, high=256)


def time_of(claims: Mapping[Value, Value], what: str) -> int:
    return shapes.integer(claims[IAT], f"{what}: iat", high=shapes.TIME_S_MAX)


def _items(raw: bytes, what: str, bytes_max: int) -> list[Value]:
    if len(raw) > bytes_max:
        raise DecodeError(f"{what} has {len(raw)} bytes; at most {bytes_max} are read")
    tagged = decode(raw)
    if type(tagged) is not Tagged:
        raise DecodeError(f"{what} must be a COSE_Sign1 under tag 18")
    return shapes.array(tagged.value, what, 4)


def _map(value: Value, what: str, labels: frozenset[int]) -> Mapping[Value, Value]:
    if type(value) is not dict:
        raise DecodeError(f"{what} must be a map")
    if value.keys() != labels:
        raise DecodeError(f"{what} must have exactly the labels {sorted(labels)}")
    return value
