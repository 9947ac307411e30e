"""Governance statements: changes of registry, areas, parameters, rule set and members (README "Governance").

A governance statement is a COSE_Sign1 whose payload is the CBOR of one change and the height from which it counts. It
carries approvals: signatures over its id by those who decide. Its author's own signature counts as his approval. Who
decides about which change is the state machine's to say (slt.inventory.governance); here are only the bytes.
"""

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final, TypeAlias, assert_never

from slt.merkle.hashing import Digest
from slt.statements import cose, shapes
from slt.statements.cbor import DecodeError, Value, encode
from slt.statements.registry import Identity, Mba, Member
from slt.statements.signatures import Signer, verify
from slt.statements.statement import (
    Endorsement,
    Statement,
    make_endorsement,
    parse_endorsement,
    parse_statement,
    verify_endorsement,
)

GOVERNANCE_TYP: Final = "application/vnd.slt.governance+cose"
APPROVAL_TYP: Final = "application/vnd.slt.approval+cose"

NONCE_BYTES: Final = 16
AREAS_MAX: Final = 4_096  # areas in one change; the size of a statement is reached before
MEMBERS_MAX: Final = 256  # as in genesis

NO_BODY: Final = Digest(sha256(b"").digest())
"""A governance statement has no body: in a batch its entry has the body length 0 and this body digest."""

_LABELS: Final = frozenset({cose.ALG, cose.KID, cose.CLAIMS, cose.TYP})
_CLAIMS: Final = frozenset({cose.ISS, cose.AUD, cose.IAT})
_TYP_BYTES: Final = GOVERNANCE_TYP.encode()


class ChangeKind(IntEnum):
    """Stable numbers: the first item of a payload."""

    ENROL = 1
    REVOKE = 2
    AREA = 3
    PARAMETER = 4
    RULES = 5
    REFERENCE = 6
    MEMBERS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrol:
    """Register an identity."""

    identity: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    """The identity with this kid signs nothing any more."""

    kid: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SetArea:
    """Add an area, change it, or close it (by its date `closed`)."""

    mba: Mba


