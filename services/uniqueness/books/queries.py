"""The rows that questions are answered from: `Books` of slt.inventory.questions over the tables, one moment at a time.

Everything that one `Reading` gives is of one snapshot of the database, so that an answer is of one height however long
it takes. Rows come area by area, in the order of (state, mba): the tables know areas by number.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import cbor2
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.uniqueness.books.rows import findings_of, joined, statement_key, text_of
from services.uniqueness.books.tables import AREAS, EMPTY, ENTRIES, FLOWS, HEAD, LINES, REPORTS, TOTALS
from slt.inventory.questions.rows import (
    ACCOUNTING,
    OPENING,
    BookEntry,
    BookReport,
    EntryQuery,
    Flow,
    Physical,
    ReportQuery,
)
from slt.inventory.records import entry_of
from slt.reports.signs import category_of
from slt.statements.registry import Mba

LAST_OF_MONTH: Final = 31
_E, _R = ENTRIES.c, REPORTS.c
_STATUSES: Final = sorted(ACCOUNTING)
_NAMING: Final = frozenset("CDA")  # statuses whose entries name another one


class Reading:
    """The books of one moment; made by `reading`. It is a `Books`."""

    def __init__(self, connection: AsyncConnection, head: sa.RowMapping, areas: Sequence[tuple[str, str, int]]) -> None:
        self._connection = connection
        self._height: int = head["height"]
        self.block_id = bytes(head["block_id"])
        self.time_ms: int = head["time_ms"]  # of the last block
        self._areas = areas  # (state, mba, number), in order; those that were removed too

    async def height(self) -> int:
        return self._height

    async def areas(self, *, as_of: int) -> list[Mba]:
        query = (
            select(AREAS.c.value)
            .where(AREAS.c.from_height <= as_of, or_(AREAS.c.to_height.is_(None), AREAS.c.to_height > as_of))
            .order_by(AREAS.c.state, AREAS.c.mba)
        )
        return [Mba.from_value(cbor2.loads(value)) for (value,) in await self._connection.execute(query)]

    async def reports(self, query: ReportQuery) -> list[BookReport]:
        asked: list[ColumnElement[bool]] = [_R.height <= query.as_of]
        if query.kinds is not None:
            asked.append(_R.kind.in_(sorted(query.kinds)))
        if query.numbers is not None:
            asked.append(_R.number.in_(sorted(query.numbers)))
        if query.statement_id is not None:
            asked.append(_R.statement_key == statement_key(query.statement_id))
            asked.append(_R.statement_id == query.statement_id)
        asked += _between(_R.day, query.first, query.last)
        areas = self._asked_areas(query.state, query.mba, query.after)
        if query.statement_id is not None:
            areas = await self._with_rows(areas, select(_R.area).where(*asked))
        found: list[BookReport] = []
        for state, mba, area in areas:
            if query.limit is not None and len(found) >= query.limit:
                break
            here = select(REPORTS).where(_R.area == area, *asked).order_by(_R.number)
            if query.after is not None and query.after[:2] == (state, mba):
                here = here.where(_R.number > query.after[2])
            rows = await self._connection.execute(_limited(here, query.limit, found))
            found += [_report(state, mba, row) for row in rows.mappings()]
        return found

    async def reference_version(self, report: BookReport) -> int:
        """The version of the reference data that a report was judged with."""
        query = select(_R.facts).where(_R.report == report.log_index)
        facts = cbor2.loads((await self._connection.execute(query)).scalar_one())
        version: int = facts[1]
        return version

    async def entries(self, query: EntryQuery) -> list[BookEntry]:
        asked = _entry_conditions(query)
        areas = self._asked_areas(query.state, query.mba, query.after)
        if query.batch or query.shipper_batch or query.partner is not None:
            areas = await self._with_rows(areas, select(_E.area).where(*asked))
        found: list[BookEntry] = []
        for state, mba, area in areas:
            if query.limit is not None and len(found) >= query.limit:
                break
            here = select(ENTRIES).where(_E.area == area, *asked).order_by(_E.report, _E.entry)
            if query.numbers is not None:
                here = here.where(_E.report.in_((await self._reports_of(area, query.numbers)).values()))
            if query.addresses is not None:
                reports = await self._reports_of(area, {number for number, _ in query.addresses})
                places = [(reports[number], entry) for number, entry in query.addresses if number in reports]
                here = here.where(tuple_(_E.report, _E.entry).in_(places))
            if query.after is not None and query.after[:2] == (state, mba):
                _, _, number, entry = query.after
                behind = (await self._reports_of(area, {number})).get(number, 0)
                here = here.where(tuple_(_E.report, _E.entry) > tuple_(behind, entry))
            rows = await self._connection.execute(_limited(here, query.limit, found))
            found += [_entry(state, mba, row) for row in rows.mappings()]
        return found

    async def flows(self, *, state: str, mba: str, first: str, last: str, as_of: int) -> list[Flow]:
        area = self._area(state, mba)
        sums: defaultdict[tuple[str, int, int], int] = defaultdict(int)
        if area is not None and first <= last:
            whole, parts = _months(int(first or 0), int(last))
            periods = [("I", *whole)] if whole else []
            for kind, begin, end in [*periods, (OPENING, int(first or 0), int(last))]:
                for _, code, category, label, mg in await self._sums(area, kind, begin, end, as_of=as_of):
                    if label > LINES:
                        sums[code, category, label] += mg
            for begin, end in parts:
                for code, weights in await self._weights(area, begin, end, as_of=as_of):
                    present = {label for label, _ in weights}
                    for label, mg in weights:
                        sums[code, category_of(label, present), label] += mg
        return [
            Flow(code=code, category=category, label=label, mg=mg)
            for (code, category, label), mg in sorted(sums.items())
            if mg
        ]

    async def physicals(self, *, state: str, mba: str, as_of: int) -> list[Physical]:
        area = self._area(state, mba)
        if area is None:
            return []
        listed: defaultdict[tuple[str, int], dict[tuple[str, int, int], int]] = defaultdict(dict)
        for kind in (OPENING, "P", "M"):
            for period, code, category, label, mg in await self._sums(area, kind, 0, 99_999_999, as_of=as_of):
                listed[kind, period][code, category, label] = mg
        listings = await self._latest(area, "P", as_of=as_of)
        balances = await self._latest(area, "M", as_of=as_of)
        pits = {day for kind, day in listed} | set(listings) | set(balances)
        begun = await self._begun_with(area, as_of=as_of)
        return [
            _physical(day, listed, listings.get(day, 0), balances.get(day, 0), known=day in begun)
            for day in sorted(pits | begun)
        ]

    # How areas are found

    def _area(self, state: str, mba: str) -> int | None:
        return next((area for *where, area in self._areas if where == [state, mba]), None)

    def _asked_areas(
        self, state: str | None, mba: str | None, after: Sequence[Any] | None
    ) -> list[tuple[str, str, int]]:
        """In order, those behind the area of `after` and that area itself."""
        return [
            (one_state, one_mba, area)
            for one_state, one_mba, area in self._areas
            if (state is None or one_state == state)
            and (mba is None or one_mba == mba)
            and (after is None or (one_state, one_mba) >= (after[0], after[1]))
        ]

    async def _begun_with(self, area: int, *, as_of: int) -> set[int]:
        """The physical inventory that the area had when it came into the registry, if there was one."""
        first = select(AREAS.c.value).where(AREAS.c.area == area, AREAS.c.from_height <= as_of)
        value = (await self._connection.execute(first.order_by(AREAS.c.from_height).limit(1))).scalar_one_or_none()
        last_pit = "" if value is None else Mba.from_value(cbor2.loads(value)).last_pit
        return {int(last_pit)} if last_pit else set()

    async def _with_rows(self, areas: list[tuple[str, str, int]], rows: Select[Any]) -> list[tuple[str, str, int]]:
        """Those of `areas` that have any of `rows`."""
        there = {row[0] for row in await self._connection.execute(rows.distinct())}
        return [one for one in areas if one[2] in there]

    async def _reports_of(self, area: int, numbers: Iterable[int]) -> dict[int, int]:
        """Number -> the report of that number, those that there are; number 0 is the opening inventory."""
        wanted = sorted(numbers)
        query = select(_R.number, _R.report).where(_R.area == area, _R.number.in_(wanted))
        opening = {0: -area} if 0 in wanted else {}
        found = await self._connection.execute(query)
        return opening | {row.number: row.report for row in found}

    # Sums

    async def _sums(
        self, area: int, kind: str, first: int, last: int, *, as_of: int
    ) -> list[tuple[int, str, int, int, int]]:
        """(period, code, category, label, sum) after block `as_of`: from the totals when that is the last one."""
        if as_of >= self._height:
            totals = TOTALS.c
            query = select(totals.period, totals.code, totals.category, totals.label, totals.high, totals.low).where(
                totals.area == area, totals.kind == kind, totals.period.between(first, last)
            )
        else:
            flows = FLOWS.c
            key = (flows.period, flows.code, flows.category, flows.label)
            query = (
                select(*key, func.sum(flows.high), func.sum(flows.low))
                .where(flows.area == area, flows.height <= as_of, flows.kind == kind, flows.period.between(first, last))
                .group_by(*key)
            )
        rows = await self._connection.execute(query)
        return [
            (period, code, category, label, mg)
            for period, code, category, label, high, low in rows
            if (mg := joined(high, low))
        ]

    async def _weights(
        self, area: int, first: int, last: int, *, as_of: int
    ) -> list[tuple[str, list[tuple[int, int]]]]:
        """Code and weights of the inventory changes of these days."""
        query = select(_E.code, _E.facts).where(
            _E.area == area, _E.kind == "I", _E.day.between(first, last), *_accounts_at(as_of)
        )
        return [(code, cbor2.loads(facts)[13]) for code, facts in await self._connection.execute(query)]

    async def _latest(self, area: int, kind: str, *, as_of: int) -> dict[int, int]:
        """PIT -> the latest report of this kind with a live entry that accounts for material or is marked U."""
        live = select(_E.entry).where(
            _E.area == area, _E.report == _R.report, *_live_at(as_of), _E.status.in_((*_STATUSES, "U"))
        )
        query = (
            select(_R.day, _R.number)
            .where(_R.area == area, _R.kind == kind, _R.height <= as_of, live.exists())
            .order_by(_R.number)
        )
        return {row.day: row.number for row in await self._connection.execute(query)}


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[Reading]:
    """Read one moment of the books while the context is open. The writer goes on meanwhile."""
    if engine.dialect.name == "postgresql":
        # On SQLite a transaction sees one moment from its first statement on; here it has to be asked for.
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    async with engine.connect() as connection:
        head = (await connection.execute(select(HEAD))).mappings().one()
        newest = select(AREAS.c.state, AREAS.c.mba, AREAS.c.area).distinct().order_by(AREAS.c.state, AREAS.c.mba)
        areas = [(state, mba, area) for state, mba, area in await connection.execute(newest)]
        yield Reading(connection, head, areas)


def _entry_conditions(query: EntryQuery) -> list[ColumnElement[bool]]:
    """What is asked of an entry, but for area and report."""
    asked = [_E.from_height <= query.as_of] if query.every_version else _accounts_at(query.as_of)
    if query.kinds is not None:
        asked.append(_E.kind.in_(sorted(query.kinds)))
    if query.codes is not None:
        codes = sorted(query.codes - {""})
        asked.append(or_(_E.code.in_(codes), _E.code.is_(None)) if "" in query.codes else _E.code.in_(codes))
    if query.statuses is not None:
        asked.append(_E.status.in_(sorted(query.statuses)))
        if query.statuses <= _NAMING:
            asked.append(_E.target_number.is_not(None))  # always so; the index holds only these
    if query.targets is not None:
        asked.append(tuple_(_E.target_number, _E.target_entry).in_(sorted(query.targets)))
    if query.batch is not None:
        asked.append(_E.batch == query.batch if query.batch else _E.batch.is_(None))
    if query.shipper_batch is not None:
        asked.append(_E.shipper_batch == query.shipper_batch if query.shipper_batch else _E.shipper_batch.is_(None))
    if query.partner is not None:
        asked.append(or_(_E.shipper == query.partner, _E.receiver == query.partner))
    return asked + _between(_E.day, query.first, query.last)


def _live_at(height: int) -> list[ColumnElement[bool]]:
    return [_E.from_height <= height, or_(_E.to_height.is_(None), _E.to_height > height)]


def _accounts_at(height: int) -> list[ColumnElement[bool]]:
    return [*_live_at(height), _E.status.in_(_STATUSES)]


def _between(day: ColumnElement[int], first: str | None, last: str | None) -> list[ColumnElement[bool]]:
    asked: list[ColumnElement[bool]] = []
    if first:
        asked.append(day >= int(first))
    if last is not None:
        asked.append(day <= int(last or 0))
    return asked


def _limited(query: Select[Any], limit: int | None, found: Sequence[object]) -> Select[Any]:
    return query if limit is None else query.limit(limit - len(found))


def _months(first: int, last: int) -> tuple[tuple[int, int] | None, list[tuple[int, int]]]:
    """The whole months between two days, both included, and the days before and after them."""
    begin, end = first // 100, last // 100
    begins_whole = first % 100 <= 1
    ends_whole = last % 100 >= (monthrange(end // 100, end % 100)[1] if 1 <= end % 100 <= 12 and end >= 100 else 1)
    if begin == end and not (begins_whole and ends_whole):
        return None, [(first, last)]
    parts: list[tuple[int, int]] = []
    if not begins_whole:
        parts.append((first, begin * 100 + LAST_OF_MONTH))
        begin += 1  # months are compared and never counted: there need be no month of that number
    if not ends_whole:
        parts.append((end * 100, last))
        end -= 1
    return ((begin, end) if begin <= end else None), parts


def _entry(state: str, mba: str, row: sa.RowMapping) -> BookEntry:
    return BookEntry(
        state=state,
        mba=mba,
        number=row["number"],
        kind=row["kind"],
        date=text_of(row["day"]),
        entry=entry_of(cbor2.loads(row["facts"])),
        from_height=row["from_height"],
        to_height=row["to_height"],
        by=None if row["to_height"] is None else (row["by_number"], row["by_entry"]),
    )


def _report(state: str, mba: str, row: sa.RowMapping) -> BookReport:
    return BookReport(
        state=state,
        mba=mba,
        number=row["number"],
        kind=row["kind"],
        date=text_of(row["date"]),
        period_from=text_of(row["period_from"]),
        period_to=text_of(row["period_to"]),
        entry_count=row["entry_count"],
        statement_id=bytes(row["statement_id"]),
        height=row["height"],
        log_index=row["report"],
        time_ms=row["time_ms"],
        findings=tuple(findings_of(row["findings"])),
    )


def _physical(
    day: int,
    listed: dict[tuple[str, int], dict[tuple[str, int, int], int]],
    listing: int,
    balance: int,
    *,
    known: bool,
) -> Physical:
    """`known`: the registry says that this inventory was taken."""
    given = listed.get(("P", day)) or listed.get((OPENING, day)) or {}
    ending = listed.get(("M", day), {})
    lines = sum(count for (_, _, label), count in given.items() if label == LINES)
    empty = sum(count for (_, _, label), count in given.items() if label == EMPTY)
    return Physical(
        pit=text_of(day),
        listing=listing,
        listed=bool(lines or empty or known),
        balance=balance,
        lines=lines,
        sums=_by_label(given, None),
        ending=_by_label(ending, "PE"),
    )


def _by_label(sums: dict[tuple[str, int, int], int], code: str | None) -> tuple[tuple[int, int, int], ...]:
    """(category, label, mg) of one code, or of all, in order and without zeros."""
    found: defaultdict[tuple[int, int], int] = defaultdict(int)
    for (of, category, label), mg in sums.items():
        if label > LINES and code in (None, of):
            found[category, label] += mg
    return tuple((category, label, mg) for (category, label), mg in sorted(found.items()) if mg)
