"""What an inventory change does to the book of a material balance area (reports.md 1.5; INFCIRC/153 paragraph 107).

A *category* is an element label: 600 unified, 610 natural, 620 depleted, 630 enriched uranium, 700 plutonium,
800 thorium. Every isotope label belongs to one, so that each weight of an entry has its place in the books.
"""

from collections.abc import Container, Iterable
from typing import Final

INCREASES: Final = ("RF", "RD", "RS", "RN", "NP", "DU", "DQ", "FW", "GA")
DECREASES: Final = ("SF", "SD", "SN", "LN", "LD", "TW", "EU", "EQ", "TU", "LA")

NATURAL: Final = 610
DEPLETED: Final = 620
ENRICHED: Final = 630
UNIFIED: Final = 600
PLUTONIUM: Final = 700

_LETTERS: Final = {"E": ENRICHED, "N": NATURAL, "D": DEPLETED}

CATEGORY_CHANGES: Final = {
    code: (_LETTERS[code[0]], _LETTERS[code[1]]) for code in ("EN", "ED", "NE", "ND", "DE", "DN")
}
"""Code -> (category it leaves, category it enters). One entry states the weights of both."""

OBLIGATION_CHANGES: Final = frozenset({"BR", "CR", "PR", "SR"})
"""Codes of Euratom by which material goes from one safeguards obligation to another (annex III field 10). They move no
book, and Code 10 has no word for them: they stand in the facts of Euratom reports only."""

BOOK_SIGN: Final = (
    dict.fromkeys(INCREASES, 1)
    | dict.fromkeys(DECREASES, -1)
    | dict.fromkeys(OBLIGATION_CHANGES, 0)
    | {"DI": -1, "RM": 0, "RP": 0}
)
"""Sign on the book of the area, for every code of an ICR but the category changes. DI = shipper - receiver, which may
be negative, and the book decreases by it. Rebatching moves material between batches and leaves the area's book."""

BATCH_SIGN: Final = BOOK_SIGN | {"RM": -1, "RP": 1}
"""Sign on the batch that the entry names."""

_ISOTOPE_CATEGORY: Final = dict.fromkeys((710, 720, 730, 740, 750, 760), PLUTONIUM) | {770: NATURAL, 780: DEPLETED}
_URANIUM_ISOTOPES: Final = frozenset({640, 650, 660, 670, 680, 690})


def category_of(label: int, present: Container[int]) -> int:
    """The category that the weight `label` belongs to, in an entry that holds the labels `present`.

    640 to 690 are isotopes of enriched uranium, or of unified uranium where the entry states 600 (reports.md 1.4).
    """
    if label in _URANIUM_ISOTOPES:
        return UNIFIED if UNIFIED in present else ENRICHED
    return _ISOTOPE_CATEGORY.get(label, label)


def book_sign(code: str, category: int) -> int:
    """+1, -1 or 0: how the inventory change `code` moves the book of `category`.

    A category change is -1 for the category it leaves, +1 for the one it enters, 0 for any other.
    Raises KeyError for a code that is no inventory change.
    """
    if change := CATEGORY_CHANGES.get(code):
        leaves, enters = change
        return -1 if category == leaves else int(category == enters)
    return BOOK_SIGN[code]


def book_changes(code: str, weights: Iterable[tuple[int, int]]) -> tuple[tuple[int, int, int], ...]:
    """What one entry does to the book of its area: `(category, label, mg)` with the sign applied, one for each weight.

    `weights` are `(label, mg)` as in EntryFacts. Weights that leave the book alone (RM, RP, zero) are left out.
    """
    pairs = tuple(weights)
    present = {label for label, _ in pairs}
    changes = ((category_of(label, present), label, mg) for label, mg in pairs)
    return tuple(
        (category, label, delta) for category, label, mg in changes if (delta := book_sign(code, category) * mg)
    )
