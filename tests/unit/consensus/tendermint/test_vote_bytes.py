"""Votes, proposals and certificates on the wire: one form each, nothing else is read, nothing else is raised."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slt.consensus.tendermint.certs import parse_certificate
from slt.consensus.tendermint.evidence import parse_evidence
from slt.consensus.tendermint.proposals import (
    BATCHES_MAX,
    EVIDENCE_ITEMS_MAX,
    PROPOSAL_BYTES_MAX,
    Proposal,
    content_of,
    parse_proposal,
)
from slt.consensus.tendermint.votes import SIGN_BYTES, VOTE_BYTES, Kind, Vote, parse_vote, verify_vote
from slt.merkle.ed25519 import BadSignature, verify_ed25519
from slt.statements.cbor import DecodeError
from tests.unit.consensus.tendermint.consortium import (
    MEMBERS,
    A,
    commit,
    digest,
    make_ballot,
    make_content,
    polka,
    precommit,
    prevote,
    propose,
    vote,
)

BATCHES = tuple(digest(f"batch {number}") for number in range(3))
CONTENT = make_content("A", batches=BATCHES, evidence=(b"first", b"second"))
FRESH = propose(CONTENT, entries=12)
AGAIN = propose(CONTENT, round=2, vr=1, polka=polka(CONTENT.block_id, (0, 1, 3), round=1))


def test_sign_bytes_are_121_bytes_in_the_order_of_the_specification() -> None:
    data = make_ballot(Kind.PREVOTE, A, epoch=5, height=7, round=3, vr=2).sign_bytes
    assert len(data) == SIGN_BYTES == 121
    assert data[:32] == b"slt/PREVOTE/v1".ljust(32, b"\0")
    assert data[32:64] == MEMBERS.chain_id
    assert data[64:88] == b"".join(
        [(5).to_bytes(8, "big"), (7).to_bytes(8, "big"), (3).to_bytes(4, "big"), (2).to_bytes(4, "big")]
    )
    assert data[88:] == A + b"\0"


def test_nil_is_zeros_and_a_one_and_a_missing_valid_round_is_minus_one() -> None:
    data = make_ballot(Kind.PRECOMMIT, None).sign_bytes
    assert data[84:] == b"\xff\xff\xff\xff" + bytes(32) + b"\1"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": Kind.PRECOMMIT},
        {"chain_id": digest("another chain")},
        {"epoch": 1},
        {"height": 2},
        {"round": 1},
        {"vr": 0},
        {"block_id": None},
        {"block_id": digest("zeros")},
    ],
)
def test_every_field_of_a_ballot_is_under_the_signature(change: dict[str, Any]) -> None:
    one = prevote(A, 1)
    with pytest.raises(BadSignature):
        verify_vote(replace(one, ballot=replace(one.ballot, **change)), MEMBERS, verify_ed25519)


def test_a_vote_of_a_block_whose_id_is_zeros_is_not_nil() -> None:
    zeros = make_ballot(Kind.PREVOTE, digest("x"))
    assert replace(zeros, block_id=type(A)(bytes(32))).sign_bytes != make_ballot(Kind.PREVOTE, None).sign_bytes


@pytest.mark.parametrize("sender", [-1, 4, 65535])
def test_a_sender_that_is_no_member_is_refused_before_its_index_is_used(sender: int) -> None:
    with pytest.raises(BadSignature, match="no member"):
        verify_vote(replace(prevote(A, 1), sender=sender), MEMBERS, verify_ed25519)


def test_another_members_index_is_refused() -> None:
    with pytest.raises(BadSignature, match="does not hold"):
        verify_vote(replace(prevote(A, 1), sender=2), MEMBERS, verify_ed25519)


@pytest.mark.parametrize(
    "one", [prevote(A, 0), prevote(None, 3), precommit(A, 2), prevote(A, 1, round=9, vr=4), vote(Kind.PROPOSAL, A, 0)]
)
def test_a_vote_is_157_bytes_and_reads_back(one: Vote) -> None:
    assert len(one.encoded) == VOTE_BYTES == 157
    assert parse_vote(one.encoded) == one


def test_every_flipped_bit_of_a_vote_is_refused() -> None:
    data = prevote(A, 1, round=2, vr=1).encoded
    for index in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[index // 8] ^= 1 << index % 8
        with pytest.raises((DecodeError, BadSignature)):
            verify_vote(parse_vote(bytes(flipped)), MEMBERS, verify_ed25519)


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (prevote(None, 0, vr=0, round=1), "valid round 0"),
        (precommit(A, 0, vr=0, round=1), "valid round 0"),
        (prevote(A, 0, vr=-2), "valid round -2"),
        (vote(Kind.PROPOSAL, None, 0), "names a block"),
        (prevote(A, 0, height=0), "out of range"),
        (prevote(A, 0, round=2**31), "out of range"),
    ],
)
def test_a_vote_that_no_member_may_cast_is_not_read(one: Vote, sentence: str) -> None:
    with pytest.raises(DecodeError, match=sentence):
        parse_vote(one.encoded)


@pytest.mark.parametrize("proposal", [FRESH, AGAIN])
def test_a_proposal_reads_back(proposal: Proposal) -> None:
    assert parse_proposal(proposal.encoded, 4) == proposal


def test_bytes_that_are_no_header_can_be_proposed_and_prove_who_did_it() -> None:
    content = content_of(b"no header", (), ())
    assert content.header is None
    proposal = propose(content)
    assert parse_proposal(proposal.encoded, 4) == proposal


def test_attachments_that_do_not_hash_to_what_was_signed_are_refused() -> None:
    other = make_content("B")
    for content, sentence in (
        (other, "not the one that was signed"),
        (replace(CONTENT, batches=BATCHES[:2]), "batches are not those"),
        (replace(CONTENT, batches=BATCHES[::-1]), "batches are not those"),
        (replace(CONTENT, evidence=(b"first",)), "evidence is not that"),
    ):
        with pytest.raises(DecodeError, match=sentence):
            parse_proposal(replace(FRESH, content=content).encoded, 4)


@pytest.mark.parametrize(
    "wrong",
    [
        polka(CONTENT.block_id, (0, 1, 3), round=0),
        polka(A, (0, 1, 3), round=1),
        polka(CONTENT.block_id, (0, 1, 3), round=1, height=2),
    ],
)
def test_a_polka_for_another_round_block_or_height_is_refused(wrong: Any) -> None:
    with pytest.raises(DecodeError, match="polka is not for"):
        parse_proposal(replace(AGAIN, polka=wrong).encoded, 4)


def test_a_fresh_proposal_has_no_polka() -> None:
    with pytest.raises(DecodeError, match="names no valid round"):
        parse_proposal(replace(FRESH, polka=polka(CONTENT.block_id, (0, 1, 3))).encoded, 4)


def test_counts_and_sizes_are_compared_before_anything_is_read() -> None:
    data = FRESH.encoded
    at = VOTE_BYTES + 4
    header = int.from_bytes(data[at : at + 2], "big")
    batches = at + 2 + header
    evidence = batches + 2 + 32 * len(BATCHES)
    for place, width, value, sentence in (
        (batches, 2, BATCHES_MAX + 1, "batches; at most"),
        (evidence, 2, EVIDENCE_ITEMS_MAX + 1, "pieces of evidence; at most"),
        (evidence + 2, 4, 2**32 - 1, "more than the proposal has"),
        (len(data) - 4, 4, 2**32 - 1, "bytes of a polka; at most"),
        (at, 2, 65535, "more than the proposal has"),
    ):
        with pytest.raises(DecodeError, match=sentence):
            parse_proposal(data[:place] + value.to_bytes(width, "big") + data[place + width :], 4)
    with pytest.raises(DecodeError, match="at most"):
        parse_proposal(bytes(PROPOSAL_BYTES_MAX + 1), 4)


def test_a_cut_or_longer_message_is_refused() -> None:
    for data, parse in (
        (FRESH.encoded, lambda data: parse_proposal(data, 4)),
        (AGAIN.encoded, lambda data: parse_proposal(data, 4)),
        (commit(A, (0, 1, 2)).encoded, lambda data: parse_certificate(data, Kind.PRECOMMIT, 4)),
        (prevote(A, 0).encoded, parse_vote),
    ):
        for cut in range(len(data)):
            with pytest.raises(DecodeError):
                parse(data[:cut])
        with pytest.raises(DecodeError):
            parse(data + b"\0")


SEEDS = st.sampled_from(
    [FRESH.encoded, AGAIN.encoded, commit(A, (0, 1, 2)).encoded, polka(A, (0, 1, 2)).encoded, prevote(A, 0).encoded]
)


@settings(max_examples=300, deadline=None)
@given(data=st.one_of(st.binary(max_size=400), SEEDS), changes=st.lists(st.tuples(st.integers(0), st.integers(0, 255))))
def test_decoders_raise_nothing_but_decode_error_and_write_what_they_read(
    data: bytes, changes: list[tuple[int, int]]
) -> None:
    fuzzed = bytearray(data)
    for place, value in changes:
        if fuzzed:
            fuzzed[place % len(fuzzed)] = value
    for parse in (
        parse_vote,
        lambda one: parse_proposal(one, 4),
        lambda one: parse_certificate(one, Kind.PREVOTE, 4),
        lambda one: parse_certificate(one, Kind.PRECOMMIT, 4),
        parse_evidence,
    ):
        try:
            found: Any = parse(bytes(fuzzed))
        except DecodeError:
            continue
        assert found.encoded == bytes(fuzzed)
