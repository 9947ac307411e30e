"""The balance of a period: what the change reports make of it, beside what the balance report says.

PB + increases - decreases - DI = BA, BA - PE = MF (reports.md 1.6, INFCIRC/153 paragraphs 67 and 111). Where a balance
report rounds, it adjusts: its value + RAxx is the value that follows from the change reports and the listing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from slt.inventory.periods import NOT_BALANCED, day_after
from slt.inventory.questions.amounts import Amount, Sums, add, amounts
from slt.inventory.questions.listing import ListingLine
from slt.inventory.questions.rows import OPENING, BookEntry, Flow, Physical
from slt.reports.quantities import format_mg, unit_of
from slt.reports.signs import CATEGORY_CHANGES, DECREASES, INCREASES, book_sign
from slt.statements.registry import Mba

CHANGES: Final = (*INCREASES, *CATEGORY_CHANGES, *DECREASES)
ORDER: Final = ("PB", *CHANGES, "BE", "DI", "BA", "PE", "MF")
"""Lines of a balance as they are printed (reports.md 1.6). RAxx stands beside its line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What a balance is about."""

    state: str
    mba: str
    first: str
    """The day after the physical inventory that it begins with."""
    pit: str
    """The last day: the physical inventory that it ends with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceLine:
    """One line of a balance for one element or isotope, as reported and as it follows from the other reports."""

    category: int
    label: int
    code: str
    reported_mg: int | None
    """What the balance report says; None where it has no such line."""
    adjustment_mg: int
    """RAxx of the line."""
    derived_mg: int | None
    """What follows from the previous ending, the change reports and the listing; None while there is no listing."""
    reported: str
    adjustment: str
    derived: str
    """The same in the unit of the label; "" for None, and for an adjustment of nothing."""

    @property
    def agrees(self) -> bool:
        """The report says what follows, but for its adjustments."""
        return (
            self.reported_mg is None
            or self.derived_mg is None
            or self.reported_mg + self.adjustment_mg == self.derived_mg
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The balance of one area and period, as of a height."""

    state: str
    mba: str
    first: str
    pit: str
    as_of: int
    listing: int | None
    """Report number of the listing; None: not listed yet."""
    report: int | None
    """Report number of the balance report; None: not reported yet."""
    lines: tuple[BalanceLine, ...]
    muf: tuple[Amount, ...]
    """MF as reported; as it follows where no balance is reported; empty while there is no listing either."""
    differing: tuple[str, ...]
    """Code and label of lines that do not agree: the balance needs correction."""
    check: tuple[ListingLine, ...]
    """The listing against the book by batch; only what differs."""


def period_of(area: Mba, physicals: Iterable[Physical], day: str | None) -> Period | None:
    """The period that ends with the physical inventory of `day`; without it, with the latest.

    None when nothing is known of a physical inventory then, or the books begin with it: its balance is older than they.
    """
    days = sorted(one.pit for one in physicals)
    ends = [one for one in days if one > area.last_pit]
    if day is None:
        day = ends[-1] if ends else None
    if day is None or day not in ends:
        return None
    before = [one for one in days if one < day]
    return Period(state=area.state, mba=area.mba, first=day_after(before[-1]) if before else area.opened, pit=day)


def derived(before: Physical | None, flows: Iterable[Flow], ended: Physical | None) -> dict[str, Sums]:
    """Code -> amounts, as they follow. PE and MF are absent without a listing.

    `before`: what the period begins with. PB is the previous ending as its balance states it (C09), or its listing.
    """
    lines: dict[str, Sums] = {"PB": {}, "BE": {}, "DI": {}, "BA": {}}
    if before is not None:
        add(lines["PB"], before.ending if before.balance else before.sums)
    add(lines["BE"], _rows(lines["PB"]))
    for flow in flows:
        if flow.code in NOT_BALANCED or flow.code == OPENING:
            continue
        add(lines.setdefault(flow.code, {}), [(flow.category, flow.label, flow.mg)])
        if flow.code != "DI":
            add(lines["BE"], [(flow.category, flow.label, flow.mg)], book_sign(flow.code, flow.category))
    add(lines["BA"], _rows(lines["BE"]))
    add(lines["BA"], _rows(lines["DI"]), -1)
    if ended is not None and ended.listed:
        lines["PE"], lines["MF"] = {}, {}
        add(lines["PE"], ended.sums)
        add(lines["MF"], _rows(lines["BA"]))
        add(lines["MF"], _rows(lines["PE"]), -1)
    return lines


def reported(entries: Iterable[BookEntry]) -> dict[str, Sums]:
    """Code -> amounts, as the live entries of the balance report state them; RAxx among the codes."""
    lines: dict[str, Sums] = {}
    for row in entries:
        add(lines.setdefault(row.entry.code, {}), row.weights())
    return lines


def balance_of(
    period: Period,
    *,
    as_of: int,
    follows: dict[str, Sums],
    says: dict[str, Sums],
    ended: Physical | None,
    check: Sequence[ListingLine] = (),
) -> Balance:
    """Both sides of a balance, line by line."""
    report = ended.balance if ended is not None and ended.balance else None
    lines = tuple(_lines(follows, says, stated=report is not None))
    final = says["MF"] if "MF" in says else follows.get("MF")
    return Balance(
        state=period.state,
        mba=period.mba,
        first=period.first,
        pit=period.pit,
        as_of=as_of,
        listing=ended.listing if ended is not None and ended.listed else None,
        report=report,
        lines=lines,
        muf=amounts(final or {}),
        differing=tuple(f"{line.code} {line.label}" for line in lines if not line.agrees and line.code in _JUDGED),
        check=tuple(line for line in check if line.state != "equal"),
    )


_JUDGED: Final = frozenset(("PB", *CHANGES, "BE", "DI", "PE"))
"""BA and MF follow from the lines as reported, rounded ones included; the rules compare them (V57)."""


def _lines(follows: dict[str, Sums], says: dict[str, Sums], *, stated: bool) -> Iterator[BalanceLine]:
    """`stated`: there is a report, and what it leaves out it states as nothing."""
    places = sorted({place for side in (follows, says) for sums in side.values() for place in sums})
    for category, label in places:
        for code in ORDER:
            ours, theirs = follows.get(code, {}), says.get(code, {})
            if (category, label) not in ours and (category, label) not in theirs and code in (*CHANGES, "DI"):
                continue
            if code == "BE" and "BE" not in says:
                continue
            value = ours.get((category, label), 0) if code in follows or code in CHANGES else None
            report = theirs.get((category, label), 0) if stated else None
            yield _line(category, label, code, report, says.get(f"RA{code}", {}).get((category, label), 0), value)


def _line(category: int, label: int, code: str, report: int | None, adjustment: int, value: int | None) -> BalanceLine:
    unit = unit_of(label)
    return BalanceLine(
        category=category,
        label=label,
        code=code,
        reported_mg=report,
        adjustment_mg=adjustment,
        derived_mg=value,
        reported="" if report is None else format_mg(report, unit),
        adjustment=format_mg(adjustment, unit) if adjustment else "",
        derived="" if value is None else format_mg(value, unit),
    )


def _rows(sums: Sums) -> list[tuple[int, int, int]]:
    return [(category, label, mg) for (category, label), mg in sums.items()]
