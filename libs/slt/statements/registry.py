"""What genesis says about the ledger's people and places: members, identities, areas, parameters.

Each value has the array that the table "arrays inside genesis" of this folder's README gives. What must hold between
them is checked in `genesis_checks`.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.utils import CryptographyDeprecationWarning

from slt.statements import shapes
from slt.statements.cbor import DecodeError, Value
from slt.statements.cose import NAME_CHARS_MAX
from slt.statements.signatures import SPKI_BYTES_MAX, kid_of

ROLES: Final = ("reporter", "authority", "inspector", "auditor", "operator")
MBA_TYPES: Final = ("reactor", "fabrication", "store", "enrichment", "reprocessing", "laboratory", "other")
MBA_KINDS: Final = ("item", "bulk")
ENDORSEMENTS: Final = ("none", "state")

CERTIFICATE_BYTES_MAX: Final = 16 * 1024
MBAS_OF_IDENTITY_MAX: Final = 10_000

CODE: Final = re.compile(r"[A-Z0-9-]{1,4}")
"""State, facility and MBA codes: they are parts of subjects and labels."""
KMP: Final = re.compile(r"[A-Z0-9]{1,2}")
DATE: Final = re.compile(r"[0-9]{8}|")
NAME: Final = re.compile(r"[^\x00-\x1f\x7f]+")


class GenesisError(DecodeError):
    """The genesis says something that cannot stand. The sentence names the field and what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number that all members share. Named with its unit last, or with its unit in the name."""

    name: str
    unit: str
    default: int
    low: int
    high: int
    reason: str


PARAMETERS: Final[Mapping[str, Parameter]] = {
    parameter.name: parameter
    for parameter in (
        Parameter(
            name="activation_blocks",
            unit="blocks",
            default=100,
            low=1,
            high=1_000_000,
            reason="time for every member to learn new rules before they count",
        ),
        Parameter(
            name="block_bytes_max",
            unit="bytes",
            default=6_291_456,
            low=65_536,
            high=7_340_032,
            reason="a block travels in one message of 8 MiB, envelope included",
        ),
        Parameter(
            name="block_entries_max",
            unit="entries",
            default=120_000,
            low=1,
            high=1_000_000,
            reason="bounds how long an evaluation takes; the largest report has 100,000",
        ),
        Parameter(
            name="body_bytes_max",
            unit="bytes",
            default=67_108_864,
            low=1_024,
            high=1_073_741_824,
            reason="a listing of 100,000 entries is 17 to 30 MB of text",
        ),
        Parameter(
            name="facts_bytes_max",
            unit="bytes",
            default=3_145_728,
            low=1_024,
            high=7_340_032,
            reason="compressed; fits a block together with its submission",
        ),
        Parameter(
            name="skew_s",
            unit="seconds",
            default=300,
            low=0,
            high=86_400,
            reason="how far a signer's clock may run ahead of a block's time",
        ),
        Parameter(
            name="submission_bytes_max",
            unit="bytes",
            default=3_145_728,
            low=1_024,
            high=7_340_032,
            reason="statement, endorsements and compressed body; fits a block together with its facts",
        ),
        Parameter(
            name="submission_window_s",
            unit="seconds",
            default=2_592_000,
            low=60,
            high=31_536_000,
            reason="how long after signing a statement can still be ordered; its id is remembered as long",
        ),
    )
}
"""By name, in order. A genesis gives a value to each."""


def all_parameters(given: Mapping[str, int]) -> Mapping[str, int]:
    """Every parameter by name, in order: the values `given`, and defaults. Raises GenesisError for an unknown name."""
    for name in given:
        if name not in PARAMETERS:
            raise GenesisError(f"parameters: {name!r} is not known; the names are {', '.join(PARAMETERS)}")
    return MappingProxyType({name: given.get(name, known.default) for name, known in PARAMETERS.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An organisation that runs the five services. Keys are raw Ed25519, 32 bytes, each used for one thing only."""

    id: int
    name: str
    consensus_key: bytes
    weight: int = 1
    checkpoint_vkey: str
    governance_key: bytes
    address: str = ""

    def to_value(self) -> list[Value]:
        return [*self.root_value(), self.address]

    def root_value(self) -> list[Value]:
        """What members_root covers: everything but the address."""
        return [self.id, self.name, self.consensus_key, self.weight, self.checkpoint_vkey, self.governance_key]

    @classmethod
    def from_value(cls, value: Value) -> "Member":
        number, name, consensus_key, weight, vkey, governance_key, address = shapes.array(value, "member", 7)
        return cls(
            id=shapes.integer(number, "member: id", high=2**32 - 1),
            name=shapes.text(name, "member: name", low=1, high=NAME_CHARS_MAX, pattern=NAME),
            consensus_key=shapes.octets(consensus_key, "member: consensus key", 32),
            weight=shapes.integer(weight, "member: weight", low=1, high=2**32 - 1),
            checkpoint_vkey=shapes.text(vkey, "member: checkpoint vkey", low=1, high=512),
            governance_key=shapes.octets(governance_key, "member: governance key", 32),
            address=shapes.text(address, "member: address", high=512),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TermAuthority:
    """Who certifies the sequencer of a private ledger: `threshold` of `keys`, raw Ed25519. Other models: 0 of none."""

    threshold: int
    keys: tuple[bytes, ...]

    def to_value(self) -> list[Value]:
        return [self.threshold, list(self.keys)]

    @classmethod
    def from_value(cls, value: Value) -> "TermAuthority":
        threshold, keys = shapes.array(value, "term authority", 2)
        return cls(
            threshold=shapes.integer(threshold, "term authority: threshold", high=64),
            keys=tuple(
                shapes.octets(key, "term authority: key", 32)
                for key in shapes.array(keys, "term authority: keys", high=64)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A key that may sign, and for what. `kid` is SHA-256 of `spki`, the key in `certificate` (X.509 DER).

    `not_before` and `not_after` are seconds since 1970 UTC, both inclusive. `mbas` are codes of areas of `state`.
    """

    name: str
    certificate: bytes
    kid: bytes
    spki: bytes
    role: str
    state: str
    mbas: tuple[str, ...]
    not_before: int
    not_after: int

    @classmethod
    def of(
        cls,
        *,
        name: str,
        certificate: bytes,
        role: str,
        state: str,
        mbas: tuple[str, ...],
        not_before: int,
        not_after: int,
    ) -> "Identity":
        """The identity of `certificate`'s key. Raises GenesisError when that cannot be read."""
        spki = read_certificate(certificate, f"identity {name}").spki
        return cls(
            name=name,
            certificate=certificate,
            kid=kid_of(spki),
            spki=spki,
            role=role,
            state=state,
            mbas=mbas,
            not_before=not_before,
            not_after=not_after,
        )

    def to_value(self) -> list[Value]:
        return [
            self.name,
            self.certificate,
            self.spki,
            self.role,
            self.state,
            list(self.mbas),
            self.not_before,
            self.not_after,
        ]

    @classmethod
    def from_value(cls, value: Value) -> "Identity":
        """Read the array. Whether the certificate holds this key is checked by whoever reads or approves it."""
        name, certificate, spki, role, state, mbas, not_before, not_after = shapes.array(value, "identity", 8)
        key = shapes.octets(spki, "identity: spki", low=1, high=SPKI_BYTES_MAX)
        return cls(
            name=shapes.text(name, "identity: name", low=1, high=NAME_CHARS_MAX, pattern=NAME),
            certificate=shapes.octets(certificate, "identity: certificate", low=1, high=CERTIFICATE_BYTES_MAX),
            kid=kid_of(key),
            spki=key,
            role=shapes.text(role, "identity: role", high=16),
            state=shapes.text(state, "identity: state", high=4, pattern=CODE),
            mbas=tuple(
                shapes.text(mba, "identity: mba", high=4, pattern=CODE)
                for mba in shapes.array(mbas, "identity: mbas", high=MBAS_OF_IDENTITY_MAX)
            ),
            not_before=shapes.integer(not_before, "identity: not_before", high=shapes.TIME_S_MAX),
            not_after=shapes.integer(not_after, "identity: not_after", high=shapes.TIME_S_MAX),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mba:
    """A material balance area. Dates are "YYYYMMDD"; `closed` and `last_pit` may be "" (not closed; none before).

    `opening` is the digest of the opening file (openings.py), or None for an area that starts empty.
    """

    state: str
    mba: str
    facility: str
    type: str
    kind: str
    flow_kmps: tuple[str, ...]
    inventory_kmps: tuple[str, ...]
    opened: str
    closed: str = ""
    profile: str = "iaea"
    endorsement: str = "none"
    unified: bool = False
    last_report_number: int = 0
    last_pit: str = ""
    opening: bytes | None = None

    def to_value(self) -> list[Value]:
        return [
            self.state,
            self.mba,
            self.facility,
            self.type,
            self.kind,
            list(self.flow_kmps),
            list(self.inventory_kmps),
            self.opened,
            self.closed,
            self.profile,
            self.endorsement,
            self.unified,
            self.last_report_number,
            self.last_pit,
            self.opening,
        ]

    @classmethod
    def from_value(cls, value: Value) -> "Mba":
        fields = shapes.array(value, "mba", 15)
        return cls(
            state=shapes.text(fields[0], "mba: state", high=4, pattern=CODE),
            mba=shapes.text(fields[1], "mba: mba", high=4, pattern=CODE),
            facility=shapes.text(fields[2], "mba: facility", high=4, pattern=CODE),
            type=shapes.text(fields[3], "mba: type", high=16),
            kind=shapes.text(fields[4], "mba: kind", high=16),
            flow_kmps=_kmps(fields[5], "mba: flow_kmps"),
            inventory_kmps=_kmps(fields[6], "mba: inventory_kmps"),
            opened=shapes.text(fields[7], "mba: opened", low=8, high=8, pattern=DATE),
            closed=shapes.text(fields[8], "mba: closed", high=8, pattern=DATE),
            profile=shapes.text(fields[9], "mba: profile", high=32),
            endorsement=shapes.text(fields[10], "mba: endorsement", high=16),
            unified=shapes.boolean(fields[11], "mba: unified"),
            last_report_number=shapes.integer(fields[12], "mba: last_report_number", high=2**32 - 1),
            last_pit=shapes.text(fields[13], "mba: last_pit", high=8, pattern=DATE),
            opening=shapes.digest_or_none(fields[14], "mba: opening"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What we read out of an X.509 certificate: its key as it stands there, and its validity in seconds since 1970."""

    spki: bytes
    not_before: int
    not_after: int


def read_certificate(certificate: bytes, what: str) -> CertificateFacts:
    """Read an X.509 certificate (DER). Raises GenesisError, naming `what`.

    What this version of the library only warns about, a later one will refuse; so it is refused already.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            loaded = x509.load_der_x509_certificate(certificate)
            key = loaded.public_key()
        facts = CertificateFacts(
            spki=key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
            not_before=int(loaded.not_valid_before_utc.timestamp()),
            not_after=int(loaded.not_valid_after_utc.timestamp()),
        )
    except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm, CryptographyDeprecationWarning) as error:
        raise GenesisError(f"{what}: the certificate cannot be read as X.509 DER ({error})") from None
    if facts.spki not in certificate:
        raise GenesisError(f"{what}: the certificate holds its key in another form than the one that is signed with")
    return facts


def _kmps(value: Value, what: str) -> tuple[str, ...]:
    return tuple(shapes.text(item, what, high=2, pattern=KMP) for item in shapes.array(value, what, high=256))
