"""What is on its way between areas on a day, as shipper and receiver report it (reports.md 4.2).

The same matching as the ledger's own (slt.inventory.transits), seen on any day and as of any height: by the shipper's
name, and for a receipt under the name UNKNOWN with the oldest open shipment between the two areas that has its very
items and weights.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from slt.inventory.periods import day_after
from slt.inventory.questions.rows import BookEntry
from slt.inventory.settings import settings_of
from slt.inventory.transits import RECEIVED, SHIPPED, UNKNOWN, Side, Transit, by_quantity
from slt.statements.registry import Mba

State: TypeAlias = Literal["open shipment", "open receipt", "matched", "different", "overdue"]

CODES: Final = SHIPPED | RECEIVED
EXACT_MAX: Final = 256
"""Entries of one side under one name between two areas that are matched one by one; of more, which no facility has, the
latest, as in the ledger's records: matching looks at every pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitSide:
    """One live entry of the shipper or the receiver."""

    date: str
    report: int
    entry: int
    batch: str
    """446: the receiver may call it otherwise."""
    material: str
    items: int
    weights: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitLine:
    """One shipment and its receipt, or one of the two."""

    shipper: str
    """XL/XLF1, or what the other side calls it: XF alone, where it does not know more."""
    receiver: str
    batch: str
    """The shipper's name, or UNKNOWN."""
    state: State
    due: str
    """The last day before an open one is overdue; "" for the others, and where the partner is not on this ledger: then
    nobody here can close it."""
    shipment: TransitSide | None
    receipt: TransitSide | None
    differing: tuple[str, ...]
    """Labels in which the two sides differ."""
    matched_by: Literal["", "name", "quantity"]


def transits_on(rows: Iterable[BookEntry], areas: Iterable[Mba], day: str) -> tuple[TransitLine, ...]:
    """The transits of `rows`, live entries of shipments and receipts, as one sees them on `day`, by date.

    `rows` hold both sides: of one area, its own entries and those of others that name it.
    """
    known = {f"{area.state}/{area.mba}": area for area in areas}
    alone: list[_Pair] = []
    lines: list[TransitLine] = []
    for pair in _paired(row for row in rows if row.date <= day and row.entry.code in CODES):
        if pair.shipment is not None and pair.receipt is not None:
            lines.append(_line(pair, "name", known, day))
        else:
            alone.append(pair)
    lines += [_line(pair, "quantity" if pair.whole else "", known, day) for pair in _by_quantity(alone)]
    return tuple(sorted(lines, key=lambda line: (_first(line), line.shipper, line.receiver, line.batch)))


@dataclass(slots=True, kw_only=True)
class _Pair:
    shipper: str
    receiver: str
    batch: str
    shipment: BookEntry | None = None
    receipt: BookEntry | None = None

    @property
    def whole(self) -> bool:
        return self.shipment is not None and self.receipt is not None

    @property
    def domestic(self) -> bool:
        return self.shipper[:2] == self.receiver[:2]


def _paired(rows: Iterable[BookEntry]) -> Iterator[_Pair]:
    """By shipper, receiver and the shipper's name, paired as the ledger's records are."""
    sides: dict[tuple[str, str, str], dict[Side, BookEntry]] = {}
    for row in rows:
        entry, own = row.entry, f"{row.state}/{row.mba}"
        shipped = entry.code in SHIPPED
        place = (own, entry.receiver, entry.batch) if shipped else (entry.shipper, own, entry.shipper_batch)
        if place[0] and place[1]:
            sides.setdefault(place, {})[Side.of(row.number, entry)] = row
    for (shipper, receiver, batch), found in sides.items():
        transit = Transit(None, domestic=shipper[:2] == receiver[:2])
        for side, row in sorted(found.items()):
            if len(found) > EXACT_MAX:
                transit.count(1, side, shipped=row.entry.code in SHIPPED)
            else:
                (transit.shipments if row.entry.code in SHIPPED else transit.receipts).append(side)
        for shipment, receipt in transit.pairs():
            yield _Pair(
                shipper=shipper,
                receiver=receiver,
                batch=batch,
                shipment=None if shipment is None else found[shipment],
                receipt=None if receipt is None else found[receipt],
            )


def _by_quantity(alone: list[_Pair]) -> list[_Pair]:
    """Give receipts that do not know the shipper's name a shipment of their items and weights, the oldest first."""
    lanes: dict[tuple[str, str], tuple[dict[Side, _Pair], dict[Side, _Pair]]] = {}
    for pair in alone:
        shipments, receipts = lanes.setdefault((pair.shipper, pair.receiver), ({}, {}))
        if pair.shipment is not None:
            shipments[Side.of(pair.shipment.number, pair.shipment.entry)] = pair
        elif pair.receipt is not None and pair.batch == UNKNOWN:
            receipts[Side.of(pair.receipt.number, pair.receipt.entry)] = pair
    joined: set[int] = set()
    for shipments, receipts in lanes.values():
        for shipment, receipt in by_quantity(shipments, receipts):
            shipments[shipment].receipt = receipts[receipt].receipt
            joined.add(id(receipts[receipt]))
    return [pair for pair in alone if id(pair) not in joined]


def _line(pair: _Pair, matched_by: Literal["", "name", "quantity"], known: Mapping[str, Mba], day: str) -> TransitLine:
    differing: tuple[str, ...] = ()
    due = ""
    state: State
    if pair.shipment is not None and pair.receipt is not None:
        transit = Transit(None, domestic=pair.domestic)
        sides = Side.of(pair.shipment.number, pair.shipment.entry), Side.of(pair.receipt.number, pair.receipt.entry)
        differing = tuple(transit.differing(*sides))
        state = "different" if differing else "matched"
    else:
        state = "open receipt" if pair.shipment is None else "open shipment"
        other, own = (pair.shipper, pair.receiver) if pair.shipment is None else (pair.receiver, pair.shipper)
        side = pair.shipment or pair.receipt
        if other in known and side is not None:
            profile = known[own].profile if own in known else known[other].profile
            due = day_after(side.date, settings_of(profile).transit_overdue_days)
            state = "overdue" if day > due else state
    return TransitLine(
        shipper=pair.shipper,
        receiver=pair.receiver,
        batch=pair.batch,
        state=state,
        due=due,
        shipment=_side(pair.shipment),
        receipt=_side(pair.receipt),
        differing=differing,
        matched_by=matched_by,
    )


def _side(row: BookEntry | None) -> TransitSide | None:
    if row is None:
        return None
    entry = row.entry
    return TransitSide(
        date=row.date,
        report=row.number,
        entry=entry.number,
        batch=entry.batch,
        material=entry.material,
        items=entry.items,
        weights=entry.weights,
    )


def _first(line: TransitLine) -> str:
    return min(side.date for side in (line.shipment, line.receipt) if side is not None)
