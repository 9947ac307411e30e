"""R5 and R6 of consensus.md 1.6, with every guard violated by itself, and guard L."""

import pytest

from slt.consensus.tendermint.certs import Certificate
from slt.consensus.tendermint.events import (
    Step,
    TimerKind,
)
from slt.consensus.tendermint.votes import NO_ROUND
from tests.unit.consensus.tendermint.consortium import (
    NOW_MS,
    commit,
    make_content,
    polka,
    propose,
)
from tests.unit.consensus.tendermint.driver_bench import P0, P1, Bench
from tests.unit.consensus.tendermint.situations import FRESH, OTHERS, A, B, locked_on_a, precommits, prevotes

# R5


def test_r5_prevotes_a_new_valid_block() -> None:
    bench = Bench()
    bench.take(FRESH)
    assert bench.checks() == [A.block_id] and not bench.prevotes, "not before it is judged"
    bench.judge(A)
    assert bench.prevotes == [(0, A.block_id, NO_ROUND)] and bench.at.step == Step.PREVOTE


def test_r5_an_invalid_block_gets_nil() -> None:
    bench = Bench()
    bench.take(FRESH)
    bench.judge(A, valid=False)
    assert bench.prevotes == [(0, None, NO_ROUND)]


@pytest.mark.parametrize("minutes", [10, -10])
def test_scenario_23_r5_a_time_far_from_ours_gets_nil(minutes: int) -> None:
    bench = Bench()
    odd = make_content("odd", time_ms=NOW_MS + minutes * 60_000)
    bench.take(propose(odd))
    bench.judge(odd)
    assert bench.prevotes == [(0, None, NO_ROUND)]


def test_scenario_23_r6_an_older_block_is_not_asked_for_its_time() -> None:
    bench = Bench()
    old = make_content("old", time_ms=NOW_MS - 10 * 60_000)
    bench.to_round(1)
    bench.take(propose(old, round=1, vr=0, polka=polka(old.block_id, OTHERS)))
    bench.judge(old)
    assert bench.prevotes == [(1, old.block_id, 0)]


def test_scenario_7_r5_another_block_than_the_locked_one_gets_nil() -> None:
    bench = locked_on_a()
    bench.to_round(1)
    bench.take(propose(B, round=1))
    bench.judge(B)
    assert bench.prevotes[-1] == (1, None, NO_ROUND)
    bench.take(*precommits(B.block_id, round=1))
    assert bench.at.step == Step.DECIDED, "B may still be decided by the others"


def test_r5_the_own_locked_block_proposed_as_new_gets_a_prevote() -> None:
    bench = locked_on_a()
    bench.to_round(4)  # the turn of P0 again, who built A
    bench.take(propose(A, round=4))
    assert bench.prevotes[-1] == (4, A.block_id, NO_ROUND)


def test_r5_not_twice_and_not_of_another_round() -> None:
    bench = Bench()
    bench.to_prevote()
    bench.take(FRESH)
    bench.judge(A)
    assert bench.prevotes == [(0, None, NO_ROUND)]
    other = Bench()
    other.take(propose(B, round=1))
    other.judge(B)
    assert not other.prevotes


# R6


def test_scenario_10_r6_needs_the_polka_and_prevotes_at_once_with_it() -> None:
    bench = Bench()
    bench.to_round(1)
    bench.take(propose(A, round=1, vr=0))
    bench.judge(A)
    assert bench.at.step == Step.PROPOSE and not bench.prevotes
    bench.take(*prevotes(A.block_id))  # of round 0: now it is here
    assert bench.prevotes == [(1, A.block_id, 0)]
    attached = Bench()
    attached.to_round(1)
    attached.take(propose(A, round=1, vr=0, polka=polka(A.block_id, OTHERS)))
    attached.judge(A)
    assert attached.prevotes == [(1, A.block_id, 0)]


def test_scenario_10_without_the_polka_the_timeout_prevotes_nil() -> None:
    bench = Bench()
    bench.to_round(1)
    bench.take(propose(A, round=1, vr=0))
    bench.judge(A)
    bench.fire(TimerKind.PROPOSE)
    assert bench.prevotes == [(1, None, NO_ROUND)]


