"""R7 to R11 of consensus.md 1.6, StartRound, and what happens between two heights."""

import pytest

from slt.consensus.tendermint.events import (
    Applied,
    Build,
    Received,
    Step,
    TimerKind,
)
from slt.consensus.tendermint.members import MemberSet
from slt.consensus.tendermint.proposals import Proposal
from slt.consensus.tendermint.votes import NO_ROUND, Kind
from tests.unit.consensus.tendermint.consortium import (
    NOW_MS,
    make_content,
    make_member,
    polka,
    precommit,
    prevote,
    propose,
)
from tests.unit.consensus.tendermint.driver_bench import P0, P1, P2, WAIT, Bench
from tests.unit.consensus.tendermint.situations import FRESH, OTHERS, A, B, precommits, prevotes

# R7, R8


def test_r7_arms_once_when_more_than_two_thirds_prevoted_anything() -> None:
    bench = Bench()
    bench.to_prevote()
    bench.take(prevote(A.block_id, P0))
    assert not bench.timers(TimerKind.PREVOTE)
    bench.take(prevote(B.block_id, P1))  # of blocks that nobody here has seen
    assert [(one.round, one.at_ms) for one in bench.timers(TimerKind.PREVOTE)] == [(0, NOW_MS + WAIT.vote(0))]
    bench.take(prevote(None, P2))
    assert len(bench.timers(TimerKind.PREVOTE)) == 1


def test_r7_only_in_step_prevote_and_of_this_round() -> None:
    bench = Bench()
    bench.take(*prevotes(None))
    assert not bench.timers(TimerKind.PREVOTE)
    later = Bench()
    later.to_round(1)
    later.to_prevote()
    later.take(*prevotes(A.block_id))
    assert not later.timers(TimerKind.PREVOTE)


@pytest.mark.parametrize("step", [Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT])
def test_r8_arms_in_any_step(step: Step) -> None:
    bench = Bench()
    if step != Step.PROPOSE:
        bench.to_prevote()
    if step == Step.PRECOMMIT:
        bench.fire(TimerKind.PREVOTE)
    assert bench.at.step == step
    bench.take(precommit(A.block_id, P0), precommit(None, P1), precommit(B.block_id, P2))
    assert [one.round for one in bench.timers(TimerKind.PRECOMMIT)] == [0]


def test_r8_needs_a_quorum_of_this_round_and_arms_once() -> None:
    bench = Bench()
    bench.take(*precommits(None, (P0, P1)))
    assert not bench.timers(TimerKind.PRECOMMIT)
    bench.to_round(1)
    bench.take(precommit(None, P2, round=0))
    assert not bench.timers(TimerKind.PRECOMMIT)
    bench.take(*precommits(None, (P0, P1, P2), round=1))
    bench.fire(TimerKind.PROPOSE)
    assert [one.round for one in bench.timers(TimerKind.PRECOMMIT)] == [1]


# R9 to R11


def test_r9_prevotes_nil_only_in_step_propose() -> None:
    bench = Bench()
    bench.fire(TimerKind.PROPOSE)
    assert bench.prevotes == [(0, None, NO_ROUND)]
    bench.fire(TimerKind.PROPOSE)
    assert len(bench.prevotes) == 1


def test_r9_a_proposal_that_declares_entries_gets_its_time() -> None:
    bench = Bench()
    bench.take(propose(A, entries=10_000))
    first, second = bench.timers(TimerKind.PROPOSE)
    assert second.at_ms - first.at_ms == 4_000
    bench.fire(TimerKind.PROPOSE, at_ms=first.at_ms)
    assert not bench.prevotes
    bench.fire(TimerKind.PROPOSE, at_ms=second.at_ms)
    assert bench.prevotes == [(0, None, NO_ROUND)]


def test_r10_precommits_nil_only_in_step_prevote() -> None:
    bench = Bench()
    bench.fire(TimerKind.PREVOTE)
    assert not bench.precommits
    bench.to_prevote()
    bench.fire(TimerKind.PREVOTE)
    assert bench.precommits == [(0, None, NO_ROUND)]
    bench.fire(TimerKind.PREVOTE)
    assert len(bench.precommits) == 1


@pytest.mark.parametrize("step", [Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT])
def test_r11_starts_the_next_round_from_any_step(step: Step) -> None:
    bench = Bench()
    if step != Step.PROPOSE:
        bench.to_prevote()
    if step == Step.PRECOMMIT:
        bench.fire(TimerKind.PREVOTE)
    bench.fire(TimerKind.PRECOMMIT)
    assert bench.where == (1, Step.PROPOSE)


@pytest.mark.parametrize("kind", list(TimerKind))
def test_scenario_15_a_timer_of_another_height_or_round_has_no_effect(kind: TimerKind) -> None:
    bench = Bench()
    bench.to_round(2)
    if kind == TimerKind.PREVOTE:
        bench.to_prevote()
    where, signed = bench.where, list(bench.signed)
    for changes in ({"round": 1}, {"round": 3}, {"height": 0}, {"height": 2}):
        effects = bench.fire(kind, **changes)
        assert not effects.save
    assert (bench.where, bench.signed) == (where, signed)


