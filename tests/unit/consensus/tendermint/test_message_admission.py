"""A1 to A9 of consensus.md 1.6: what does not count is dropped by its guard and changes nothing; some is evidence."""

from dataclasses import replace
from typing import Any

import pytest

from slt.consensus.tendermint.catchup import ANSWERS_PER_S, WINDOW
from slt.consensus.tendermint.events import Answer, Decision, Message, Received, Step, TimerKind
from slt.consensus.tendermint.evidence import Evidence, EvidenceKind, verify_evidence
from slt.consensus.tendermint.proposals import Content, content_of
from slt.consensus.tendermint.votes import Kind, Vote, parse_vote
from slt.merkle.ed25519 import verify_ed25519
from tests.unit.consensus.tendermint.consortium import (
    GENESIS,
    MEMBERS,
    commit,
    digest,
    make_content,
    make_genesis,
    polka,
    precommit,
    prevote,
    propose,
    vote,
)
from tests.unit.consensus.tendermint.driver_bench import P0, P1, P2, P3, Bench
from tests.unit.consensus.tendermint.situations import FRESH, OTHERS, A, B, locked_on_a, precommits, prevotes


def dropped(bench: Bench, message: Message, guard: str) -> None:
    """`message` changes nothing, and is counted under `guard`."""
    before = bench.driver.machine.dropped[guard]
    bench.take(message)
    assert not bench.last.save
    assert bench.driver.machine.dropped[guard] == before + 1


def evidence(bench: Bench) -> list[Evidence]:
    found: list[Evidence] = bench.all_of("evidence")
    for one in found:
        verify_evidence(one, MEMBERS, verify_ed25519)
    return found


OTHER_CHAIN = make_genesis(origin="ledger.test/other").chain_id


@pytest.mark.parametrize(
    "message",
    [
        prevote(A.block_id, P0, chain_id=OTHER_CHAIN),
        precommit(None, P1, chain_id=OTHER_CHAIN),
        propose(A, chain_id=OTHER_CHAIN),
        replace(commit(A.block_id, OTHERS), chain_id=OTHER_CHAIN),
        prevote(A.block_id, P0, epoch=1),
    ],
)
def test_scenario_22_a1_another_chain_or_epoch_with_the_same_keys(message: Message) -> None:
    bench = Bench()
    dropped(bench, message, "A1")
    assert not evidence(bench) and GENESIS.chain_id != OTHER_CHAIN


@pytest.mark.parametrize(
    "message",
    [
        replace(prevote(A.block_id, P0), sender=P1),
        replace(prevote(A.block_id, P0), sender=65535),
        replace(prevote(A.block_id, P0), sender=-1),
        replace(prevote(A.block_id, P0), signature=bytes(64)),
        replace(FRESH, vote=replace(FRESH.vote, signature=bytes(64))),
        replace(polka(A.block_id, OTHERS), signatures=(bytes(64),) * 3),
        polka(A.block_id, (P0, P1)),
    ],
)
def test_a2_a_signature_of_another_key_or_none(message: Message) -> None:
    dropped(Bench(), message, "A2")


def test_a3_an_older_height_is_answered_with_the_decided_block_a_few_times_a_second() -> None:
    bench = decided_one()
    for _ in range(ANSWERS_PER_S + 3):
        dropped(bench, prevote(None, P0, round=1), "A3")
    assert bench.all_of("ask").count(Answer(height=1, to=P0)) == ANSWERS_PER_S
    bench.now_ms += 1_000
    bench.take(prevote(None, P0, round=1))
    assert bench.all_of("ask").count(Answer(height=1, to=P0)) == ANSWERS_PER_S + 1


def test_a3_the_last_precommit_of_a_decided_height_is_no_sign_of_being_behind() -> None:
    bench = decided_one()
    dropped(bench, precommit(A.block_id, P3), "A3")
    assert not [one for one in bench.all_of("ask") if isinstance(one, Answer)]


