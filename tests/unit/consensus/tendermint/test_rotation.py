"""Whose turn it is, how long a step waits, and whether a time is close enough."""

from collections import Counter

import pytest

from slt.consensus.quorum import BadWeights, UnknownMember
from slt.consensus.tendermint.members import MemberSet
from slt.consensus.tendermint.timeouts import Timeouts
from tests.unit.consensus.tendermint.consortium import GENESIS, MEMBERS, digest, make_member, weighted


def test_every_member_has_one_turn_in_as_many_rounds_as_there_are_members() -> None:
    for height in (1, 7, 10**12):
        assert Counter(MEMBERS.proposer(height, round_) for round_ in range(4)) == Counter(range(4))
    assert Counter(MEMBERS.proposer(height, 0) for height in range(1, 401)) == Counter(dict.fromkeys(range(4), 100))


def test_the_turn_is_a_function_of_set_height_and_round_alone() -> None:
    again = MemberSet.of_genesis(GENESIS)
    assert [again.proposer(h, r) for h in range(9) for r in range(9)] == [
        MEMBERS.proposer(h, r) for h in range(9) for r in range(9)
    ]
    assert weighted(9, 1, 1, 1).order == MEMBERS.order, "weight gives no more turns"


def test_the_order_changes_with_epoch_and_seed() -> None:
    orders = {
        MemberSet(chain_id=GENESIS.chain_id, epoch=epoch, seed=digest(seed), members=GENESIS.members).order
        for epoch in range(4)
        for seed in "abcd"
    }
    assert len(orders) > 4


def test_quorum_and_skip_are_strict_and_in_integers() -> None:
    six = weighted(*[2**28] * 6)
    assert not six.quorum(six.weight_of(range(4))) and six.quorum(six.weight_of(range(4)) + 1)
    assert not six.skip(six.weight_of(range(2))) and six.skip(six.weight_of(range(2)) + 1)


def test_a_set_refuses_unknown_members_and_bad_weights() -> None:
    with pytest.raises(UnknownMember):
        MEMBERS.weight_of([4])
    with pytest.raises(BadWeights):
        weighted()
    with pytest.raises(BadWeights):
        weighted(2**31, 1, 1, 1)
    with pytest.raises(ValueError, match="stand by id"):
        MemberSet(chain_id=GENESIS.chain_id, epoch=0, seed=digest("s"), members=(make_member(1), make_member(0)))


def test_timeouts_grow_with_the_round_and_end_at_the_cap() -> None:
    wait = Timeouts()
    assert [wait.propose(r) for r in (0, 1, 2)] == [1_500, 2_000, 2_500]
    assert [wait.vote(r) for r in (0, 1, 2)] == [500, 750, 1_000]
    assert wait.propose(10**9) == wait.vote(10**9) == 60_000


def test_a_proposal_that_declares_entries_gets_time_for_them() -> None:
    wait = Timeouts()
    assert wait.propose(0, 100_000) == 41_500
    assert wait.propose(0, 2**32 - 1) == 41_500, "not more than a block can hold"
    assert wait.propose(50, 100_000) == 60_000


def test_time_must_be_close_and_the_way_back_is_relaxed_by_a_tenth_with_each_round() -> None:
    wait = Timeouts(precision_ms=10, message_delay_ms=1_000)
    now = 1_000_000
    assert wait.timely(now + 10, now, 0) and not wait.timely(now + 11, now, 0)
    assert wait.timely(now - 1_010, now, 0) and not wait.timely(now - 1_011, now, 0)
    assert wait.timely(now - 1_110, now, 1) and not wait.timely(now - 1_111, now, 1)
    assert wait.timely(now - 1_220, now, 2) and not wait.timely(now - 1_221, now, 2)
    assert not wait.timely(now + 11, now, 10**6), "a time ahead of every clock is never relaxed"
