"""Authentication over HTTP: the door for those without a bus, who is registered, what became of a recent submission."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Header, HTTPException, Query, Request
from pydantic import BaseModel

from slt.bus import BusDown, StreamFull, TooLarge
from slt.bus.subjects import GOVERNANCE, BadSubject, submit
from slt.runtime.copies import Registry, RegistryCopy
from slt.runtime.recent import Recent, add_report_route
from slt.runtime.run import Runtime
from slt.runtime.traces import parse_traceparent
from slt.statements.cbor import DecodeError
from slt.statements.governance import GovernanceStatement, parse_ordered
from slt.statements.submission import MESSAGE_BYTES_MAX, Submission, decode_submissions, message_id

READ_WITHIN_S: Final = 60.0
"""A message of 8 MiB comes in within a minute, or its sender is away."""

POSTS_MAX: Final = 8  # messages of up to 8 MiB that are held at once

_BYTES: Final = {"schema": {"type": "string", "format": "binary"}}


class Queued(BaseModel):
    """The submissions are on the bus. Answers come on `slt.receipt.<state>.<mba>` or `slt.refused.<state>.<mba>`."""

    state: str
    mba: str
    submissions: list[str]
    """Submission ids, hex, in order."""


class RegisteredIdentity(BaseModel):
    """Who may sign, and for what. Times are seconds since 1970 UTC, both inclusive."""

    kid: str
    name: str
    role: str
    state: str
    mbas: list[str]
    not_before: int
    not_after: int


class Identities(BaseModel):
    """The registry as of `height`."""

    height: int
    identities: list[RegisteredIdentity]


def make_router(runtime: Runtime, copy: RegistryCopy, recent: Recent) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1", tags=["authentication"])
    room = asyncio.Semaphore(POSTS_MAX)

    @router.post(
        "/submissions",
        status_code=202,
        summary="Queue a submission message, the same bytes as on slt.submit.<state>.<mba> or slt.submit.governance",
        responses={
            400: {"description": "not a submission message, or no area for it"},
            413: {"description": "larger than a message may be"},
            415: {"description": "not application/cbor"},
            503: {"description": "the bus is away or full, or this service is busy; try again"},
        },
        openapi_extra={"requestBody": {"required": True, "content": {"application/cbor": _BYTES}}},
    )
    async def submissions(
        request: Request,
        state: Annotated[str, Query(max_length=64, description="with `mba`: the area; without: its only one")] = "",
        mba: Annotated[str, Query(max_length=64)] = "",
        traceparent: Annotated[str, Header(max_length=64)] = "",
    ) -> Queued:
        if request.headers.get("content-type", "application/cbor").partition(";")[0].strip() != "application/cbor":
            raise HTTPException(415, "send the message as application/cbor")
        if room.locked():
            raise HTTPException(503, "too many submissions at once; try again", headers={"Retry-After": "1"})
        async with room:
            data = await _message(request)
            try:
                items = decode_submissions(data)
                subject_state, subject_mba = (state, mba) if state or mba else _place(items[0], copy)
                subject = submit(subject_state, subject_mba)
            except (DecodeError, BadSubject) as error:
                raise HTTPException(400, f"{error}") from None
            ids = [item.id for item in items]
            await _publish(runtime, subject, data, ids, traceparent if parse_traceparent(traceparent) else "")
        return Queued(state=subject_state, mba=subject_mba, submissions=[one.hex() for one in ids])

    @router.get("/identities", summary="Who may sign, and for what, as far as this service knows")
    async def identities(
        state: Annotated[str, Query(max_length=4, description="only this State's")] = "",
        role: Annotated[str, Query(max_length=16, description="only those with this role")] = "",
    ) -> Identities:
        registry = _registry(copy)
        return Identities(
            height=registry.height,
            identities=[
                RegisteredIdentity(
                    kid=one.kid.hex(),
                    name=one.name,
                    role=one.role,
                    state=one.state,
                    mbas=list(one.mbas),
                    not_before=one.not_before,
                    not_after=one.not_after,
                )
                for one in registry.identities.values()
                if state in ("", one.state) and role in ("", one.role)
            ],
        )

    add_report_route(router, recent)
    return router


def _registry(copy: RegistryCopy) -> Registry:
    if not copy.ready:
        raise HTTPException(503, "no copy of the registry yet; try again", headers={"Retry-After": "1"})
    return copy.current


def _place(submission: Submission, copy: RegistryCopy) -> tuple[str, str]:
    """GOVERNANCE for a change; else the only area of the author. Raises DecodeError, HTTPException."""
    statement = parse_ordered(submission.statement)
    if isinstance(statement, GovernanceStatement):
        return GOVERNANCE
    author = _registry(copy).identities.get(statement.kid)
    if author is None:
        raise HTTPException(400, "the key of the statement is not registered; name the area: ?state=XL&mba=XLR1")
    if len(author.mbas) != 1:
        raise HTTPException(
            400, f"{author.name} reports for {len(author.mbas)} areas; name the one: ?state={author.state}&mba=XLR1"
        )
    return author.state, author.mbas[0]


async def _publish(runtime: Runtime, subject: str, data: bytes, ids: Sequence[bytes], traceparent: str) -> None:
    """Return once the bus has stored the message. The id is new each time: a retry of the sender's is a new attempt."""
    attempt = runtime.now_ms() % 2**32
    try:
        await runtime.bus.publish(subject, data, id=message_id(ids, attempt), traceparent=traceparent)
    except TooLarge as error:
        raise HTTPException(413, f"the message has {error.size} bytes, {error.limit} are allowed") from None
    except (StreamFull, BusDown) as error:
        raise HTTPException(503, f"{error}; try again", headers={"Retry-After": "5"}) from None


async def _message(request: Request) -> bytes:
    """The bytes of the request. Raises HTTPException for too many, or when they do not come."""
    parts = []
    size = 0
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            async for part in request.stream():
                size += len(part)
                if size > MESSAGE_BYTES_MAX:
                    raise HTTPException(413, f"a submission message has at most {MESSAGE_BYTES_MAX} bytes")
                parts.append(part)
    except TimeoutError:
        raise HTTPException(408, f"the message did not come within {READ_WITHIN_S:.0f} s") from None
    return b"".join(parts)
