"""Ed25519 (RFC 8032) with our predicate before the library, so that every library would give the same answer.

Implementations disagree on odd signatures: S not reduced, encodings of points that are not canonical, points of small
order. We refuse those first, by looking at the bytes; PyNaCl, which releases the interpreter's lock, does the rest.
"""

from typing import Final

from nacl import bindings
from nacl.exceptions import BadSignatureError

PUBLIC_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

_P: Final = 2**255 - 19
_L: Final = 2**252 + 27742317777372353535851937790883648493
_SIGN: Final = 1 << 255

_ORDER_8: Final = int.from_bytes(
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
)
SMALL_ORDER_Y: Final = frozenset({0, 1, _P - 1, _ORDER_8, _P - _ORDER_8})
"""The y coordinates of the eight points whose order divides 8: each is refused with either sign."""


class BadSignature(Exception):
    """A signature does not hold, or is one that libraries may disagree on. The text says which."""


def check_public(public: bytes) -> None:
    """Raise BadSignature unless `public` is 32 bytes, a canonical encoding, and not of small order."""
    if len(public) != PUBLIC_BYTES:
        raise BadSignature(f"an Ed25519 key is 32 bytes, not {len(public)}")
    _check_point(public, "key")


def check_on_curve(public: bytes) -> None:
    """Raise BadSignature unless `public` is a point of the prime-order group: for keys that are registered."""
    check_public(public)
    if not bindings.crypto_core_ed25519_is_valid_point(public):
        raise BadSignature("the Ed25519 key is not a point of the prime-order group")


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> None:
    """Raise BadSignature unless `signature` (64 bytes) by `public` (32 bytes) covers `message`.

    Refused before any library is asked: S >= L, an encoding of A or R that is not canonical, A or R of small order.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise BadSignature(f"an Ed25519 signature is 64 bytes, not {len(signature)}")
    check_public(public)
    if int.from_bytes(signature[32:], "little") >= _L:
        raise BadSignature("S of the Ed25519 signature is not reduced")
    _check_point(signature[:32], "R of the signature")
    try:
        bindings.crypto_sign_open(signature + message, public)
    except BadSignatureError:
        raise BadSignature("the Ed25519 signature does not hold") from None


def sign_ed25519(seed: bytes, public: bytes, message: bytes) -> bytes:
    """The 64-byte signature of `message` by the key of `seed` (32 bytes), whose public key is `public`."""
    return bindings.crypto_sign(message, seed + public)[:SIGNATURE_BYTES]


def public_of(seed: bytes) -> bytes:
    """The public key, 32 bytes, of `seed`, 32 bytes."""
    return bindings.crypto_sign_seed_keypair(seed)[0]


def _check_point(encoded: bytes, what: str) -> None:
    y = int.from_bytes(encoded, "little") & (_SIGN - 1)
    if y >= _P:
        raise BadSignature(f"the {what} is not a canonical Ed25519 point")
    if y in SMALL_ORDER_Y:
        raise BadSignature(f"the {what} is a point of small order")
