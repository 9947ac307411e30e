"""From genesis to the member set of any epoch, by certified headers alone (consensus.md 1.9, check 6).

A set that block h changes stands in `next_members_root` of header h and votes from h+1. So the chain of sets is: each
change's header, certified by the set before it, and the list of members that its root commits to.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from slt.consensus.tendermint.certs import BadCertificate, Certificate, verify_decision
from slt.consensus.tendermint.members import MemberSet, Verify
from slt.statements.headers import Header
from slt.statements.registry import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The block that changed the set, its certificate, and who votes from the next height on."""

    header: Header
    certificate: Certificate
    members: Sequence[Member]


def next_set(current: MemberSet, header: Header, members: Sequence[Member]) -> MemberSet:
    """The set from the height after `header`, which `current` has certified. Raises BadCertificate.

    `members` is what the state says; the header decides whether it is right.
    """
    if header.next_members_root == header.members_root:
        return current
    try:
        found = MemberSet(
            chain_id=current.chain_id, epoch=current.epoch + 1, seed=header.parent_id, members=tuple(members)
        )
    except ValueError as error:
        raise BadCertificate(f"no member set: {error}") from error
    if found.root != header.next_members_root:
        raise BadCertificate(f"block {header.height} commits to other members than those given")
    return found


def verify_changes(genesis: MemberSet, changes: Iterable[Change], verify: Verify) -> MemberSet:
    """The member set after `changes`, every one of them, in order. Raises BadCertificate at the first broken link."""
    current, height = genesis, 0
    for change in changes:
        if change.header.height <= height:
            raise BadCertificate(f"the change at height {change.header.height} does not come after {height}")
        verify_decision(change.header, change.certificate, current, verify)
        found = next_set(current, change.header, change.members)
        if found is current:
            raise BadCertificate(f"block {change.header.height} changed no member")
        current, height = found, change.header.height
    return current