def test_a3_the_next_height_waits_in_a_buffer_that_is_bounded_and_verified() -> None:
    bench = Bench()
    for sender in range(4):
        for round_ in range(9):
            for block in (None, A.block_id, B.block_id):
                bench.take(
                    prevote(block, sender, height=2, round=round_), precommit(block, sender, height=2, round=round_)
                )
    bench.take(replace(prevote(None, P0, height=2), signature=bytes(64)), prevote(None, P0, height=3))
    assert len(bench.driver.machine.next) == 4 * 2 * 3
    assert not [one for one in bench.effects[1:] if one.save]


def test_scenario_41_a_height_that_a_vote_claims_is_never_believed() -> None:
    bench = Bench()
    dropped(bench, prevote(None, P0, height=10**12), "A3")
    assert not bench.all_of("ask")


def test_a4_votes_far_ahead_are_kept_two_rounds_for_each_member_the_latest() -> None:
    bench = Bench()
    for round_ in (3, 9, 5, 4, 7):
        bench.take(prevote(None, P0, round=round_))
    assert bench.at.far == {P0: [9, 7]} and sorted(bench.at.rounds) == [0, 7, 9]
    bench.take(prevote(None, P1, round=9))
    assert bench.at.round == 9


def test_a4_votes_far_behind_and_proposals_far_ahead_are_dropped() -> None:
    bench = Bench()
    dropped(bench, propose(A, round=3), "A4")
    bench.take(propose(A, round=2, vr=0))
    assert bench.last.save
    bench.take(prevote(None, P0, round=40), prevote(None, P1, round=40))
    assert bench.at.round == 40
    dropped(bench, prevote(None, P2, round=23), "A4")
    bench.take(prevote(None, P2, round=24))
    assert bench.last.save


def test_scenario_9_a6_a_valid_round_that_is_not_before_the_round() -> None:
    bench = Bench()
    bench.to_round(2)
    for vr in (2, 3):
        dropped(bench, propose(A, round=2, vr=vr), "A6")
        dropped(bench, prevote(A.block_id, P0, round=2, vr=vr), "A6")


def test_a7_the_same_vote_again_is_ignored_before_its_signature_is_checked() -> None:
    bench = Bench()
    bench.take(prevote(None, P0))
    dropped(bench, replace(prevote(None, P0), signature=bytes(64)), "duplicate")
    bench.take(FRESH)
    dropped(bench, FRESH, "duplicate")
    assert not evidence(bench)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (prevote(A.block_id, P0), prevote(B.block_id, P0)),
        (prevote(A.block_id, P0), prevote(None, P0)),
        (precommit(None, P0), precommit(A.block_id, P0)),
        (prevote(A.block_id, P0, round=1), prevote(A.block_id, P0, round=1, vr=0)),
    ],
)
def test_scenario_6_a7_the_second_vote_does_not_count_and_is_evidence_once(first: Vote, second: Vote) -> None:
    bench = Bench()
    bench.take(first)
    dropped(bench, second, "A7")
    dropped(bench, second, "A7")
    (found,) = evidence(bench)
    assert found.kind == EvidenceKind.DUP_VOTE
    tally = bench.at.at(first.ballot.round).tally(first.ballot.kind)
    assert tally.first == {P0: first} and tally.weight == 1


def test_a7_a_certificate_counts_as_a_whole_even_against_a_first_vote() -> None:
    bench = Bench()
    bench.take(FRESH)
    bench.judge(A)
    bench.take(prevote(None, P0), prevote(A.block_id, P1))
    assert not bench.precommits
    bench.take(polka(A.block_id, (P0, P1, P2)))
    assert bench.precommits[-1][1] == A.block_id
    assert [one.kind for one in evidence(bench)] == [EvidenceKind.DUP_VOTE]


