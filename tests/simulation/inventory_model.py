"""A dumb model of one area's books: it keeps the accepted reports and computes everything from them, from scratch.

Slow and short on purpose. It shares with slt.inventory the tables of signs and the shape of facts, and no code that
keeps or corrects anything.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeVar

from slt.reports.facts import EntryFacts, Facts
from slt.reports.quantities import ELEMENT_LABELS
from slt.reports.signs import BOOK_SIGN, DECREASES, INCREASES, OBLIGATION_CHANGES, book_sign, category_of

Address = tuple[int, int]  # report, entry
Weights = dict[int, int]
Amounts = dict[tuple[str, int], int]  # (code, label) -> mg

K = TypeVar("K")

ELEMENTS = frozenset(ELEMENT_LABELS)
ACCOUNTS = {"TW": ("W", 1), "FW": ("W", -1), "EU": ("U", 1), "DU": ("U", -1), "EQ": ("Q", 1), "DQ": ("Q", -1)}
LISTED, CLOSED = 1, 2


@dataclass
class Line:
    kind: str
    entry: EntryFacts
    pit: str


@dataclass
class Live:
    """What lives after some reports: entries by address, those that are gone, and second addresses of additions."""

    lines: dict[Address, Line] = field(default_factory=dict)
    gone: set[Address] = field(default_factory=set)
    second: dict[Address, Address] = field(default_factory=dict)

    def of_kind(self, kind: str) -> Iterator[tuple[int, EntryFacts]]:
        return ((number, line.entry) for (number, _), line in self.lines.items() if line.kind == kind)


def replay(reports: Iterable[Facts]) -> Live:
    live = Live()
    for facts in reports:
        for entry in facts.entries:
            if entry.target is not None and entry.status in ("C", "D"):
                address = live.second.get(entry.target, entry.target)
                del live.lines[address]
                live.gone.add(address)
            if entry.target is not None and entry.status == "A":
                live.second[entry.target] = (facts.number, entry.number)
            if entry.status in ("N", "C", "A") or (entry.status == "U" and facts.kind in ("P", "M")):
                live.lines[facts.number, entry.number] = Line(facts.kind, entry, facts.period_to)
    return live


def reference_fault(reports: list[Facts], last: int, facts: Facts) -> str | None:
    """The code of the first rule about numbers and references that `facts` breaks."""
    by_number = {one.number: one for one in reports}
    same = by_number.get(facts.number)
    if same is not None and same.document_digest == facts.document_digest:
        return "C03"
    if facts.number <= last:
        return "C01"
    if facts.number > last + 1:
        return "C02"
    live = replay(reports)
    found = {_target_fault(by_number, live, facts, entry) for entry in facts.entries if entry.status in ("C", "D")}
    found |= {_place_fault(by_number, live, facts, entry) for entry in facts.entries if entry.status == "A"}
    heads = [live.second.get(e.target, e.target) for e in facts.entries if e.target and e.status in ("C", "D")]
    places = [e.target for e in facts.entries if e.status == "A"]
    if len(set(heads)) < len(heads) and "C05" not in found:
        found.add("C06")
    if len(set(places)) < len(places):
        found.add("C07")
    return min((code for code in found if code), default=None)


def _target_fault(by_number: dict[int, Facts], live: Live, facts: Facts, entry: EntryFacts) -> str | None:
    assert entry.target is not None
    of = by_number.get(entry.target[0])
    if of is None or of.kind != facts.kind:
        return "C05"
    address = live.second.get(entry.target, entry.target)
    if address in live.gone:
        return "C06"
    return None if address in live.lines else "C05"


def _place_fault(by_number: dict[int, Facts], live: Live, facts: Facts, entry: EntryFacts) -> str | None:
    assert entry.target is not None
    of = by_number.get(entry.target[0])
    taken = of is None or of.kind != facts.kind or entry.target[1] <= len(of.entries) or entry.target in live.second
    return "C07" if taken else None


# What is kept of live entries.


def signs() -> dict[str, int]:
    """Code -> sign on the book, of the codes that move it and stand in balances; DI apart."""
    return dict.fromkeys(INCREASES, 1) | dict.fromkeys(DECREASES, -1)


def total(pairs: Iterable[tuple[K, int]]) -> dict[K, int]:
    """Sums, without those that are zero."""
    sums: dict[K, int] = defaultdict(int)
    for place, mg in pairs:
        sums[place] += mg
    return {place: mg for place, mg in sums.items() if mg}


def books(live: Live) -> dict[tuple[int, int], int]:
    return total(
        ((category, label), book_sign(entry.code, category) * mg)
        for _, entry in live.of_kind("I")
        for label, mg in entry.weights
        for category in [category_of(label, dict(entry.weights))]
    )


def flows(live: Live) -> dict[tuple[str, str, int], int]:
    kept_out = OBLIGATION_CHANGES | {"RM", "RP"}
    return total(
        ((entry.date, entry.code, label), mg)
        for _, entry in live.of_kind("I")
        if entry.code not in kept_out
        for label, mg in entry.weights
    )


def accounts(live: Live) -> Amounts:
    return total(
        ((ACCOUNTS[entry.code][0], label), ACCOUNTS[entry.code][1] * mg)
        for _, entry in live.of_kind("I")
        if entry.code in ACCOUNTS
        for label, mg in entry.weights
    )


def obligations(live: Live) -> Amounts:
    moved: list[tuple[tuple[str, int], int]] = []
    for _, entry in live.of_kind("I"):
        for obligation, previous, weights in entry.obligations:
            for label, mg in weights:
                if entry.code in OBLIGATION_CHANGES:
                    moved += [((obligation, label), mg), ((previous, label), -mg)]
                else:
                    moved.append(((obligation, label), book_sign(entry.code, category_of(label, dict(weights))) * mg))
    return {place: mg for place, mg in total(moved).items() if place[0]}


def batches(live: Live) -> dict[str, tuple[int, Weights, Weights]]:
    """Name -> live entries that name it, mg by label, items by label."""
    count: dict[str, int] = defaultdict(int)
    held: dict[str, list[tuple[int, int]]] = defaultdict(list)
    items: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for line in live.lines.values():
        entry = line.entry
        measured = entry.status != "U" and not entry.measurement.startswith(("L", "T"))
        if not entry.batch or not (line.kind == "I" or (line.kind == "P" and measured)):
            continue
        count[entry.batch] += 1
        if line.kind == "I":
            sign = {"RM": -1, "RP": 1}.get(entry.code, BOOK_SIGN[entry.code])
            held[entry.batch] += [(label, sign * mg) for label, mg in entry.weights]
            lead = next((label for label, _ in entry.weights if label in ELEMENTS), 0)
            if lead and entry.code not in ("NP", "LN", "DI"):
                items[entry.batch].append((lead, sign * entry.items))
    return {name: (number, total(held[name]), total(items[name])) for name, number in count.items()}


def transits(live: Live, own: str) -> dict[tuple[str, str, str], tuple[set[Address], set[Address]]]:
    """(shipper, receiver, name) -> addresses of what this area shipped and received."""
    found: dict[tuple[str, str, str], tuple[set[Address], set[Address]]] = defaultdict(lambda: (set(), set()))
    for (number, place), line in live.lines.items():
        entry = line.entry
        if entry.code in ("SD", "SF") and entry.receiver:
            found[own, entry.receiver, entry.batch][0].add((number, place))
        if entry.code in ("RD", "RF") and entry.shipper:
            found[entry.shipper, own, entry.shipper_batch][1].add((number, place))
    return dict(found)


# Physical inventories.


@dataclass
class Pit:
    listed: int = 0
    closed: int = 0
    listing: int = 0
    balance: int = 0
    sums: Weights = field(default_factory=dict)
    lines: Amounts = field(default_factory=dict)

    @property
    def flags(self) -> int:
        return LISTED * (self.listed > 0) + CLOSED * (self.closed > 0)

    def told(self, code: str) -> Weights:
        return {label: mg for (of, label), mg in self.lines.items() if of == code}


def pits(reports: list[Facts], opening: str) -> dict[str, Pit]:
    """By date; `opening` is the one that the books began with, which was empty."""
    live = replay(reports)
    found: dict[str, Pit] = {opening: Pit(listed=1, closed=1)}
    for line in live.lines.values():
        if line.kind in ("P", "M"):
            pit = found.setdefault(line.pit, Pit())
            if line.kind == "P":
                pit.listed += 1
                pit.sums = _plus(pit.sums, dict(line.entry.weights))
            else:
                pit.closed += 1
                told = {(line.entry.code, label): mg for label, mg in line.entry.weights}
                pit.lines = _plus(pit.lines, told)
    for day, pit in found.items():
        pit.listing = _latest(reports, day, "P")
        pit.balance = _latest(reports, day, "M")
    return found


def _latest(reports: list[Facts], day: str, kind: str) -> int:
    """The last report that brought a listing or balance of its own since one lived of that day."""
    number = 0
    for count, facts in enumerate(reports, start=1):
        if facts.kind == kind and facts.period_to == day and brings(facts):
            number = facts.number
        if facts.kind in ("P", "M"):
            alive = replay(reports[:count]).lines.values()
            if not any(line.kind in ("P", "M") and line.pit == day for line in alive):
                number = 0
    return number


def _plus(one: dict[K, int], other: dict[K, int]) -> dict[K, int]:
    sums = {place: one.get(place, 0) + other.get(place, 0) for place in one.keys() | other.keys()}
    return {place: mg for place, mg in sums.items() if mg}


def brings(facts: Facts) -> bool:
    return any(entry.status in ("N", "U") for entry in facts.entries)


def day_before(day: str) -> str:
    return f"{date(int(day[:4]), int(day[4:6]), int(day[6:])) - timedelta(days=1):%Y%m%d}"


# Which listings and balances are rejected.


def inventory_faults(reports: list[Facts], opening: str, facts: Facts) -> set[str]:
    """Rules that reject `facts`, a listing or balance whose number and references are good, C11 left aside."""
    before, after = pits(reports, opening), pits([*reports, facts], opening)
    closed = max((day for day, pit in before.items() if pit.closed), default="")
    by_number = {one.number: one for one in (*reports, facts)}
    removed = {line.pit for address, line in replay(reports).lines.items() if address in replay([*reports, facts]).gone}
    touched = removed | ({facts.period_to} if any(e.status in "NCAU" for e in facts.entries) else set())
    found: set[str] = set()
    moved = any(
        (of.period_from, of.period_to) != (facts.period_from, facts.period_to)
        for entry in facts.entries
        if entry.target and entry.status in ("C", "A")
        for of in [by_number[_home(reports, entry)]]
    )
    own = facts.kind == "M" and brings(facts)
    starts = f"{date(int(closed[:4]), int(closed[4:6]), int(closed[6:])) + timedelta(days=1):%Y%m%d}" if closed else ""
    if moved or (own and closed and (facts.period_from != starts or facts.period_to <= closed)):
        found.add("C10")
    for day in touched:
        pit = after.get(day, Pit())
        if not pit.closed:
            continue
        if pit.listed and brings(facts) and _differs(pit):
            found.add("C12")
        if facts.kind == "M" and pit.balance and _begins_wrong(before, by_number, pit, facts, closed):
            found.add("C09")
        if facts.kind == "M" and not brings(facts) and not moved:
            new = equations_that_do_not_hold(pit) - equations_that_do_not_hold(before.get(day, Pit()))
            found |= {"V57" if label in ELEMENTS else "V61" for label, *_ in new}
    return found


def _home(reports: list[Facts], entry: EntryFacts) -> int:
    """The report whose period a correction has: that which brought the entry, or that an addition is for."""
    assert entry.target is not None
    return entry.target[0] if entry.status == "A" else replay(reports).second.get(entry.target, entry.target)[0]


def _differs(pit: Pit) -> bool:
    ending = _plus(pit.told("PE"), pit.told("RAPE"))
    named = pit.told("PE").keys() | pit.told("RAPE").keys() | (pit.sums.keys() & ELEMENTS)
    return any(ending.get(label, 0) != pit.sums.get(label, 0) for label in named)


def _begins_wrong(before: dict[str, Pit], by_number: dict[int, Facts], pit: Pit, facts: Facts, closed: str) -> bool:
    last = day_before(by_number[pit.balance].period_from)
    earlier = before.get(last)
    if earlier is None or not earlier.closed or (brings(facts) and last != closed):
        return False
    beginning, ending = pit.told("PB"), earlier.told("PE")
    wrong = {
        label
        for label in beginning.keys() | ending.keys()
        if beginning.get(label, 0) != ending.get(label, 0)
        and (label in ELEMENTS or (label in ending and label in beginning))
    }
    said = {label for entry in facts.entries if entry.code == "PB" for label, _ in entry.weights}
    return bool(wrong) if brings(facts) else bool(wrong & said)


def equations_that_do_not_hold(pit: Pit) -> set[tuple[int, str, int, int]]:
    """(label, code, value, expected) of every equation of the balance that does not hold (reports.md 1.6)."""
    found: set[tuple[int, str, int, int]] = set()
    for label in {label for _, label in pit.lines}:
        amounts = {code: mg for (code, of), mg in pit.lines.items() if of == label}
        if label not in ELEMENTS and amounts.keys().isdisjoint({"PB", "BE", "BA", "PE", "MF"}):
            continue
        book = amounts.get("PB", 0) + sum(signs().get(code, 0) * mg for code, mg in amounts.items())
        adjusted = book - amounts.get("DI", 0)
        missing = amounts.get("BA", adjusted) - amounts.get("PE", 0) - amounts.get("RAMF", 0)
        expected = {"BA": adjusted - amounts.get("RABA", 0), "MF": missing}
        if "BE" in amounts:
            expected["BE"] = book - amounts.get("RABE", 0)
        found |= {
            (label, code, amounts.get(code, 0), mg) for code, mg in expected.items() if amounts.get(code, 0) != mg
        }
    return found
