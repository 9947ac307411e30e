"""One material balance area: what it has to report, and the reports that come of it.

An area collects changes as they happen, writes them up by month, and closes its books at a physical inventory: a
listing, and a balance whose arithmetic is that of reports.md 1.6. It knows nothing about what kind of facility it is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from slt.client.generate.calendar import later
from slt.client.generate.report import Report
from slt.reports.facts import EntryFacts
from slt.reports.quantities import ELEMENT_LABELS
from slt.reports.signs import BOOK_SIGN, DECREASES, ENRICHED, INCREASES, PLUTONIUM

URANIUM: Final = ENRICHED
U235: Final = 670
CATEGORIES: Final = ((URANIUM, U235), (PLUTONIUM,))
GRAM: Final = 1_000  # milligrams

Weights: TypeAlias = tuple[tuple[int, int], ...]  # (label, mg), by label


def uranium(mg: int, u235_mg: int) -> Weights:
    return ((URANIUM, mg), (U235, u235_mg))


class Change(NamedTuple):
    """One inventory change that is not reported yet."""

    date: str
    code: str
    kmp: str
    material: str
    batch: str
    measurement: str
    items: int
    weights: Weights
    shipper: str = ""
    receiver: str = ""
    note: str = ""


class Listed(NamedTuple):
    """One batch of a physical inventory."""

    kmp: str
    material: str
    batch: str
    measurement: str
    items: int
    weights: Weights


@dataclass(slots=True, kw_only=True)
class Area:
    """`number`, `beginning` and `period_from` move on with the reports."""

    state: str
    mba: str
    type: str
    kind: str
    flow_kmps: tuple[str, ...]
    inventory_kmps: tuple[str, ...]
    period_from: str
    """First day of the open balance period."""
    rounds: bool = False
    """Consolidated uranium is stated in whole grams, with adjustments (RAxx); it may be weighed finer."""
    number: int = 0
    """Of the last report."""
    beginning: dict[int, int] = field(default_factory=dict)
    """PB by label: the physical ending of the last balance, or the opening inventory."""
    changes: list[Change] = field(default_factory=list)
    """What is not reported yet."""
    _sums: dict[tuple[str, int], int] = field(default_factory=dict)  # (code, label) -> mg reported of the open period

    @property
    def name(self) -> str:
        return f"{self.state}/{self.mba}"

    def add(self, change: Change) -> None:
        """It happened, and is to be reported."""
        self.changes.append(change)

    def report_changes(self, first: str, last: str, written: str) -> Iterator[Report]:
        """What happened from `first` to `last`, or nothing: months without changes have no report (profile iaea)."""
        due = sorted((change for change in self.changes if change.date <= last), key=lambda change: change.date)
        if not due:
            return
        assert due[0].date >= first, "a change is reported in the month in which it happened"
        self.changes = [change for change in self.changes if change.date > last]
        for change in due:
            self._count(change)
        entries = tuple(_entry(number, change) for number, change in enumerate(due, 1))
        notes = tuple((number, change.note) for number, change in enumerate(due, 1) if change.note)
        yield self._report("I", written, (first, last), entries, notes)

    def close(self, day: str, written: str, listing: Iterable[Listed]) -> Iterator[Report]:
        """The listing of `day` and the balance that ends with it. Requires that all changes until then are reported."""
        listed = tuple(_listed(number, one) for number, one in enumerate(listing, 1))
        assert listed, "an area of a generated world is never empty"
        yield self._report("P", written, (day, day), listed, ())
        sums: dict[int, int] = {}
        for entry in listed:
            for label, mg in entry.weights:
                sums[label] = sums.get(label, 0) + mg
        entries = tuple(self._balance(sums))
        yield self._report("M", written, (self.period_from, day), entries, ())
        self.beginning = {label: mg for entry in entries if entry.code == "PE" for label, mg in entry.weights}
        self.period_from = later(day, 1)
        self._sums = {}

    def adjusted_book(self, label: int) -> int:
        """BA of the open period, in milligrams, as a balance that ends now would state it."""
        changes = sum(BOOK_SIGN[code] * self._consolidated(code, label) for code, of in self._sums if of == label)
        return self.beginning.get(label, 0) + changes

    def _count(self, change: Change) -> None:
        if BOOK_SIGN[change.code]:
            for label, mg in change.weights:
                place = (change.code, label)
                self._sums[place] = self._sums.get(place, 0) + mg

    def _consolidated(self, code: str, label: int) -> int:
        exact = self._sums.get((code, label), 0)
        return _whole_grams(exact) if self.rounds and label in ELEMENT_LABELS else exact

    def _balance(self, listed: dict[int, int]) -> Iterator[EntryFacts]:
        number = 0
        for labels in CATEGORIES:
            for code, weights in self._lines(labels, listed):
                number += 1
                yield _blank(number, code=code, weights=weights)

    def _lines(self, labels: tuple[int, ...], listed: dict[int, int]) -> Iterator[tuple[str, Weights]]:
        """The lines of one category in the order of the form (V59); none where nothing was, came or is."""
        element = labels[0]
        codes = [code for code in (*INCREASES, *DECREASES) if (code, element) in self._sums]
        if not (codes or self.beginning.get(element) or listed.get(element)):
            return
        yield "PB", tuple((label, self.beginning.get(label, 0)) for label in labels)
        for code in codes:
            yield code, tuple((label, self._consolidated(code, label)) for label in labels)
        for code in codes:
            if rest := self._sums[code, element] - self._consolidated(code, element):
                yield f"RA{code}", _adjustment(labels, rest)
        if ("DI", element) in self._sums:
            yield "DI", tuple((label, self._sums.get(("DI", label), 0)) for label in labels)
        book = {label: self.adjusted_book(label) for label in labels}
        yield "BA", tuple(book.items())
        ending = {label: listed.get(label, 0) for label in labels}
        if self.rounds:
            ending[element] = _whole_grams(ending[element])
        yield "PE", tuple(ending.items())
        if rest := listed.get(element, 0) - ending[element]:
            yield "RAPE", _adjustment(labels, rest)
        yield "MF", tuple((label, book[label] - ending[label]) for label in labels)

    def _report(
        self,
        kind: str,
        written: str,
        period: tuple[str, str],
        entries: tuple[EntryFacts, ...],
        notes: tuple[tuple[int, str], ...],
    ) -> Report:
        self.number += 1
        return Report(
            state=self.state,
            mba=self.mba,
            facility=self.mba,
            number=self.number,
            kind=kind,
            date=written,
            period_from=period[0],
            period_to=period[1],
            entries=entries,
            notes=notes,
        )


def _whole_grams(mg: int) -> int:
    return (mg + GRAM // 2) // GRAM * GRAM


def _adjustment(labels: tuple[int, ...], rest: int) -> Weights:
    """Only the element is rounded: an isotope in the adjustment would be of another size or sign than it (V24)."""
    return tuple((label, 0 if at else rest) for at, label in enumerate(labels))


def _entry(number: int, change: Change) -> EntryFacts:
    return _blank(
        number,
        code=change.code,
        date=change.date,
        kmp=change.kmp,
        material=change.material,
        batch=change.batch,
        shipper_batch=change.batch if change.shipper else "",
        shipper=change.shipper,
        receiver=change.receiver,
        measurement=change.measurement,
        items=change.items,
        weights=change.weights,
    )


def _listed(number: int, one: Listed) -> EntryFacts:
    return _blank(
        number,
        kmp=one.kmp,
        material=one.material,
        batch=one.batch,
        measurement=one.measurement,
        items=one.items,
        weights=one.weights,
    )


def _blank(
    number: int,
    *,
    weights: Weights,
    code: str = "",
    date: str = "",
    kmp: str = "",
    material: str = "",
    batch: str = "",
    shipper_batch: str = "",
    shipper: str = "",
    receiver: str = "",
    measurement: str = "",
    items: int = 0,
) -> EntryFacts:
    return EntryFacts(
        number=number,
        status="N",
        target=None,
        code=code,
        date=date,
        kmp=kmp,
        material=material,
        batch=batch,
        shipper_batch=shipper_batch,
        shipper=shipper,
        receiver=receiver,
        measurement=measurement,
        items=items,
        weights=weights,
    )
