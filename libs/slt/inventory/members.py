"""Members as the state has them, and everybody who may sign a change: who a key is, and whose word decides."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

from slt.inventory.keys import Kind, key
from slt.inventory.registry import find_identity
from slt.inventory.state import Draft, NeedRecords, Value
from slt.merkle.hashing import Digest
from slt.statements.cbor import encode
from slt.statements.registry import Identity, Member
from slt.statements.signatures import ed25519_spki, kid_of
from slt.statements.tags import list_root

Signatory: TypeAlias = Identity | Member


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSet:
    """Who runs the ledger. `epoch` counts the sets; an id is never used by another member."""

    epoch: int
    highest_id: int  # that was ever used
    members: tuple[Member, ...]  # by id

    @property
    def root(self) -> Digest:
        """`members_root` of formats.md, computed at each call."""
        return list_root("members", [encode(member.root_value()) for member in self.members])

    def to_value(self) -> Value:
        """The value of the MEMBERS record. The members themselves stand in MEMBER records."""
        return [self.epoch, self.highest_id, [member.id for member in self.members], self.root]

    def by_kid(self, kid: bytes) -> Member | None:
        """The member with this governance key."""
        for member in self.members:
            if kid_of(ed25519_spki(member.governance_key)) == kid:
                return member
        return None

    def decide(self, kids: Collection[bytes]) -> tuple[int, int]:
        """The weight of the members among these keys, and the weight of all. They decide with more than 2/3."""
        given = sum(m.weight for m in self.members if kid_of(ed25519_spki(m.governance_key)) in kids)
        return given, sum(member.weight for member in self.members)


def first_members(members: tuple[Member, ...]) -> MemberSet:
    """The set of genesis."""
    return MemberSet(epoch=0, highest_id=members[-1].id, members=members)


def find_members(draft: Draft) -> MemberSet:
    """Raises NeedRecords, for all of them at once."""
    value = draft.get(key(Kind.MEMBERS))
    assert value is not None, "the state has members from genesis on"
    epoch, highest_id, ids, _ = value
    members: list[Member] = []
    missing: list[bytes] = []
    for number in ids:
        record_key = key(Kind.MEMBER, number)
        try:
            member = draft.read(record_key, Member.from_value)
        except NeedRecords:
            missing.append(record_key)
            continue
        assert member is not None, "every member of the set has its record"
        members.append(member)
    if missing:
        raise NeedRecords(missing)
    return MemberSet(epoch=epoch, highest_id=highest_id, members=tuple(members))


def find_members_root(draft: Draft) -> Digest:
    """`members_root` without reading the members. Raises NeedRecords."""
    value = draft.get(key(Kind.MEMBERS))
    assert value is not None, "the state has members from genesis on"
    return Digest(value[3])


def find_signatory(draft: Draft, members: MemberSet, kid: bytes) -> Signatory | None:
    """Who has this key: an identity, revoked or not, or a member by its governance key. Raises NeedRecords."""
    identity = find_identity(draft, kid)
    return members.by_kid(kid) if identity is None else identity


def key_of_member(members: MemberSet, spki: bytes) -> Member | None:
    """The member that uses this key for anything."""
    for member in members.members:
        if spki in (ed25519_spki(member.governance_key), ed25519_spki(member.consensus_key)):
            return member
    return None
