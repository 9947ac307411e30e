"""How an answer leaves: JSON with the height that it is of, or CSV.

JSON is one object for every question:

    height, block_id, time_ms   the last final block that the books contain
    as_of_height                what the ledger knew then is what the answer says; `height` unless one asked otherwise
    result                      the answer of slt.inventory.questions
    next                        `after` of the next page, or null: that was all

CSV has one line for each row of the answer, and a column for each field. A weight is a column of its label and unit
("630 G"), with the prefix of its field where it stands in one of several.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Final, Generic, TypeVar

import msgspec
from fastapi import Response
from pydantic import BaseModel

from services.uniqueness.books.queries import Reading
from slt.inventory.questions.amounts import Amount
from slt.reports.quantities import MG_PER_UNIT, WEIGHT_LABELS, unit_of

CSV_TYPE: Final = "text/csv"
T = TypeVar("T")


class Answer(BaseModel, Generic[T]):
    """What every question is answered with."""

    height: int
    block_id: str
    time_ms: int
    as_of_height: int
    result: T
    next: str | None = None


def wants_csv(form: str | None, accept: str) -> bool:
    """`?format=` decides; without it, `Accept`."""
    return form == "csv" if form else accept.partition(",")[0].partition(";")[0].strip() == CSV_TYPE


def answer(books: Reading, result: object, *, as_of: int, height: int, after: str | None = None) -> Response:
    """The JSON answer; `after` names the next page."""
    said = {
        "height": height,
        "block_id": books.block_id.hex(),
        "time_ms": books.time_ms,
        "as_of_height": as_of,
        "result": result,
        "next": after,
    }
    return Response(msgspec.json.encode(said), media_type="application/json")


def table(rows: Iterable[object], *, height: int, after: str | None = None) -> Response:
    """The CSV answer. Height and next page stand in headers, `SLT-Height` and `SLT-Next`."""
    flat = [dict(_cells("", row)) for row in rows]
    names = _columns(flat)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, restval="", extrasaction="ignore", lineterminator="\r\n")  # RFC 4180
    if names:  # no row, no column: then nothing is there to be named
        writer.writeheader()
        writer.writerows(flat)
    headers = {"SLT-Height": str(height)} | ({"SLT-Next": after} if after else {})
    return Response(text.getvalue().encode(), media_type=f"{CSV_TYPE}; charset=utf-8", headers=headers)


def _columns(rows: Iterable[Mapping[str, object]]) -> list[str]:
    """Every column once, in the order in which rows bring them, weights behind the others and by label.

    What is missing in one row and has fields in another ("receipt") is no column: its fields are ("receipt: date").
    """
    every = dict.fromkeys(name for row in rows for name in row)
    parents = {": ".join(parts[:n]) for name in every if (parts := name.split(": ")) for n in range(1, len(parts))}
    names = [name for name in every if name not in parents]
    weights = {f"{label} {unit_of(label)}": label for label in WEIGHT_LABELS}

    def place(name: str) -> tuple[int, str, int]:
        prefix, _, last = name.rpartition(": ")
        return (1, prefix, weights[last]) if last in weights else (0, "", names.index(name))

    return sorted(names, key=place)


def _cells(prefix: str, value: object) -> Iterator[tuple[str, object]]:
    """Columns and cells of one row, or of a value within it."""
    if is_dataclass(value):
        for field in fields(value):
            name = f"{prefix}: {field.name}" if prefix else field.name
            yield from _cells(name, getattr(value, field.name))
    elif isinstance(value, tuple) and value and all(_is_weight(one) for one in value):
        for one in value:
            label, mg = (one.label, one.mg) if isinstance(one, Amount) else one
            unit = unit_of(label)
            of = "" if prefix == "weights" else f"{prefix}: "
            yield f"{of}{label} {unit}", _in_unit(mg, unit)
    elif value == () and prefix.rpartition(": ")[2] in _WEIGHT_FIELDS:
        return  # no weights: no columns
    elif isinstance(value, tuple | frozenset | list):
        yield prefix, " ".join(str(one) for one in value)
    elif isinstance(value, bytes):
        yield prefix, value.hex()
    else:
        yield prefix, "" if value is None else value


_WEIGHT_FIELDS: Final = frozenset({"weights", "change", "listed", "book", "muf", "sums"})


def _is_weight(value: object) -> bool:
    if isinstance(value, Amount):
        return True
    return isinstance(value, tuple) and len(value) == 2 and value[0] in WEIGHT_LABELS and isinstance(value[1], int)


def _in_unit(mg: int, unit: str) -> str:
    """`mg` as a decimal number of `unit`, exactly and without the unit's letter."""
    whole, rest = divmod(abs(mg), MG_PER_UNIT[unit])
    decimals = f".{rest:0{len(str(MG_PER_UNIT[unit])) - 1}d}".rstrip("0") if rest else ""
    return f"{'-' if mg < 0 else ''}{whole}{decimals}"
