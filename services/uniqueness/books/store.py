"""The durable state of the books. `commit` is the commit point: the rows of final blocks and the height, together.

One writer: the process holds a lock on its folder, and `commit` fails when the head is not where it should be. What
the database raises travels up: the process stops, and starts anew from what was committed.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cbor2
import sqlalchemy as sa
from sqlalchemy import Table, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.uniqueness.books.rows import Ending, EntryValue, Gathered, Row
from services.uniqueness.books.tables import ADDED, AREAS, ENTRIES, FLOWS, HEAD, REPORTS, TOTALS
from slt.statements.registry import Mba

WRITTEN_AT_ONCE: Final = 20_000  # rows of one call to the driver: a few megabytes
ASKED_AT_ONCE: Final = 500  # addresses of one statement: up to three parameters each, far below both databases' limits

_ONE: Final = 1
Place = tuple[int, int, int]  # area, report, entry: the primary key of `entries`


class ForeignLedger(Exception):
    """The database holds the books of another genesis file. Nobody may write there: the operator has mixed folders."""


class SecondWriter(Exception):
    """The head moved under us: another process writes into this database. The process stops."""


class LostEntry(Exception):
    """A certified block corrects or deletes an entry that the books do not have, or that ended before.

    The tables are not what the blocks before made of them: move the database away, and it is rebuilt from the ledger.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far the books have come."""

    height: int
    block_id: bytes
    log_size: int
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """What a new database begins with: the head at height 0, areas by number, their rows and those of openings."""

    head: Head
    areas: Mapping[int, Mba]
    gathered: Gathered


class Store:
    """The one writer of the books. `commit` from one task at a time; readers have connections of their own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._postgresql = engine.dialect.name == "postgresql"
        self._writing = asyncio.Lock()

    async def begin(self, chain_id: bytes, make: Callable[[], First]) -> tuple[Head, bool]:
        """How far the stored books have come, and whether they were made now. A new database gets what `make` gives.

        All of it is one transaction: a crash leaves a new database new. Raises ForeignLedger.
        """
        async with self._writing, self._engine.begin() as connection:
            row = (await connection.execute(select(HEAD))).mappings().one_or_none()
            if row is not None:
                if bytes(row["chain_id"]) != chain_id:
                    raise ForeignLedger(
                        f"this database holds the books of ledger {bytes(row['chain_id']).hex()}; "
                        f"the genesis is {chain_id.hex()}"
                    )
                return _head_of(row), False
            first = make()
            await connection.execute(sa.insert(HEAD), {"id": _ONE, "chain_id": chain_id, **_head_row(first.head)})
            await self._write(connection, first.gathered)
        return first.head, True

    async def areas(self) -> dict[tuple[str, str], int]:
        """The number of every area that there is or was, by (state, mba)."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(AREAS.c.state, AREAS.c.mba, AREAS.c.area))
            return {(state, mba): area for state, mba, area in rows}

    async def commit(self, before: int, head: Head, gathered: Gathered) -> None:
        """Store the rows of the blocks after height `before` up to `head`, and the head; durable on return.

        One transaction: a crash before its commit leaves the books at `before`, and the blocks come again.
        Raises SecondWriter, LostEntry.
        """
        async with self._writing, self._engine.begin() as connection:
            moved = await connection.execute(
                update(HEAD).where(HEAD.c.id == _ONE, HEAD.c.height == before), _head_row(head)
            )
            if moved.rowcount != 1:
                raise SecondWriter(f"the stored books do not stand at height {before}")
            await self._write(connection, gathered)

    async def _write(self, connection: AsyncConnection, gathered: Gathered) -> None:
        for version in gathered.areas:
            area, from_height, *_ = version
            ended = update(AREAS).where(AREAS.c.area == area, AREAS.c.to_height.is_(None))
            await connection.execute(ended, {"to_height": from_height})
            await self._insert(connection, AREAS, [version])
        await self._insert(connection, REPORTS, gathered.reports)
        await self._insert(connection, ENTRIES, gathered.entries)
        await self._insert(connection, ADDED, gathered.added)
        for some in _cut(gathered.endings, ASKED_AT_ONCE):
            await self._end(connection, gathered, some)
        await self._insert(connection, FLOWS, gathered.flow_rows())
        for rows in _cut(gathered.total_rows(), WRITTEN_AT_ONCE):
            await connection.exec_driver_sql(self._adding(TOTALS), list(rows))

    async def _end(self, connection: AsyncConnection, gathered: Gathered, endings: Sequence[Ending]) -> None:
        """End the entries that were superseded or deleted, and take what they said out of the sums."""
        places = await self._places(connection, endings)
        found = await self._live(connection, list(places.values()))
        rows: list[Row] = []
        for ending in endings:
            place = places[ending]
            if place not in found:
                raise LostEntry(
                    f"block {ending.height}: entry {ending.by_entry} of report {ending.by_number} names entry "
                    f"{ending.entry} of report {ending.number}, and the books have no such live entry"
                )
            kind, day, value = found.pop(place)
            gathered.count(-1, ending.area, ending.height, kind, day, value)
            rows.append((ending.height, ending.by_number, ending.by_entry, *place))
        await connection.exec_driver_sql(self._ending(), rows)

    async def _places(self, connection: AsyncConnection, endings: Sequence[Ending]) -> dict[Ending, Place]:
        """Where the entries stand that are named: an addition has a second address, in the report that it joined."""
        numbers = {(ending.area, ending.number) for ending in endings}
        query = select(REPORTS.c.area, REPORTS.c.number, REPORTS.c.report, REPORTS.c.entry_count).where(
            tuple_(REPORTS.c.area, REPORTS.c.number).in_(numbers)
        )
        reports = {(area, number): (report, count) for area, number, report, count in await connection.execute(query)}
        places: dict[Ending, Place] = {}
        elsewhere: list[Ending] = []
        for ending in endings:
            report, count = reports.get((ending.area, ending.number), (0, 0))
            if ending.entry <= count:
                places[ending] = (ending.area, report, ending.entry)
            else:
                elsewhere.append(ending)
        if elsewhere:
            address = tuple_(ADDED.c.area, ADDED.c.number, ADDED.c.entry)
            asked = [(ending.area, ending.number, ending.entry) for ending in elsewhere]
            added = {
                (row.area, row.number, row.entry): (row.area, row.at_report, row.at_entry)
                for row in await connection.execute(select(ADDED).where(address.in_(asked)))
            }
            nowhere = (0, 0, 0)
            places |= {one: added.get((one.area, one.number, one.entry), nowhere) for one in elsewhere}
        return places

    async def _live(
        self, connection: AsyncConnection, places: Sequence[Place]
    ) -> dict[Place, tuple[str, int, EntryValue]]:
        """Kind, accounting date and facts of the live ones among these entries."""
        query = select(
            ENTRIES.c.area, ENTRIES.c.report, ENTRIES.c.entry, ENTRIES.c.kind, ENTRIES.c.day, ENTRIES.c.facts
        ).where(tuple_(ENTRIES.c.area, ENTRIES.c.report, ENTRIES.c.entry).in_(places), ENTRIES.c.to_height.is_(None))
        return {
            (area, report, entry): (kind, day, cbor2.loads(facts))
            for area, report, entry, kind, day, facts in await connection.execute(query)
        }

    async def _insert(self, connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
        """Append rows, in the order of the table's columns. The driver gets them as they are."""
        if not rows:
            return
        if self._postgresql:
            # COPY, within the transaction that the first statement has begun.
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None, "a connection that is open has its driver's"
            await driver.copy_records_to_table(table.name, records=rows, columns=[column.name for column in table.c])
            return
        names, marks = ", ".join(column.name for column in table.c), ", ".join("?" * len(table.c))
        for some in _cut(rows, WRITTEN_AT_ONCE):
            await connection.exec_driver_sql(
                f"INSERT INTO {table.name} ({names}) VALUES ({marks})",  # noqa: S608 - names of tables.py
                list(some),
            )

    def _adding(self, table: Table) -> str:
        """Add to the sums of `table`, or begin them."""
        keys = ", ".join(column.name for column in table.primary_key)
        names = ", ".join(column.name for column in table.c)
        marks = ", ".join(self._mark(place) for place in range(1, len(table.c) + 1))
        return (
            f"INSERT INTO {table.name} ({names}) VALUES ({marks}) ON CONFLICT ({keys}) DO UPDATE "  # noqa: S608 - as above
            f"SET high = {table.name}.high + excluded.high, low = {table.name}.low + excluded.low"
        )

    def _ending(self) -> str:
        height, number, by, area, report, entry = (self._mark(place) for place in range(1, 7))
        return (
            f"UPDATE entries SET to_height = {height}, by_number = {number}, by_entry = {by} "  # noqa: S608 - marks
            f"WHERE area = {area} AND report = {report} AND entry = {entry}"
        )

    def _mark(self, place: int) -> str:
        return f"${place}" if self._postgresql else "?"


def _head_of(row: sa.RowMapping) -> Head:
    return Head(height=row["height"], block_id=bytes(row["block_id"]), log_size=row["log_size"], time_ms=row["time_ms"])


def _head_row(head: Head) -> dict[str, Any]:
    return {
        "height": head.height,
        "block_id": head.block_id,
        "log_size": head.log_size,
        "time_ms": head.time_ms,
    }


def _cut(things: Sequence[Any], at_once: int) -> Iterable[Sequence[Any]]:
    return (things[start : start + at_once] for start in range(0, len(things), at_once))