def test_a7_two_proposals_are_kept_so_that_a_quorum_for_the_other_can_be_acted_on() -> None:
    bench = Bench()
    second, third = make_content("A2"), make_content("A3")
    bench.take(FRESH, propose(second))
    bench.judge(A)
    bench.judge(second)
    assert bench.prevotes[0][1] == A.block_id
    dropped(bench, propose(third), "A7")
    bench.take(*prevotes(second.block_id))
    assert bench.precommits == [(0, second.block_id, -1)]
    assert [one.kind for one in evidence(bench)] == [EvidenceKind.DUP_PROPOSAL]


def test_a7_nil_counts_as_a_value_and_a_proposal_with_another_valid_round_as_another() -> None:
    bench = Bench()
    bench.to_round(1)
    again = propose(A, round=1, vr=0)
    bench.take(again, propose(A, round=1, sender=P1, vr=-1))
    kinds = {one.kind for one in evidence(bench)}
    assert EvidenceKind.INVALID_PROPOSAL in kinds, "A9: A is new by another proposer"


def test_a7_a_proposal_that_came_without_its_polka_is_completed_by_one_that_has_it() -> None:
    bench = Bench()
    bench.to_round(1)
    whole = propose(A, round=1, vr=0, polka=polka(A.block_id, OTHERS))
    bench.take(replace(whole, polka=None))
    bench.judge(A)
    assert not bench.prevotes
    bench.take(replace(whole, polka=replace(polka(A.block_id, OTHERS), signatures=(bytes(64),) * 3)))
    assert not bench.prevotes
    bench.take(whole)
    assert bench.prevotes == [(1, A.block_id, 0)]
    dropped(bench, whole, "duplicate")


def test_a8_a_proposal_out_of_turn_is_evidence() -> None:
    bench = Bench()
    dropped(bench, propose(make_content("mine", proposer=P1), sender=P1), "A8")
    dropped(bench, propose(make_content("mine", proposer=P1), sender=P1), "A8")
    assert [one.kind for one in evidence(bench)] == [EvidenceKind.BAD_PROPOSER]


def test_a8_a_bare_vote_of_that_kind_is_no_proposal() -> None:
    dropped(Bench(), vote(Kind.PROPOSAL, A.block_id, P0), "A8")


def test_a9_somebody_elses_block_as_a_new_one_is_evidence() -> None:
    bench = Bench()
    bench.to_round(1)
    dropped(bench, propose(A, round=1), "A9")
    assert [one.kind for one in evidence(bench)] == [EvidenceKind.INVALID_PROPOSAL]
    bench.take(propose(A, round=1, vr=0))
    assert bench.last.save


@pytest.mark.parametrize(
    "content",
    [
        content_of(b"no header", (), ()),
        make_content("height", height=2, proposer=P0),
        make_content("epoch", epoch=1),
        make_content("set", members_root=digest("others")),
        make_content("twice", batches=(digest("one"), digest("one"))),
        make_content("nobody", proposer=77),
    ],
)
def test_scenario_24_a_block_that_no_state_makes_right_gets_nil_and_is_evidence(content: Content) -> None:
    bench = Bench()
    bench.take(propose(content))
    assert bench.prevotes == [(0, None, -1)] and not bench.checks()
    assert [one.kind for one in evidence(bench)] == [EvidenceKind.INVALID_PROPOSAL]


@pytest.mark.parametrize("changes", [{"parent_id": digest("x")}, {"time_ms": 0}, {"log_size": 1}])
def test_scenario_24_a_block_that_does_not_follow_its_parent_gets_nil_and_is_no_evidence(
    changes: dict[str, Any],
) -> None:
    bench = Bench()
    bench.driver.machine.head = replace(bench.head, log_size=2)
    bench.take(propose(make_content("A", **changes)))
    assert bench.prevotes == [(0, None, -1)] and not evidence(bench)


def test_amnesia_is_found_when_both_certificates_are_here() -> None:
    for order in (0, 1):
        bench = Bench()
        bench.to_round(2)
        pieces: list[Message] = [commit(A.block_id, (P0, P1, P2)), polka(B.block_id, (P1, P2, P3), round=2)]
        bench.take(*(pieces if order else reversed(pieces)))
        (found,) = evidence(bench)
        assert found.kind == EvidenceKind.AMNESIA
        assert verify_evidence(found, MEMBERS, verify_ed25519).accused == tuple(sorted((P1, P2)))