@pytest.mark.parametrize(
    "proof",
    [
        polka(B.block_id, OTHERS),  # another block
        polka(A.block_id, OTHERS, round=1),  # another round
        polka(A.block_id, OTHERS, height=2),  # another height
        commit(A.block_id, OTHERS, round=7, height=2),
    ],
)
def test_r6_a_polka_for_another_block_round_or_height_does_not_count(proof: Certificate) -> None:
    bench = Bench()
    bench.to_round(2)
    bench.take(propose(A, round=2, vr=0), proof)
    bench.judge(A)
    assert not bench.prevotes


def test_r6_nil_names_no_valid_round_whatever_the_proposal_says() -> None:
    bench = Bench()
    bench.to_round(1)
    bench.take(propose(A, round=1, vr=0, polka=polka(A.block_id, OTHERS)))
    bench.judge(A, valid=False)
    assert bench.prevotes == [(1, None, NO_ROUND)]


def test_scenario_8_r6_a_lock_gives_way_to_a_polka_of_its_own_round_or_a_later_one() -> None:
    for vr, right in ((1, False), (2, True), (3, True)):
        bench = Bench()
        bench.to_round(2)
        bench.take(propose(A, round=2, vr=0, polka=polka(A.block_id, OTHERS)))
        bench.judge(A)
        bench.take(*prevotes(A.block_id, (P0, P1), round=2, vr=0))
        assert bench.at.locked_round == 2
        bench.to_round(4)
        bench.take(propose(B, round=4, vr=vr, polka=polka(B.block_id, OTHERS, round=vr)))
        bench.judge(B)
        assert bench.prevotes[-1] == ((4, B.block_id, vr) if right else (4, None, NO_ROUND))


def test_r6_the_locked_block_itself_needs_no_later_polka() -> None:
    bench = Bench()
    bench.to_round(2)
    bench.take(propose(A, round=2, vr=1, polka=polka(A.block_id, OTHERS, round=1)))
    bench.judge(A)
    bench.take(*prevotes(A.block_id, (P0, P1), round=2, vr=1))
    bench.to_round(4)
    bench.take(propose(A, round=4, vr=0, polka=polka(A.block_id, OTHERS)))
    assert bench.prevotes[-1] == (4, A.block_id, 0)


def test_guard_l_what_was_precommitted_before_the_lock_is_not_forgotten() -> None:
    bench = locked_on_a()  # precommitted A in round 0
    bench.to_round(1)
    bench.take(propose(B, round=1))
    bench.judge(B)
    bench.take(*prevotes(B.block_id, round=1))  # only with more than a third faulty
    assert (bench.at.locked_id, bench.at.locked_round) == (B.block_id, 1)
    bench.to_round(5)  # the turn of P1, who built B, again
    bench.take(propose(B, round=5))
    assert bench.prevotes[-1:] == [(5, None, NO_ROUND)], "a vote without a valid round would look like amnesia"
    bench.to_round(6)
    bench.take(propose(B, round=6, vr=1, polka=polka(B.block_id, OTHERS, round=1)))
    assert bench.prevotes[-1:] == [(6, B.block_id, 1)]


def test_guard_l_holds_for_a_block_that_is_proposed_again_too() -> None:
    bench = Bench()
    bench.to_round(2)
    bench.take(propose(A, round=2, vr=0, polka=polka(A.block_id, OTHERS)))
    bench.judge(A)
    bench.take(*prevotes(A.block_id, (P0, P1), round=2, vr=0))  # precommits A in round 2
    bench.to_round(4)
    bench.take(propose(B, round=4, vr=3, polka=polka(B.block_id, OTHERS, round=3)))
    bench.judge(B)
    bench.take(*prevotes(B.block_id, (P0, P1), round=4, vr=3))
    assert bench.at.locked_id == B.block_id
    bench.to_round(5)
    bench.take(propose(B, round=5, vr=1, polka=polka(B.block_id, OTHERS, round=1)))
    assert bench.prevotes[-1:] == [(5, None, NO_ROUND)], "its own lock, and yet older than what it precommitted"
    bench.to_round(6)
    bench.take(propose(B, round=6, vr=2, polka=polka(B.block_id, OTHERS, round=2)))
    assert bench.prevotes[-1:] == [(6, B.block_id, 2)]
