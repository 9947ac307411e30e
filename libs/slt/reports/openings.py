"""An opening inventory as a table: the last physical inventory of an area, from which its books start.

CSV with a heading: `batch,kmp,material,items`, then a column for each weight label that occurs (`630,670,700`), in any
order. Weights are written as in a report; the unit may be left out and is then that of the label. An empty cell is no
weight. A column `obligation` may name the safeguards obligation that a line is under (Euratom field 30); what of a
batch is under another one has a line of its own, with 0 items.
"""

import csv
import re
from collections.abc import Mapping
from io import StringIO
from typing import Final

from slt.reports.judgement import judge_field
from slt.reports.labels import WEIGHTS
from slt.reports.quantities import BadQuantity, quantity_mg, unit_of
from slt.statements.openings import Opening, OpeningEntry

COLUMNS: Final = {"batch": "446", "kmp": "407", "material": "430", "items": "470"}
"""Column -> the label that it stands for, under whose rules it is read."""

OBLIGATION: Final = "obligation"

COLUMNS_MAX: Final = len(COLUMNS) + len(WEIGHTS) + 1
"""Columns of a table: those above, one for each weight label, and the obligation."""

_OBLIGATION: Final = re.compile(r"[A-Z0-9]{0,2}")

PROBLEMS_MAX: Final = 20
"""Problems that one error lists."""


class BadOpening(ValueError):
    """The table is no opening inventory. The message names every line at fault, up to PROBLEMS_MAX."""


def opening_from_csv(text: str, mba: str, pit: str) -> Opening:
    """Read the table of area `mba` as of `pit`, YYYYMMDD. Raises BadOpening."""
    rows = csv.DictReader(StringIO(text.removeprefix("\ufeff"), newline=""), strict=True, restkey="", restval="")
    try:
        columns = rows.fieldnames or []
        _check_heading(columns)
        problems: list[str] = []
        entries: list[OpeningEntry] = []
        places: dict[tuple[str, str, str], int] = {}
        for row in rows:
            found = [f"line {rows.line_num}: {problem}" for problem in _problems(row)]
            entry = None if found else _entry(row)
            if entry is not None:
                first = places.setdefault((entry.batch, entry.kmp, entry.obligation), rows.line_num)
                if first != rows.line_num:
                    found = [f"line {rows.line_num}: batch {entry.batch} stands at {entry.kmp} in line {first} already"]
                entries.append(entry)
            problems += found
    except csv.Error as error:
        raise BadOpening(f"line {rows.line_num}: {error}") from error
    if problems:
        more = f"\nand {len(problems) - PROBLEMS_MAX} more" if len(problems) > PROBLEMS_MAX else ""
        raise BadOpening("\n".join(problems[:PROBLEMS_MAX]) + more)
    return Opening(mba=mba, pit=pit, entries=tuple(entries))


def _check_heading(columns: object) -> None:
    names = list(columns) if isinstance(columns, list) else []
    if len(names) > COLUMNS_MAX:
        raise BadOpening(f"the heading has {len(names)} columns, and there are {COLUMNS_MAX} at most. Correct it.")
    missing = [name for name in COLUMNS if name not in names]
    unknown = [name for name in names if name not in COLUMNS and name not in WEIGHTS and name != OBLIGATION]
    twice = sorted({name for name in names if names.count(name) > 1})
    for what, listed in (("missing", missing), ("unknown", unknown), ("twice", twice)):
        if listed:
            raise BadOpening(
                f"the heading: {what}: {', '.join(listed)}. Write batch,kmp,material,items and weight labels, as 630."
            )


def _problems(row: Mapping[str, str]) -> list[str]:
    if "" in row:
        return ["more cells than the heading has columns"]
    problems = []
    for column, cell in row.items():
        label = COLUMNS.get(column, column)
        if column in WEIGHTS and not cell:
            continue
        if column == OBLIGATION:
            if not _OBLIGATION.fullmatch(cell):
                problems.append(f"{column}: {cell[:40]!r} is no obligation. Write up to two capitals or digits.")
            continue
        problems += [f"{column}: {problem.text}" for _, problem in judge_field(label, _weight(label, cell))]
        if column in WEIGHTS and cell.startswith("-"):
            problems.append(f"{column}: {cell} is negative, and an inventory is not. Correct it.")
    if not any(row[column] for column in row if column in WEIGHTS):
        problems.append("no weight in this line. Fill in a weight column.")
    return problems


def _entry(row: Mapping[str, str]) -> OpeningEntry:
    weights = sorted(
        (int(label), _milligrams(cell, int(label))) for label, cell in row.items() if label in WEIGHTS and cell
    )
    return OpeningEntry(
        batch=row["batch"],
        kmp=row["kmp"],
        material=row["material"],
        items=int(row["items"]),
        weights=tuple(weights),
        obligation=row.get(OBLIGATION, ""),
    )


def _milligrams(cell: str, label: int) -> int:
    try:
        return quantity_mg(_weight(str(label), cell), label)
    except BadQuantity as error:
        raise BadOpening(f"{label}: {error}") from error


def _weight(label: str, cell: str) -> str:
    """A weight without a unit is in the unit of its label."""
    return f"{cell}{unit_of(int(label))}" if label in WEIGHTS and cell[-1:].isdigit() else cell
