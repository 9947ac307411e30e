"""Each kind of change: what it is about, what it must not say, and what it does to the state.

targets_of    what it is about: until it took effect, no other change about that is taken
objections    what it cannot say, by itself or against what is registered
apply         what it does at its height; nothing can stand against it then
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from slt.inventory.authorisation import Failed
from slt.inventory.keys import Kind, key
from slt.inventory.members import MemberSet, find_members, key_of_member
from slt.inventory.registry import area_records, find_identity, find_ledger, find_mba
from slt.inventory.state import Draft
from slt.statements.cbor import Value, encode
from slt.statements.genesis_checks import check_identity, check_mba, check_member_list
from slt.statements.governance import (
    ActivateRules,
    Change,
    Enrol,
    ReplaceMembers,
    Revoke,
    SetArea,
    SetParameter,
    SetReference,
)
from slt.statements.registry import PARAMETERS, GenesisError, Identity, Mba, Member
from slt.statements.signatures import ed25519_spki, kid_of
from slt.statements.verdicts import Code

SIZES: Final = ("submission_bytes_max", "facts_bytes_max", "block_bytes_max")
"""Parameters that must fit each other: the first two together into the third."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """Where the ledger stands when a change is judged or takes effect."""

    draft: Draft
    statement_id: bytes  # of the change
    time_ms: int  # of the block


def is_announced_ahead(change: Change) -> bool:
    """Whether reports are vetted under versions that it activates: every member needs time for that."""
    return isinstance(change, ActivateRules | SetArea | SetReference)


def targets_of(change: Change) -> list[bytes]:
    """What it is about, as it stands in the keys of TARGET records."""
    return [encode(target) for target in _targets(change)]


def keys_of_change(change: Change) -> set[bytes]:
    """The records that judging it and applying it read, but for members and parameters, which every change may read."""
    keys = {key(Kind.TARGET, target) for target in targets_of(change)}
    match change:
        case Enrol(identity=identity):
            keys.add(key(Kind.IDENTITY, identity.kid))
            keys.update(key(Kind.MBA, identity.state, mba) for mba in identity.mbas)
        case Revoke(kid=kid):
            keys |= {key(Kind.IDENTITY, kid), key(Kind.REVOKED, kid)}
        case SetArea(mba=mba):
            keys.update(area_records(mba))
        case SetReference(mbas=mbas):
            keys.update(record_key for mba in mbas for record_key in area_records(mba))
        case ReplaceMembers(members=members):
            for member in members:
                keys |= {key(Kind.MEMBER, member.id), key(Kind.CHAIN, member.id)}
                keys.update(
                    key(Kind.IDENTITY, kid_of(ed25519_spki(one)))
                    for one in (member.governance_key, member.consensus_key)
                )
        case SetParameter() | ActivateRules():
            pass
        case _:
            assert_never(change)
    return keys


def _targets(change: Change) -> Sequence[Value]:
    match change:
        case Enrol(identity=identity):
            return [["identity", identity.kid]]
        case Revoke(kid=kid):
            return [["identity", kid]]
        case SetArea(mba=mba):
            return [["area", mba.state, mba.mba]]
        case SetReference(mbas=mbas):
            return [["area", mba.state, mba.mba] for mba in mbas]
        case SetParameter(name=name):
            return [["parameter", SIZES[2] if name in SIZES else name]]
        case ActivateRules():
            return [["rules"]]
        case ReplaceMembers():
            return [["members"]]
        case _:
            assert_never(change)


def objections(now: Now, members: MemberSet, change: Change) -> Iterator[Failed]:
    """What stands against it: what it says by itself (change-invalid), or what is registered (change-conflict).

    Raises NeedRecords.
    """
    match change:
        case Enrol(identity=identity):
            yield from _enrol(now, members, identity)
        case Revoke(kid=kid):
            yield from _revoke(now, kid)
        case SetArea(mba=mba):
            yield from _area(now, mba)
        case SetReference(mbas=mbas):
            if len({(mba.state, mba.mba) for mba in mbas}) != len(mbas):
                yield _invalid("An area comes twice.")
            for mba in mbas:
                yield from _area(now, mba)
        case SetParameter(name=name, value=value):
            yield from _parameter(now, name, value)
        case ActivateRules(version=version):
            if version == _value(now.draft, "rules_version"):
                yield _conflict(f"Rule set {version} is in force already.")
        case ReplaceMembers(members=replacing):
            yield from _members(now, members, replacing)
        case _:
            assert_never(change)


def apply(now: Now, change: Change) -> bool:
    """Write what it does. True: areas changed, which moves the version of the reference data. Raises NeedRecords."""
    draft = now.draft
    match change:
        case Enrol(identity=identity):
            draft.put(key(Kind.IDENTITY, identity.kid), identity.to_value())
        case Revoke(kid=kid):
            draft.put(key(Kind.REVOKED, kid), [now.statement_id])
        case SetArea(mba=mba):
            _write_area(draft, mba)
            return True
        case SetReference(mbas=mbas):
            for mba in mbas:
                _write_area(draft, mba)
            return True
        case SetParameter(name=name, value=value):
            draft.put(key(Kind.PARAMETER, name), [value])
        case ActivateRules(version=version):
            draft.put(key(Kind.PARAMETER, "rules_version"), [version])
        case ReplaceMembers(members=replacing):
            _write_members(draft, replacing)
        case _:
            assert_never(change)
    return False


def _enrol(now: Now, members: MemberSet, identity: Identity) -> Iterator[Failed]:
    try:
        check_identity(identity)
    except GenesisError as error:
        yield _invalid(f"{error}.")
    if identity.not_after * 1000 < now.time_ms:
        yield _invalid(
            "The identity is over before it begins (seconds since 1970).",
            value=str(identity.not_after),
            expected=f"{now.time_ms // 1000} or later",
        )
    for mba in identity.mbas:
        if find_mba(now.draft, identity.state, mba) is None:
            yield _invalid(f"There is no area {identity.state}/{mba} on this ledger.")
    if find_identity(now.draft, identity.kid) is not None:
        yield _conflict(f"The key {identity.kid.hex()} is registered already; every identity has a key of its own.")
    if (member := key_of_member(members, identity.spki)) is not None:
        yield _conflict(f"The key {identity.kid.hex()} is one of member {member.name}; a key is used for one thing.")


def _revoke(now: Now, kid: bytes) -> Iterator[Failed]:
    if find_identity(now.draft, kid) is None:
        yield _invalid(f"The key {kid.hex()} is not registered, so there is nothing to revoke.")
    elif (revoked := now.draft.get(key(Kind.REVOKED, kid))) is not None:
        yield _conflict(f"The key {kid.hex()} is revoked already.", evidence=revoked[0])


def _area(now: Now, mba: Mba) -> Iterator[Failed]:
    """What a new area may not bring, and what an old one may not change: its books stand on it."""
    what = f"{mba.state}/{mba.mba}"
    try:
        check_mba(mba)
    except GenesisError as error:
        yield _invalid(f"{error}.")
    old = find_mba(now.draft, mba.state, mba.mba)
    if old is None:
        if mba.opening is not None:
            yield _invalid(f"The new area {what} names an opening inventory: only areas of genesis begin with one.")
        return
    for name in ("kind", "opened", "last_report_number", "last_pit", "opening"):
        before, after = getattr(old, name), getattr(mba, name)
        if before != after:
            yield _conflict(
                f"{name} of {what} cannot change: the books of the area stand on it.",
                value=_text(after),
                expected=_text(before),
            )


def _parameter(now: Now, name: str, value: int) -> Iterator[Failed]:
    known = PARAMETERS.get(name)
    if known is None:
        yield _invalid("There is no such parameter.", value=name, expected=", ".join(PARAMETERS))
        return
    if not known.low <= value <= known.high:
        yield _invalid(
            f"The parameter {name} is out of its range ({known.unit}).",
            value=str(value),
            expected=f"{known.low} to {known.high}",
        )
    if name in SIZES:
        submission, facts, block = (value if size == name else _value(now.draft, size) for size in SIZES)
        if submission + facts > block:
            yield _conflict(
                "submission_bytes_max and facts_bytes_max together must fit block_bytes_max.",
                value=str(submission + facts),
                expected=f"at most {block}",
            )


def _members(now: Now, members: MemberSet, replacing: Sequence[Member]) -> Iterator[Failed]:
    model = find_ledger(now.draft).model
    if model == "private":
        yield _invalid("The member set of a private ledger never changes.")
        return
    try:
        check_member_list(replacing, origin="", model=model)
    except GenesisError as error:
        yield _invalid(f"{error}.")
    old = {member.id: member for member in members.members}
    for member in replacing:
        before = old.get(member.id)
        if before is None and member.id <= members.highest_id:
            yield _conflict(
                f"The id {member.id} was used before, and an id is never used again.",
                value=str(member.id),
                expected=f"{members.highest_id + 1} or more for a new member",
            )
        for public in (member.governance_key, member.consensus_key):
            kid = kid_of(ed25519_spki(public))
            if find_identity(now.draft, kid) is not None:
                yield _conflict(f"The key {kid.hex()} of member {member.name} is registered as an identity.")


def _write_area(draft: Draft, mba: Mba) -> None:
    old = find_mba(draft, mba.state, mba.mba)
    draft.put(key(Kind.MBA, mba.state, mba.mba), mba.to_value())
    if old is None:
        for record_key, value in area_records(mba).items():
            draft.put(record_key, value)


def _write_members(draft: Draft, replacing: Sequence[Member]) -> None:
    old = find_members(draft)
    gone = {member.id for member in old.members} - {member.id for member in replacing}
    for number in gone:
        draft.put(key(Kind.MEMBER, number), None)
        draft.put(key(Kind.CHAIN, number), None)
    for member in replacing:
        draft.put(key(Kind.MEMBER, member.id), member.to_value())
        if member.id > old.highest_id:
            draft.put(key(Kind.CHAIN, member.id), [0, find_ledger(draft).chain_id])
    replaced = MemberSet(
        epoch=old.epoch + 1,
        highest_id=max(old.highest_id, *(member.id for member in replacing)),
        members=tuple(replacing),
    )
    draft.put(key(Kind.MEMBERS), replaced.to_value())


def _value(draft: Draft, name: str) -> int:
    value = draft.get(key(Kind.PARAMETER, name))
    assert value is not None, f"the state has the parameter {name} from genesis on"
    number: int = value[0]
    return number


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _invalid(text: str, *, value: str = "", expected: str = "") -> Failed:
    return Failed(Code.CHANGE_INVALID, text, value=value, expected=expected)


def _conflict(text: str, *, value: str = "", expected: str = "", evidence: bytes | None = None) -> Failed:
    return Failed(Code.CHANGE_CONFLICT, text, value=value, expected=expected, evidence=evidence)
