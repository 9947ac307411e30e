"""Evidence names exactly who cheated, proves it by signed bytes alone, and can be made against nobody else."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from slt.consensus.tendermint.evidence import (
    BadEvidence,
    Evidence,
    EvidenceKind,
    amnesia,
    bad_proposer,
    conflicting_commits,
    height_of,
    invalid_proposal,
    parse_evidence,
    two_votes,
    verify_evidence,
)
from slt.consensus.tendermint.members import MemberSet
from slt.consensus.tendermint.votes import Kind
from slt.merkle.ed25519 import verify_ed25519
from slt.statements.cbor import DecodeError
from tests.unit.consensus.tendermint.consortium import (
    MEMBERS,
    A,
    B,
    commit,
    digest,
    make_content,
    make_genesis,
    make_header,
    polka,
    precommit,
    prevote,
    propose,
    vote,
)

TURN = MEMBERS.proposer(1, 0)
OTHER = MEMBERS.proposer(1, 1)
BAD_HEADER = make_header(epoch=3)
BAD_PROPOSAL = vote(Kind.PROPOSAL, BAD_HEADER.block_id, TURN)
TWICE = make_content("twice", batches=(digest("one"), digest("two"), digest("one")))

GOOD: dict[str, tuple[Evidence, tuple[int, ...]]] = {
    "prevotes for two blocks": (two_votes(prevote(A, 2), prevote(B, 2)), (2,)),
    "nil is a value too": (two_votes(prevote(None, 2), prevote(B, 2)), (2,)),
    "one block with two valid rounds": (two_votes(prevote(A, 1, round=3), prevote(A, 1, round=3, vr=1)), (1,)),
    "precommits for two blocks": (two_votes(precommit(A, 0), precommit(None, 0)), (0,)),
    "two proposals": (two_votes(vote(Kind.PROPOSAL, A, 3), vote(Kind.PROPOSAL, B, 3)), (3,)),
    "a proposal out of turn": (bad_proposer(vote(Kind.PROPOSAL, A, OTHER)), (OTHER,)),
    "commits in one round": (conflicting_commits(commit(A, (0, 1, 2)), commit(B, (1, 2, 3))), (1, 2)),
    "commits in two rounds": (conflicting_commits(commit(A, (0, 1, 2)), commit(B, (1, 2, 3), round=4)), ()),
    "amnesia": (amnesia(commit(A, (0, 1, 2), round=2), polka(B, (1, 2, 3), round=5, vr=1)), (1, 2)),
    "a header of another epoch": (invalid_proposal(BAD_PROPOSAL, BAD_HEADER.encoded), (TURN,)),
    "a batch twice": (
        invalid_proposal(propose(TWICE).vote, TWICE.encoded_header, TWICE.batches),
        (TURN,),
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_evidence_holds_reads_back_and_names_who_did_it(name: str) -> None:
    evidence, accused = GOOD[name]
    assert parse_evidence(evidence.encoded) == evidence
    found = verify_evidence(evidence, MEMBERS, verify_ed25519)
    assert found.accused == accused
    assert (found.kind, found.height, height_of(evidence)) == (evidence.kind, 1, 1)


@pytest.mark.parametrize("name", GOOD)
def test_every_flipped_bit_of_evidence_is_refused(name: str) -> None:
    data = GOOD[name][0].encoded
    step = 1 if len(data) < 400 else 7  # coprime to 8: every kind of bit, and every part
    for index in range(0, len(data) * 8, step):
        flipped = bytearray(data)
        flipped[index // 8] ^= 1 << index % 8
        with pytest.raises((DecodeError, BadEvidence)):
            verify_evidence(parse_evidence(bytes(flipped)), MEMBERS, verify_ed25519)


BAD: dict[str, tuple[Evidence, str]] = {
    "the same vote twice": (two_votes(prevote(A, 2), prevote(A, 2)), "lesser of the two"),
    "in the other order": (
        replace(GOOD["two proposals"][0], items=GOOD["two proposals"][0].items[::-1]),
        "lesser of the two",
    ),
    "two members": (two_votes(prevote(A, 2), prevote(B, 3)), "not of one member"),
    "two rounds": (two_votes(prevote(A, 2), prevote(B, 2, round=1)), "not of one member"),
    "two heights": (two_votes(prevote(A, 2), prevote(B, 2, height=2)), "not of one member"),
    "a prevote and a precommit": (two_votes(prevote(A, 2), precommit(B, 2)), "not of one member"),
    "proposals called votes": (
        replace(GOOD["two proposals"][0], kind=EvidenceKind.DUP_VOTE),
        "as DUP_VOTE",
    ),
    "votes called proposals": (
        replace(GOOD["prevotes for two blocks"][0], kind=EvidenceKind.DUP_PROPOSAL),
        "as DUP_PROPOSAL",
    ),
    "a proposal in turn": (bad_proposer(vote(Kind.PROPOSAL, A, TURN)), "turn"),
    "a vote out of turn": (bad_proposer(prevote(A, OTHER)), "no proposal"),
    "two commits of one block": (conflicting_commits(commit(A, (0, 1, 2)), commit(A, (1, 2, 3))), "two blocks"),
    "two commits of two heights": (
        conflicting_commits(commit(A, (0, 1, 2)), commit(B, (1, 2, 3), height=2)),
        "not of one height",
    ),
    "too few signers": (conflicting_commits(commit(A, (0, 1)), commit(B, (1, 2, 3))), "not more than two thirds"),
    "a polka before the commit": (amnesia(commit(A, (0, 1, 2), round=3), polka(B, (1, 2, 3), round=2)), "forgotten"),
    "a polka in the same round": (amnesia(commit(A, (0, 1, 2), round=3), polka(B, (1, 2, 3), round=3)), "forgotten"),
    "a polka for the same block": (amnesia(commit(A, (0, 1, 2), round=3), polka(A, (1, 2, 3), round=5)), "forgotten"),
    "a later valid round": (
        amnesia(commit(A, (0, 1, 2), round=2), polka(B, (1, 2, 3), round=5, vr=2)),
        "forgotten",
    ),
    "a header that is right": (
        invalid_proposal(propose(make_content("A")).vote, make_header("A").encoded),
        "no rule",
    ),
    "another header": (invalid_proposal(BAD_PROPOSAL, make_header("A", epoch=4).encoded), "not the one"),
    "digests that are not those of the header": (
        invalid_proposal(propose(TWICE).vote, TWICE.encoded_header, TWICE.batches[::-2]),
        "no rule",
    ),
    "half a digest": (replace(GOOD["a batch twice"][0], items=(*GOOD["a batch twice"][0].items[:2], b"x")), "no list"),
    "one vote": (replace(GOOD["two proposals"][0], items=GOOD["two proposals"][0].items[:1]), "1 items"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_proves_nothing_is_refused(name: str) -> None:
    evidence, sentence = BAD[name]
    with pytest.raises(BadEvidence, match=sentence):
        verify_evidence(evidence, MEMBERS, verify_ed25519)


@pytest.mark.parametrize("name", GOOD)
def test_scenario_22_evidence_of_another_chain_with_the_same_keys_is_refused(name: str) -> None:
    other = MemberSet.of_genesis(make_genesis(origin="ledger.test/other"))
    assert other.keys == MEMBERS.keys
    with pytest.raises(BadEvidence):
        verify_evidence(GOOD[name][0], other, verify_ed25519)


def test_two_members_make_the_same_bytes_of_what_they_saw_in_another_order() -> None:
    for make, one, other in (
        (two_votes, prevote(A, 2), prevote(B, 2)),
        (conflicting_commits, commit(A, (0, 1, 2)), commit(B, (1, 2, 3))),
    ):
        maker: Callable[..., Evidence] = make
        assert maker(one, other) == maker(other, one)


def test_a_second_piece_about_the_same_has_the_same_key() -> None:
    first = verify_evidence(two_votes(prevote(A, 2), prevote(B, 2)), MEMBERS, verify_ed25519)
    second = verify_evidence(two_votes(prevote(None, 2), prevote(B, 2)), MEMBERS, verify_ed25519)
    elsewhere = verify_evidence(two_votes(precommit(A, 2), precommit(B, 2)), MEMBERS, verify_ed25519)
    assert first.key == second.key != elsewhere.key


def test_a_re_proposed_block_names_its_first_proposer_and_is_no_fault() -> None:
    header = make_header("A")  # by the proposer of round 0
    again = vote(Kind.PROPOSAL, header.block_id, OTHER, round=1, vr=0)
    with pytest.raises(BadEvidence, match="no rule"):
        verify_evidence(invalid_proposal(again, header.encoded), MEMBERS, verify_ed25519)
    as_new = vote(Kind.PROPOSAL, header.block_id, OTHER, round=1)
    assert verify_evidence(invalid_proposal(as_new, header.encoded), MEMBERS, verify_ed25519).accused == (OTHER,)


def test_height_of_cut_bytes_is_refused() -> None:
    for kind in EvidenceKind:
        with pytest.raises(DecodeError):
            height_of(Evidence(kind=kind, items=(b"short",)))
