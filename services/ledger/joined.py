"""Rows as they are read: compared with their checksums, an entry joined with all that stands beside it. No I/O here."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import FromClause, Label, Select, Table, select

from services.ledger.checks import CRC, crc_of
from services.ledger.tables import BODIES, ENTRIES, ERASURES, FACTS, FINDINGS

# One row at most for an entry, by its number, and what it holds.
BESIDE: Final = {BODIES: "body_z", FACTS: "facts_z", FINDINGS: "findings", ERASURES: "erasure"}


class Rotten(OSError):
    """A row has not the bytes that were stored: the disk has changed them. Nothing is answered out of it."""


def compare(table: Table, row: Mapping[Any, Any]) -> None:
    """Raises Rotten, which names the row, unless its bytes are those that were stored. `row` has every column."""
    if crc_of(row) != row[CRC]:
        key = ", ".join(f"{column.name} {_shown(row[column.name])}" for column in table.primary_key)
        raise Rotten(f"{table.name} {key}: its bytes are not those that were stored; slt fsck says what else")


def with_all() -> Select[Any]:
    """Entries, each with what stands beside it and the checksums of that."""
    joined: FromClause = ENTRIES
    columns: list[Any] = []
    for table, name in BESIDE.items():
        joined = joined.join(table, table.c.entry == ENTRIES.c.entry, isouter=True)
        columns += [table.c[name], _labelled(table)]
    return select(ENTRIES, *columns).select_from(joined)


def compare_all(row: Mapping[str, Any]) -> None:
    """`compare` for each part of a row of `with_all`."""
    compare(ENTRIES, {column.name: row[column.name] for column in ENTRIES.c})
    for table, name in BESIDE.items():
        if (crc := row[_label(table)]) is not None:
            compare(table, {"entry": row["entry"], name: row[name], CRC: crc})


def _labelled(table: Table) -> Label[int]:
    return table.c[CRC].label(_label(table))


def _label(table: Table) -> str:
    return f"{table.name}_{CRC}"


def _shown(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value
