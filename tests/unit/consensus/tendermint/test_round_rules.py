"""R0 to R4 of consensus.md 1.6: each rule enabled, and each of its guards violated by itself."""

from slt.consensus.tendermint.events import (
    Decision,
    Fetch,
    Step,
    TimerKind,
    WorkWaiting,
)
from slt.consensus.tendermint.votes import NO_ROUND, Kind
from tests.unit.consensus.tendermint.consortium import (
    NOW_MS,
    commit,
    polka,
    precommit,
    prevote,
    propose,
    weighted,
)
from tests.unit.consensus.tendermint.driver_bench import P0, P1, P2, P3, WAIT, Bench
from tests.unit.consensus.tendermint.situations import FRESH, OTHERS, A, B, locked_on_a, precommits, prevotes

# R0: the beginning of an idle height


def test_r0_an_idle_height_begins_with_work_a_proper_proposal_or_more_than_a_third_of_votes() -> None:
    bench = Bench(work=False)
    assert bench.where == (0, Step.IDLE) and not bench.all_of("timer")
    bench.take(prevote(None, P0))
    assert bench.where == (0, Step.IDLE), "one of four may lie"
    bench.take(precommit(None, P0))
    assert bench.where == (0, Step.IDLE), "and counts once"
    bench.take(prevote(None, P1))
    assert bench.where == (0, Step.PROPOSE)
    waiting = Bench(work=False)
    waiting.feed(WorkWaiting(now_ms=NOW_MS, height=2))
    assert waiting.where == (0, Step.IDLE)
    waiting.feed(WorkWaiting(now_ms=NOW_MS, height=1))
    assert waiting.where == (0, Step.PROPOSE)
    proposed = Bench(work=False)
    proposed.take(FRESH)
    assert proposed.at.step == Step.PROPOSE and proposed.timers(TimerKind.PROPOSE)


# R1


def test_r1_decides_by_counted_precommits_once_the_block_is_valid() -> None:
    bench = Bench()
    bench.take(FRESH)
    bench.judge(A)
    bench.take(*precommits(A.block_id))
    done = bench.last.commit
    assert done is not None and done.content == A and set(done.certificate.signers) == set(OTHERS)
    assert bench.at.step == Step.DECIDED and bench.at.locked_id is None


def test_r1_needs_a_quorum() -> None:
    bench = Bench()
    bench.take(FRESH)
    bench.judge(A)
    bench.take(*precommits(A.block_id, (P0, P1)))
    assert bench.at.step == Step.PREVOTE


def test_r1_needs_the_block() -> None:
    bench = Bench()
    bench.take(*precommits(A.block_id))
    assert bench.at.step == Step.PROPOSE
    assert [one for one in bench.all_of("ask") if isinstance(one, Fetch)] == [
        Fetch(height=1, peers=tuple(sorted(OTHERS)))
    ]
    bench.take(Decision(content=A, certificate=commit(A.block_id, OTHERS)))
    assert bench.at.step == Step.PROPOSE, "and its judgement"
    assert bench.judge(A).commit is not None


def test_r1_needs_the_judgement_and_a_late_one_runs_the_rules_again() -> None:
    bench = Bench()
    bench.take(FRESH, *precommits(A.block_id))
    assert bench.at.step == Step.PROPOSE
    assert bench.judge(A).commit is not None


def test_scenario_12_r1_covers_any_round() -> None:
    for round_ in (0, 5):
        bench = Bench()
        bench.to_round(3)
        bench.take(FRESH)
        bench.judge(A)
        bench.take(commit(A.block_id, OTHERS, round=round_))
        assert bench.at.step == Step.DECIDED


def test_r1_decides_once() -> None:
    bench = Bench()
    bench.take(FRESH)
    bench.judge(A)
    bench.take(*precommits(A.block_id))
    bench.take(commit(A.block_id, OTHERS, round=1))
    assert len([one for one in bench.effects if one.commit]) == 1


def test_scenario_27_r1b_a_committed_block_that_is_invalid_here_halts() -> None:
    bench = Bench()
    bench.take(FRESH)
    bench.judge(A, valid=False)
    bench.take(*precommits(A.block_id))
    assert "invalid here" in bench.driver.halted and bench.last.commit is None
    bench.take(propose(B, round=1))
    bench.fire(TimerKind.PRECOMMIT)
    assert not bench.last.save and not bench.last.sign


def test_two_committed_blocks_halt_with_both_certificates() -> None:
    bench = Bench()
    bench.take(FRESH)
    bench.judge(A)
    bench.take(*precommits(A.block_id))
    bench.applied()
    bench.take(commit(B.block_id, (P1, P2, P3), round=1))
    assert "two blocks of height 1 are committed" in bench.driver.halted
    assert [one.kind.name for one in bench.last.evidence] == ["CONFLICTING_CERTS"]


# R2


