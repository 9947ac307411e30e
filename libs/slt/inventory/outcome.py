"""What an accepted report would make of the books, the batches, the periods and the transits.

Every live entry does something that depends on this entry alone; so a correction first takes back what the entry that
it supersedes has done, a deletion only takes back, and the records are a function of the live entries. Entries marked U
do nothing, but that their empty listing or balance is there.

The rules look at what comes out before it is written; `effects.apply` writes it. Each part is computed once, when
somebody asks: admission does not ask for what only flags need.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from slt.inventory.batches import LISTED, Batch, Use
from slt.inventory.chains import Live
from slt.inventory.keys import Kind, key
from slt.inventory.periods import NOT_BALANCED, STALE, Flows, Head, Pit, Weights, add_weights, flows_with
from slt.inventory.records import entry_of, find_report
from slt.inventory.state import Draft, Value
from slt.inventory.transits import SHIPPED, Side, Transit, transit_key
from slt.reports.facts import EntryFacts, Facts
from slt.reports.quantities import WEIGHT_LABELS
from slt.reports.signs import BOOK_SIGN, OBLIGATION_CHANGES, UNIFIED, book_changes, category_of

ACCOUNTS: dict[str, tuple[str, int]] = {
    "TW": ("W", 1),
    "FW": ("W", -1),
    "EU": ("U", 1),
    "DU": ("U", -1),
    "EQ": ("Q", 1),
    "DQ": ("Q", -1),
}
"""Code -> (account beside the book, sign on it): retained waste, exempted for use, exempted for quantity."""

Books: TypeAlias = dict[int, dict[int, int]]  # category -> label -> mg

_CATEGORY: Final = {label: category_of(label, ()) for label in WEIGHT_LABELS}
_CATEGORY_UNIFIED: Final = {label: category_of(label, (UNIFIED,)) for label in WEIGHT_LABELS}

T = TypeVar("T")


class part(Generic[T]):  # noqa: N801  # used like property
    """A property that is computed once: functools.cached_property without its lock, which costs more than most."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, instance: object, owner: type) -> T:
        value = instance.__dict__[self._name] = self._compute(instance)
        return value


class Line(NamedTuple):
    """One entry that counts from now on (direction 1) or no more (-1)."""

    direction: int
    number: int  # of the report that brought it
    entry: EntryFacts
    pit: str  # end of the period of that report


