"""Three algorithms, one form of each key, one form of each signature."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa

from slt.merkle.ed25519 import SMALL_ORDER_Y
from slt.statements.signatures import (
    ALG_EDDSA,
    ALG_ES256,
    ALG_ML_DSA_65,
    BadSignature,
    Signer,
    algorithm_of,
    ed25519_public,
    ed25519_spki,
    kid_of,
    signer_from_pem,
    signer_from_seed,
    verify,
)
from tests.unit.statements.samples import AUTHOR, es256_signer, ml_dsa_signer, pem

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
MESSAGE = b"message"
SIGNERS = [AUTHOR, es256_signer(), ml_dsa_signer()]
IDS = ["EdDSA", "ES256", "ML-DSA-65"]


@pytest.mark.parametrize("signer", SIGNERS, ids=IDS)
def test_what_is_signed_verifies_and_nothing_else(signer: Signer) -> None:
    signature = signer.sign(MESSAGE)
    verify(signer.spki, signer.alg, MESSAGE, signature)
    with pytest.raises(BadSignature):
        verify(signer.spki, signer.alg, MESSAGE + b"!", signature)
    for at in range(0, len(signature), max(1, len(signature) // 64)):
        changed = bytearray(signature)
        changed[at] ^= 1
        with pytest.raises(BadSignature):
            verify(signer.spki, signer.alg, MESSAGE, bytes(changed))
    for wrong in (b"", signature[:-1], signature + b"\0"):
        with pytest.raises(BadSignature):
            verify(signer.spki, signer.alg, MESSAGE, wrong)


@pytest.mark.parametrize("signer", SIGNERS, ids=IDS)
def test_a_key_has_one_algorithm(signer: Signer) -> None:
    assert algorithm_of(signer.spki) == signer.alg
    assert kid_of(signer.spki) == signer.kid
    for alg in (ALG_EDDSA, ALG_ES256, ALG_ML_DSA_65, -9, 0):
        if alg != signer.alg:
            with pytest.raises(BadSignature, match="algorithm"):
                verify(signer.spki, alg, MESSAGE, signer.sign(MESSAGE))


def test_es256_in_its_high_form_is_refused() -> None:
    signer = es256_signer()
    signature = signer.sign(MESSAGE)
    high = N - int.from_bytes(signature[32:], "big")
    with pytest.raises(BadSignature, match="low-S"):
        verify(signer.spki, ALG_ES256, MESSAGE, signature[:32] + high.to_bytes(32, "big"))


@pytest.mark.parametrize("r", [0, 1, N, N - 1, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, N // 2, N // 2 + 1, N, 2**256 - 1])
def test_es256_out_of_range_is_refused(r: int, s: int) -> None:
    with pytest.raises(BadSignature):
        verify(es256_signer().spki, ALG_ES256, MESSAGE, r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def test_es256_signs_low_and_deterministically() -> None:
    signer = es256_signer()
    for number in range(20):
        message = bytes([number])
        signature = signer.sign(message)
        assert int.from_bytes(signature[32:], "big") <= N // 2
        assert signer.sign(message) == signature


def test_an_off_curve_p256_key_is_refused() -> None:
    spki = bytearray(es256_signer().spki)
    spki[-1] ^= 1
    with pytest.raises(BadSignature):
        algorithm_of(bytes(spki))
    with pytest.raises(BadSignature):
        verify(bytes(spki), ALG_ES256, MESSAGE, es256_signer().sign(MESSAGE))


def test_a_compressed_p256_key_is_refused() -> None:
    key = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    point = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    with pytest.raises(BadSignature):
        algorithm_of(bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point)


@pytest.mark.parametrize("y", sorted(SMALL_ORDER_Y))
@pytest.mark.parametrize("sign", [0, 1])
def test_a_small_order_key_is_not_registered(y: int, sign: int) -> None:
    with pytest.raises(BadSignature, match="small order"):
        algorithm_of(ed25519_spki((y | sign << 255).to_bytes(32, "little")))


def test_other_kinds_of_keys_are_refused() -> None:
    others: list[ed448.Ed448PublicKey | ec.EllipticCurvePublicKey | mldsa.MLDSA44PublicKey | rsa.RSAPublicKey] = [
        ed448.Ed448PrivateKey.generate().public_key(),
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        mldsa.MLDSA44PrivateKey.generate().public_key(),
        rsa.generate_private_key(65537, 2048).public_key(),
    ]
    for key in others:
        spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(BadSignature):
            algorithm_of(spki)


@pytest.mark.parametrize("signer", SIGNERS, ids=IDS)
def test_only_the_one_der_form_of_a_key_is_taken(signer: Signer) -> None:
    for wrong in (b"", signer.spki + b"\0", signer.spki[:-1], b"\x30\x81" + signer.spki[1:]):
        with pytest.raises(BadSignature):
            algorithm_of(wrong)


def test_a_pem_gives_the_signer_of_its_key() -> None:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    signer = signer_from_pem(pem(key))
    assert signer.seed == bytes(32)
    assert signer.public == ed25519_public(signer.spki) == key.public_key().public_bytes_raw()
    assert signer.sign(MESSAGE) == signer_from_seed(bytes(32)).sign(MESSAGE) == key.sign(MESSAGE)


def test_a_pem_that_is_no_key_of_ours_says_so() -> None:
    encrypted = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for data, text in ((encrypted, "encrypted"), (other, "P-256"), (b"no key", "PEM")):
        with pytest.raises(ValueError, match=text):
            signer_from_pem(data)


@pytest.mark.parametrize("signer", SIGNERS, ids=IDS)
def test_a_signer_does_not_show_its_key(signer: Signer) -> None:
    assert signer.seed is None or str(signer.seed) not in repr(signer)
    assert "_sign" not in repr(signer)
