"""Validation over HTTP: findings for a document that nobody has signed yet, and what became of a recent report."""

import asyncio
import time
from concurrent.futures import Executor
from typing import Annotated, Final, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from services.validation.judging import limit_of
from slt.bus.compression import compress
from slt.reports import day_anywhere
from slt.reports.answer import Answer, answer
from slt.reports.euratom import form_of, judge_as
from slt.reports.limits import STATEMENT_BYTES_MAX, oversize, with_errors
from slt.runtime.copies import Registry, RegistryCopy
from slt.runtime.recent import Recent, add_report_route
from slt.statements.statement import SALT_BYTES

READ_WITHIN_S: Final = 60.0
"""A document of 64 MiB comes in within a minute, or its sender is away."""

_BYTES: Final = {"schema": {"type": "string", "format": "binary"}}


class FindingModel(BaseModel):
    """One message about the document."""

    rule: str
    severity: Literal["error", "warning"]
    entry: str
    label: str
    value: str
    expected: str
    text: str


class AnswerModel(BaseModel):
    """slt.reports.answer.Answer, for the OpenAPI page."""

    file: str
    verdict: Literal["ok", "flag", "reject"]
    findings: list[FindingModel]


def make_router(copy: RegistryCopy, pool: Executor, recent: Recent, *, waiting_max: int) -> APIRouter:
    """The routes. `pool` judges documents; of those that wait for it at most `waiting_max` are held."""
    router = APIRouter(prefix="/v1", tags=["validation"])
    room = asyncio.Semaphore(waiting_max + 1)

    @router.post(
        "/check",
        summary="Findings for a document, as `slt check --json` prints them; nothing is kept",
        response_model=AnswerModel,
        responses={413: {"description": "larger than body_bytes_max"}, 503: {"description": "busy, or not started"}},
        openapi_extra={"requestBody": {"required": True, "content": {"text/plain": _BYTES}}},
    )
    async def check(
        request: Request,
        file: Annotated[str, Query(max_length=1000, description="name of the document, repeated in the answer")] = "",
    ) -> JSONResponse:
        if not copy.ready:
            raise HTTPException(503, "no copy of the reference data yet; try again")
        if room.locked():
            raise HTTPException(503, "too many checks at once; try again")
        async with room:
            registry = copy.current
            document = await _document(request, limit_of(registry, "body_bytes_max"))
            loop = asyncio.get_running_loop()
            today = day_anywhere(time.time())
            return JSONResponse(await loop.run_in_executor(pool, check_document, file, document, registry, today))

    add_report_route(router, recent)
    return router


def check_document(file: str, document: bytes, registry: Registry, today: str | None = None) -> Answer:
    """Judge `document` as the pipeline would, sizes included. Runs on a thread."""
    judgement = judge_as(document, form_of(document), registry.reference, today=today)
    sizes = {
        "body_bytes_max": SALT_BYTES + len(document),
        "submission_bytes_max": STATEMENT_BYTES_MAX + len(compress(bytes(SALT_BYTES) + document)),
        "facts_bytes_max": len(compress(judgement.facts.encoded)) if judgement.facts is not None else 0,
    }
    return answer(file, with_errors(judgement, oversize(sizes, lambda name: limit_of(registry, name))))


async def _document(request: Request, bytes_max: int) -> bytes:
    """The bytes of the request. Raises HTTPException for more than `bytes_max`, or when they do not come."""
    parts = []
    size = 0
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            async for part in request.stream():
                size += len(part)
                if size > bytes_max:
                    raise HTTPException(413, f"the document has more than body_bytes_max = {bytes_max} bytes")
                parts.append(part)
    except TimeoutError:
        raise HTTPException(408, f"the document did not come within {READ_WITHIN_S:.0f} s") from None
    return b"".join(parts)
