"""A commit certificate proves that more than two thirds of exactly these members signed exactly this block.

Scenario 47 of consensus.md 7.3: every flipped bit, no signatures, three epochs.
"""

from dataclasses import replace

import pytest

from slt.consensus.certificates import CertificateError, verify_certificate
from slt.consensus.tendermint.certs import (
    BadCertificate,
    Certificate,
    parse_certificate,
    verify_decision,
    verify_quorum,
)
from slt.consensus.tendermint.epochs import Change, next_set, verify_changes
from slt.consensus.tendermint.members import MemberSet
from slt.consensus.tendermint.votes import Kind
from slt.merkle.ed25519 import verify_ed25519
from slt.statements.cbor import DecodeError, Value
from slt.statements.headers import Header
from tests.unit.consensus.tendermint.consortium import (
    GENESIS,
    MEMBERS,
    A,
    commit,
    digest,
    make_genesis,
    make_header,
    make_member,
    polka,
    weighted,
)

HEADER = make_header()
COMMIT = commit(HEADER.block_id, (0, 1, 3), round=2)


def refusal(certificate: Certificate, header: Header = HEADER, members: MemberSet = MEMBERS) -> str:
    with pytest.raises(BadCertificate) as raised:
        verify_decision(header, certificate, members, verify_ed25519)
    return str(raised.value)


def test_a_certificate_of_three_of_four_holds_and_is_a_row_of_the_table_of_verifiers() -> None:
    verify_decision(HEADER, COMMIT, MEMBERS, verify_ed25519)
    verify_certificate(HEADER, COMMIT.encoded, GENESIS)


def test_the_size_is_as_the_specification_says() -> None:
    assert len(COMMIT.encoded) == 1 + 32 + 8 + 8 + 4 + 32 + 32 + 1 + 3 * 64


