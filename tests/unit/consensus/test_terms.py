"""Terms: each height has one sequencer, whatever certificates are shown."""

from typing import Any

import pytest

from slt.consensus.terms import Terms, renews
from slt.statements.terms import BadTerm
from tests.unit.consensus.world import GENESIS, TERM, make_term, signer

BLOCK_9 = bytes([9]) * 32
SECOND: dict[str, Any] = {"term": 2, "start_height": 10, "parent_id": BLOCK_9, "sequencer_key": signer("two").public}


def test_a_height_belongs_to_the_newest_term_that_has_started() -> None:
    terms = Terms().with_term(TERM, GENESIS).with_term(make_term(**SECOND), GENESIS)
    assert [terms.at(height).term for height in (1, 9, 10, 11)] == [1, 1, 2, 2]


def test_before_the_first_term_nobody_may_sign() -> None:
    with pytest.raises(BadTerm, match="no term covers block 3"):
        Terms().with_term(make_term(start_height=4), GENESIS).at(3)


def test_a_second_certificate_for_a_term_is_refused() -> None:
    terms = Terms().with_term(TERM, GENESIS)
    with pytest.raises(BadTerm, match="two certificates for term 1"):
        terms.with_term(make_term(sequencer_key=signer("rival").public), GENESIS)


def test_the_same_fact_signed_by_others_is_no_second_certificate() -> None:
    terms = Terms().with_term(TERM, GENESIS).with_term(make_term(by=(1, 2)), GENESIS)
    assert len(terms.known) == 1


def test_a_renewal_has_a_later_end_and_nothing_else_changed() -> None:
    old, new = make_term(not_after=1000), make_term(not_after=2000)
    assert renews(old, new)
    assert not renews(new, old)
    assert not renews(old, make_term(not_after=2000, start_height=2))
    assert not renews(make_term(not_after=None), new)


@pytest.mark.parametrize("order", [(1000, 2000), (2000, 1000)])
def test_of_a_term_and_its_renewal_the_later_end_counts(order: tuple[int, int]) -> None:
    terms = Terms()
    for not_after in order:
        terms = terms.with_term(make_term(not_after=not_after), GENESIS)
    assert terms.at(1).not_after == 2000


def test_a_later_term_starts_later() -> None:
    terms = Terms().with_term(make_term(start_height=10, parent_id=BLOCK_9), GENESIS)
    with pytest.raises(BadTerm, match="starts at"):
        terms.with_term(make_term(**(SECOND | {"start_height": 10})), GENESIS)


def test_a_certificate_without_enough_signatures_is_no_term() -> None:
    with pytest.raises(BadTerm, match="2 signatures, not 1"):
        Terms().with_term(make_term(by=(1,)), GENESIS)
