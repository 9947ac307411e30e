"""Lines that are one entry: one line per element category in Euratom, one entry with several elements in Code 10."""

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

_SINGLE: Final = frozenset({"CE", "CB", "CC"})
"""One line each (field 10)."""


@dataclass(slots=True, kw_only=True)
class Group:
    """Consecutive lines of one entry, each of another element category."""

    status: str
    """309: "" for a new entry, C for a pair of deletion and addition, D, A for a late line."""
    lines: list[Line] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    """Of each line, from 1."""
    unpaired: bool = False
    """Additions A without their deletions D."""


def groups_of(lines: Sequence[Line], kind: str) -> list[Group]:
    """The lines as entries, in the order in which their first lines stand. In a balance each line is an entry."""
    groups: list[Group] = []
    deletions: dict[tuple[str, str], Group] = {}
    current: Group | None = None
    before: tuple[str | None, ...] = ()
    for place, line in enumerate(lines, start=1):
        correction = line.get("CORRECTION", "")
        key = tuple(map(line.get, _WHOLE))
        target = (line.get("PREVIOUS REPORT", ""), line.get("PREVIOUS ENTRY", ""))
        deleted = deletions.get(target)
        if correction == "D":
            group = deleted
            if group is None or group.status != "D":
                group = deletions[target] = Group(status="D")
                groups.append(group)
            current = None
        elif current is not None and kind != "M" and key == before and _further(line, current):
            group = current
        elif correction == "A" and deleted is not None and deleted.status == "D":
            group = current = deleted
            group.status, group.lines, group.places = "C", [], []
        else:
            group = current = Group(status={"A": "C", "L": "A"}.get(correction, ""), unpaired=correction == "A")
            groups.append(group)
        before = key
        group.lines.append(line)
        group.places.append(place)
    return groups


def _further(line: Line, group: Group) -> bool:
    """Another element category of the same entry."""
    category = line.get("ELEMENT CATEGORY", "")
    stated = {other.get("ELEMENT CATEGORY", "") for other in group.lines}
    return category not in stated and line.get("IC CODE") not in _SINGLE
