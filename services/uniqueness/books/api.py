"""The books over HTTP. Every answer names the height that it is of; answers.py says what it looks like.

GET /v1/areas         the registry's material balance areas
GET /v1/reports       accepted reports, a page at a time
GET /v1/entries       accounting entries, a page at a time
GET /v1/inventory     book inventory by category, KMP or batch
GET /v1/batches/{b}   the history of a batch, across facilities
GET /v1/balances      the balance of a period, its MUF, and the listing against the book
GET /v1/draft         the balance report that follows, as Code 10
GET /v1/transits      what is on its way, matched, different or overdue
GET /v1/due           what is due and late
GET /v1/corrections   chains of corrections
GET /v1/statement     the semi-annual book statement
GET /v1/export        a report as Code 10 or Euratom

Who may ask what comes with authentication over HTTP: until then a member keeps this port to itself.
"""

from collections.abc import Callable
from typing import Annotated, Final, Literal, Protocol

from fastapi import APIRouter, HTTPException, Path, Query, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from services.uniqueness.books.answers import Answer, wants_csv
from services.uniqueness.books.asked import (
    BATCH,
    DATE,
    NUMBER_MAX,
    PAGE,
    Accept,
    Area,
    Day,
    Form,
    Height,
    Limit,
    Number,
    Questions,
    SaidInWords,
    SomeArea,
    area,
    areas,
    day,
    place,
    said,
)
from services.uniqueness.books.listings import listings
from services.uniqueness.books.queries import Reading
from slt.inventory.questions import asking
from slt.inventory.questions.balance import Balance
from slt.inventory.questions.corrections import Chain
from slt.inventory.questions.due import DueLine
from slt.inventory.questions.export import Export
from slt.inventory.questions.history import History
from slt.inventory.questions.inventory import By, Inventory
from slt.inventory.questions.rows import BookReport, ReportQuery
from slt.inventory.questions.statement import Statement
from slt.inventory.questions.transits import TransitLine
from slt.reports.euratom.conversion import FORMS
from slt.reports.euratom.declaration import Malformed
from slt.reports.labelled import Unreadable, write_report
from slt.statements.registry import Mba

ENCODER_MAX: Final = 30
PROBLEMS: Final[dict[int | str, dict[str, object]]] = {
    404: {"description": "no such area, report, batch or period: the sentence in `detail` says which there are"},
    422: {"description": "a parameter will not do: the sentence in `detail` says why"},
}


class Documents(Protocol):
    """Where the documents of reports are kept."""

    async def of(self, report: BookReport) -> bytes | None:
        """The document as it was reported; None where its body is erased. Raises HTTPException 503."""


def make_router(engine: AsyncEngine, documents: Documents, today: Callable[[], str]) -> APIRouter:
    """The routes. `today`: the latest day that has begun anywhere, YYYYMMDD."""
    router = APIRouter(prefix="/v1", tags=["books"], route_class=SaidInWords, responses=PROBLEMS)
    questions = Questions(engine)
    listings(router, questions)
    _inventories(router, questions)
    _balances(router, questions, today)
    _duties(router, questions, today)
    _exports(router, questions, documents)
    return router


def _inventories(router: APIRouter, questions: Questions) -> None:
    @router.get(
        "/inventory",
        summary="Book inventory on a day, by category, KMP or batch",
        response_model=Answer[list[Inventory]],
    )
    async def inventory(
        accept: Accept = "",
        mba: SomeArea = None,
        by: Annotated[By, Query(description="by KMP and by batch of one area only")] = "category",
        date: Day = None,
        batch: Annotated[str | None, Query(pattern=BATCH, description="446: of that batch only")] = None,
        as_of_height: Height = None,
        after: Annotated[str | None, Query(pattern=r"^[A-Z0-9-]{1,4}/[A-Z0-9-]{1,4}$")] = None,
        limit: Limit = PAGE,
        form: Form = None,
    ) -> Response:
        on = day("date", date)
        if mba is None and (by != "category" or batch is not None):
            raise HTTPException(422, "mba is missing: name the area whose batches or measurement points you ask for.")
        async with questions.asked(as_of_height) as (books, height):
            wanted = [one for one in await areas(books, mba, height) if not after or f"{one.state}/{one.mba}" > after]
            found = [
                await asking.ask_inventory(books, one, by=by, day=on, as_of=height, batch=batch)
                for one in wanted[:limit]
            ]
            more = f"{found[-1].state}/{found[-1].mba}" if len(wanted) > limit else None
            rows = [line for one in found for line in one.lines]
            return await said(books, found, rows, height=height, csv=wants_csv(form, accept), after=more)

    @router.get("/batches/{batch}", summary="The history of a batch, across facilities", response_model=Answer[History])
    async def history(
        batch: Annotated[str, Path(pattern=BATCH, description="446")],
        accept: Accept = "",
        mba: SomeArea = None,
        as_of_height: Height = None,
        form: Form = None,
    ) -> Response:
        async with questions.asked(as_of_height) as (books, height):
            state, code = await place(books, mba, height)
            found = await asking.ask_history(books, batch, as_of=height, state=state, mba=code)
            if not found.events:
                where = mba or "any area"
                raise HTTPException(404, f"No entry of {where} names batch {batch} as of height {height}.")
            return await said(books, found, found.events, height=height, csv=wants_csv(form, accept))


