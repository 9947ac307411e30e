"""A small consortium for these tests: n members with keys from fixed seeds, blocks without meaning, signed anything."""

from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from typing import Any

from slt.consensus.tendermint.certs import Certificate, certificate_of
from slt.consensus.tendermint.members import MemberSet
from slt.consensus.tendermint.proposals import Content, Proposal, content_of
from slt.consensus.tendermint.votes import NO_ROUND, Ballot, Kind, Vote
from slt.merkle.hashing import Digest
from slt.merkle.notes import NoteSigner
from slt.statements.cbor import encode
from slt.statements.genesis import Genesis, Member, TermAuthority
from slt.statements.headers import Header
from slt.statements.signatures import Signer, signer_from_seed
from slt.statements.tags import list_root

ORIGIN = "ledger.test/four"
NOW_MS = 1_760_000_000_000


@cache
def signer(name: str) -> Signer:
    return signer_from_seed(sha256(name.encode()).digest())


@cache
def key(index: int) -> Signer:
    """The consensus key of the member whose id is `index`."""
    return signer(f"consensus {index}")


@cache
def make_member(index: int, weight: int = 1, name: str = "") -> Member:
    return Member(
        id=index,
        name=name or f"member {index}",
        consensus_key=signer(f"consensus {name or index}").public,
        weight=weight,
        checkpoint_vkey=NoteSigner.of(ORIGIN, sha256(f"checkpoint {name or index}".encode()).digest()).vkey,
        governance_key=signer(f"governance {name or index}").public,
    )


@cache
def make_genesis(members: int = 4, origin: str = ORIGIN) -> Genesis:
    return Genesis(
        origin=origin,
        model="consortium",
        parameters={},
        members=tuple(make_member(index) for index in range(members)),
        term_authority=TermAuthority(threshold=0, keys=()),
        anchors={},
        identities=(),
        mbas=(),
    )


GENESIS = make_genesis()
MEMBERS = MemberSet.of_genesis(GENESIS)


def weighted(*weights: int) -> MemberSet:
    """A set with the key of member i at index i."""
    members = tuple(make_member(index, weight) for index, weight in enumerate(weights))
    return MemberSet(chain_id=GENESIS.chain_id, epoch=0, seed=GENESIS.chain_id, members=members)


def digest(name: str) -> Digest:
    return Digest(sha256(name.encode()).digest())


A, B, C = digest("block A"), digest("block B"), digest("block C")


def make_ballot(kind: Kind, block_id: Digest | None, **changes: Any) -> Ballot:
    fields: dict[str, Any] = {"chain_id": MEMBERS.chain_id, "epoch": 0, "height": 1, "round": 0, "vr": NO_ROUND}
    return Ballot(kind=kind, block_id=block_id, **(fields | changes))


def vote(kind: Kind, block_id: Digest | None, sender: int, **changes: Any) -> Vote:
    ballot = make_ballot(kind, block_id, **changes)
    return Vote(ballot=ballot, sender=sender, signature=key(sender).sign(ballot.sign_bytes))


def prevote(block_id: Digest | None, sender: int, **changes: Any) -> Vote:
    return vote(Kind.PREVOTE, block_id, sender, **changes)


def precommit(block_id: Digest | None, sender: int, **changes: Any) -> Vote:
    return vote(Kind.PRECOMMIT, block_id, sender, **changes)


def polka(block_id: Digest, senders: Iterable[int], *, members: MemberSet = MEMBERS, **changes: Any) -> Certificate:
    return certificate_of([prevote(block_id, sender, epoch=members.epoch, **changes) for sender in senders], members)


def commit(block_id: Digest, senders: Iterable[int], *, members: MemberSet = MEMBERS, **changes: Any) -> Certificate:
    return certificate_of([precommit(block_id, sender, epoch=members.epoch, **changes) for sender in senders], members)


def make_header(name: str = "A", *, members: MemberSet = MEMBERS, **changes: Any) -> Header:
    """A header of height 1 by the proposer of round 0; another name, another state root."""
    batches: Sequence[Digest] = changes.pop("batches", ())
    evidence: Sequence[bytes] = changes.pop("evidence", ())
    height = changes.get("height", 1)
    fields: dict[str, Any] = {
        "chain_id": members.chain_id,
        "height": height,
        "parent_id": members.chain_id,
        "epoch": members.epoch,
        "time_ms": NOW_MS,
        "proposer": members.members[members.proposer(height, 0)].id,
        "members_root": members.root,
        "next_members_root": members.root,
        "parameters_root": digest("parameters"),
        "batches_root": list_root("batches", [encode(one) for one in batches]),
        "verdicts_root": list_root("verdicts", []),
        "state_root": digest(f"state {name}"),
        "log_size": 1,
        "log_root": digest("log"),
        "evidence_root": list_root("evidence", list(evidence)),
    }
    return Header(**(fields | changes))


def make_content(name: str = "A", **changes: Any) -> Content:
    header = make_header(name, **changes)
    return content_of(header.encoded, tuple(changes.get("batches", ())), tuple(changes.get("evidence", ())))


def propose(
    content: Content, *, sender: int | None = None, polka: Certificate | None = None, entries: int = 0, **changes: Any
) -> Proposal:
    """A proposal of `content` at height 1, by whose turn it is unless somebody else is named."""
    by = MEMBERS.proposer(changes.get("height", 1), changes.get("round", 0)) if sender is None else sender
    signed = vote(Kind.PROPOSAL, content.block_id, by, **changes)
    return Proposal(vote=signed, content=content, entries=entries, polka=polka)
