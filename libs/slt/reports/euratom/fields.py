"""The fields of annexes III, IV and V of Regulation (Euratom) 302/2005: tag, number, type, length.

Tags are the labels of the annexes in capitals. PREVIOUS ENTRY is the one field that is ours: the regulation corrects
lines, this ledger corrects entries, and the number of a line does not say which entry it belonged to (README).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Type = Literal["C", "N", "date", "weight"]
"""C characters, N digits, date DDMMYYYY, weight in grams with at most three decimals."""

Kind = Literal["I", "M", "P"]

CHARACTERS: Final = frozenset('ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-/* =><.,():$%";?&')
"""General remark 3 of annex III: 55 characters. `#` is not among them, so it ends an element."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One row of an annex."""

    number: int
    """0 for the field that is ours."""
    tag: str
    type: Type
    length: int
    """Most characters; of a weight, its digits."""

    @property
    def element(self) -> str:
        """The name in XML: `reportingPerson`, `pilItemId`."""
        first, *others = self.tag.lower().replace("_", " ").replace("-", " ").split()
        return first + "".join(word.capitalize() for word in others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Annex:
    """The fields of one type of report, in the order in which they are written."""

    number: str
    kind: Kind
    root: str
    """The element of XML that is the whole report."""
    header: Mapping[str, Field]
    """Tag -> field, of what is said once for the report."""
    line: Mapping[str, Field]
    """Tag -> field, of what each line says; LINE NUMBER, which begins it, is the first."""

    def label(self, tag: str) -> str:
        """How a finding names a field: `III.26`."""
        field = self.header.get(tag) or self.line.get(tag)
        return f"{self.number}.{field.number}" if field and field.number else self.number


def _table(*rows: tuple[int, str, Type, int]) -> Mapping[str, Field]:
    return MappingProxyType(
        {tag: Field(number=number, tag=tag, type=kind, length=length) for number, tag, kind, length in rows}
    )


ICR: Final = Annex(
    number="III",
    kind="I",
    root="inventoryChangeReport",
    header=_table(
        (1, "MBA", "C", 4),
        (2, "REPORT TYPE", "C", 1),
        (3, "REPORT DATE", "date", 8),
        (4, "REPORT NUMBER", "N", 8),
        (5, "LINE COUNT", "N", 8),
        (6, "START REPORT", "date", 8),
        (7, "END REPORT", "date", 8),
        (8, "REPORTING PERSON", "C", 30),
    ),
    line=_table(
        (22, "LINE NUMBER", "N", 8),
        (9, "TRANSACTION ID", "N", 8),
        (10, "IC CODE", "C", 2),
        (11, "BATCH", "C", 20),
        (12, "KMP", "C", 1),
        (13, "MEASUREMENT", "C", 1),
        (14, "MATERIAL FORM", "C", 2),
        (15, "MATERIAL CONTAINER", "C", 1),
        (16, "MATERIAL STATE", "C", 1),
        (17, "MBA FROM", "C", 4),
        (18, "MBA TO", "C", 4),
        (19, "PREVIOUS BATCH", "C", 20),
        (20, "ORIGINAL DATE", "date", 8),
        (21, "PIT DATE", "date", 8),
        (23, "ACCOUNTING DATE", "date", 8),
        (24, "ITEMS", "N", 6),
        (25, "ELEMENT CATEGORY", "C", 1),
        (26, "ELEMENT WEIGHT", "weight", 24),
        (27, "ISOTOPE", "C", 1),
        (28, "FISSILE WEIGHT", "weight", 24),
        (29, "ISOTOPIC COMPOSITION", "C", 130),
        (30, "OBLIGATION", "C", 2),
        (31, "PREVIOUS CATEGORY", "C", 1),
        (32, "PREVIOUS OBLIGATION", "C", 2),
        (33, "CAM CODE FROM", "C", 8),
        (34, "CAM CODE TO", "C", 8),
        (35, "DOCUMENT", "C", 70),
        (36, "CONTAINER ID", "C", 20),
        (37, "CORRECTION", "C", 1),
        (38, "PREVIOUS REPORT", "N", 8),
        (39, "PREVIOUS LINE", "N", 8),
        (0, "PREVIOUS ENTRY", "N", 8),
        (40, "COMMENT", "C", 256),
        (41, "BURN-UP", "N", 6),
        (42, "CRC", "N", 20),
        (43, "PREVIOUS CRC", "N", 20),
        (44, "ADVANCE NOTIFICATION", "C", 8),
        (45, "CAMPAIGN", "C", 12),
        (46, "REACTOR", "C", 12),
        (47, "ERROR PATH", "C", 8),
    ),
)

MBR: Final = Annex(
    number="IV",
    kind="M",
    root="materialBalanceReport",
    header=_table(
        (1, "MBA", "C", 4),
        (2, "REPORT TYPE", "C", 1),
        (3, "REPORT DATE", "date", 8),
        (6, "REPORT NUMBER", "N", 8),
        (8, "LINE COUNT", "N", 8),
        (4, "START REPORT", "date", 8),
        (5, "END REPORT", "date", 8),
        (9, "REPORTING PERSON", "C", 30),
    ),
    # Field 7, the category, stands in every line: one document may hold the balances of several categories.
    line=_table(
        (11, "LINE NUMBER", "N", 8),
        (10, "IC CODE", "C", 2),
        (7, "ELEMENT CATEGORY", "C", 1),
        (12, "ELEMENT WEIGHT", "weight", 24),
        (13, "ISOTOPE", "C", 1),
        (14, "FISSILE WEIGHT", "weight", 24),
        (15, "OBLIGATION", "C", 2),
        (16, "CORRECTION", "C", 1),
        (17, "PREVIOUS REPORT", "N", 8),
        (18, "PREVIOUS LINE", "N", 8),
        (0, "PREVIOUS ENTRY", "N", 8),
        (19, "COMMENT", "C", 256),
        (20, "CRC", "N", 20),
        (21, "PREVIOUS CRC", "N", 20),
    ),
)

PIL: Final = Annex(
    number="V",
    kind="P",
    root="physicalInventoryListing",
    header=_table(
        (1, "MBA", "C", 4),
        (2, "REPORT TYPE", "C", 1),
        (3, "REPORT DATE", "date", 8),
        (4, "REPORT NUMBER", "N", 8),
        (6, "LINE COUNT", "N", 8),
        (5, "PIT DATE", "date", 8),
        (7, "REPORTING PERSON", "C", 30),
    ),
    line=_table(
        (16, "LINE NUMBER", "N", 8),
        (8, "PIL_ITEM_ID", "N", 8),
        (9, "BATCH", "C", 20),
        (10, "KMP", "C", 1),
        (11, "MEASUREMENT", "C", 1),
        (13, "MATERIAL FORM", "C", 2),
        (14, "MATERIAL CONTAINER", "C", 1),
        (15, "MATERIAL STATE", "C", 1),
        (17, "ITEMS", "N", 6),
        (12, "ELEMENT CATEGORY", "C", 1),
        (18, "ELEMENT WEIGHT", "weight", 24),
        (19, "ISOTOPE", "C", 1),
        (20, "FISSILE WEIGHT", "weight", 24),
        (21, "OBLIGATION", "C", 2),
        (22, "DOCUMENT", "C", 70),
        (23, "CONTAINER ID", "C", 20),
        (24, "CORRECTION", "C", 1),
        (25, "PREVIOUS REPORT", "N", 8),
        (26, "PREVIOUS LINE", "N", 8),
        (0, "PREVIOUS ENTRY", "N", 8),
        (27, "COMMENT", "C", 256),
        (28, "CRC", "N", 20),
        (29, "PREVIOUS CRC", "N", 20),
    ),
)

ANNEXES: Final[Mapping[str, Annex]] = MappingProxyType({annex.kind: annex for annex in (ICR, MBR, PIL)})
"""Report type -> annex."""

BY_ROOT: Final[Mapping[str, Annex]] = MappingProxyType({annex.root: annex for annex in ANNEXES.values()})
