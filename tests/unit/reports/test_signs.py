"""What an inventory change does to the book (reports.md 1.5)."""

import pytest

from slt.reports.codes import CHANGES
from slt.reports.quantities import ELEMENT_LABELS, WEIGHT_LABELS
from slt.reports.signs import BATCH_SIGN, book_changes, book_sign, category_of


@pytest.mark.parametrize("code", ["RF", "RD", "RS", "RN", "NP", "DU", "DQ", "FW", "GA"])
def test_increases_add_to_the_book(code: str) -> None:
    assert book_sign(code, 630) == 1


@pytest.mark.parametrize("code", ["SF", "SD", "SN", "LN", "LD", "TW", "EU", "EQ", "TU", "LA", "DI"])
def test_decreases_and_differences_take_from_the_book(code: str) -> None:
    assert book_sign(code, 630) == -1


def test_rebatching_moves_batches_and_leaves_the_book() -> None:
    assert book_changes("RM", ((630, 5), (670, 1))) == ()
    assert book_changes("RP", ((630, 5), (670, 1))) == ()
    assert (BATCH_SIGN["RM"], BATCH_SIGN["RP"]) == (-1, 1)


def test_a_negative_difference_adds_to_the_book() -> None:
    assert book_changes("DI", ((630, -550), (670, -24))) == ((630, 630, 550), (630, 670, 24))


def test_a_category_change_leaves_one_category_and_enters_the_other() -> None:
    assert book_changes("ND", ((610, 100), (620, 99), (770, 7), (780, 2))) == (
        (610, 610, -100),
        (620, 620, 99),
        (610, 770, -7),
        (620, 780, 2),
    )


@pytest.mark.parametrize("code", ["EN", "ED", "NE", "ND", "DE", "DN"])
def test_a_category_change_moves_two_categories_and_no_other(code: str) -> None:
    signs = {label: book_sign(code, label) for label in ELEMENT_LABELS}
    assert sorted(signs.values()) == [-1, 0, 0, 0, 0, 1]
    assert signs[{"E": 630, "N": 610, "D": 620}[code[0]]] == -1


def test_isotopes_of_uranium_belong_to_unified_uranium_where_that_is_stated() -> None:
    assert category_of(670, {630, 670}) == 630
    assert category_of(670, {600, 670}) == 600
    assert book_changes("RD", ((600, 10), (670, 1))) == ((600, 600, 10), (600, 670, 1))


def test_every_weight_label_belongs_to_an_element() -> None:
    assert {category_of(label, {630}) for label in WEIGHT_LABELS} == set(ELEMENT_LABELS)


def test_every_inventory_change_has_a_sign() -> None:
    assert all(book_sign(code, 630) in {-1, 0, 1} for code in CHANGES)


def test_a_code_of_a_balance_is_no_inventory_change() -> None:
    with pytest.raises(KeyError):
        book_sign("PB", 630)
