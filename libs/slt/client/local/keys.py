"""Keys and X.509 certificates: the only place of the project that makes secrets.

A State has an anchor (a self-signed CA); every identity of the State has a certificate under it. Evaluation reads key
and dates of a certificate, nothing else (architecture section 5): the chain is built and checked here, by who enrols.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

from slt.client.errors import WrongUse

ANCHOR_DAYS: Final = 7305  # 20 years: an anchor outlives several generations of identities
IDENTITY_DAYS: Final = 1096  # 3 years: an identity is renewed, not eternal; validity is judged at a statement's iat
BACKDATED: Final = timedelta(hours=1)  # a certificate works at once on a machine whose clock is a little behind

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | mldsa.MLDSA65PrivateKey
ALGORITHMS: Final = ("ed25519", "es256", "ml-dsa-65")


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A State's certificate authority. `key` is None when it was made elsewhere and stays there."""

    state: str
    certificate: x509.Certificate
    key: PrivateKey | None


def new_key(algorithm: str = "ed25519") -> PrivateKey:
    """A fresh private key. Raises WrongUse for an algorithm that no statement may be signed with (formats.md)."""
    match algorithm:
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "es256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ml-dsa-65":
            return mldsa.MLDSA65PrivateKey.generate()
        case _:
            raise WrongUse(
                f"{algorithm!r} is no signature algorithm of the ledger; choose one of {', '.join(ALGORITHMS)}"
            )


def new_cosigner_key() -> mldsa.MLDSA44PrivateKey:
    """A fresh key that cosigns checkpoints (c2sp.org/tlog-cosignature asks new cosigners for ML-DSA-44)."""
    return mldsa.MLDSA44PrivateKey.generate()


def private_pem(key: PrivateKey | mldsa.MLDSA44PrivateKey) -> bytes:
    """PKCS #8, unencrypted: the file's mode protects it (files.write_private)."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_from_pem(pem: bytes, *, called: str) -> PrivateKey:
    """The private key in `pem`. Raises WrongUse, naming the file as `called`."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise WrongUse(f"{called} holds no readable private key (unencrypted PKCS #8 PEM): {error}") from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and not isinstance(key.curve, ec.SECP256R1):
        raise WrongUse(f"{called} is a key on the curve {key.curve.name}; ES256 needs secp256r1 (P-256)")
    if not isinstance(key, (ed25519.Ed25519PrivateKey, ec.EllipticCurvePrivateKey, mldsa.MLDSA65PrivateKey)):
        raise WrongUse(f"{called} is a {type(key).__name__}; the ledger knows {', '.join(ALGORITHMS)}")
    return key


def spki_of(key: PrivateKey) -> bytes:
    """SubjectPublicKeyInfo, DER, of the public half."""
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def certificate_from_pem(pem: bytes, *, called: str) -> x509.Certificate:
    """The first certificate in `pem`. Raises WrongUse, naming the file as `called`."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise WrongUse(f"{called} holds no readable X.509 certificate (PEM): {error}") from None


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def certificate_der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def certificate_spki(certificate: x509.Certificate) -> bytes:
    """SubjectPublicKeyInfo, DER, of the certified key."""
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def new_anchor(state: str, *, now: datetime) -> Anchor:
    """A fresh CA for `state`, self-signed, valid from an hour ago for ANCHOR_DAYS."""
    key = new_key()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, state),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{state} anchor"),
        ]
    )
    certificate = (
        _builder(name, name, key, now=now, days=ANCHOR_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .sign(cast("CertificateIssuerPrivateKeyTypes", key), None)  # Ed25519 hashes by itself
    )
    return Anchor(state=state, certificate=certificate, key=key)


def certify(name: str, key: PrivateKey, anchor: Anchor, *, now: datetime) -> x509.Certificate:
    """A certificate for identity `name` under `anchor`, valid from an hour ago for IDENTITY_DAYS.

    Raises WrongUse when the anchor's key is not here: then the certificate has to be made where it is.
    """
    if anchor.key is None:
        raise WrongUse(
            f"The anchor of {anchor.state} was made elsewhere, so nobody here can certify {name!r}: "
            "have its certificate made there and name it in the world file (certificate = ...)"
        )
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, anchor.state), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    digest = hashes.SHA256() if isinstance(anchor.key, ec.EllipticCurvePrivateKey) else None
    return (
        _builder(subject, anchor.certificate.subject, key, now=now, days=IDENTITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .sign(cast("CertificateIssuerPrivateKeyTypes", anchor.key), digest)
    )


def check_issued(certificate: x509.Certificate, anchor: x509.Certificate, *, called: str) -> None:
    """Check that `anchor` issued `certificate`, within its own dates. Raises WrongUse, naming it as `called`."""
    try:
        certificate.verify_directly_issued_by(anchor)
    except (ValueError, TypeError, InvalidSignature) as error:
        why = f" ({error})" if str(error) else ""
        raise WrongUse(f"{called} was not issued by the anchor {anchor.subject.rfc4514_string()}{why}") from None
    if certificate.not_valid_after_utc > anchor.not_valid_after_utc:
        raise WrongUse(f"{called} outlives its anchor, which ends {anchor.not_valid_after_utc:%Y-%m-%d}")


def check_anchor(certificate: x509.Certificate, *, called: str) -> None:
    """Check that `certificate` is a self-signed CA. Raises WrongUse, naming it as `called`."""
    check_issued(certificate, certificate, called=called)
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = None
    if constraints is None or not constraints.ca:
        raise WrongUse(f"{called} is not a certificate authority (basic constraints: CA)")


def seconds(moment: datetime) -> int:
    """Whole seconds since 1970 UTC."""
    return int(moment.astimezone(UTC).timestamp())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, *, now: datetime, days: int
) -> x509.CertificateBuilder:
    begin = (now - BACKDATED).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    """Signatures on certificates for an anchor, on documents for an identity; nothing else."""
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=not certificates,
        key_cert_sign=certificates,
        crl_sign=certificates,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