def _balances(router: APIRouter, questions: Questions, today: Callable[[], str]) -> None:
    @router.get(
        "/balances", summary="The balance of a period, its MUF, and the listing against the book",
        response_model=Answer[Balance],
    )  # fmt: skip
    async def balances(
        mba: Area,
        accept: Accept = "",
        date: Annotated[
            str | None, Query(pattern=DATE, description="the physical inventory that ends it; none: the latest")
        ] = None,
        check: Annotated[bool, Query(description="with the listing against the book, which reads every batch")] = True,
        as_of_height: Height = None,
        form: Form = None,
    ) -> Response:
        on = day("date", date)
        async with questions.asked(as_of_height) as (books, height):
            one = await area(books, mba, height)
            found = await asking.ask_balance(books, one, pit=on, as_of=height, check=check)
            return await said(books, found, found.lines, height=height, csv=wants_csv(form, accept))

    @router.get("/draft", summary="The balance report that follows from the other reports, as Code 10")
    async def draft(
        mba: Area,
        encoder: Annotated[str, Query(min_length=1, max_length=ENCODER_MAX, description="006: who writes it")],
        date: Annotated[
            str | None, Query(pattern=DATE, description="the physical inventory that ends it; none: the latest")
        ] = None,
        number: Number = None,
        rounded: Annotated[bool, Query(description="in whole units, with adjustments (RAxx)")] = False,
        as_of_height: Height = None,
    ) -> Response:
        on = day("date", date)
        async with questions.asked(as_of_height) as (books, height):
            one = await area(books, mba, height)
            lines = await asking.ask_draft(
                books, one, pit=on, as_of=height, date=today(), encoder=encoder, number=number, rounded=rounded
            )
            try:
                document = write_report(lines)
            except ValueError as error:
                raise HTTPException(422, f"encoder={encoder!r} will not do: {error}") from error
            return Response(document, media_type="text/plain; charset=us-ascii", headers={"SLT-Height": str(height)})

    @router.get("/statement", summary="The semi-annual book statement", response_model=Answer[list[Statement]])
    async def statement(
        accept: Accept = "",
        mba: SomeArea = None,
        date: Annotated[
            str | None, Query(pattern=DATE, description="the half-year that is over on that day; none: today")
        ] = None,
        as_of_height: Height = None,
        form: Form = None,
    ) -> Response:
        on = day("date", date) or today()
        async with questions.asked(as_of_height) as (books, height):
            found = [
                await asking.ask_statement(books, one, day=on, as_of=height) for one in await areas(books, mba, height)
            ]
            rows = [line for one in found for line in one.lines]
            return await said(books, found, rows, height=height, csv=wants_csv(form, accept))


def _duties(router: APIRouter, questions: Questions, today: Callable[[], str]) -> None:
    @router.get("/transits", summary="What is on its way on a day", response_model=Answer[list[TransitLine]])
    async def transits(
        accept: Accept = "",
        mba: SomeArea = None,
        since: Day = None,
        date: Annotated[
            str | None, Query(pattern=DATE, description="as one sees them on that day; none: today")
        ] = None,
        as_of_height: Height = None,
        form: Form = None,
    ) -> Response:
        on, first = day("date", date) or today(), day("since", since)
        async with questions.asked(as_of_height) as (books, height):
            one = None if mba is None else await area(books, mba, height)
            found = await asking.ask_transits(books, area=one, first=first, day=on, as_of=height)
            return await said(books, found, found, height=height, csv=wants_csv(form, accept))

    @router.get("/due", summary="What is due and late on a day", response_model=Answer[list[DueLine]])
    async def due(
        accept: Accept = "",
        mba: SomeArea = None,
        date: Annotated[str | None, Query(pattern=DATE, description="none: today")] = None,
        as_of_height: Height = None,
        form: Form = None,
    ) -> Response:
        on = day("date", date) or today()
        async with questions.asked(as_of_height) as (books, height):
            found = await asking.ask_due(books, await areas(books, mba, height), day=on, as_of=height)
            return await said(books, found, found, height=height, csv=wants_csv(form, accept))

    @router.get("/corrections", summary="Chains of corrections", response_model=Answer[list[Chain]])
    async def corrections(
        mba: Area,
        accept: Accept = "",
        number: Number = None,
        entry: Number = None,
        as_of_height: Height = None,
        form: Form = None,
    ) -> Response:
        if entry is not None and number is None:
            raise HTTPException(422, "number is missing: an entry has a number within its report.")
        async with questions.asked(as_of_height) as (books, height):
            one = await area(books, mba, height)
            found = await asking.ask_corrections(books, one, number=number, entry=entry, as_of=height)
            rows = [link for chain in found for link in chain.links]
            return await said(books, found, rows, height=height, csv=wants_csv(form, accept))


def _exports(router: APIRouter, questions: Questions, documents: Documents) -> None:
    @router.get("/export", summary="A report as Code 10 or Euratom", response_model=Answer[Export])
    async def export(
        mba: Area,
        number: Annotated[int, Query(ge=1, le=NUMBER_MAX)],
        to: Annotated[Literal[tuple(FORMS)], Query(description="the form")] = "code10",  # type: ignore[valid-type]  # the names of FORMS
        as_of_height: Height = None,
    ) -> Response:
        async with questions.asked(as_of_height) as (books, height):
            one = await area(books, mba, height)
            report = await _report(books, one, number, height)
            version = await books.reference_version(report)
            document = await documents.of(report)
            try:
                found = await asking.ask_export(
                    books, report, document, form=to, reference_version=version, as_of=height
                )
            except (Unreadable, Malformed) as error:
                raise HTTPException(422, f"report {number} of {mba} cannot be read again: {error}") from error
            return await said(books, found, (), height=height, csv=False)


async def _report(books: Reading, one: Mba, number: int, height: int) -> BookReport:
    query = ReportQuery(as_of=height, state=one.state, mba=one.mba, numbers=frozenset({number}))
    for report in await books.reports(query):
        return report
    raise HTTPException(404, f"{one.state}/{one.mba} has no report {number} as of height {height}.")
