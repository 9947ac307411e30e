"""More than two thirds, more than one third: integer arithmetic against an oracle that counts fractions."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.consensus.quorum import TOTAL_WEIGHT_MAX, BadWeights, UnknownMember, check_weights, is_quorum, is_skip

WEIGHTS = st.lists(st.integers(1, 1000), min_size=1, max_size=20)


def share(weights: list[int], members: list[int]) -> Fraction:
    """The dumb oracle: a fraction of the whole, each member once."""
    seen: list[int] = []
    for member in members:
        if member not in seen:
            seen.append(member)
    return Fraction(sum(weights[member] for member in seen), sum(weights))


@given(WEIGHTS, st.data())
def test_quorum_and_skip_are_what_fractions_say(weights: list[int], data: st.DataObject) -> None:
    members = data.draw(st.lists(st.integers(0, len(weights) - 1)))
    assert is_quorum(weights, members) == (share(weights, members) > Fraction(2, 3))
    assert is_skip(weights, members) == (share(weights, members) > Fraction(1, 3))


@given(WEIGHTS, st.data())
def test_two_quorums_share_more_than_a_third(weights: list[int], data: st.DataObject) -> None:
    one = data.draw(st.sets(st.integers(0, len(weights) - 1)))
    other = data.draw(st.sets(st.integers(0, len(weights) - 1)))
    if is_quorum(weights, one) and is_quorum(weights, other):
        assert is_skip(weights, one & other)


@pytest.mark.parametrize(
    ("members", "quorum", "skip"), [(0, False, False), (1, False, False), (2, False, True), (3, True, True)]
)
def test_of_four_equal_members_three_are_a_quorum_and_two_can_skip(members: int, quorum: bool, skip: bool) -> None:
    assert is_quorum([1, 1, 1, 1], range(members)) is quorum
    assert is_skip([1, 1, 1, 1], range(members)) is skip


def test_exactly_two_thirds_is_no_quorum() -> None:
    assert not is_quorum([1, 1, 1], [0, 1])
    assert not is_skip([1, 1, 1], [2])


def test_a_member_named_twice_counts_once() -> None:
    assert not is_quorum([1, 1, 1, 1], [0, 0, 0, 1])


@pytest.mark.parametrize("index", [-1, 4, 65535])
def test_an_index_outside_the_list_is_refused(index: int) -> None:
    with pytest.raises(UnknownMember, match=str(index)):
        is_quorum([1, 1, 1, 1], [0, 1, index])


@pytest.mark.parametrize("weights", [[], [0], [1, -1], [1, 0, 5], [TOTAL_WEIGHT_MAX, 1]])
def test_weights_that_no_ledger_may_have_are_refused(weights: list[int]) -> None:
    with pytest.raises(BadWeights):
        check_weights(weights)
