"""Batches of material: what a BATCH record holds, and what an entry does to the batch that it names.

A batch is followed by what is reported of it: entries of change reports move its weights and items, entries of a
physical inventory that measure it anew only say that it is there. Every effect is a function of one entry alone, so
that a correction or deletion takes back exactly what the entry has done.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from slt.inventory.state import Value
from slt.reports.facts import EntryFacts
from slt.reports.quantities import ELEMENT_LABELS
from slt.reports.signs import BATCH_SIGN, CATEGORY_CHANGES, DECREASES, INCREASES, book_changes

USES_MAX: Final = 32  # remembered of a batch, the latest: enough to tell a repetition, and a record stays small

RECEIPTS: Final = frozenset({"RD", "RF", "RS", "RN"})
DEPARTURES: Final = frozenset(DECREASES) - {"LN"}  # the batch, or a part of it, is gone; burn-up leaves it where it is
SHIPMENTS: Final = frozenset({"SD", "SF", "LD", "TW"})  # rule C18
LISTED: Final = ""  # code of a use that is an entry of a physical inventory

_ELEMENTS: Final = frozenset(ELEMENT_LABELS)
_ITEMS_SIGN: Final = dict.fromkeys(INCREASES, 1) | dict.fromkeys(DECREASES, -1) | {"NP": 0, "LN": 0, "RM": -1, "RP": 1}


class Use(NamedTuple):
    """One live entry that names the batch."""

    code: str
    date: str
    number: int
    entry: int


class Batch:
    """One BATCH record, to be read and added to.

    Its value is `[reported, [[label, mg, items]...], [[code, date, number, entry]...]]`.

    `reported` counts the live entries that name the batch. Items are counted at the element label that leads an entry
    (the lowest), so that an entry of plutonium beside one of uranium does not count the same item twice.
    """

    __slots__ = ("holdings", "reported", "uses")

    def __init__(self, value: Value | None) -> None:
        self.reported: int = 0
        self.holdings: dict[int, tuple[int, int]] = {}  # label -> mg, items
        self.uses: list[Use] = []
        if value is not None:
            self.reported = value[0]
            self.holdings = {label: (mg, items) for label, mg, items in value[1]}
            self.uses = [Use(*use) for use in value[2]]

    def to_value(self) -> Value | None:
        """None: nothing is reported of it, and the record is absent."""
        holdings = [[label, *held] for label, held in sorted(self.holdings.items()) if held != (0, 0)]
        if not self.reported and not holdings:
            return None
        return [self.reported, holdings, [list(use) for use in self.uses[-USES_MAX:]]]

    def held(self, label: int) -> int:
        """Mg."""
        return self.holdings.get(label, (0, 0))[0]

    def items(self, label: int) -> int:
        """Items counted at this element label."""
        return self.holdings.get(label, (0, 0))[1]

    def add(self, label: int, mg: int, items: int) -> None:
        held_mg, held_items = self.holdings.get(label, (0, 0))
        self.holdings[label] = (held_mg + mg, held_items + items)

    def count(self, direction: int, use: Use) -> None:
        """The entry of `use` names the batch (+1), or does no longer (-1)."""
        self.reported += direction
        if direction > 0:
            self.uses.append(use)
            if len(self.uses) > 2 * USES_MAX:  # of one report: rules look through them for each entry
                del self.uses[:-USES_MAX]
        elif use in self.uses:
            self.uses.remove(use)

    def move(self, direction: int, entry: EntryFacts) -> None:
        """Do what `entry`, of a change report, does to its batch; with direction -1 take it back."""
        weights = entry.weights
        if entry.code in CATEGORY_CHANGES:
            for _, label, mg in book_changes(entry.code, weights):
                self.add(label, direction * mg, 0)
            return
        sign = direction * BATCH_SIGN[entry.code]
        items = direction * _ITEMS_SIGN.get(entry.code, 0) * entry.items
        lead = lead_of(weights)
        for label, mg in weights:
            self.add(label, sign * mg, items if label == lead else 0)


def lead_of(weights: Iterable[tuple[int, int]]) -> int:
    """The element label that stands for the entry; 0 when it has none."""
    for label, _ in weights:  # asked several times of each entry: a generator costs more than the answer
        if label in _ELEMENTS:
            return label
    return 0


def elements_of(weights: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(label, mg) for label, mg in weights if label in _ELEMENTS]


def opening_value(lines: Iterable[tuple[int, Iterable[tuple[int, int]]]]) -> Value | None:
    """The record of a batch that an opening inventory lists: (items, weights) for each of its entries."""
    batch = Batch(None)
    for items, weights in lines:
        pairs = list(weights)
        lead = lead_of(pairs)
        batch.reported += 1
        for label, mg in pairs:
            batch.add(label, mg, items if label == lead else 0)
    return batch.to_value()