def test_scenario_47_every_flipped_bit_is_refused() -> None:
    data = COMMIT.encoded
    for index in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[index // 8] ^= 1 << index % 8
        with pytest.raises(CertificateError):
            verify_certificate(HEADER, bytes(flipped), GENESIS)


def test_every_flipped_bit_of_a_polka_is_refused() -> None:
    data = polka(A, (0, 1, 2, 3), round=3, vr=1).encoded
    for index in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[index // 8] ^= 1 << index % 8
        with pytest.raises((DecodeError, BadCertificate)):
            verify_quorum(parse_certificate(bytes(flipped), Kind.PREVOTE, 4), MEMBERS, verify_ed25519)


def test_scenario_47_no_signatures_prove_nothing() -> None:
    empty = replace(COMMIT, bitmap=b"\0", signatures=())
    assert "signatures for the members []" in refusal(empty)
    with pytest.raises(DecodeError):
        parse_certificate(empty.encoded, Kind.PRECOMMIT, 4)
    with pytest.raises(DecodeError, match="0 members"):
        parse_certificate(replace(empty, signatures=COMMIT.signatures).encoded, Kind.PRECOMMIT, 4)


def test_zeros_in_the_place_of_signatures_prove_nothing() -> None:
    assert "member 0 did not sign" in refusal(replace(COMMIT, signatures=(bytes(64),) * 3))


def test_two_of_four_are_not_enough_and_exactly_two_thirds_are_not_either() -> None:
    assert "weigh 2 of 4" in refusal(commit(HEADER.block_id, (0, 1)))
    six = weighted(1, 1, 1, 1, 1, 1)
    header = make_header(members=six)
    assert "weigh 4 of 6" in refusal(commit(header.block_id, (0, 1, 2, 3), members=six), header, six)
    verify_decision(header, commit(header.block_id, (0, 1, 2, 3, 4), members=six), six, verify_ed25519)


def test_weight_decides_and_not_heads() -> None:
    heavy = weighted(7, 1, 1, 1)
    header = make_header(members=heavy)
    verify_decision(header, commit(header.block_id, (0,), members=heavy), heavy, verify_ed25519)
    assert "weigh 3 of 10" in refusal(commit(header.block_id, (1, 2, 3), members=heavy), header, heavy)


def test_a_bad_signature_is_not_skipped_where_enough_others_are_good() -> None:
    all_four = commit(HEADER.block_id, (0, 1, 2, 3))
    bad = replace(all_four, signatures=(*all_four.signatures[:3], all_four.signatures[2]))
    assert "member 3 did not sign" in refusal(bad)


def test_a_member_counts_once_whatever_the_bytes_say() -> None:
    twice = replace(commit(HEADER.block_id, (0, 1)), signatures=commit(HEADER.block_id, (0, 1)).signatures * 2)
    assert "4 signatures for the members [0, 1]" in refusal(twice)


def test_a_polka_or_prevotes_decide_nothing() -> None:
    assert "decides nothing" in refusal(polka(HEADER.block_id, (0, 1, 2)))
    disguised = replace(polka(HEADER.block_id, (0, 1, 2)), kind=Kind.PRECOMMIT)
    assert "did not sign" in refusal(disguised)


def test_a_bit_behind_the_last_member_is_refused() -> None:
    data = bytearray(COMMIT.encoded)
    data[117] |= 0x08
    with pytest.raises(DecodeError, match="behind the last member"):
        parse_certificate(bytes(data), Kind.PRECOMMIT, 4)
    assert "for the members" in refusal(replace(COMMIT, bitmap=b"\xd8", signatures=COMMIT.signatures * 2))


def test_another_header_set_epoch_or_chain_is_refused() -> None:
    assert "and the header of" in refusal(COMMIT, make_header("B"))
    other = MemberSet.of_genesis(make_genesis(5))
    assert "another chain, epoch or member set" in refusal(COMMIT, HEADER, other)
    later = replace(MEMBERS, epoch=1)
    assert "another chain, epoch or member set" in refusal(COMMIT, HEADER, later)
    moved = make_header(epoch=1)
    assert "epoch 0, where" in refusal(commit(moved.block_id, (0, 1, 2)), moved, later)
    renamed = replace(commit(HEADER.block_id, (0, 1, 2)), members_root=digest("others"))
    assert "another member set" in refusal(renamed)


def test_a_header_whose_proposer_is_no_member_is_refused() -> None:
    header = make_header(proposer=9)
    assert "no member" in refusal(commit(header.block_id, (0, 1, 2)), header)


def test_what_is_no_certificate_is_refused_by_the_table() -> None:
    values: list[Value] = [None, [], 7, "text", b"", b"x" * 300]
    for value in values:
        with pytest.raises(CertificateError):
            verify_certificate(HEADER, value, GENESIS)


# Epochs


def three_epochs() -> tuple[list[Change], Header, Certificate, MemberSet]:
    """Four members; five from height 11; one of them replaced from height 21; and a block of that epoch."""
    one = MEMBERS
    five = [*one.members, make_member(4)]
    first = make_header(members=one, height=10, next_members_root=_root(five))
    two = next_set(one, first, five)
    four = [*five[:3], *five[4:]]
    second = make_header(members=two, height=20, parent_id=digest("19"), next_members_root=_root(four))
    three = next_set(two, second, four)
    block = make_header(members=three, height=33)
    changes = [
        Change(
            header=first, certificate=commit(first.block_id, (0, 1, 2), members=one, height=10), members=tuple(five)
        ),
        Change(
            header=second,
            certificate=commit(second.block_id, (0, 1, 2, 3), members=two, height=20),
            members=tuple(four),
        ),
    ]
    return changes, block, commit(block.block_id, (0, 1, 2), members=three, height=33), three


def _root(members: list) -> bytes:  # type: ignore[type-arg]  # of members
    return MemberSet(chain_id=MEMBERS.chain_id, epoch=0, seed=MEMBERS.chain_id, members=tuple(members)).root


def test_scenario_47_three_epochs_verify_from_genesis() -> None:
    changes, block, certificate, three = three_epochs()
    found = verify_changes(MEMBERS, changes, verify_ed25519)
    assert (found, found.epoch) == (three, 2)
    verify_decision(block, certificate, found, verify_ed25519)


def test_scenario_47_a_broken_chain_of_epochs_is_refused() -> None:
    changes, _, _, _ = three_epochs()
    first, second = changes
    for broken in (
        [second],
        [second, first],
        [first, first],
        [replace(first, members=MEMBERS.members), second],
        [replace(first, members=(*MEMBERS.members, make_member(4, name="intruder"))), second],
        [replace(first, certificate=second.certificate), second],
        [replace(first, header=make_header(members=MEMBERS, height=10), certificate=first.certificate), second],
        [first, replace(second, certificate=commit(second.header.block_id, (0, 1, 2), height=20))],
        [first, replace(second, members=())],
    ):
        with pytest.raises(BadCertificate):
            verify_changes(MEMBERS, broken, verify_ed25519)


def test_a_certified_block_that_changes_nobody_is_no_change() -> None:
    header = make_header(height=10)
    same = Change(header=header, certificate=commit(header.block_id, (0, 1, 2), height=10), members=MEMBERS.members)
    with pytest.raises(BadCertificate, match="changed no member"):
        verify_changes(MEMBERS, [same], verify_ed25519)
