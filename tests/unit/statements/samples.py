"""Fixed keys, a certificate for each, and a small genesis: what the tests of this folder stand on."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.x509.oid import NameOID

from slt.merkle.notes import NoteSigner
from slt.statements.genesis import Genesis, Identity, Mba, Member, TermAuthority
from slt.statements.signatures import Signer, signer_from_pem, signer_from_seed

ORIGIN = "ledger.example/xl"
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
END = datetime(2035, 1, 1, tzinfo=UTC)
IAT = 1_760_000_000  # 9 October 2025
SALT = bytes(range(16))
DOCUMENT = b"001:OI/XL;41#002:1/1#"


def seed(number: int) -> bytes:
    return bytes([number]) * 32


def signer(number: int) -> Signer:
    return signer_from_seed(seed(number))


GOVERNANCE, CONSENSUS, TERM, SERVICE, AUTHOR, ENDORSER = (signer(number) for number in range(1, 7))
CHECKPOINT = NoteSigner.of(ORIGIN, seed(7))
ANCHOR_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(seed(8))


def pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | mldsa.MLDSA65PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@cache
def es256_signer() -> Signer:
    return signer_from_pem(pem(ec.derive_private_key(7, ec.SECP256R1())))


@cache
def ml_dsa_signer() -> Signer:
    return signer_from_pem(pem(mldsa.MLDSA65PrivateKey.from_seed_bytes(seed(9))))


@cache
def certificate(name: str, spki: bytes, *, issuer: str = "XL", serial: int = 1) -> bytes:
    """X.509 DER for `spki`, by the anchor's key, the same bytes at each run."""
    built = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(serialization.load_der_public_key(spki))  # type: ignore[arg-type]  # a key that certificates take
        .serial_number(serial)
        .not_valid_before(BEGIN - timedelta(days=1))
        .not_valid_after(END + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
    )
    return built.sign(ANCHOR_KEY, None).public_bytes(serialization.Encoding.DER)


def anchor() -> bytes:
    spki = ANCHOR_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return certificate("XL", spki)


def identity(name: str, spki: bytes, **changes: Any) -> Identity:
    fields: dict[str, Any] = {
        "name": name,
        "certificate": certificate(name, spki),
        "role": "reporter",
        "state": "XL",
        "mbas": ("XLR1",),
        "not_before": int(BEGIN.timestamp()),
        "not_after": int(END.timestamp()),
    }
    return Identity.of(**{**fields, **changes})


def mba(**changes: Any) -> Mba:
    fields: dict[str, Any] = {
        "state": "XL",
        "mba": "XLR1",
        "facility": "XLR-",
        "type": "reactor",
        "kind": "item",
        "flow_kmps": ("1", "2"),
        "inventory_kmps": ("A", "B", "C"),
        "opened": "19900101",
        "last_report_number": 40,
        "last_pit": "20241215",
        "opening": bytes(32),
    }
    return Mba(**{**fields, **changes})


def member(**changes: Any) -> Member:
    fields: dict[str, Any] = {
        "id": 0,
        "name": "IAEA",
        "consensus_key": CONSENSUS.public,
        "checkpoint_vkey": CHECKPOINT.vkey,
        "governance_key": GOVERNANCE.public,
    }
    return Member(**{**fields, **changes})


def genesis_fields(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "origin": ORIGIN,
        "model": "private",
        "parameters": {},
        "members": (member(),),
        "term_authority": TermAuthority(threshold=1, keys=(TERM.public,)),
        "anchors": {"XL": anchor()},
        "identities": (
            identity("XLR1 accounting", AUTHOR.spki),
            identity("XL authority", ENDORSER.spki, role="authority", mbas=()),
        ),
        "mbas": (
            mba(),
            mba(
                mba="XLT1", facility="XLT-", type="other", kind="bulk", flow_kmps=("3",), inventory_kmps=(),
                last_report_number=6, last_pit="", opening=None,
            ),
        ),
        "rules_version": 1,
        "reference_version": 1,
    }  # fmt: skip
    return {**fields, **changes}


@cache
def genesis() -> Genesis:
    return Genesis(**genesis_fields())


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