@dataclass(frozen=True, slots=True, kw_only=True)
class SetParameter:
    """One of slt.statements.registry.PARAMETERS has this value."""

    name: str
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateRules:
    """Reports are judged by this version of the rule set."""

    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReference:
    """Several areas as one: what must not be seen half done, such as the division of an area."""

    mbas: tuple[Mba, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceMembers:
    """Who runs the ledger, all of them."""

    members: tuple[Member, ...]


Change: TypeAlias = Enrol | Revoke | SetArea | SetParameter | ActivateRules | SetReference | ReplaceMembers


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A change, the height of the first block that it counts for, and 16 random bytes that make it a new statement."""

    change: Change
    effective_height: int
    nonce: bytes

    @property
    def kind(self) -> ChangeKind:
        return _written(self.change)[0]

    def to_value(self) -> list[Value]:
        kind, values = _written(self.change)
        return [int(kind), self.effective_height, self.nonce, *values]

    @property
    def encoded(self) -> bytes:
        """The payload of a governance statement, computed at each call."""
        return encode(self.to_value())


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernanceStatement:
    """A governance statement as received, and what it says; not yet verified. `iat` is in seconds since 1970 UTC."""

    raw: bytes
    id: Digest
    kid: bytes
    alg: int
    iss: str
    aud: str
    iat: int
    announcement: Announcement
    payload: bytes
    signature: bytes
    to_be_signed: bytes

    @property
    def sub(self) -> str:
        """It is about no report."""
        return ""

    @property
    def media_type(self) -> str:
        """What it says stands in itself."""
        return GOVERNANCE_TYP

    @property
    def body_digest(self) -> Digest:
        """It has no body."""
        return NO_BODY


Approval: TypeAlias = Endorsement
"""Somebody's signature over the id of a governance statement: an endorsement under a typ of its own."""

Ordered: TypeAlias = Statement | GovernanceStatement
"""What stands in a batch."""


def parse_announcement(payload: bytes) -> Announcement:
    """Read the payload of a governance statement. Raises DecodeError for anything but the one encoding of a change.

    What a value may be is not looked at here (slt.inventory.governance): a parameter of an unknown name can be read.
    """
    values = shapes.opened(payload, "change", None, bytes_max=cose.GOVERNANCE_BYTES_MAX)
    number, height, nonce, *rest = shapes.array(values, "change", low=4, high=5)
    try:
        kind = ChangeKind(shapes.integer(number, "change: kind"))
    except ValueError:
        raise DecodeError(f"change: kind must be 1 to {max(ChangeKind)}, not {number!r:.20}") from None
    wanted = 2 if kind is ChangeKind.PARAMETER else 1
    if len(rest) != wanted:
        raise DecodeError(f"change: kind {int(kind)} has {wanted} values after the nonce, not {len(rest)}")
    return Announcement(
        change=_read(kind, rest),
        effective_height=shapes.integer(height, "change: effective height", low=1, high=shapes.HEIGHT_MAX),
        nonce=shapes.octets(nonce, "change: nonce", NONCE_BYTES),
    )


def parse_governance(raw: bytes) -> GovernanceStatement:
    """Read a governance statement. Raises DecodeError, naming the field, for anything but the one encoding of one."""
    what = "governance statement"
    envelope = cose.open_envelope(
        raw, what, typ=GOVERNANCE_TYP, labels=_LABELS, claims=_CLAIMS, bytes_max=cose.GOVERNANCE_BYTES_MAX
    )
    return GovernanceStatement(
        raw=raw,
        id=Digest(sha256(envelope.to_be_signed).digest()),
        kid=envelope.kid,
        alg=envelope.alg,
        iss=cose.name_of(envelope.claims, what),
        aud=cose.audience_of(envelope.claims, what),
        iat=cose.time_of(envelope.claims, what),
        announcement=parse_announcement(envelope.payload),
        payload=envelope.payload,
        signature=envelope.signature,
        to_be_signed=envelope.to_be_signed,
    )


def make_governance(signer: Signer, *, iss: str, aud: str, iat: int, announcement: Announcement) -> bytes:
    """Sign the announcement at `iat` (seconds). Returns its bytes; raises ValueError when they are too many."""
    header: dict[Value, Value] = {
        cose.CLAIMS: {cose.ISS: iss, cose.AUD: aud, cose.IAT: iat},
        cose.TYP: GOVERNANCE_TYP,
    }
    raw = cose.make_envelope(signer, header, announcement.encoded)
    if len(raw) > cose.GOVERNANCE_BYTES_MAX:
        raise ValueError(
            f"the governance statement has {len(raw)} bytes; at most {cose.GOVERNANCE_BYTES_MAX} fit the log. "
            "Announce the change in several statements."
        )
    return raw


def verify_governance(statement: GovernanceStatement, spki: bytes) -> None:
    """Raise BadSignature unless the key of `spki`, which the caller found by the statement's kid, signed it."""
    verify(spki, statement.alg, statement.to_be_signed, statement.signature)


def parse_approval(raw: bytes) -> Approval:
    """Read an approval. Raises DecodeError, naming the field, for anything but the one encoding of one."""
    return parse_endorsement(raw, typ=APPROVAL_TYP, what="approval")


def make_approval(signer: Signer, *, iss: str, aud: str, iat: int, statement_id: bytes) -> bytes:
    """Sign the approval of the governance statement with `statement_id` at `iat` (seconds). Returns its bytes."""
    return make_endorsement(signer, iss=iss, aud=aud, iat=iat, statement_id=statement_id, typ=APPROVAL_TYP)


def verify_approval(approval: Approval, spki: bytes) -> None:
    """Raise BadSignature unless the key of `spki`, which the caller found by the approval's kid, signed it."""
    verify_endorsement(approval, spki)


def parse_ordered(raw: bytes) -> Ordered:
    """Read what stands in a batch, by its own typ: a statement or a governance statement. Raises DecodeError."""
    if _TYP_BYTES in raw and cose.typ_of(raw, "statement") == GOVERNANCE_TYP:
        return parse_governance(raw)
    return parse_statement(raw)


def verify_ordered(statement: Ordered, spki: bytes) -> None:
    """Raise BadSignature unless the key of `spki`, which the caller found by the statement's kid, signed it."""
    verify(spki, statement.alg, statement.to_be_signed, statement.signature)


def parse_endorsement_of(statement: Ordered, raw: bytes) -> Endorsement:
    """Read what came in the place of an endorsement: of a governance statement an approval. Raises DecodeError."""
    return parse_approval(raw) if isinstance(statement, GovernanceStatement) else parse_endorsement(raw)


def in_words(change: Change) -> str:
    """One change, for people; keys by their beginning."""
    match change:
        case Enrol(identity=identity):
            areas = f" for {', '.join(identity.mbas)}" if identity.mbas else ""
            return f"enrol {identity.name}, {identity.role} of {identity.state}{areas} (key {identity.kid.hex()[:16]})"
        case Revoke(kid=kid):
            return f"revoke the key {kid.hex()[:16]}"
        case SetArea(mba=mba):
            return _area_in_words(mba)
        case SetReference(mbas=mbas):
            return "; ".join(map(_area_in_words, mbas))
        case SetParameter(name=name, value=value):
            return f"parameter {name} = {value}"
        case ActivateRules(version=version):
            return f"rule set {version}"
        case ReplaceMembers(members=members):
            return f"members {', '.join(member.name for member in members)}"
        case _:
            assert_never(change)


def _area_in_words(mba: Mba) -> str:
    closed = f", closed {mba.closed}" if mba.closed else ""
    return f"area {mba.state}/{mba.mba} of {mba.facility}, open from {mba.opened}{closed}"


def _written(change: Change) -> tuple[ChangeKind, list[Value]]:
    match change:
        case Enrol(identity=identity):
            return ChangeKind.ENROL, [identity.to_value()]
        case Revoke(kid=kid):
            return ChangeKind.REVOKE, [kid]
        case SetArea(mba=mba):
            return ChangeKind.AREA, [mba.to_value()]
        case SetParameter(name=name, value=value):
            return ChangeKind.PARAMETER, [name, value]
        case ActivateRules(version=version):
            return ChangeKind.RULES, [version]
        case SetReference(mbas=mbas):
            return ChangeKind.REFERENCE, [[mba.to_value() for mba in mbas]]
        case ReplaceMembers(members=members):
            return ChangeKind.MEMBERS, [[member.to_value() for member in members]]
        case _:
            assert_never(change)


def _read(kind: ChangeKind, values: list[Value]) -> Change:
    first = values[0]
    match kind:
        case ChangeKind.ENROL:
            return Enrol(identity=Identity.from_value(first))
        case ChangeKind.REVOKE:
            return Revoke(kid=shapes.digest(first, "change: kid"))
        case ChangeKind.AREA:
            return SetArea(mba=Mba.from_value(first))
        case ChangeKind.PARAMETER:
            return SetParameter(
                name=shapes.text(first, "change: parameter", low=1, high=64),
                value=shapes.integer(values[1], "change: parameter's value"),
            )
        case ChangeKind.RULES:
            return ActivateRules(version=shapes.integer(first, "change: rules version", low=1, high=2**32 - 1))
        case ChangeKind.REFERENCE:
            areas = shapes.array(first, "change: areas", low=1, high=AREAS_MAX)
            return SetReference(mbas=tuple(Mba.from_value(item) for item in areas))
        case ChangeKind.MEMBERS:
            members = shapes.array(first, "change: members", low=1, high=MEMBERS_MAX)
            return ReplaceMembers(members=tuple(Member.from_value(item) for item in members))
        case _:
            assert_never(kind)
