"""Lines that are one entry: one line per element category in Euratom, one entry with several elements in Code 10.

Material under several safeguards obligations has a line for each of them; Code 10 knows no obligations, so that such
lines are one entry too, and their weights are added.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from slt.reports.euratom.declaration import Line

_WHOLE: Final = (
    "TRANSACTION ID",
    "PIL_ITEM_ID",
    "IC CODE",
    "BATCH",
    "PREVIOUS BATCH",
    "KMP",
    "MEASUREMENT",
    "MATERIAL FORM",
    "MATERIAL CONTAINER",
    "MATERIAL STATE",
    "MBA FROM",
    "MBA TO",
    "ORIGINAL DATE",
    "ACCOUNTING DATE",
    "CORRECTION",
    "PREVIOUS REPORT",
    "PREVIOUS ENTRY",
)
"""Lines of one entry agree in these."""

_OF_BALANCE: Final = ("IC CODE", "CORRECTION", "PREVIOUS REPORT", "PREVIOUS ENTRY")
"""The same in a balance, besides the category, which is one for H and L: Code 10 has one enriched uranium."""

_CATEGORY_CHANGES: Final = frozenset({"CE", "CB", "CC"})
"""One line each (field 10): lines of one change differ in their obligation only."""

Key = tuple[str | None, ...]


@dataclass(slots=True, kw_only=True)
class Group:
    """The lines of one entry: each of another element category, or of another obligation."""

    status: str
    """309: "" for a new entry, C for a pair of deletion and addition, D, A for a late line."""
    lines: list[Line] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    """Of each line, from 1."""
    parts: set[tuple[str, str]] = field(default_factory=set)
    """(element category, obligation) of each line."""
    unpaired: bool = False
    """Additions A without their deletions D."""


def groups_of(lines: Sequence[Line], kind: str) -> list[Group]:
    """The lines as entries, in the order in which their first lines stand.

    Lines of one transaction (annex V: of one object) belong together wherever they stand, others when they are
    neighbours; in a balance, lines of one code and category that differ in their obligation, or are H and L.
    """
    groups: list[Group] = []
    deletions: dict[tuple[str, str], Group] = {}
    known: dict[Key, Group] = {}
    before: Key = ()
    for place, line in enumerate(lines, start=1):
        correction = line.get("CORRECTION", "")
        target = (line.get("PREVIOUS REPORT", ""), line.get("PREVIOUS ENTRY", ""))
        deleted = deletions.get(target)
        part = (line.get("ELEMENT CATEGORY", ""), line.get("OBLIGATION", ""))
        key = _key(line, kind)
        named = kind == "M" or "TRANSACTION ID" in line or "PIL_ITEM_ID" in line
        same = known.get(key) if named or key == before else None
        if correction == "D":
            key = ()
            group = deleted
            if group is None or group.status != "D":
                group = deletions[target] = Group(status="D")
                groups.append(group)
        elif same is not None and part not in same.parts:
            group = same
        elif correction == "A" and deleted is not None and deleted.status == "D":
            group = known[key] = deleted
            group.status, group.lines, group.places = "C", [], []
        else:
            group = known[key] = Group(status={"A": "C", "L": "A"}.get(correction, ""), unpaired=correction == "A")
            groups.append(group)
        before = key
        group.lines.append(line)
        group.places.append(place)
        if correction != "D":
            group.parts.add(part)
    return groups


def _key(line: Line, kind: str) -> Key:
    if kind == "M":
        category = line.get("ELEMENT CATEGORY", "")
        return ("enriched" if category in {"H", "L"} else category, *map(line.get, _OF_BALANCE))
    if line.get("IC CODE") in _CATEGORY_CHANGES:
        return (*map(line.get, _WHOLE), line.get("ELEMENT CATEGORY"), line.get("PREVIOUS CATEGORY"))
    return tuple(map(line.get, _WHOLE))