def test_scenario_14_r2_more_than_a_third_in_a_later_round_pulls_us_there() -> None:
    bench = Bench()
    bench.to_round(1)
    bench.take(prevote(None, P0, round=5))
    assert bench.at.round == 1
    bench.take(precommit(None, P1, round=5))
    assert bench.where == (5, Step.PROPOSE)
    assert bench.timers(TimerKind.PROPOSE)[-1].at_ms == NOW_MS + WAIT.propose(5)


def test_r2_counts_each_member_once_over_both_kinds_of_vote() -> None:
    bench = Bench()
    bench.take(prevote(None, P0, round=2), precommit(None, P0, round=2))
    assert bench.at.round == 0


def test_r2_takes_the_highest_such_round_and_none_that_is_not_later() -> None:
    heavy = weighted(1, 1, 1, 3, 3, 3, 3)
    bench = Bench(members=heavy, me=0)
    bench.take(prevote(None, 3, round=2), prevote(None, 4, round=1))
    assert bench.at.round == 0, "a quarter and a quarter, in two rounds"
    bench.take(prevote(None, 5, round=1), prevote(None, 4, round=2))
    assert bench.at.round == 2
    bench.take(prevote(None, 3, round=1))
    assert bench.at.round == 2


def test_r2_a_third_exactly_is_not_enough() -> None:
    three = weighted(1, 1, 1)
    bench = Bench(members=three, me=0)
    bench.take(prevote(None, 1, round=1))
    assert bench.at.round == 0
    bench.take(prevote(None, 2, round=1))
    assert bench.at.round == 1


# R3


def test_r3_a_polka_locks_keeps_the_body_and_precommits() -> None:
    bench = locked_on_a()
    assert bench.precommits == [(0, A.block_id, NO_ROUND)]
    assert A.block_id in bench.all_of("keep")
    assert (bench.at.valid_id, bench.at.valid_round) == (A.block_id, 0)
    asked = next(one for one in bench.effects if any(ballot.kind == Kind.PRECOMMIT for ballot in one.sign))
    assert asked.keep == (A.block_id,), "durable before it is signed (W8)"


def test_r3_not_in_step_propose() -> None:
    bench = Bench()
    bench.take(propose(A), *prevotes(A.block_id))  # not judged, so not prevoted
    assert bench.at.step == Step.PROPOSE and bench.at.locked_id is None


def test_r3_needs_a_quorum_the_proposal_and_a_valid_body() -> None:
    bench = Bench()
    bench.take(FRESH)
    bench.judge(A)
    bench.take(prevote(A.block_id, P0))
    assert not bench.precommits
    without = Bench()
    without.to_prevote()
    without.take(*prevotes(A.block_id))
    assert not without.precommits
    invalid = Bench()
    invalid.take(FRESH)
    invalid.judge(A, valid=False)
    invalid.take(*prevotes(A.block_id))
    assert not invalid.precommits and invalid.at.valid_id is None


def test_r3_needs_prevotes_with_the_same_valid_round_as_the_proposal() -> None:
    bench = Bench()
    bench.to_round(1)
    bench.take(propose(A, round=1, sender=P1, vr=0, polka=polka(A.block_id, OTHERS)))
    bench.judge(A)
    assert bench.prevotes[-1] == (1, A.block_id, 0)
    bench.take(*prevotes(A.block_id, (P0, P1), round=1))
    assert not bench.precommits
    bench.take(prevote(A.block_id, P2, round=1, vr=0))
    assert not bench.precommits
    bench.take(polka(A.block_id, OTHERS, round=1, vr=0))
    assert bench.precommits == [(1, A.block_id, NO_ROUND)]


def test_r3_still_updates_valid_in_step_precommit() -> None:
    bench = Bench()
    bench.take(FRESH)
    bench.judge(A)
    bench.fire(TimerKind.PREVOTE)
    assert bench.precommits == [(0, None, NO_ROUND)]
    bench.take(*prevotes(A.block_id, (P0, P1)))
    assert (bench.at.valid_id, bench.at.locked_id) == (A.block_id, None)
    assert bench.precommits == [(0, None, NO_ROUND)]


def test_r3_once_a_round() -> None:
    bench = locked_on_a()
    again = propose(B, round=0, sender=P0)
    bench.take(again, polka(B.block_id, OTHERS))
    assert bench.at.valid_id == A.block_id


# R4


def test_r4_a_quorum_for_nil_precommits_nil() -> None:
    bench = Bench()
    bench.to_prevote()
    bench.take(prevote(None, P0))
    assert bench.where == (0, Step.PREVOTE)
    bench.take(prevote(None, P1))
    assert bench.precommits == [(0, None, NO_ROUND)] and bench.where == (0, Step.PRECOMMIT)


def test_r4_not_in_another_step_nor_of_another_round() -> None:
    early = Bench()
    early.take(*prevotes(None))
    assert early.at.step == Step.PROPOSE
    bench = Bench()
    bench.to_round(1)
    bench.to_prevote()
    bench.take(*prevotes(None, round=0))
    assert bench.at.step == Step.PREVOTE