def decided_one() -> Bench:
    bench = Bench()
    bench.take(FRESH)
    bench.judge(A)
    bench.take(*precommits(A.block_id))
    bench.applied()
    assert bench.at.height == 2
    return bench


# Catch-up: the same decision point


def test_scenario_39_decided_blocks_are_fed_to_r1_in_order_and_held_until_their_turn() -> None:
    bench = Bench()
    blocks, parent = [], MEMBERS.chain_id
    for height in range(1, 6):
        content = make_content(f"{height}", height=height, parent_id=parent, time_ms=height)
        parent = content.block_id
        blocks.append(Decision(content=content, certificate=commit(content.block_id, OTHERS, height=height)))
    for block in reversed(blocks):
        bench.take(block)
    for height in range(1, 6):
        assert bench.at.height == height and bench.at.step == Step.PROPOSE
        assert bench.judge(blocks[height - 1].content).commit is not None
        bench.applied()
    assert bench.driver.machine.head.block_id == parent


def test_scenario_39_every_certificate_is_checked() -> None:
    bench = Bench()
    for certificate in (
        commit(A.block_id, (P0, P1)),
        replace(commit(A.block_id, OTHERS), signatures=(bytes(64),) * 3),
        commit(B.block_id, OTHERS),
        polka(A.block_id, OTHERS),
    ):
        dropped(bench, Decision(content=A, certificate=certificate), "A2")
    for height in range(2, 40):
        bench.take(Decision(content=A, certificate=commit(A.block_id, (P0,), height=height)))
    assert len(bench.driver.machine.catchup.held) == WINDOW - 1


def test_a_block_from_catch_up_decides_in_the_middle_of_a_round_and_no_mode_is_left() -> None:
    bench = locked_on_a()
    bench.to_round(1)
    bench.take(Decision(content=B, certificate=commit(B.block_id, OTHERS, round=3)))
    assert bench.judge(B).commit is not None
    bench.applied()
    assert (bench.at.height, bench.at.step) == (2, Step.PROPOSE)


# Floods


def test_scenario_28_a_flood_leaves_memory_bounded() -> None:
    bench = Bench()
    good = prevote(None, P0, round=10**6).encoded
    flood: list[Message] = []
    for number in range(20_000):
        ballot = parse_vote(good).ballot
        flood.append(
            Vote(
                ballot=replace(ballot, round=10**6 + number, height=1 + (number % 3) * 10**9),
                sender=number % 70_000,
                signature=bytes(64),
            )
        )
    for message in flood:
        bench.driver.step(received(bench, message))
    signed = [prevote(None, sender, round=10**6 + number) for number in range(50) for sender in (P0,)]
    bench.take(*signed)
    at = bench.at
    assert len(at.rounds) <= 4 and len(bench.driver.machine.next) == 0
    assert at.round == 0 and at.far == {P0: [10**6 + 48, 10**6 + 49]}


def received(bench: Bench, message: Message) -> Received:
    return Received(now_ms=bench.now_ms, message=message)


def test_memory_stays_flat_over_many_rounds_of_one_height() -> None:
    bench = Bench()
    for round_ in range(200):
        content = make_content(f"{round_}", proposer=MEMBERS.proposer(1, round_))
        if MEMBERS.proposer(1, round_) != P3:
            bench.take(propose(content, round=round_))
            bench.judge(content, valid=False)
        bench.take(*prevotes(None, round=round_), *precommits(None, round=round_))
        bench.fire(TimerKind.PRECOMMIT)
    at = bench.at
    assert at.round == 200
    kept = [len(at.rounds), len(at.contents), len(at.bodies), len(at.own), len(at.signing), len(at.polkas)]
    assert max(kept) <= 60
