"""Signatures by SubjectPublicKeyInfo: EdDSA (Ed25519, our predicate first), ES256 (low-S), ML-DSA-65.

A key is named by its kid, SHA-256(SubjectPublicKeyInfo DER). Only one DER form of each kind of key is taken.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from slt.merkle.ed25519 import BadSignature, check_on_curve, public_of, sign_ed25519, verify_ed25519

__all__ = [
    "ALG_EDDSA",
    "ALG_ES256",
    "ALG_ML_DSA_65",
    "SIGNATURE_BYTES",
    "BadSignature",
    "Signer",
    "algorithm_of",
    "ed25519_public",
    "ed25519_spki",
    "kid_of",
    "signer_from_pem",
    "signer_from_seed",
    "verify",
    "verify_ed25519",
]

ALG_EDDSA: Final = -8
ALG_ES256: Final = -7
ALG_ML_DSA_65: Final = -49

SIGNATURE_BYTES: Final = {ALG_EDDSA: 64, ALG_ES256: 64, ALG_ML_DSA_65: 3309}
"""The one length of a signature of each algorithm."""

SPKI_BYTES_MAX: Final = 2048

_ED25519_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")
_P256_PREFIX: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_ML_DSA_65_PREFIX: Final = bytes.fromhex("308207b2300b0609608648016503040312038207a100")
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_KEYS_CACHED: Final = 4096

PublicKey = ec.EllipticCurvePublicKey | mldsa.MLDSA65PublicKey


def kid_of(spki: bytes) -> bytes:
    """The name of a key, 32 bytes."""
    return sha256(spki).digest()


def algorithm_of(spki: bytes) -> int:
    """The algorithm that the key of `spki` signs with.

    Raises BadSignature for a kind of key or a DER form that is not ours, for a point that is not on its curve, and for
    an Ed25519 key of small or mixed order: what is registered must verify alike in every library.
    """
    alg = _kind_of(spki)
    if alg == ALG_EDDSA:
        check_on_curve(spki[len(_ED25519_PREFIX) :])
    else:
        _loaded(spki)
    return alg


def verify(spki: bytes, alg: int, message: bytes, signature: bytes) -> None:
    """Raise BadSignature unless `signature` by the key of `spki`, under `alg`, covers `message`.

    ES256 signatures are r || s, 64 bytes, with s in the lower half. Safe on several threads; the interpreter's lock is
    released while a library works.
    """
    kind = _kind_of(spki)
    if kind != alg:
        raise BadSignature(f"the key signs with algorithm {kind}, the signature says {alg}")
    if len(signature) != SIGNATURE_BYTES[alg]:
        raise BadSignature(f"a signature of algorithm {alg} is {SIGNATURE_BYTES[alg]} bytes, not {len(signature)}")
    if alg == ALG_EDDSA:
        verify_ed25519(spki[len(_ED25519_PREFIX) :], message, signature)
        return
    key = _loaded(spki)
    try:
        if isinstance(key, mldsa.MLDSA65PublicKey):
            key.verify(signature, message)
        else:
            key.verify(_der_of(signature), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise BadSignature("the signature does not hold") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A private key in memory. `public` are the raw 32 bytes of an Ed25519 key, and the SPKI of any other."""

    alg: int
    spki: bytes
    kid: bytes
    public: bytes
    seed: bytes | None = field(default=None, repr=False)  # 32 bytes, of an Ed25519 key only.
    _sign: Callable[[bytes], bytes] = field(repr=False, compare=False)

    def sign(self, message: bytes) -> bytes:
        return self._sign(message)


def signer_from_seed(seed: bytes) -> Signer:
    """The Ed25519 signer of `seed`, 32 bytes."""
    if len(seed) != 32:
        raise ValueError(f"a seed is 32 bytes, not {len(seed)}")
    public = public_of(seed)
    spki = ed25519_spki(public)

    def sign(message: bytes) -> bytes:
        return sign_ed25519(seed, public, message)

    return Signer(alg=ALG_EDDSA, spki=spki, kid=kid_of(spki), public=public, seed=seed, _sign=sign)


def signer_from_pem(pem: bytes) -> Signer:
    """The signer of an unencrypted PKCS#8 PEM: Ed25519, P-256 or ML-DSA-65. Raises ValueError for anything else."""
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("the private key is encrypted; give it as an unencrypted PKCS#8 PEM") from None
    except UnsupportedAlgorithm as error:
        raise ValueError(f"the private key is of a kind that is not read ({error})") from None
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return signer_from_seed(private.private_bytes_raw())
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return _p256_signer(private)
    if isinstance(private, mldsa.MLDSA65PrivateKey):
        spki = _spki_of(private.public_key())
        return Signer(alg=ALG_ML_DSA_65, spki=spki, kid=kid_of(spki), public=spki, _sign=private.sign)
    raise ValueError("the private key must be Ed25519, P-256 or ML-DSA-65")


def ed25519_spki(public: bytes) -> bytes:
    """The SubjectPublicKeyInfo, 44 bytes, of a raw Ed25519 key, 32 bytes."""
    if len(public) != 32:
        raise ValueError(f"an Ed25519 key is 32 bytes, not {len(public)}")
    return _ED25519_PREFIX + public


def ed25519_public(spki: bytes) -> bytes:
    """The raw 32 bytes of an Ed25519 SubjectPublicKeyInfo. Raises BadSignature for another kind of key."""
    if _kind_of(spki) != ALG_EDDSA:
        raise BadSignature("the key is not an Ed25519 key")
    return spki[len(_ED25519_PREFIX) :]


def _p256_signer(private: ec.EllipticCurvePrivateKey) -> Signer:
    if not isinstance(private.curve, ec.SECP256R1):
        raise ValueError(f"an EC key must be on P-256, not {private.curve.name}")  # noqa: TRY004  # a wrong file, no bug
    spki = _spki_of(private.public_key())
    algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(private.sign(message, algorithm))
        return r.to_bytes(32, "big") + min(s, _P256_ORDER - s).to_bytes(32, "big")

    return Signer(alg=ALG_ES256, spki=spki, kid=kid_of(spki), public=spki, _sign=sign)


def _kind_of(spki: bytes) -> int:
    """By the bytes alone, so that no DER reader's leniency counts."""
    if len(spki) == 44 and spki.startswith(_ED25519_PREFIX):
        return ALG_EDDSA
    if len(spki) == 91 and spki.startswith(_P256_PREFIX):
        return ALG_ES256
    if len(spki) == 1974 and spki.startswith(_ML_DSA_65_PREFIX):
        return ALG_ML_DSA_65
    raise BadSignature("the key is not an Ed25519, P-256 (uncompressed) or ML-DSA-65 SubjectPublicKeyInfo")


@lru_cache(maxsize=_KEYS_CACHED)
def _loaded(spki: bytes) -> PublicKey:
    try:
        key = serialization.load_der_public_key(spki)
    except ValueError:
        raise BadSignature("the key is not a point of its curve, or not well formed") from None
    if not isinstance(key, ec.EllipticCurvePublicKey | mldsa.MLDSA65PublicKey) or _spki_of(key) != spki:
        raise BadSignature("the key is not in the one form that is taken")
    return key


def _spki_of(key: PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _der_of(signature: bytes) -> bytes:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not 0 < r < _P256_ORDER or not 0 < s <= _P256_ORDER // 2:
        raise BadSignature("the ES256 signature is not in its low-S form")
    return encode_dss_signature(r, s)
