"""Genesis: everything that state and verification start from, in one canonical CBOR file. Its hash names the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Final, TypeVar

from slt.merkle.hashing import Digest
from slt.statements import genesis_checks as checks
from slt.statements import genesis_toml, shapes
from slt.statements.cbor import DecodeError, Value, encode
from slt.statements.registry import (
    CERTIFICATE_BYTES_MAX,
    CODE,
    PARAMETERS,
    GenesisError,
    Identity,
    Mba,
    Member,
    Parameter,
    TermAuthority,
    all_parameters,
)
from slt.statements.statement import audience
from slt.statements.tags import list_root, tagged_hash

__all__ = [
    "GENESIS_BYTES_MAX",
    "PARAMETERS",
    "Genesis",
    "GenesisError",
    "Identity",
    "Mba",
    "Member",
    "Parameter",
    "TermAuthority",
    "all_parameters",
    "genesis_from_toml",
    "genesis_to_toml",
    "parse_genesis",
]

V = TypeVar("V", int, bytes)

VERSION: Final = 1
GENESIS_BYTES_MAX: Final = 64 * 1024 * 1024
IDENTITIES_MAX: Final = 100_000
MBAS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Genesis:
    """A checked genesis: whatever exists here may be relied on. Raises GenesisError when it cannot stand.

    `parameters` may leave names of PARAMETERS out when it is made, and then has the defaults. `anchors` give a State's
    CA certificate (DER).
    The fields below the line are computed once: `encoded`, `chain_id` = H("genesis", encoded), `audience` (what `aud`
    of a statement must be), and the roots that block headers carry.
    """

    origin: str
    model: str
    parameters: Mapping[str, int]
    members: tuple[Member, ...]
    term_authority: TermAuthority
    anchors: Mapping[str, bytes]
    identities: tuple[Identity, ...]
    mbas: tuple[Mba, ...]
    rules_version: int = 1
    reference_version: int = 1

    encoded: bytes = field(init=False, repr=False, compare=False)
    chain_id: Digest = field(init=False, compare=False)
    audience: str = field(init=False, compare=False)
    members_root: Digest = field(init=False, repr=False, compare=False)
    parameters_root: Digest = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", all_parameters(dict(self.parameters)))
        object.__setattr__(self, "anchors", MappingProxyType(dict(sorted(dict(self.anchors).items()))))
        checks.check_head(self.origin, self.model, self.rules_version, self.reference_version)
        checks.check_parameters(self.parameters)
        checks.check_members(self.members, self.term_authority, origin=self.origin, model=self.model)
        checks.check_anchors(self.anchors)
        checks.check_mbas(self.mbas)
        checks.check_identities(self.identities, self.anchors, self.mbas)
        encoded = encode(self.to_value())
        chain_id = tagged_hash("genesis", encoded)
        computed = {
            "encoded": encoded,
            "chain_id": chain_id,
            "audience": audience(self.origin, chain_id),
            "members_root": list_root("members", [encode(member.root_value()) for member in self.members]),
            "parameters_root": parameters_root(self.parameters, self.rules_version, self.reference_version),
        }
        for name, value in computed.items():
            object.__setattr__(self, name, value)

    def to_value(self) -> list[Value]:
        return [
            VERSION,
            self.origin,
            self.model,
            [[name, value] for name, value in self.parameters.items()],
            [member.to_value() for member in self.members],
            self.term_authority.to_value(),
            [[state, certificate] for state, certificate in self.anchors.items()],
            [identity.to_value() for identity in self.identities],
            [mba.to_value() for mba in self.mbas],
            self.rules_version,
            self.reference_version,
        ]

    def parameter(self, name: str) -> int:
        """The value of a parameter. Raises KeyError for a name that PARAMETERS does not have."""
        return self.parameters[name]

    def member(self, number: int) -> Member:
        """The member with id `number`. Raises KeyError when there is none."""
        for member in self.members:
            if member.id == number:
                return member
        raise KeyError(number)


def parameters_root(parameters: Mapping[str, int], rules_version: int, reference_version: int) -> Digest:
    """The root over [key, value] by key, the versions of rule set and reference data among them."""
    pairs = sorted([*parameters.items(), ("rules_version", rules_version), ("reference_version", reference_version)])
    return list_root("parameters", [encode([name, value]) for name, value in pairs])


def parse_genesis(data: bytes) -> Genesis:
    """Read a genesis file. Raises DecodeError (GenesisError when it is well-formed but cannot stand)."""
    values = shapes.opened(data, "genesis", 11, bytes_max=GENESIS_BYTES_MAX)
    shapes.version(values[0], "genesis")
    return Genesis(
        origin=shapes.text(values[1], "genesis: origin", high=128),
        model=shapes.text(values[2], "genesis: model", high=16),
        parameters=_mapping([_pair(item) for item in shapes.array(values[3], "genesis: parameters", len(PARAMETERS))]),
        members=tuple(Member.from_value(item) for item in shapes.array(values[4], "genesis: members", high=256)),
        term_authority=TermAuthority.from_value(values[5]),
        anchors=_mapping([_anchor(item) for item in shapes.array(values[6], "genesis: anchors", high=1000)]),
        identities=tuple(
            Identity.from_value(item) for item in shapes.array(values[7], "genesis: identities", high=IDENTITIES_MAX)
        ),
        mbas=tuple(Mba.from_value(item) for item in shapes.array(values[8], "genesis: mbas", high=MBAS_MAX)),
        rules_version=shapes.integer(values[9], "genesis: rules_version", high=2**32 - 1),
        reference_version=shapes.integer(values[10], "genesis: reference_version", high=2**32 - 1),
    )


def genesis_from_toml(text: str) -> Genesis:
    """Read the TOML source of a genesis; certificates must be issued by their State's anchor. Raises GenesisError."""
    genesis = Genesis(**genesis_toml.read(text))
    checks.check_issued(genesis.identities, genesis.anchors)
    return genesis


def genesis_to_toml(genesis: Genesis) -> str:
    """The TOML source, which genesis_from_toml reads back as the same genesis."""
    given = {item.name: getattr(genesis, item.name) for item in fields(genesis) if item.init}
    return genesis_toml.write(**given)


def _pair(value: Value) -> tuple[str, int]:
    name, number = shapes.array(value, "genesis: parameter", 2)
    return shapes.text(name, "genesis: parameter", high=64), shapes.integer(number, "genesis: parameter value")


def _mapping(pairs: list[tuple[str, V]]) -> dict[str, V]:
    """One order only: by name."""
    names = [name for name, _ in pairs]
    if names != sorted(set(names)):
        raise DecodeError("genesis: parameters and anchors stand in ascending order, each once")
    return dict(pairs)


def _anchor(value: Value) -> tuple[str, bytes]:
    state, certificate = shapes.array(value, "genesis: anchor", 2)
    return (
        shapes.text(state, "genesis: anchor's State", high=4, pattern=CODE),
        shapes.octets(certificate, "genesis: anchor's certificate", low=1, high=CERTIFICATE_BYTES_MAX),
    )
