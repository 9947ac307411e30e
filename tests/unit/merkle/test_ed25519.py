"""Ed25519 signatures that libraries may disagree on are refused before a library is asked."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from slt.merkle.ed25519 import (
    SMALL_ORDER_Y,
    BadSignature,
    check_on_curve,
    check_public,
    public_of,
    sign_ed25519,
    verify_ed25519,
)

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SEED = bytes(range(32))
PUBLIC = public_of(SEED)
MESSAGE = b"the same to every library"
SIGNATURE = sign_ed25519(SEED, PUBLIC, MESSAGE)


def encoded(y: int, sign: int) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


def point(y: int) -> tuple[int, int]:
    """The affine point with this y and an even x. Raises ValueError when there is none."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        raise ValueError(y)
    return (P - x if x & 1 else x), y


def doubled(a: tuple[int, int]) -> tuple[int, int]:
    x, y = a
    t = D * x * x * y * y % P
    return 2 * x * y * pow(1 + t, -1, P) % P, (y * y + x * x) * pow(1 - t, -1, P) % P


SMALL_ORDER = sorted({encoded(y, sign) for y in SMALL_ORDER_Y for sign in (0, 1)})
NOT_CANONICAL = [encoded(P + low, sign) for low in range(19) for sign in (0, 1)]


def test_the_small_order_points_are_exactly_those_whose_order_divides_8() -> None:
    for y in SMALL_ORDER_Y:
        assert doubled(doubled(doubled(point(y)))) == (0, 1)
    assert len(SMALL_ORDER_Y) == 5  # Eight points: y = 1 and y = -1 have one x, the other three have two.


def test_the_published_vector_of_rfc_8032_holds() -> None:
    """RFC 8032 section 7.1, TEST 3."""
    seed = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
    public = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
    signature = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert public_of(seed) == public
    assert sign_ed25519(seed, public, b"\xaf\x82") == signature
    verify_ed25519(public, b"\xaf\x82", signature)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_both_libraries_take_what_we_sign(seed: bytes, message: bytes) -> None:
    public = public_of(seed)
    signature = sign_ed25519(seed, public, message)
    verify_ed25519(public, message, signature)
    Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    check_on_curve(public)


def test_no_flipped_bit_of_a_signature_or_key_verifies() -> None:
    for bit in range(512):
        changed = bytearray(SIGNATURE)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadSignature):
            verify_ed25519(PUBLIC, MESSAGE, bytes(changed))
    for bit in range(256):
        changed = bytearray(PUBLIC)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadSignature):
            verify_ed25519(bytes(changed), MESSAGE, SIGNATURE)


def test_a_signature_with_s_plus_l_is_refused() -> None:
    s = int.from_bytes(SIGNATURE[32:], "little")
    for malleated in (s + L, s + 2 * L, s + 8 * L):
        with pytest.raises(BadSignature, match="not reduced"):
            verify_ed25519(PUBLIC, MESSAGE, SIGNATURE[:32] + malleated.to_bytes(32, "little"))
    with pytest.raises(BadSignature, match="not reduced"):
        verify_ed25519(PUBLIC, MESSAGE, SIGNATURE[:32] + L.to_bytes(32, "little"))


@pytest.mark.parametrize("key", SMALL_ORDER, ids=lambda key: key.hex()[:8])
def test_a_small_order_key_signs_nothing(key: bytes) -> None:
    """With A of small order, R = S * B verifies for many messages in a library that does not look."""
    forged = encoded(1, 0) + bytes(32)
    for signature in (forged, SIGNATURE):
        with pytest.raises(BadSignature, match="small order"):
            verify_ed25519(key, MESSAGE, signature)
    with pytest.raises(BadSignature):
        check_public(key)


@pytest.mark.parametrize("r", SMALL_ORDER, ids=lambda key: key.hex()[:8])
def test_a_small_order_r_is_refused(r: bytes) -> None:
    with pytest.raises(BadSignature, match="small order"):
        verify_ed25519(PUBLIC, MESSAGE, r + SIGNATURE[32:])


@pytest.mark.parametrize("odd", NOT_CANONICAL, ids=lambda key: key.hex()[:4])
def test_an_encoding_that_is_not_canonical_is_refused_as_key_and_as_r(odd: bytes) -> None:
    with pytest.raises(BadSignature, match="canonical"):
        verify_ed25519(odd, MESSAGE, SIGNATURE)
    with pytest.raises(BadSignature, match="canonical"):
        verify_ed25519(PUBLIC, MESSAGE, odd + SIGNATURE[32:])


def test_a_key_off_the_curve_or_of_mixed_order_is_not_registered() -> None:
    with pytest.raises(ValueError):
        point(2)
    with pytest.raises(BadSignature, match="prime-order"):
        check_on_curve(encoded(2, 0))
    x, y = point(int.from_bytes(PUBLIC, "little") & (2**255 - 1))
    mixed = encoded((-y) % P, x & 1)  # The key plus the point of order 2, (0, -1), which is (-x, -y).
    with pytest.raises(BadSignature, match="prime-order"):
        check_on_curve(mixed)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_keys_and_signatures_have_one_length(size: int) -> None:
    with pytest.raises(BadSignature):
        verify_ed25519(bytes(size), MESSAGE, SIGNATURE)
    with pytest.raises(BadSignature):
        verify_ed25519(PUBLIC, MESSAGE, SIGNATURE[:size] if size < 64 else SIGNATURE + b"\0")
