"""Listings over HTTP: areas, accepted reports and accounting entries, a page at a time."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from services.uniqueness.books.answers import Answer, wants_csv
from services.uniqueness.books.asked import (
    BATCH,
    PAGE,
    Accept,
    Day,
    Form,
    Height,
    Limit,
    Number,
    Questions,
    SomeArea,
    areas,
    day,
    place,
    said,
)
from slt.inventory.questions.rows import BookEntry, BookReport, EntryQuery, ReportQuery
from slt.statements.registry import Mba

KINDS: Final = r"^[IPMTO]{1,5}$"


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaRow:
    """One area of the registry."""

    state: str
    mba: str
    facility: str
    type: str
    kind: str
    flow_kmps: tuple[str, ...]
    inventory_kmps: tuple[str, ...]
    opened: str
    closed: str
    profile: str
    endorsement: str
    unified: bool
    last_report_number: int
    last_pit: str

    @classmethod
    def of(cls, mba: Mba) -> "AreaRow":
        return cls(**{name: getattr(mba, name) for name in cls.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One accepted report."""

    state: str
    mba: str
    number: int
    kind: str
    date: str
    period_from: str
    period_to: str
    entry_count: int
    statement_id: str
    height: int
    log_index: int
    time_ms: int
    findings: tuple[tuple[str, str, str, str, str, str, str], ...]

    @classmethod
    def of(cls, report: BookReport) -> "ReportRow":
        values = {name: getattr(report, name) for name in cls.__slots__}
        return cls(**values | {"statement_id": report.statement_id.hex()})


def listings(router: APIRouter, questions: Questions) -> None:
    """Add /areas, /reports and /entries to `router`."""

    @router.get("/areas", summary="Material balance areas", response_model=Answer[list[AreaRow]])
    async def areas_(
        accept: Accept = "", mba: SomeArea = None, as_of_height: Height = None, form: Form = None
    ) -> Response:
        async with questions.asked(as_of_height) as (books, height):
            rows = [AreaRow.of(one) for one in await areas(books, mba, height)]
            return await said(books, rows, rows, height=height, csv=wants_csv(form, accept))

    @router.get("/reports", summary="Accepted reports, a page at a time", response_model=Answer[list[ReportRow]])
    async def reports(
        accept: Accept = "",
        mba: SomeArea = None,
        kind: Annotated[str | None, Query(pattern=KINDS, description="I, P, M, T or several of them")] = None,
        number: Number = None,
        first: Day = None,
        last: Day = None,
        as_of_height: Height = None,
        after: Annotated[str | None, Query(pattern=r"^[A-Z0-9-]{1,4}/[A-Z0-9-]{1,4}/[0-9]{1,18}$")] = None,
        limit: Limit = PAGE,
        form: Form = None,
    ) -> Response:
        async with questions.asked(as_of_height) as (books, height):
            state, code_ = await place(books, mba, height)
            found = await books.reports(
                ReportQuery(
                    as_of=height,
                    state=state,
                    mba=code_,
                    kinds=None if kind is None else frozenset(kind),
                    numbers=None if number is None else frozenset({number}),
                    first=day("first", first),
                    last=day("last", last),
                    after=None if after is None else _report_place(after),
                    limit=limit,
                )
            )
            rows = [ReportRow.of(report) for report in found]
            more = "/".join((rows[-1].state, rows[-1].mba, str(rows[-1].number))) if len(rows) == limit else None
            return await said(books, rows, rows, height=height, csv=wants_csv(form, accept), after=more)

    @router.get("/entries", summary="Accounting entries, a page at a time", response_model=Answer[list[BookEntry]])
    async def entries(
        accept: Accept = "",
        mba: SomeArea = None,
        kind: Annotated[str | None, Query(pattern=KINDS, description="I, P, M, O (opening) or several")] = None,
        code: Annotated[str | None, Query(pattern=r"^[A-Z]{2,4}$", description="411")] = None,
        batch: Annotated[str | None, Query(pattern=BATCH, description="446")] = None,
        number: Number = None,
        first: Day = None,
        last: Day = None,
        every_version: Annotated[bool, Query(description="also superseded, deleted, D and U")] = False,
        as_of_height: Height = None,
        after: Annotated[str | None, Query(pattern=r"^[A-Z0-9-]{1,4}/[A-Z0-9-]{1,4}/[0-9]{1,18}/[0-9]{1,9}$")] = None,
        limit: Limit = PAGE,
        form: Form = None,
    ) -> Response:
        async with questions.asked(as_of_height) as (books, height):
            state, code_ = await place(books, mba, height)
            rows = await books.entries(
                EntryQuery(
                    as_of=height,
                    state=state,
                    mba=code_,
                    kinds=None if kind is None else frozenset(kind),
                    codes=None if code is None else frozenset({code}),
                    batch=batch,
                    numbers=None if number is None else frozenset({number}),
                    first=day("first", first),
                    last=day("last", last),
                    every_version=every_version,
                    after=None if after is None else _entry_place(after),
                    limit=limit,
                )
            )
            more = "/".join(map(str, rows[-1].address)) if len(rows) == limit else None
            return await said(books, rows, rows, height=height, csv=wants_csv(form, accept), after=more)


def _report_place(after: str) -> tuple[str, str, int]:
    state, mba, number = after.split("/")
    return state, mba, int(number)


def _entry_place(after: str) -> tuple[str, str, int, int]:
    state, mba, number, entry = after.split("/")
    return state, mba, int(number), int(entry)
