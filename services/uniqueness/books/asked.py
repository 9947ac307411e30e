"""What people may ask: the parameters that questions share, the moment that each looks at, and the sentences when one
will not do.

422 says what is wrong with a parameter, 404 that there is no such thing. Both are a sentence in `detail`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from datetime import date as calendar_date
from typing import Annotated, Any, Final, Literal

from fastapi import Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncEngine

from services.uniqueness.books.answers import answer, table
from services.uniqueness.books.queries import Reading, reading
from slt.inventory.questions.asking import NoAnswer, TooMuch
from slt.reports.euratom.writing import NotExpressible
from slt.statements.registry import Mba

AREA: Final = r"^([A-Z0-9-]{1,4}/)?[A-Z0-9-]{1,4}$"
DATE: Final = r"^[0-9]{8}$"
BATCH: Final = r"^[ -~]{1,16}$"  # printable ASCII, as label 446 has it
HEIGHT_MAX: Final = 2**63 - 1
NUMBER_MAX: Final = 999_999_999
QUESTIONS_AT_ONCE: Final = 4  # each may hold 300 MB of rows; more wait their turn
PAGE: Final = 100  # rows of a page unless one asks for more
PAGE_MAX: Final = 1000
AREAS_NAMED: Final = 20  # in the sentence that says which there are

Area = Annotated[str, Query(alias="mba", pattern=AREA, description="XLR1, or XL/XLR1 where two States have one")]
SomeArea = Annotated[str | None, Query(alias="mba", pattern=AREA, description="as XLR1 or XL/XLR1; none: every area")]
Day = Annotated[str | None, Query(pattern=DATE, description="accounting date, YYYYMMDD")]
Height = Annotated[
    int | None, Query(ge=0, le=HEIGHT_MAX, description="what the ledger knew after that block; none: the last one")
]
Form = Annotated[Literal["json", "csv"] | None, Query(alias="format", description="none: what Accept says")]
Accept = Annotated[str, Header(description="text/csv for CSV")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="rows of a page")]
Number = Annotated[int | None, Query(ge=1, le=NUMBER_MAX)]

_HINTS: Final = {
    "mba": "name an area as XLR1, or as XL/XLR1 where two States have one of that code",
    "date": "a date is YYYYMMDD",
    "first": "a date is YYYYMMDD",
    "last": "a date is YYYYMMDD",
    "since": "a date is YYYYMMDD",
    "as_of_height": f"a height is a whole number from 0 to {HEIGHT_MAX}",
    "format": "json or csv",
    "limit": f"a page has 1 to {PAGE_MAX} rows",
    "after": "give `next` of the page before, unchanged",
    "number": f"a report number is 1 to {NUMBER_MAX}",
    "entry": f"an entry number is 1 to {NUMBER_MAX}",
}


class SaidInWords(APIRoute):
    """A route whose 422 is a sentence for people, as everybody else's on this port."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as error:
                raise HTTPException(422, " ".join(map(_sentence, error.errors()))) from None

        return handled


def _sentence(fault: Any) -> str:
    name = str(fault["loc"][-1])
    said = _HINTS.get(name, str(fault["msg"]))
    if fault["type"] == "missing":
        return f"{name} is missing: {said}."
    return f"{name}={str(fault.get('input'))[:40]!r} will not do: {said}."


async def as_of(books: Reading, height: int | None) -> int:
    """The height that is asked as of. Raises 422 for one that the books have not reached."""
    last = await books.height()
    if height is not None and height > last:
        raise HTTPException(422, f"as_of_height={height} will not do: the books stand at height {last}.")
    return last if height is None else height


def day(name: str, text: str | None) -> str | None:
    """A date that the calendar has. Raises 422."""
    if text is not None:
        try:
            calendar_date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError:
            raise HTTPException(422, f"{name}={text!r} will not do: the calendar has no such day.") from None
    return text


async def area(books: Reading, wanted: str, height: int) -> Mba:
    """The area of that name. Raises 404, also when two States have one of that code and none is named."""
    known = await books.areas(as_of=height)
    found = [one for one in known if wanted in (one.mba, f"{one.state}/{one.mba}")]
    if len(found) == 1:
        return found[0]
    names = [f"{one.state}/{one.mba}" for one in found or known]
    listed = ", ".join(names[:AREAS_NAMED]) + (f" and {len(names) - AREAS_NAMED} more" if names[AREAS_NAMED:] else "")
    what = "two States have an area of that code" if found else "there is no such area as of this height"
    raise HTTPException(404, f"mba={wanted}: {what}. Name one of {listed}.")


async def areas(books: Reading, wanted: str | None, height: int) -> list[Mba]:
    """That area, or all of them. Raises 404."""
    return await books.areas(as_of=height) if wanted is None else [await area(books, wanted, height)]


async def place(books: Reading, wanted: str | None, height: int) -> tuple[str | None, str | None]:
    """State and code of that area; (None, None) when every area is meant. Raises 404."""
    if wanted is None:
        return None, None
    found = await area(books, wanted, height)
    return found.state, found.mba


class Questions:
    """Opens a moment of the books for each question, a few at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._turns = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    @asynccontextmanager
    async def asked(self, height: int | None) -> AsyncIterator[tuple[Reading, int]]:
        """The books and the height asked as of. What questions cannot answer is a 404 or 422 with their sentence."""
        async with self._turns, reading(self._engine) as books:
            try:
                yield books, await as_of(books, height)
            except NoAnswer as error:
                raise HTTPException(404, str(error)) from error
            except (TooMuch, NotExpressible) as error:
                raise HTTPException(422, str(error)) from error


async def said(
    books: Reading,
    result: object,
    rows: Iterable[object],
    *,
    height: int,
    csv: bool,
    after: str | None = None,
) -> Response:
    """`result` as JSON, or its `rows` as CSV."""
    if csv:
        return table(rows, height=height, after=after)
    return answer(books, result, as_of=height, height=await books.height(), after=after)
