"""An entry as the rules see it: its labels, and what could be read out of them.

Reading is lenient, so that one bad label does not hide the problems of the others: what cannot be read is "" or 0 or
None here, the rule for that label says so, and the other rules pass over it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

from slt.reports.facts import NUMBER_MAX, EntryFacts
from slt.reports.labels import WEIGHTS
from slt.reports.quantities import BadQuantity, read_quantity, unit_of

CACHED: Final = 8_192
"""Values whose reading is remembered, for each kind of value: the entries of a report repeat one another."""

READ_MAX: Final = 64
"""Characters of a value that are read; nothing that can be read is longer."""

_REFERENCE: Final = re.compile(r"(OI|NC)/([A-Z0-9-]{2});([0-9]{1,9})")
_NUMBERED: Final = re.compile(r"([0-9]{1,9})(?:/([0-9]{1,9}))?")
_TARGET: Final = re.compile(r"([A-Z0-9-]{2});([0-9]{1,9})/([0-9]{1,9})")
_DATE: Final = re.compile(r"[0-9]{6}(?:[0-9]{2})?")


class ReferenceNumber(NamedTuple):
    """Label 001, `OI/XL;41`."""

    kind: str
    country: str
    report: int


class Weight(NamedTuple):
    """A weight label: its amount, and what one unit of its last written place stands for."""

    label: int
    mg: int
    place_mg: int


class Target(NamedTuple):
    """What label 309 refers to: `XL;42/3`."""

    country: str
    report: int
    entry: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a document."""

    name: str
    """OI/3: how findings name it. Its place in the document where 002 cannot be read."""
    kind: str
    """OI or NC."""
    labels: Mapping[str, str]
    """Label -> content as written; the first one where a label stands twice."""
    country: str
    report: int
    number: int
    total: int
    status: str
    target: Target | None
    code: str
    weights: tuple[Weight, ...]
    """By label; those that could be read."""
    unread: bool
    """It carries a weight that could not be read."""


@lru_cache(CACHED)
def read_reference(text: str) -> ReferenceNumber | None:
    """Label 001."""
    match = _REFERENCE.fullmatch(text)
    return None if match is None else ReferenceNumber(match[1], match[2], int(match[3]))


@lru_cache(CACHED)
def read_numbered(text: str) -> tuple[int, int] | None:
    """Label 002: `n/total` or `n`; the total is 0 where it is left out."""
    match = _NUMBERED.fullmatch(text)
    return None if match is None else (int(match[1]), int(match[2] or 0))


@lru_cache(CACHED)
def read_target(text: str) -> Target | None:
    """Label 309 after its first slash: `XL;42/3`. Numbers begin at 1."""
    match = _TARGET.fullmatch(text)
    if match is None or not int(match[2]) or not int(match[3]):
        return None
    return Target(match[1], int(match[2]), int(match[3]))


@lru_cache(CACHED)
def read_date(text: str) -> str | None:
    """`20250310` or `250310` as YYYYMMDD, when there is such a day. YY 70 to 99 are 19YY (V08)."""
    if _DATE.fullmatch(text) is None:
        return None
    if len(text) == 6:
        text = ("19" if text >= "70" else "20") + text
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None
    return text


@lru_cache(CACHED)
def read_period(text: str) -> tuple[str, str] | None:
    """Label 015: `from/to`, or one date, which is then both."""
    start, _, end = text.partition("/")
    first, last = read_date(start), read_date(end if "/" in text else start)
    return None if first is None or last is None else (first, last)


@lru_cache(CACHED)
def read_weight(label: str, text: str) -> Weight | None:
    """A weight in the unit of its label; in the other unit it is V11's, and no amount to compare with others."""
    try:
        quantity = read_quantity(text)
    except BadQuantity:
        return None
    return Weight(int(label), quantity.mg, quantity.place_mg) if quantity.unit == unit_of(int(label)) else None


def read_number(text: str) -> int | None:
    """A whole number from 0."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(NUMBER_MAX)) else None


def kind_of(labels: Mapping[str, str]) -> str:
    """OI or NC, guessed where 001 is not clear: an entry that carries the text of a note is a note."""
    start = labels.get("001", "")[:3]
    return "NC" if start == "NC/" or (start != "OI/" and "391" in labels) else "OI"


def read_entry(labels: Mapping[str, str], kind: str, place: int) -> Entry:
    """Read what can be read. `place` is the entry's place among those of its kind, from 1."""
    get = labels.get
    reference = read_reference(get("001", "")[:READ_MAX])
    numbered = read_numbered(get("002", "")[:READ_MAX])
    number, total = numbered or (0, 0)
    status, _, target = get("309", "")[:READ_MAX].partition("/")
    carried = [read_weight(label, labels[label][:READ_MAX]) for label in labels if label in WEIGHTS]
    weights = [weight for weight in carried if weight is not None]
    weights.sort()
    return Entry(
        name=f"{kind}/{number or place}",
        kind=kind,
        labels=labels,
        country=reference.country if reference else "",
        report=reference.report if reference else 0,
        number=number,
        total=total,
        status=status,
        target=read_target(target) if target else None,
        code=get("411", "")[:READ_MAX],
        weights=tuple(weights),
        unread=len(weights) < len(carried),
    )


def facts_of(entry: Entry) -> EntryFacts:
    """The facts of an accounting entry, as far as it could be read."""
    get = entry.labels.get
    target = entry.target
    return EntryFacts(
        number=entry.number,
        status=entry.status,
        target=None if target is None else (target.report, target.entry),
        code=entry.code,
        date=read_date(get("412", "")[:READ_MAX]) or "",
        kmp=get("407", ""),
        material=get("430", ""),
        batch=get("446", ""),
        shipper_batch=get("447", ""),
        shipper=get("370", ""),
        receiver=get("372", ""),
        measurement=get("469", ""),
        items=read_number(get("470", "")) or 0,
        weights=tuple([(label, mg) for label, mg, _ in entry.weights]),
    )
