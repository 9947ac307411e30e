"""V57 to V59, V61: the arithmetic of a material balance report (reports.md 1.6, 3.3).

    BE = PB + changes            RABE = PB + changes - BE
    BA = PB + changes - DI       RABA = PB + changes - DI - BA
    MF = BA - PE                 RAMF = BA - PE - MF

The changes are the consolidated ones as the report states them, with the sign that they have on the book. An entry
that is left out stands for zero; BE may be left out altogether. Exact, in milligrams: rounding has its own entries.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from slt.reports import codes
from slt.reports.quantities import format_quantity
from slt.reports.rules.registry import LIVE, OiRow, Problem, Report, report_rule
from slt.reports.signs import CATEGORY_CHANGES, book_sign, category_of


class Balance(NamedTuple):
    """The amounts that a report states for one label of one category."""

    category: int
    label: int
    amounts: dict[str, int]
    """Code -> mg."""
    names: dict[str, str]
    """Code -> its first entry."""

    @property
    def changes(self) -> int:
        """What the consolidated changes do to the book, shipper/receiver differences aside."""
        return sum(
            book_sign(code, self.category) * mg
            for code, mg in self.amounts.items()
            if code in codes.CHANGES and code != "DI"
        )

    @property
    def stated(self) -> bool:
        """The balance carries this label: an element, or an isotope that stands at more than a change."""
        return self.label == self.category or not codes.BALANCE.isdisjoint(self.amounts)


class Fault(NamedTuple):
    """An equation that does not hold."""

    code: str
    value: int
    expected: int


def faults(balance: Balance) -> Iterator[Fault]:
    """The equations that do not hold, in the order of the report."""
    get = balance.amounts.get
    ending = get("PB", 0) + balance.changes
    if "BE" in balance.amounts:
        yield from _equal("BE", get("BE", 0), ending - get("RABE", 0))
    adjusted = ending - get("DI", 0)
    yield from _equal("BA", get("BA", 0), adjusted - get("RABA", 0))
    # Where BA is missing it is reported once: MF is then held against what BA should be.
    yield from _equal("MF", get("MF", 0), get("BA", adjusted) - get("PE", 0) - get("RAMF", 0))


def _equal(code: str, value: int, expected: int) -> Iterator[Fault]:
    if value != expected:
        yield Fault(code, value, expected)


def balances(rows: list[OiRow]) -> list[Balance]:
    """What the entries state, by category and label in the order in which they come up."""
    found: dict[tuple[int, int], Balance] = {}
    for row in rows:
        facts = row.facts
        present = {label for label, _ in facts.weights}
        for label, mg in facts.weights:
            category = category_of(label, present)
            balance = found.setdefault((category, label), Balance(category, label, {}, {}))
            balance.amounts[facts.code] = balance.amounts.get(facts.code, 0) + mg
            balance.names.setdefault(facts.code, row.name)
    return list(found.values())


@report_rule("V57", "reports.md 3.3, 1.6", kinds="M")
def balance_of_elements(report: Report) -> Iterator[Problem]:
    """BE, BA and MF are what the entries above them make, for each category."""
    for balance in _complete_balances(report):
        if balance.label == balance.category:
            yield from _problems(balance)


@report_rule("V61", "reports.md 3.3, 1.6", kinds="M")
def balance_of_isotopes(report: Report) -> Iterator[Problem]:
    """BE, BA and MF are what the entries above them make, for each isotope of the balance."""
    for balance in _complete_balances(report):
        if balance.label != balance.category and balance.stated:
            yield from _problems(balance)


def _complete_balances(report: Report) -> list[Balance]:
    """The balances of a report whose entries are all new and readable.

    A correction states some entries of a balance: whether the balance closes then is seen on the books. An unreadable
    weight has a finding of its own.
    """
    rows = list(report.entries)
    if any(row.facts.status != "N" or row.unread for row in rows):
        return []
    return balances(rows)


_SAYS: Final = {
    "BE": "Book ending inventory (BE) is the beginning inventory (PB) and the changes",
    "BA": "Adjusted book inventory (BA) is the beginning inventory (PB) and the changes, less the differences (DI)",
    "MF": "Material unaccounted for (MF) is adjusted book inventory less physical inventory, BA - PE",
}


def _problems(balance: Balance) -> Iterator[Problem]:
    for fault in faults(balance):
        missing = fault.code not in balance.amounts
        do = f"Add the {fault.code} entry" if missing else "Correct the entry that is wrong"
        yield Problem(
            f"{_SAYS[fault.code]}, and here it is not. {do}; what comes of rounding is stated as RA{fault.code}.",
            str(balance.label),
            "" if missing else format_quantity(fault.value, balance.label),
            f"{fault.code} {format_quantity(fault.expected, balance.label)}",
            balance.names.get(fault.code, ""),
        )


@report_rule("V58", "reports.md 3.3, 1.6", kinds="M")
def one_entry_for_a_code(report: Report) -> Iterator[Problem]:
    """A balance has one entry for each code and category."""
    seen: dict[tuple[str, int], str] = {}
    for row in report.entries:
        facts = row.facts
        if facts.status not in LIVE or not facts.code:
            continue
        present = {label for label, _ in facts.weights}
        for category in sorted({category_of(label, present) for label in present}):
            first = seen.setdefault((facts.code, category), row.name)
            if first != row.name:
                yield Problem(
                    f"Entry {first} already states {facts.code} of label {category}. A balance is consolidated: make "
                    "the two one entry.",
                    "411",
                    facts.code,
                    "once for each category",
                    row.name,
                )


_PLACES: Final = {"PB": 0, "BE": 4, "DI": 5, "BA": 6, "PE": 7, "MF": 8}
_ORDER: Final = "PB, increases, decreases, RAxx, BE, DI, BA, PE, MF"


def _place(code: str, category: int) -> int | None:
    """The place of an entry within its category. None for one that may stand anywhere: RABE, RABA, RAMF."""
    if codes.is_adjustment(code):
        return None if code[2:] in _PLACES else 3
    if code in CATEGORY_CHANGES or code in codes.CHANGES - {"DI"}:
        return 1 if book_sign(code, category) >= 0 else 2
    return _PLACES.get(code)


@report_rule("V59", "reports.md 3.3, 1.6", kinds="M", severity="warning")
def order_of_a_balance(report: Report) -> Iterator[Problem]:
    """The entries of each category come in the order of the form; the first that does not is named."""
    reached: dict[int, int] = {}
    named: set[int] = set()
    for row in report.entries:
        facts = row.facts
        if facts.status != "N":
            continue
        present = {label for label, _ in facts.weights}
        for category in sorted({category_of(label, present) for label in present} - named):
            place = _place(facts.code, category)
            if place is None:
                continue
            if place < reached.get(category, 0):
                named.add(category)
                yield Problem(
                    f"{facts.code} comes too late among the entries of label {category}. Write them in the order of "
                    "the form.",
                    "411",
                    facts.code,
                    _ORDER,
                    row.name,
                )
            reached[category] = max(place, reached.get(category, 0))
