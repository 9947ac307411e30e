"""What one final block, or one opening inventory, puts into the tables. Pure.

Facts are read without asking whether they are well made: their digest stands in a certified verdict that accepts them,
so every member has parsed them. `Gathered` takes many blocks, so that one transaction can store them all.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

import cbor2

from services.uniqueness.books.tables import EMPTY, LINES, LOW_BITS
from slt.bus.messages import WireFinding
from slt.inventory.questions.rows import ACCOUNTING, OPENING
from slt.reports.facts import EntryFacts, Share
from slt.reports.quantities import WEIGHT_LABELS
from slt.reports.signs import UNIFIED, category_of
from slt.statements.openings import Opening
from slt.statements.registry import Mba

Row: TypeAlias = tuple[Any, ...]
EntryValue: TypeAlias = Sequence[Any]  # an entry's array as in the facts (slt.reports.facts)
SumKey: TypeAlias = tuple[int, int, str, int, str, int, int]  # area, height, kind, period, code, category, label

NO_FINDINGS: Final = cbor2.dumps([])
STATEMENT_KEY_BYTES: Final = 8
_LOW_MASK: Final = (1 << LOW_BITS) - 1

# Places in the arrays of slt.reports.facts.
_COUNTRY, _MBA, _NUMBER, _KIND, _PERIOD, _DATE, _ENTRIES = 2, 3, 4, 5, 6, 7, 10
_FACTS_FIELDS: Final = 12

_CATEGORY: Final = {label: category_of(label, ()) for label in WEIGHT_LABELS}
_CATEGORY_UNIFIED: Final = {label: category_of(label, (UNIFIED,)) for label in WEIGHT_LABELS}


class UnknownArea(Exception):
    """A certified block accepts a report of an area that is not in the registry: a fault of this program."""


class Ending(NamedTuple):
    """An entry names another one in 309 and ends its life: C supersedes, D deletes."""

    area: int
    number: int  # the address that is named
    entry: int
    height: int
    by_number: int
    by_entry: int


class Moment(NamedTuple):
    """Of one block, and of one statement in it."""

    height: int
    time_ms: int
    log_index: int
    statement_id: bytes


@dataclass(slots=True)
class Gathered:
    """Rows to be stored together. Tuples in the order of the columns; sums as exact integers."""

    reports: list[Row] = field(default_factory=list)
    entries: list[Row] = field(default_factory=list)
    added: list[Row] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    areas: list[Row] = field(default_factory=list)
    """Versions of areas, each from the height at which it takes effect."""
    sums: defaultdict[SumKey, int] = field(default_factory=lambda: defaultdict(int))

    def add_report(
        self,
        facts_cbor: bytes,
        findings: Sequence[WireFinding],
        moment: Moment,
        areas: Mapping[tuple[str, str], int],
    ) -> None:
        """An accepted report. `areas`: the number of each (state, mba). Raises UnknownArea."""
        facts = cbor2.loads(facts_cbor)
        assert len(facts) == _FACTS_FIELDS, "facts of a layout that slt.reports.facts does not have"
        where = (facts[_COUNTRY], facts[_MBA])
        area = areas.get(where)
        if area is None:
            raise UnknownArea(f"block {moment.height} accepts a report of {'/'.join(where)}, and no such area is known")
        number, kind, entries = facts[_NUMBER], facts[_KIND], facts[_ENTRIES]
        period_from, period_to = (_day(text) for text in facts[_PERIOD])
        date = _day(facts[_DATE])
        facts[_ENTRIES] = []
        self.reports.append(
            (
                moment.log_index,
                area,
                number,
                kind,
                date,
                period_from,
                period_to,
                period_to or date,
                len(entries),
                moment.height,
                moment.time_ms,
                moment.statement_id,
                statement_key(moment.statement_id),
                cbor2.dumps(facts),
                cbor2.dumps([list(finding) for finding in findings]) if findings else NO_FINDINGS,
            )
        )
        for entry in entries:
            self._add_entry(area, moment, number, kind, period_to, entry)

    def _add_entry(self, area: int, moment: Moment, number: int, kind: str, period_to: int, entry: EntryValue) -> None:
        place, status, target, code, date, _, _, batch, shipper_batch, shipper, receiver, *_ = entry
        day = _day(date) or period_to
        self.entries.append(
            (
                area,
                moment.log_index,
                place,
                number,
                kind,
                status,
                *(target or (None, None)),
                code or None,
                day,
                batch or None,
                shipper_batch or None,
                shipper or None,
                receiver or None,
                cbor2.dumps(entry),
                moment.height,
                None,
                None,
                None,
            )
        )
        self.count(1, area, moment.height, kind, day, entry)
        if target is not None:
            if status == "A":
                self.added.append((area, *target, moment.log_index, place))
            else:
                self.endings.append(Ending(area, target[0], target[1], moment.height, number, place))

    def add_area(self, area: int, from_height: int, mba: Mba) -> None:
        """The area is so from that height on, until another version of it is."""
        self.areas.append((area, from_height, None, mba.state, mba.mba, cbor2.dumps(mba.to_value())))

    def add_opening(self, area: int, opening: Opening) -> None:
        """The entries from which the books of an area start, dated on their PIT and known at height 0."""
        day = _day(opening.pit)
        for place, given in enumerate(opening.entries, start=1):
            entry = EntryFacts(
                number=place,
                status="N",
                target=None,
                code="",
                date="",
                kmp=given.kmp,
                material=given.material,
                batch=given.batch,
                shipper_batch="",
                shipper="",
                receiver="",
                measurement="",
                items=given.items,
                weights=given.weights,
                obligations=(Share(given.obligation, "", given.weights),) if given.obligation else (),
            )
            value: Any = entry.to_value()
            self.entries.append(
                (
                    area,
                    -area,
                    place,
                    0,
                    OPENING,
                    "N",
                    None,
                    None,
                    None,
                    day,
                    given.batch,
                    None,
                    None,
                    None,
                    cbor2.dumps(value),
                    0,
                    None,
                    None,
                    None,
                )
            )
            self.count(1, area, 0, OPENING, day, value)

    def count(self, direction: int, area: int, height: int, kind: str, day: int, entry: EntryValue) -> None:
        """Add what `entry` says to the sums (1), or take it back (-1)."""
        status, code, weights, sums = entry[1], entry[3], entry[13], self.sums
        period = day // 100 if kind == "I" else day
        if kind == OPENING:
            code = OPENING
        if status not in ACCOUNTING:
            if status == "U":
                sums[area, height, kind, period, code, 0, EMPTY] += direction
            return
        sums[area, height, kind, period, code, 0, LINES] += direction
        if weights:
            categories = _CATEGORY_UNIFIED if weights[0][0] == UNIFIED else _CATEGORY
            for label, mg in weights:
                sums[area, height, kind, period, code, categories[label], label] += direction * mg

    def flow_rows(self) -> list[Row]:
        """Rows of `flows`, without zeros."""
        return [(*key, *split(mg)) for key, mg in self.sums.items() if mg]

    def total_rows(self) -> list[Row]:
        """What is added to `totals`: the same over all heights."""
        totals: defaultdict[tuple[Any, ...], int] = defaultdict(int)
        for (area, _, *rest), mg in self.sums.items():
            totals[area, *rest] += mg
        return [(*key, *split(mg)) for key, mg in totals.items() if mg]


def split(mg: int) -> tuple[int, int]:
    """High and low part of a sum, 64 bits each whatever its size."""
    return mg >> LOW_BITS, mg & _LOW_MASK


def joined(high: int, low: int) -> int:
    """The sum of which the parts were added up apart."""
    return (int(high) << LOW_BITS) + int(low)


def statement_key(statement_id: bytes) -> int:
    """What `reports` is searched by: the first 8 bytes of a statement id, as a signed number."""
    return int.from_bytes(statement_id[:STATEMENT_KEY_BYTES], "big", signed=True)


def text_of(day: int) -> str:
    """YYYYMMDD, or "" for 0."""
    return str(day) if day else ""


def findings_of(encoded: bytes) -> tuple[WireFinding, ...]:
    """The findings of a report as they came with its verdict."""
    rows: list[Any] = cbor2.loads(encoded)
    return tuple(tuple(row) for row in rows)


def _day(text: str) -> int:
    return int(text) if text else 0
