"""Where did a batch come from, and what became of it? Across rebatching and across areas.

Two things carry material from one name to another. A shipment (SD, SF) goes with the receipt (RD, RF) that repeats the
shipper's name in label 447. Rebatching takes batches away (RM) and makes others (RP), in one report on one day; where a
day has many, each goes from one entry at which the sums agree to the next, in the order of the report. A trail goes
forward and back along both, and never back from what came forward: what else went into the same canister is not the
history of this assembly.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from slt.inventory.questions.amounts import Amount, Sums, add, amounts
from slt.inventory.questions.rows import BookEntry, EntryQuery
from slt.inventory.transits import RECEIVED, SHIPPED, UNKNOWN
from slt.reports.signs import BATCH_SIGN, CATEGORY_CHANGES, OBLIGATION_CHANGES, book_sign

NAMES_MAX: Final = 200
"""Names that one trail follows: the rods of an assembly, the assemblies of a canister; more says `complete` false."""

REBATCHING: Final = frozenset({"RM", "RP"})

EVENTS_MAX: Final = 10_000
"""Entries of one trail: what a person or a page can bear."""

WORDS: Final = {
    "RF": "received from abroad",
    "RD": "received",
    "RS": "safeguards began",
    "RN": "received from a non-safeguarded activity",
    "NP": "nuclear production",
    "DU": "de-exempted",
    "DQ": "de-exempted",
    "FW": "back from retained waste",
    "GA": "accidental gain",
    "SF": "shipped abroad",
    "SD": "shipped",
    "SN": "shipped to a non-safeguarded activity",
    "LN": "nuclear loss",
    "LD": "measured discard",
    "TW": "to retained waste",
    "EU": "exempted",
    "EQ": "exempted",
    "TU": "safeguards ended",
    "LA": "accidental loss",
    "DI": "shipper/receiver difference",
    "RM": "rebatched away",
    "RP": "made by rebatching",
    **dict.fromkeys(OBLIGATION_CHANGES, "obligation changed"),
}


class Name(NamedTuple):
    """A batch name in an area."""

    state: str
    mba: str
    batch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One live entry about a batch of the trail."""

    date: str
    state: str
    mba: str
    batch: str
    report: int
    entry: int
    kind: str
    code: str
    what: str
    partner: str
    """Where it went to, or came from."""
    kmp: str
    material: str
    items: int
    weights: tuple[Amount, ...]
    """As they moved the batch; of a listing, what was found."""
    from_height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The events of a batch and of what it came from and went into, by date."""

    batch: str
    as_of: int
    names: tuple[Name, ...]
    complete: bool
    """False: there is more than NAMES_MAX names or EVENTS_MAX entries."""
    events: tuple[Event, ...]


class Trail:
    """Follows a batch. Ask what `wanted` names, give the answers to `take`, until nothing is wanted."""

    def __init__(self, batch: str, as_of: int, *, state: str | None = None, mba: str | None = None) -> None:
        self._batch = batch
        self._as_of = as_of
        self._rows: dict[tuple[str, str, int, int], BookEntry] = {}
        self._asked: set[EntryQuery] = set()
        self._wanted: list[EntryQuery] = [
            EntryQuery(as_of=as_of, state=state, mba=mba, batch=batch, kinds=_TOLD, limit=EVENTS_MAX)
        ]
        self._directions: dict[Name, set[int]] = {}
        self._rebatchings: dict[EntryQuery, list[list[BookEntry]]] = {}  # of a report and day, each by itself
        self._waiting: dict[EntryQuery, list[tuple[BookEntry, int]]] = {}  # for such an answer
        self._start = True
        self.complete = True

    @property
    def wanted(self) -> list[EntryQuery]:
        """What to ask for next; empty when the trail has ended."""
        asked, self._wanted = self._wanted, []
        return asked

    def take(self, query: EntryQuery, rows: Iterable[BookEntry]) -> None:
        """The answer to a query of `wanted`."""
        found = list(rows)
        self.complete = self.complete and len(found) < EVENTS_MAX
        if self._start:
            self._start = False
            for name in {Name(row.state, row.mba, row.entry.batch) for row in found}:
                self._go(name, (1, -1), asked=True)
        if query.codes == REBATCHING:
            self._rebatchings[query] = rebatchings(found)
            for row, direction in self._waiting.pop(query, ()):
                self._go_through(query, row, direction)
            return
        if query.codes is not None:  # an answer about a step: it names batches to go on with
            direction = 1 if query.codes & _ONWARD else -1
            for row in found:
                self._go(Name(row.state, row.mba, row.entry.batch), (direction,))
            return
        for row in found:
            if len(self._rows) == EVENTS_MAX:
                self.complete = False
                return
            self._rows[row.address] = row
            for direction in self._directions.get(Name(row.state, row.mba, row.entry.batch), ()):
                self._step(row, direction)

    def history(self) -> History:
        rows = sorted(self._rows.values(), key=lambda row: (row.date, _ORDER.get(row.kind, 1), row.address))
        return History(
            batch=self._batch,
            as_of=self._as_of,
            names=tuple(sorted(self._directions)),
            complete=self.complete,
            events=tuple(_event(row) for row in rows),
        )

    def _go(self, name: Name, directions: tuple[int, ...], *, asked: bool = False) -> None:
        """Follow `name` in these directions, unless that is done."""
        known = self._directions.get(name, set())
        if not set(directions) - known or not name.batch:
            return
        if name not in self._directions and len(self._directions) == NAMES_MAX:
            self.complete = False
            return
        self._directions[name] = known | set(directions)
        if not asked:
            self._wanted.append(
                EntryQuery(
                    as_of=self._as_of, state=name.state, mba=name.mba, batch=name.batch, kinds=_TOLD, limit=EVENTS_MAX
                )
            )

    def _step(self, row: BookEntry, direction: int) -> None:
        """Where an entry leads: to the other end of a transit, or to the other side of a rebatching."""
        entry = row.entry
        own = f"{row.state}/{row.mba}"
        if direction > 0 and entry.code in SHIPPED and "/" in entry.receiver:
            state, _, mba = entry.receiver.partition("/")
            self._ask(state=state, mba=mba, shipper_batch=entry.batch, partner=own, codes=RECEIVED)
        if direction < 0 and entry.code in RECEIVED and "/" in entry.shipper and entry.shipper_batch != UNKNOWN:
            state, _, mba = entry.shipper.partition("/")
            self._ask(state=state, mba=mba, batch=entry.shipper_batch, partner=own, codes=SHIPPED)
        if entry.code == ("RM" if direction > 0 else "RP"):
            query = EntryQuery(
                as_of=self._as_of,
                state=row.state,
                mba=row.mba,
                numbers=frozenset({row.number}),
                first=row.date,
                last=row.date,
                codes=REBATCHING,
                limit=EVENTS_MAX,
            )
            if query in self._rebatchings:
                self._go_through(query, row, direction)
                return
            if query not in self._waiting:
                self._wanted.append(query)
            self._waiting.setdefault(query, []).append((row, direction))

    def _go_through(self, query: EntryQuery, row: BookEntry, direction: int) -> None:
        """Go on with the other side of the rebatching that `row` is part of."""
        for one in next((some for some in self._rebatchings[query] if row in some), ()):
            if one.entry.code != row.entry.code:
                self._go(Name(one.state, one.mba, one.entry.batch), (direction,))

    def _ask(
        self,
        *,
        state: str,
        mba: str,
        codes: frozenset[str],
        batch: str | None = None,
        shipper_batch: str | None = None,
        partner: str | None = None,
    ) -> None:
        query = EntryQuery(
            as_of=self._as_of,
            state=state,
            mba=mba,
            codes=codes,
            batch=batch,
            shipper_batch=shipper_batch,
            partner=partner,
            limit=EVENTS_MAX,
        )
        if query not in self._asked:
            self._asked.add(query)
            self._wanted.append(query)


def rebatchings(rows: Iterable[BookEntry]) -> list[list[BookEntry]]:
    """The rebatchings of one report and day, each by itself: the shortest runs of entries that take out (RM) as much
    as they put in (RP), in the order of the report. What agrees at no place is one with all that follows.
    """
    found: list[list[BookEntry]] = []
    run: list[BookEntry] = []
    left: dict[int, int] = {}
    for row in sorted(rows, key=lambda one: one.entry.number):
        run.append(row)
        for label, mg in row.entry.weights:
            left[label] = left.get(label, 0) + BATCH_SIGN[row.entry.code] * mg
        if not any(left.values()):
            found.append(run)
            run = []
    return [*found, run] if run else found


_TOLD: Final = frozenset("IPO")
_ONWARD: Final = RECEIVED
_ORDER: Final = {"O": 0, "P": 2}  # an opening before, and a listing after the changes of its day


def _event(row: BookEntry) -> Event:
    entry = row.entry
    moved: Sums = {}
    for category, label, mg in row.weights():
        add(moved, [(category, label, mg)], _sign(row, category))
    what = "listed" if row.kind == "P" else WORDS.get(entry.code, "category changed")
    return Event(
        date=row.date,
        state=row.state,
        mba=row.mba,
        batch=entry.batch,
        report=row.number,
        entry=entry.number,
        kind=row.kind,
        code=entry.code,
        what="opening inventory" if row.kind == "O" else what,
        partner=entry.receiver or entry.shipper,
        kmp=entry.kmp,
        material=entry.material,
        items=entry.items,
        weights=amounts(moved),
        from_height=row.from_height,
    )


def _sign(row: BookEntry, category: int) -> int:
    code = row.entry.code
    if row.kind != "I":
        return 1
    return book_sign(code, category) if code in CATEGORY_CHANGES else BATCH_SIGN[code]