# StartRound and the proposer


def test_the_proposer_builds_and_publishes_its_block_and_prevotes_it_by_the_same_rules() -> None:
    bench = Bench(me=P0)
    (question,) = [one for one in bench.all_of("ask") if isinstance(one, Build)]
    assert (question.height, question.round) == (1, 0) and bench.timers(TimerKind.PROPOSE)
    made = bench.build()
    proposal, vote = bench.all_of("send")
    assert isinstance(proposal, Proposal) and proposal.content == made and proposal.vote.ballot.vr == NO_ROUND
    assert vote.ballot.kind == Kind.PREVOTE and bench.prevotes == [(0, made.block_id, NO_ROUND)]
    assert made.block_id in bench.all_of("keep"), "durable before it is signed"


def test_a_block_that_was_built_too_late_is_not_proposed() -> None:
    bench = Bench(me=P0)
    bench.fire(TimerKind.PROPOSE)
    bench.build()
    assert [one.kind for one in bench.signed] == [Kind.PREVOTE]
    later = Bench(me=P0)
    later.to_round(1)
    later.build()
    assert not later.signed


def test_a_proposer_does_not_propose_what_it_would_not_take() -> None:
    for wrong in (
        make_content("parent", proposer=P0, parent_id=A.block_id),
        make_content("height", proposer=P0, height=2),
        make_content("author", proposer=P1),
        make_content("time", proposer=P0, time_ms=0),
    ):
        bench = Bench(me=P0)
        bench.build(wrong)
        assert not bench.signed and "not valid" in bench.last.alarm[0]


def test_scenario_8_a_proposer_with_a_valid_value_proposes_it_again_with_its_polka() -> None:
    bench = Bench()
    bench.to_round(2)
    bench.take(propose(A, round=2, vr=0, polka=polka(A.block_id, OTHERS)))
    bench.judge(A)
    bench.take(*prevotes(A.block_id, round=2, vr=0))
    bench.fire(TimerKind.PRECOMMIT)  # round 3: our turn
    proposal = next(one for one in bench.all_of("send") if isinstance(one, Proposal))
    assert (proposal.content, proposal.vote.ballot.vr) == (A, 2)
    assert proposal.polka is not None and proposal.polka.round == 2
    assert bench.prevotes[-1] == (3, A.block_id, 2)
    assert not [one for one in bench.all_of("ask") if isinstance(one, Build)]


def test_the_next_height_begins_when_the_block_is_applied() -> None:
    bench = Bench()
    bench.take(FRESH)
    bench.judge(A)
    bench.take(*precommits(A.block_id))
    bench.take(prevote(None, P0, height=2), prevote(None, P1, height=2))
    assert bench.at.height == 1
    bench.feed(Applied(now_ms=NOW_MS, height=7))
    assert bench.at.height == 1
    bench.applied()
    assert (bench.at.height, bench.at.step, bench.at.round) == (2, Step.PROPOSE, 0)
    assert set(bench.at.at(0).prevotes.first) == {P0, P1}, "what came early counts now"
    head = bench.driver.machine.head
    assert (head.height, head.block_id) == (1, A.block_id)


def test_a_changed_member_set_votes_from_the_next_height() -> None:
    five = (*(make_member(index) for index in range(4)), make_member(4))
    bench = Bench()
    root = MemberSet(chain_id=bench.head.members.chain_id, epoch=0, seed=A.block_id, members=five).root
    change = make_content("change", next_members_root=root)
    bench.take(propose(change))
    bench.judge(change)
    bench.take(*precommits(change.block_id))
    bench.applied(members=five)
    members = bench.driver.machine.members
    assert (members.epoch, len(members.keys)) == (1, 5)
    bench.take(prevote(None, 4, height=2))
    assert not bench.at.rounds[0].prevotes.first, "a vote for the old epoch"
    bench.take(prevote(None, 4, height=2, epoch=1))
    assert set(bench.at.rounds[0].prevotes.first) == {4}


def test_other_members_than_the_header_says_halt() -> None:
    bench = Bench()
    bench.take(FRESH)
    bench.judge(A)
    bench.take(*precommits(A.block_id))
    change = make_content("change", next_members_root=A.block_id)
    other = Bench()
    other.take(propose(change))
    other.judge(change)
    other.take(*precommits(change.block_id))
    other.applied()
    assert "other members than its header" in other.driver.halted


def test_an_observer_follows_and_signs_nothing() -> None:
    bench = Bench(me=None)
    bench.take(FRESH)
    bench.judge(A)
    bench.take(*prevotes(A.block_id), *precommits(A.block_id))
    assert bench.at.step == Step.DECIDED and not bench.signed


def test_events_before_the_start_change_nothing() -> None:
    bench = Bench(started=False)
    assert not bench.feed(Received(now_ms=NOW_MS, message=FRESH)).save
    assert not bench.fire(TimerKind.PROPOSE).save and bench.at.step == Step.IDLE
