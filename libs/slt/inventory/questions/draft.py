"""A drafted material balance report: the entries that follow from the other reports (reports.md 1.2, 1.6).

What `write_report` prints of it is Code 10. It is a draft: its author looks at it, signs as he is and submits it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from slt.inventory.questions.amounts import Sums
from slt.inventory.questions.balance import CHANGES, Period
from slt.reports.labelled import LabelledEntry
from slt.reports.quantities import MG_PER_UNIT, format_quantity, unit_of
from slt.reports.signs import book_sign

ROUNDED_MAX: Final = ("PE", *CHANGES)
"""Lines that a draft may round. PB repeats the previous ending to the last digit (C09); BA and MF follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What stands in every entry of a report, and what the books do not know."""

    facility: str
    number: int
    date: str
    """003, YYYYMMDD."""
    encoder: str
    """006."""


def draft(
    period: Period, heading: Heading, follows: dict[str, Sums], *, rounded: bool = False
) -> tuple[LabelledEntry, ...]:
    """The entries of the balance report of `period`. Requires that `follows` (slt...balance.derived) has PE.

    `rounded`: whole units of each label, with the adjustments RAxx that make them exact again.
    An area without material and changes has one entry, marked U.
    """
    lines = list(_lines(follows, rounded=rounded))
    total = max(1, len(lines))
    entries = []
    for place, (code, weights) in enumerate(lines or [("", {})], start=1):
        entry = {
            "001": f"OI/{period.state};{heading.number}",
            "002": f"{place}/{total}" if place == 1 else str(place),
            "003": heading.date,
            "006": heading.encoder,
            "010": "M",
            "015": f"{period.first}/{period.pit}",
            "207": heading.facility,
            "307": period.mba,
            "309": "N" if code else "U",
        }
        if code:
            entry |= {"411": code} | {str(label): format_quantity(mg, label) for label, mg in sorted(weights.items())}
        entries.append(entry)
    return tuple(entries)


def _lines(follows: dict[str, Sums], *, rounded: bool) -> Iterator[tuple[str, dict[int, int]]]:
    """Code and weights of each entry, category by category."""
    for category in sorted({category for sums in follows.values() for category, _ in sums}):
        exact = {code: _of(sums, category) for code, sums in follows.items()}
        labels = sorted({label for weights in exact.values() for label in weights})
        stated = {code: {label: weights.get(label, 0) for label in labels} for code, weights in exact.items()}
        if rounded:
            stated |= {code: _whole(stated[code]) for code in ROUNDED_MAX if code in stated}
        changes = [code for code in CHANGES if any(stated.get(code, {}).values()) or any(exact.get(code, {}).values())]
        for label in labels:
            book = sum(book_sign(code, category) * stated[code][label] for code in changes) + stated["PB"][label]
            stated["BA"][label] = book - stated["DI"][label]
            stated["MF"][label] = stated["BA"][label] - stated["PE"][label]
        yield "PB", stated["PB"]
        for code in changes:
            yield code, stated[code]
        for code in (*changes, "PE"):
            rest = {label: exact[code].get(label, 0) - stated[code][label] for label in labels}
            if any(rest.values()):
                yield f"RA{code}", rest
        if any(stated["DI"].values()):
            yield "DI", stated["DI"]
        for code in ("BA", "PE", "MF"):
            yield code, stated[code]


def _of(sums: Sums, category: int) -> dict[int, int]:
    return {label: mg for (of, label), mg in sums.items() if of == category}


def _whole(weights: dict[int, int]) -> dict[int, int]:
    """Rounded to whole units of each label, halves away from zero."""
    whole = {}
    for label, mg in weights.items():
        unit = MG_PER_UNIT[unit_of(label)]
        whole[label] = (abs(mg) + unit // 2) // unit * unit * (1 if mg >= 0 else -1)
    return whole
