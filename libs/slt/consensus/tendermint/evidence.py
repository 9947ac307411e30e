"""Proof that a member cheated: signed bytes only, checkable by anyone with the member set of that height (1.12).

Encoded as the CBOR array `[kind, [item...]]`; each item is a vote or certificate in its wire form, or a header. No
local time and no "height seen" is in it, so two honest members who saw the same thing make the same bytes
(CVE-2021-21271), and what one accepts everyone accepts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

from slt.consensus.tendermint.certs import (
    BadCertificate,
    Certificate,
    CertificateKind,
    intersection,
    parse_certificate,
    verify_quorum,
)
from slt.consensus.tendermint.members import MemberSet, Verify
from slt.consensus.tendermint.proposals import BATCHES_MAX, EVIDENCE_BYTES_MAX
from slt.consensus.tendermint.stateless import header_fault, repeated_batch
from slt.consensus.tendermint.votes import Kind, Vote, parse_vote, verify_vote
from slt.merkle.ed25519 import BadSignature
from slt.merkle.hashing import Digest
from slt.statements import shapes
from slt.statements.cbor import DecodeError, encode
from slt.statements.headers import HEADER_BYTES_MAX
from slt.statements.tags import tagged_hash


class EvidenceKind(IntEnum):
    DUP_VOTE = 1  # two prevotes, or two precommits, of one round that differ in id or valid round
    DUP_PROPOSAL = 2  # two proposals of one round that differ in id or valid round
    BAD_PROPOSER = 3  # a proposal out of turn
    CONFLICTING_CERTS = 4  # two commits of one height for different blocks
    AMNESIA = 5  # a precommit of v at r, and a prevote of v' at r' > r with a valid round below r
    INVALID_PROPOSAL = 6  # a signed proposal of a header, or a list of batches, that no state could make right


class BadEvidence(ValueError):
    """This proves nothing. Whoever put it into a block is at fault."""


Key: TypeAlias = tuple[tuple[int, ...], int, int, int, int]
"""(accused, kind, height, round, kind of ballot): a second piece with the same key says nothing new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Unverified. `items` as in the docstring of each maker below."""

    kind: EvidenceKind
    items: tuple[bytes, ...]

    @property
    def encoded(self) -> bytes:
        return encode([int(self.kind), list(self.items)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Accusation:
    """What a verified piece proves. `accused` are indices into the set of that height, ascending.

    Two commits of different rounds name nobody by themselves: they prove that more than a third is faulty.
    """

    kind: EvidenceKind
    height: int
    round: int
    ballot: int
    accused: tuple[int, ...]

    @property
    def key(self) -> Key:
        return (self.accused, self.kind, self.height, self.round, self.ballot)


def two_votes(one: Vote, other: Vote) -> Evidence:
    """DUP_VOTE or DUP_PROPOSAL: `[vote, vote]`, the lesser bytes first."""
    kind = EvidenceKind.DUP_PROPOSAL if one.ballot.kind == Kind.PROPOSAL else EvidenceKind.DUP_VOTE
    return Evidence(kind=kind, items=tuple(sorted((one.encoded, other.encoded))))


def bad_proposer(vote: Vote) -> Evidence:
    """`[vote]`."""
    return Evidence(kind=EvidenceKind.BAD_PROPOSER, items=(vote.encoded,))


def conflicting_commits(one: Certificate, other: Certificate) -> Evidence:
    """`[commit, commit]`, the lesser bytes first."""
    return Evidence(kind=EvidenceKind.CONFLICTING_CERTS, items=tuple(sorted((one.encoded, other.encoded))))


def amnesia(commit: Certificate, polka: Certificate) -> Evidence:
    """`[commit, polka]`, in this order."""
    return Evidence(kind=EvidenceKind.AMNESIA, items=(commit.encoded, polka.encoded))


def invalid_proposal(vote: Vote, encoded_header: bytes, batches: Sequence[Digest] = ()) -> Evidence:
    """`[vote, header, digests]`: the digests of all batches, joined, where one stands twice, and nothing otherwise."""
    items = (vote.encoded, encoded_header, b"".join(batches))
    return Evidence(kind=EvidenceKind.INVALID_PROPOSAL, items=items)


def shows_amnesia(commit: Certificate, polka: Certificate) -> bool:
    """Whether signers of both have forgotten what they precommitted (R5 and R6 with guard L, README)."""
    return (
        commit.height == polka.height
        and commit.block_id != polka.block_id
        and commit.round < polka.round
        and polka.vr < commit.round
    )


def parse_evidence(data: bytes) -> Evidence:
    """Read a piece. Raises DecodeError. What its items are is asked when it is verified, with the set at hand."""
    kind, items = shapes.opened(data, "evidence", 2, bytes_max=EVIDENCE_BYTES_MAX)
    number = shapes.integer(kind, "evidence: kind", low=1, high=max(EvidenceKind))
    return Evidence(
        kind=EvidenceKind(number),
        items=tuple(
            shapes.octets(item, "evidence: item", high=EVIDENCE_BYTES_MAX)
            for item in shapes.array(items, "evidence: items", low=1, high=3)
        ),
    )


def height_of(evidence: Evidence) -> int:
    """The height that `evidence` is about, unverified: it says whose set to verify with. Raises DecodeError."""
    first = evidence.items[0]
    if evidence.kind in _OF_CERTIFICATES:
        if len(first) < 49:
            raise DecodeError("the certificate ends before its height")
        return int.from_bytes(first[41:49], "big")
    return parse_vote(first).ballot.height


def verify_evidence(evidence: Evidence, members: MemberSet, verify: Verify) -> Accusation:
    """What `evidence` proves under the set of its height. Raises BadEvidence when that is nothing."""
    try:
        return _CHECKS[evidence.kind](evidence.items, members, verify)
    except (DecodeError, BadSignature, BadCertificate) as error:
        raise BadEvidence(str(error)) from error


def _two_votes(items: Sequence[bytes], members: MemberSet, verify: Verify, kind: EvidenceKind) -> Accusation:
    _check_pair(items)
    one, other = (_vote(item, members, verify) for item in items)
    a, b = one.ballot, other.ballot
    if (one.sender, a.kind, a.height, a.round) != (other.sender, b.kind, b.height, b.round):
        raise BadEvidence("the two votes are not of one member, kind, height and round")
    if a == b:
        raise BadEvidence("the two votes say the same")
    if (a.kind == Kind.PROPOSAL) != (kind == EvidenceKind.DUP_PROPOSAL):
        raise BadEvidence(f"two votes of kind {a.kind.name} as {kind.name}")
    return Accusation(kind=kind, height=a.height, round=a.round, ballot=a.kind, accused=(one.sender,))


def _dup_vote(items: Sequence[bytes], members: MemberSet, verify: Verify) -> Accusation:
    return _two_votes(items, members, verify, EvidenceKind.DUP_VOTE)


def _dup_proposal(items: Sequence[bytes], members: MemberSet, verify: Verify) -> Accusation:
    return _two_votes(items, members, verify, EvidenceKind.DUP_PROPOSAL)


def _bad_proposer(items: Sequence[bytes], members: MemberSet, verify: Verify) -> Accusation:
    (item,) = _counted(items, 1)
    vote = _proposal(item, members, verify)
    one = vote.ballot
    if vote.sender == members.proposer(one.height, one.round):
        raise BadEvidence(f"it was member {vote.sender}'s turn")
    return _about(EvidenceKind.BAD_PROPOSER, vote)


def _conflicting(items: Sequence[bytes], members: MemberSet, verify: Verify) -> Accusation:
    _check_pair(items)
    one, other = (_certificate(item, Kind.PRECOMMIT, members, verify) for item in items)
    if one.height != other.height or one.block_id == other.block_id:
        raise BadEvidence("the two commits are not of one height and two blocks")
    # In one round every signer of both has precommitted twice. In two rounds only AMNESIA can say who it was.
    accused = tuple(intersection(one, other)) if one.round == other.round else ()
    return Accusation(
        kind=EvidenceKind.CONFLICTING_CERTS,
        height=one.height,
        round=max(one.round, other.round),
        ballot=Kind.PRECOMMIT,
        accused=accused,
    )


def _amnesia(items: Sequence[bytes], members: MemberSet, verify: Verify) -> Accusation:
    first, second = _counted(items, 2)
    commit = _certificate(first, Kind.PRECOMMIT, members, verify)
    polka = _certificate(second, Kind.PREVOTE, members, verify)
    if not shows_amnesia(commit, polka):
        raise BadEvidence("whoever signed both need not have forgotten anything")
    return Accusation(
        kind=EvidenceKind.AMNESIA,
        height=commit.height,
        round=polka.round,
        ballot=Kind.PREVOTE,
        accused=tuple(intersection(commit, polka)),
    )


def _invalid_proposal(items: Sequence[bytes], members: MemberSet, verify: Verify) -> Accusation:
    signed, header, digests = _counted(items, 3)
    vote = _proposal(signed, members, verify)
    if len(header) > HEADER_BYTES_MAX or tagged_hash("block", header) != vote.ballot.block_id:
        raise BadEvidence("the header is not the one that was proposed")
    if len(digests) % 32 or len(digests) > 32 * BATCHES_MAX:
        raise BadEvidence(f"{len(digests)} bytes are no list of batch digests")
    batches = [Digest(digests[at : at + 32]) for at in range(0, len(digests), 32)]
    fault = repeated_batch(header, batches) if batches else header_fault(vote, header, members)
    if not fault:
        raise BadEvidence("no rule that needs no state refuses this proposal")
    return _about(EvidenceKind.INVALID_PROPOSAL, vote)


def _about(kind: EvidenceKind, vote: Vote) -> Accusation:
    one = vote.ballot
    return Accusation(kind=kind, height=one.height, round=one.round, ballot=one.kind, accused=(vote.sender,))


def _vote(item: bytes, members: MemberSet, verify: Verify) -> Vote:
    vote = parse_vote(item)
    verify_vote(vote, members, verify)
    return vote


def _proposal(item: bytes, members: MemberSet, verify: Verify) -> Vote:
    vote = _vote(item, members, verify)
    if vote.ballot.kind != Kind.PROPOSAL:
        raise BadEvidence("the vote is no proposal")
    return vote


def _certificate(item: bytes, kind: CertificateKind, members: MemberSet, verify: Verify) -> Certificate:
    certificate = parse_certificate(item, kind, len(members.keys))
    verify_quorum(certificate, members, verify)
    return certificate


def _counted(items: Sequence[bytes], count: int) -> Sequence[bytes]:
    if len(items) != count:
        raise BadEvidence(f"{len(items)} items, where {count} are needed")
    return items


def _check_pair(items: Sequence[bytes]) -> None:
    first, second = _counted(items, 2)
    if first >= second:
        raise BadEvidence("the lesser of the two items stands first")


_OF_CERTIFICATES: Final = frozenset({EvidenceKind.CONFLICTING_CERTS, EvidenceKind.AMNESIA})
_CHECKS: Final[dict[EvidenceKind, Callable[[Sequence[bytes], MemberSet, Verify], Accusation]]] = {
    EvidenceKind.DUP_VOTE: _dup_vote,
    EvidenceKind.DUP_PROPOSAL: _dup_proposal,
    EvidenceKind.BAD_PROPOSER: _bad_proposer,
    EvidenceKind.CONFLICTING_CERTS: _conflicting,
    EvidenceKind.AMNESIA: _amnesia,
    EvidenceKind.INVALID_PROPOSAL: _invalid_proposal,
}
