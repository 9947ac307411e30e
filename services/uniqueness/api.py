"""Uniqueness over HTTP: the index of accepted reports, and what becomes of a report that is not final.

What the books hold is asked of services.uniqueness.books, a process of its own.

GET /v1/registry             who and what the ledger knows, and the changes that wait (registry.py)
GET /v1/reports?mba=&after=  accepted reports in order of area and number
GET /v1/reports/{id}         what this service holds of a statement or a submission, and its final verdict
"""

from typing import Annotated, Final

import cbor2
from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel

from services.uniqueness.admissions import Admissions
from services.uniqueness.core import Held
from services.uniqueness.evaluations import Evaluations
from services.uniqueness.registry import add_registry_route
from services.uniqueness.store import Store
from slt.inventory.books import ReportLine, report_lines
from slt.inventory.keys import Kind, fields_of, key, prefix
from slt.statements.verdicts import TABLE, Code

REPORTS_MAX: Final = 1000  # lines of one answer
AREA: Final = r"^([A-Z0-9-]{1,4}/)?[A-Z0-9-]{1,4}$"

Area = Annotated[str | None, Query(alias="mba", pattern=AREA, description="XLR1, or XL/XLR1 where two States have one")]


class ReportLineOf(BaseModel):
    state: str
    mba: str
    number: int
    kind: str
    date: str
    period_from: str
    period_to: str
    entries: int
    statement_id: str


class Reports(BaseModel):
    height: int
    reports: list[ReportLineOf]
    next: str | None  # `after` of the next page; null: that was all


class HeldOf(BaseModel):
    submission_id: str
    number: int
    waits_for: int
    held_ms: int
    until_ms: int


class VerdictOf(BaseModel):
    verdict: str
    code: int
    log_index: int | None
    next_step: str


class ReportOf(BaseModel):
    stage: str
    height: int
    statement_id: str | None
    held: list[HeldOf]
    passed_ms: int | None  # when it was passed on to be ordered, while it is not final
    verdict: VerdictOf | None  # remembered for the submission window; afterwards ask the ledger


def make_router(store: Store, evaluations: Evaluations, admissions: Admissions) -> APIRouter:
    """The routes. They read the state after the last final block."""
    router = APIRouter(prefix="/v1", tags=["uniqueness"])
    add_registry_route(router, store, evaluations)

    @router.get("/reports", summary="Accepted reports, a page at a time")
    async def reports(
        mba: Area = None,
        after: Annotated[str, Query(pattern=r"^([0-9a-f]{2})*$", description="`next` of the page before")] = "",
        limit: Annotated[int, Query(ge=1, le=REPORTS_MAX)] = 100,
    ) -> Reports:
        head = evaluations.final
        begins = prefix(Kind.REPORT) if mba is None else prefix(Kind.REPORT, *await _area(store, mba))
        records = await store.under(begins, after=bytes.fromhex(after), limit=limit)
        lines = list(report_lines(records))
        return Reports(
            height=head.height,
            reports=[_report_line(line) for line in lines],
            next=records[-1][0].hex() if len(records) == limit else None,
        )

    @router.get(
        "/reports/{id}",
        summary="What this service holds of a statement or submission, and its final verdict",
        responses={404: {"description": "not held, not on its way, and without a final verdict that is remembered"}},
    )
    async def report(
        some_id: Annotated[str, Path(alias="id", pattern="^[0-9a-fA-F]{64}$", description="hex of either id")],
    ) -> ReportOf:
        wanted = bytes.fromhex(some_id)
        held = _held(admissions, wanted)
        statement_id = held[0].statement_id if held else wanted
        pending = admissions.pending.number_of(statement_id)
        record_key = key(Kind.SPENT, statement_id)
        spent = (await store.load([record_key]))[record_key]
        if not held and pending is None and spent is None:
            raise HTTPException(404, "this service holds nothing of it; GET /v1/reports/{id} of the ledger may")
        return ReportOf(
            stage="uniqueness",
            height=evaluations.final.height,
            statement_id=statement_id.hex(),
            held=[_held_of(one) for one in held],
            passed_ms=None if pending is None else pending[1],
            verdict=None if spent is None else _verdict(spent),
        )

    return router


async def _area(store: Store, wanted: str) -> tuple[str, str]:
    """State and code of the area. Raises 404, also when two States have one of that code and none is named."""
    areas = [(state, code) for state, code in map(fields_of, await _keys_of_areas(store))]
    found = [(state, code) for state, code in areas if wanted in (code, f"{state}/{code}")]
    if len(found) != 1:
        names = ", ".join(f"{state}/{code}" for state, code in found or areas)
        raise HTTPException(404, f"name one of {names}")
    return found[0]


async def _keys_of_areas(store: Store) -> list[bytes]:
    return [record_key for record_key, _ in await store.under(prefix(Kind.MBA))]


def _held(admissions: Admissions, some_id: bytes) -> list[Held]:
    one = admissions.holding.get(some_id)
    return [one] if one is not None else admissions.holding.of_statement(some_id)


def _held_of(one: Held) -> HeldOf:
    return HeldOf(
        submission_id=one.submission_id.hex(),
        number=one.number[2],
        waits_for=one.number[2] - 1,
        held_ms=one.held_ms,
        until_ms=one.until_ms,
    )


def _verdict(spent: bytes) -> VerdictOf:
    _, code, log_index = cbor2.loads(spent)
    row = TABLE[Code(code)]
    return VerdictOf(verdict=row.name, code=int(row.code), log_index=log_index, next_step=row.next_step)


def _report_line(line: ReportLine) -> ReportLineOf:
    report = line.report
    return ReportLineOf(
        state=line.state,
        mba=line.mba,
        number=line.number,
        kind=report.kind,
        date=report.date,
        period_from=report.period_from,
        period_to=report.period_to,
        entries=report.entry_count,
        statement_id=report.statement_id.hex(),
    )