class Outcome:
    """Raises NeedRecords from each part whose records are not loaded."""

    def __init__(self, draft: Draft, facts: Facts, head: Head, gone: Iterator[Live]) -> None:
        """`gone`: the live entries that the report's corrections and deletions name."""
        self._draft = draft
        self._facts = facts
        self._head = head
        self._gone = gone

    @part
    def lines(self) -> tuple[Line, ...]:
        """Every entry of the report that counts, in order, then those that it supersedes and deletes."""
        facts = self._facts
        counting = [
            Line(1, facts.number, entry, facts.period_to)
            for entry in facts.entries
            if entry.status in ("N", "C", "A") or (entry.status == "U" and facts.kind in ("P", "M"))
        ]
        return (*counting, *map(self._taken_back, self._gone))

    @part
    def changes(self) -> tuple[Line, ...]:
        """Lines of a change report: they alone move anything (reports.md 1.5)."""
        return self.lines if self._facts.kind == "I" else ()

    @part
    def named(self) -> tuple[tuple[EntryFacts, Batch, Batch], ...]:
        """Each entry of a change report that counts and names a batch, with the batch before and after the report."""
        entries = (line.entry for line in self.changes if line.direction > 0 and line.entry.batch)
        return tuple((entry, *self.batches[entry.batch]) for entry in entries)

    @part
    def books(self) -> dict[int, tuple[dict[int, int], dict[int, int]]]:
        """Category -> the book before and after, by label."""
        deltas: Books = defaultdict(lambda: defaultdict(int))
        for line in self.changes:
            entry = line.entry
            sign = BOOK_SIGN.get(entry.code)
            if sign is None:
                for category, label, mg in book_changes(entry.code, entry.weights):
                    deltas[category][label] += line.direction * mg
            elif sign and entry.weights:  # the same for the most part of all entries, without a step for each weight
                categories = _CATEGORY_UNIFIED if entry.weights[0][0] == UNIFIED else _CATEGORY
                for label, mg in entry.weights:
                    deltas[categories[label]][label] += line.direction * sign * mg
        return {category: self._book(category, weights) for category, weights in deltas.items()}

    @part
    def batches(self) -> dict[str, tuple[Batch, Batch]]:
        """Name -> the batch before and after."""
        found: dict[str, tuple[Batch, Batch]] = {}
        kind = self._facts.kind
        for line in self.lines:
            entry = line.entry
            if not entry.batch or not (kind == "I" or (kind == "P" and _tells_of_batch(entry))):
                continue
            if entry.batch not in found:
                value = self.batch_value(entry.batch)
                found[entry.batch] = (Batch(value), Batch(value))
            after = found[entry.batch][1]
            code = entry.code if kind == "I" else LISTED
            after.count(line.direction, Use(code, entry.date, line.number, entry.number))
            if kind == "I":
                after.move(line.direction, entry)
        return found

    def batch_value(self, name: str) -> Value | None:
        """The record of a batch of this area, as it is before the report."""
        return self._draft.get(key(Kind.BATCH, self._facts.country, self._facts.mba, name))

    @part
    def flows(self) -> dict[str, Value | None]:
        """Month -> its FLOWS record after the report."""
        deltas: dict[str, dict[str, Flows]] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
        for line in self.changes:
            if line.entry.code in NOT_BALANCED:
                continue
            flows = deltas[line.entry.date[:6]][line.entry.date]
            for label, mg in line.entry.weights:
                flows[line.entry.code, label] += line.direction * mg
        facts = self._facts
        return {
            month: flows_with(self._draft.get(key(Kind.FLOWS, facts.country, facts.mba, month)), days)
            for month, days in deltas.items()
        }

    @part
    def pits(self) -> dict[str, tuple[Pit, Pit]]:
        """Date -> what is told of this physical inventory before and after."""
        found: dict[str, tuple[Pit, Pit]] = {}
        facts = self._facts
        if facts.kind not in ("P", "M"):
            return found
        for line in self.lines:
            if line.pit not in found:
                value = self.pit_value(line.pit)
                found[line.pit] = (Pit(value), Pit(value))
            after = found[line.pit][1]
            brings = line.direction > 0 and line.entry.status in ("N", "U")
            if facts.kind == "P":
                after.listed += line.direction
                after.listing = line.number if brings else after.listing
                add_weights(after.sums, line.direction, line.entry.weights)
                continue
            after.closed += line.direction
            after.balance = line.number if brings else after.balance
            after.tell(line.direction, line.entry.code, line.entry.weights)
        return found

    def pit_value(self, day: str) -> Value | None:
        """The record of a physical inventory of this area, as it is before the report."""
        return self._draft.get(key(Kind.PIT, self._facts.country, self._facts.mba, day))

    @part
    def accounts(self) -> dict[str, tuple[Weights, Weights]]:
        """Account beside the book -> what is outstanding before and after, by label."""
        found: dict[str, tuple[Weights, Weights]] = {}
        for line in self.changes:
            if line.entry.code not in ACCOUNTS:
                continue
            name, sign = ACCOUNTS[line.entry.code]
            if name not in found:
                value = self._draft.get(key(Kind.ACCOUNT, self._facts.country, self._facts.mba, name)) or []
                found[name] = (dict(value), dict(value))
            add_weights(found[name][1], sign * line.direction, line.entry.weights)
        return found

    @part
    def obligations(self) -> dict[str, tuple[Weights, Weights]]:
        """Obligation -> what of the book is under it before and after, by label."""
        found: dict[str, tuple[Weights, Weights]] = {}
        for line in self.changes:
            if not line.entry.obligations:
                continue
            for name, weights in obligation_changes(line.entry):
                if name not in found:
                    value = self._draft.get(key(Kind.OBLIGATION, self._facts.country, self._facts.mba, name)) or []
                    found[name] = (dict(value), dict(value))
                add_weights(found[name][1], line.direction, weights)
        return found

    @part
    def transits(self) -> dict[bytes, Transit]:
        """Key of a TRANSIT record -> the transit after the report."""
        found: dict[bytes, Transit] = {}
        for line in self.changes:
            record_key = transit_key(self._facts.country, self._facts.mba, line.entry)
            if record_key is None:
                continue
            if record_key not in found:
                partner = line.entry.receiver if line.entry.code in SHIPPED else line.entry.shipper
                domestic = partner.startswith(f"{self._facts.country}/")
                found[record_key] = Transit(self._draft.get(record_key), domestic=domestic)
            side = Side.of(line.number, line.entry)
            found[record_key].count(line.direction, side, shipped=line.entry.code in SHIPPED)
        return found

    @part
    def head(self) -> Head:
        """The area's head after the report."""
        facts, head = self._facts, self._head
        changed: dict[str, int] = {}
        if facts.kind == "I":
            closed = head.closed
            for line in self.lines:
                if line.entry.date <= closed and (pit := head.closing(line.entry.date)):
                    changed[pit] = head.flags(pit) | STALE
            if any(entry.status in ("N", "U") for entry in facts.entries):
                head = head._replace(changes_to=max(head.changes_to, facts.period_to))
        for day, (_, after) in self.pits.items():
            corrected = facts.kind == "M"  # whoever reports or corrects a balance knows what has come till then
            changed[day] = after.flags | (0 if corrected else head.flags(day) & STALE)
        return (head.with_flags(changed) if changed else head)._replace(number=facts.number)

    def _book(self, category: int, deltas: dict[int, int]) -> tuple[dict[int, int], dict[int, int]]:
        before = dict(self._draft.get(key(Kind.BOOK, self._facts.country, self._facts.mba, category)) or [])
        after = dict(before)
        for label, mg in deltas.items():
            after[label] = after.get(label, 0) + mg
        return before, after

    def _taken_back(self, live: Live) -> Line:
        facts = self._facts
        report = find_report(self._draft, facts.country, facts.mba, live.number)
        assert report is not None, "a live entry is in an accepted report"
        return Line(-1, live.number, entry_of(live.value), report.period_to)


def obligation_changes(entry: EntryFacts) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """What an entry of a change report does to each obligation: (label, mg) with the sign applied."""
    for obligation, previous, weights in entry.obligations:
        if entry.code in OBLIGATION_CHANGES:
            if previous:
                yield previous, [(label, -mg) for label, mg in weights]
            if obligation:
                yield obligation, list(weights)
        elif obligation:
            yield obligation, [(label, mg) for _, label, mg in book_changes(entry.code, weights)]


def _tells_of_batch(entry: EntryFacts) -> bool:
    """Whether an entry of a listing says that a batch is there which nobody need have reported (469)."""
    return entry.status != "U" and not entry.measurement.startswith(("L", "T"))
