"""Transits: material on its way between two areas, as the shipper and the receiver report it (reports.md 4.2).

A transit is what one area sends to another under one batch name: the shipper's name, which the receiver repeats in
label 447. Its record holds both sides; it is derived from live entries and never a condition of accepting one. What
state it is in follows from the sides when somebody looks: nothing that is kept can be out of date.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from slt.inventory.keys import Kind, key
from slt.inventory.periods import day_after
from slt.inventory.settings import Settings
from slt.inventory.state import Value
from slt.reports.facts import EntryFacts

SHIPPED: Final = frozenset({"SD", "SF"})
RECEIVED: Final = frozenset({"RD", "RF"})
DOMESTIC: Final = frozenset({"SD", "RD"})
FOREIGN: Final = frozenset({"SF", "RF"})
UNKNOWN: Final = "UNKNOWN"  # 447 of a receiver who does not know the shipper's name

SIDES_MAX: Final = 16  # of one name between two areas, the latest: names that come again stay small


class TransitState(IntEnum):
    """What one sees of a transit; OVERDUE comes with the day on which one asks."""

    OPEN_SHIPMENT = 1
    OPEN_RECEIPT = 2
    MATCHED = 3
    DIFFERENT = 4
    OVERDUE = 5


class Side(NamedTuple):
    """One live entry of the shipper or the receiver."""

    date: str
    number: int
    entry: int
    material: str
    items: int
    weights: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, number: int, entry: EntryFacts) -> "Side":
        return cls(entry.date, number, entry.number, entry.material, entry.items, entry.weights)

    @property
    def load(self) -> tuple[int, tuple[tuple[int, int], ...]]:
        return (self.items, self.weights)


class Transit:
    """One TRANSIT record: `[[shipment...], [receipt...]]`, to be read and added to."""

    __slots__ = ("_paired", "domestic", "receipts", "shipments")

    def __init__(self, value: Value | None, *, domestic: bool) -> None:
        self.domestic = domestic
        self._paired: list[tuple[Side | None, Side | None]] | None = None
        self.shipments: list[Side] = []
        self.receipts: list[Side] = []
        if value is not None:
            self.shipments, self.receipts = ([_side(side) for side in sides] for sides in value)

    def to_value(self) -> Value | None:
        if not self.shipments and not self.receipts:
            return None
        self._forget()
        return [[list(side) for side in one] for one in (self.shipments, self.receipts)]

    def _forget(self) -> None:
        """Leave at most SIDES_MAX of each side: the oldest pairs go first, then what is oldest."""
        self.shipments.sort()
        self.receipts.sort()
        if len(self.shipments) <= SIDES_MAX and len(self.receipts) <= SIDES_MAX:
            return
        while max(len(self.shipments), len(self.receipts)) > SIDES_MAX:
            self._paired = None
            pairs = sorted((ship, got) for ship, got in self.pairs() if ship is not None and got is not None)
            longer = max(self.shipments, self.receipts, key=len)
            if pairs:
                self.shipments.remove(pairs[0][0])
                self.receipts.remove(pairs[0][1])
            else:
                longer.pop(0)
        self._paired = None

    def count(self, direction: int, side: Side, *, shipped: bool) -> None:
        sides = self.shipments if shipped else self.receipts
        self._paired = None
        if direction > 0:
            sides.append(side)
            if len(sides) > 2 * SIDES_MAX:  # of one report: its entries are matched in bounded time, too
                self._forget()
        elif side in sides:
            sides.remove(side)

    def pairs(self) -> list[tuple[Side | None, Side | None]]:
        """(shipment, receipt): equal ones first, then by date what is of one element; what is left stands alone.

        A function of the two sets of entries, whichever came first.
        """
        if self._paired is not None:
            return self._paired
        shipments, receipts = sorted(self.shipments), sorted(self.receipts)
        if not shipments or not receipts:  # for the most part: the other side is on its way
            self._paired = [*((one, None) for one in shipments), *((None, one) for one in receipts)]
            return self._paired
        found: list[tuple[Side | None, Side | None]] = []
        for equal in (True, False):
            for receipt in list(receipts):
                shipment = next((one for one in shipments if _alike(one, receipt, equal=equal)), None)
                if shipment is not None:
                    shipments.remove(shipment)
                    receipts.remove(receipt)
                    found.append((shipment, receipt))
        self._paired = [*found, *((one, None) for one in shipments), *((None, one) for one in receipts)]
        return self._paired

    @property
    def state(self) -> TransitState | None:
        """What one sees without a calendar. None: no side is left, and the record is absent."""
        pairs = self.pairs()
        if not pairs:
            return None
        if any(shipment is None for shipment, _ in pairs):
            return TransitState.OPEN_RECEIPT
        if any(receipt is None for _, receipt in pairs):
            return TransitState.OPEN_SHIPMENT
        if any(shipment and receipt and self.differing(shipment, receipt) for shipment, receipt in pairs):
            return TransitState.DIFFERENT
        return TransitState.MATCHED

    def differing(self, shipment: Side, receipt: Side) -> list[str]:
        """The labels in which the two sides of a pair differ.

        412 when received before it was shipped, 430 of domestic ones, 470, and weights: receipts are on shipper's data,
        so every difference counts.
        """
        labels = ["412"] if receipt.date < shipment.date else []
        labels += ["430"] if self.domestic and receipt.material != shipment.material else []
        labels += ["470"] if receipt.items != shipment.items else []
        got, sent = dict(receipt.weights), dict(shipment.weights)
        return labels + [str(label) for label in sorted(got.keys() | sent.keys()) if got.get(label) != sent.get(label)]


def state_on(transit: Transit, day: str, settings: Settings) -> TransitState | None:
    """The state of a transit as one sees it on `day` (YYYYMMDD): an open one is overdue after its term."""
    state = transit.state
    if state not in (TransitState.OPEN_SHIPMENT, TransitState.OPEN_RECEIPT):
        return state
    alone = [one or other for one, other in transit.pairs() if one is None or other is None]
    first = min(side.date for side in alone if side is not None)
    return TransitState.OVERDUE if day > day_after(first, settings.transit_overdue_days) else state


def by_quantity(shipments: Iterable[Side], receipts: Iterable[Side]) -> list[tuple[Side, Side]]:
    """Receipts that do not know the shipper's name, each with the oldest shipment of its very items and weights.

    `shipments` and `receipts` are those between two areas that stand alone. A shipment goes with one receipt, and is
    not later than it. A function of the two sets.
    """
    waiting: dict[tuple[int, tuple[tuple[int, int], ...]], list[Side]] = {}
    for shipment in sorted(shipments, reverse=True):
        waiting.setdefault(shipment.load, []).append(shipment)  # the oldest is the last of its list
    found = []
    for receipt in sorted(receipts):
        of_load = waiting.get(receipt.load)
        if of_load and of_load[-1].date <= receipt.date:
            found.append((of_load.pop(), receipt))
    return found


def transit_key(country: str, mba: str, entry: EntryFacts) -> bytes | None:
    """The record that an entry of this area is a side of; None when it is none, or names no partner."""
    if entry.code in SHIPPED and entry.receiver:
        return key(Kind.TRANSIT, f"{country}/{mba}", entry.receiver, entry.batch)
    if entry.code in RECEIVED and entry.shipper:
        return key(Kind.TRANSIT, entry.shipper, f"{country}/{mba}", entry.shipper_batch)
    return None


def _alike(shipment: Side, receipt: Side, *, equal: bool) -> bool:
    if equal:
        return shipment.load == receipt.load and shipment.date <= receipt.date
    return bool(_labels(shipment.weights) & _labels(receipt.weights))


def _labels(weights: Iterable[tuple[int, int]]) -> set[int]:
    return {label for label, _ in weights}


def _side(value: Value) -> Side:
    date, number, entry, material, items, weights = value
    return Side(date, number, entry, material, items, tuple((label, mg) for label, mg in weights))
