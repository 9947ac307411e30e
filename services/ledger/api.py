"""The ledger's HTTP face. Ids are 64 hex digits: of a statement, or of the submission that brought it.

GET /v1/status               how far the chain goes, and the signed checkpoint over the log
GET /v1/blocks?from=&count=  blocks in order of height
GET /v1/blocks/{height}      one block with its verdicts
GET /v1/statements/{id}      who stated what, and every verdict on it
GET /v1/receipts/{id}        the receipt: v1 (application/cbor), or ?format=tlog-proof|cose, or what Accept names
GET /v1/erasures/{id}        the signed record of an erased body, application/cbor
GET /v1/timeline/{id}        when each of the five stages received it and was done
GET /v1/reports/{id}         all that this service knows about a report
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, HTTPException, Path, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from services.ledger.core import Head
from services.ledger.joined import Rotten
from services.ledger.keeper import Keeper
from services.ledger.reader import Reader
from services.ledger.rows import StoredBlock, StoredEntry, timings_of
from services.ledger.store import Store
from slt.statements.erasures import parse_erasure
from slt.statements.genesis import Genesis
from slt.statements.governance import parse_ordered
from slt.statements.receipt_forms import (
    MEDIA_TYPES_OF,
    SUFFIX_OF,
    Form,
    NotInTheLog,
    accepted_form,
    as_cose,
    as_tlog_proof,
)
from slt.statements.signatures import Signer
from slt.statements.verdicts import TABLE, Code

BLOCKS_MAX: Final = 100
CBOR: Final = "application/cbor"
HEIGHT_MAX: Final = 2**63 - 1

Id = Annotated[str, Path(pattern=r"^[0-9a-fA-F]{64}$", description="statement id or submission id, hex")]
Height = Annotated[int, Path(ge=0, le=HEIGHT_MAX)]


class Status(BaseModel):
    origin: str
    chain_id: str
    height: int
    block_id: str
    time_ms: int
    statements: int
    log_size: int
    log_root: str
    checkpoint: str


class BlockSummary(BaseModel):
    height: int
    block_id: str
    time_ms: int
    statements: int
    log_size: int
    log_root: str
    stored_ms: int


class VerdictOf(BaseModel):
    statement_id: str
    verdict: str
    code: int
    final: bool
    rule: str | None
    next_step: str
    height: int
    log_index: int | None
    evidence: str | None
    rules_version: int


class BlockDetail(BlockSummary):
    header: str
    certificate: str
    checkpoint: str
    verdicts: list[VerdictOf]


class StatementOf(BaseModel):
    statement_id: str
    statement: str
    iss: str
    kid: str
    sub: str
    iat: int
    media_type: str
    body_digest: str
    body_length: int
    endorsements: list[str]
    state: str
    mba: str
    verdicts: list[VerdictOf]


class StageTimes(BaseModel):
    stage: str
    received_ms: int
    done_ms: int


class Timeline(BaseModel):
    statement_id: str
    height: int
    stages: list[StageTimes]


class FindingOf(BaseModel):
    rule: str
    severity: str
    entry: str
    label: str
    value: str
    expected: str
    text: str


class ErasedOf(BaseModel):
    time_ms: int
    reason: str


class ReportOf(BaseModel):
    stage: str
    statement_id: str
    state: str
    mba: str
    verdict: VerdictOf
    findings: list[FindingOf]
    holds: list[str]
    erased: ErasedOf | None
    stages: list[StageTimes]


def make_router(store: Store, reader: Reader, keeper: Keeper, genesis: Genesis, signer: Signer) -> APIRouter:
    """The routes of section 9 of the architecture. All of them read committed blocks only.

    `signer` holds the checkpoint key: a COSE receipt is signed when it is asked for, and always gives the same bytes.
    """
    router = APIRouter(prefix="/v1", tags=["ledger"], route_class=_Route)
    lookup = _Lookup(store)

    @router.get("/status", summary="How far the chain goes")
    async def status() -> Status:
        return _status(keeper.head, keeper.checkpoint, genesis)

    @router.get("/blocks", summary="Blocks in order of height; without `from`, the latest")
    async def blocks(
        from_height: Annotated[int | None, Query(alias="from", ge=0, le=HEIGHT_MAX)] = None,
        count: Annotated[int, Query(ge=1, le=BLOCKS_MAX)] = 20,
    ) -> list[BlockSummary]:
        first = max(0, keeper.head.height - count + 1) if from_height is None else from_height
        return [BlockSummary(**_summary(block)) for block in await store.blocks(first, count)]

    @router.get("/blocks/{height}", summary="One block with its verdicts")
    async def block(height: Height) -> BlockDetail:
        found = await store.block(height)
        if found is None:
            raise HTTPException(404, f"height {height} is not stored; the chain ends at {keeper.head.height}")
        entries = await store.entries(found)
        return BlockDetail(
            **_summary(found),
            header=found.header.hex(),
            certificate=found.certificate.hex(),
            checkpoint=found.checkpoint,
            verdicts=[_verdict(entry) for entry in entries],
        )

    @router.get("/statements/{id}", summary="Who stated what, and every verdict on it")
    async def statement(id: Id) -> StatementOf:  # noqa: A002 - the name in the path
        entries = await lookup.all(id)
        return _statement(entries)

    @router.get(
        "/receipts/{id}",
        summary="The receipt, which proves the verdict offline, in one of three forms",
        response_class=Response,
        responses={
            200: {"content": {media_type: {} for media_type in MEDIA_TYPES_OF.values()}},
            404: {"description": "no final verdict, or, for a tlog-proof, a rejection: it is not in the log"},
            406: {"description": "none of the media types in Accept is one of a receipt"},
        },
    )
    async def receipt(
        id: Id,  # noqa: A002 - the name in the path
        form: Annotated[Form | None, Query(alias="format", description="before Accept")] = None,
        bare: Annotated[bool, Query(description="without the receipt v1 inside the published form")] = False,
        accept: Annotated[str, Header()] = "*/*",
    ) -> Response:
        wanted = form or accepted_form(accept)
        if wanted is None:
            raise HTTPException(406, f"a receipt is one of {', '.join(MEDIA_TYPES_OF.values())}")
        entry = await lookup.decided(id)
        if not entry.verdict.final:
            raise HTTPException(404, f"its verdict ({_verdict(entry).verdict}) is void: it gives no receipt")
        made = await reader.receipt_of(entry)
        try:
            match wanted:
                case "v1":
                    content = made
                case "tlog-proof":
                    content = as_tlog_proof(made, bare=bare)
                case "cose":
                    content = as_cose(made, signer, bare=bare)
        except NotInTheLog as error:
            raise HTTPException(404, str(error)) from None
        name = f'attachment; filename="{entry.verdict.statement_id.hex()}{SUFFIX_OF[wanted]}"'
        headers = {"Content-Disposition": name, "Vary": "Accept"}
        return Response(content, media_type=MEDIA_TYPES_OF[wanted], headers=headers)

    @router.get(
        "/erasures/{id}",
        summary="The signed record that stands in the place of an erased body",
        response_class=Response,
        responses={200: {"content": {CBOR: {}}}, 404: {"description": "no body of it was erased here"}},
    )
    async def erasure(id: Id) -> Response:  # noqa: A002 - the name in the path
        entry = await lookup.decided(id)
        if not entry.erasure:
            raise HTTPException(404, "no body of it was erased here")
        return Response(entry.erasure, media_type=CBOR)

    @router.get("/timeline/{id}", summary="When each of the five stages received it and was done")
    async def timeline(id: Id) -> Timeline:  # noqa: A002 - the name in the path
        entry = await lookup.decided(id)
        stages = _stages(entry, await store.block(entry.height))
        return Timeline(statement_id=entry.verdict.statement_id.hex(), height=entry.height, stages=stages)

    @router.get("/reports/{id}", summary="All that this service knows about a report")
    async def report(id: Id) -> ReportOf:  # noqa: A002 - the name in the path
        entry = await lookup.decided(id)
        return _report(entry, _stages(entry, await store.block(entry.height)))

    return router


class _Route(APIRoute):
    """What stands in a row that the disk has changed is not told: 503, and the service says which row."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except Rotten as error:
                raise HTTPException(503, str(error)) from error

        return answered


class _Lookup:
    """Finds entries by what a person has: a statement id, or a submission id."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self, id_hex: str) -> list[StoredEntry]:
        """Every time it was ordered, in order. Raises 404."""
        wanted = bytes.fromhex(id_hex)
        found = await self._store.by_statement(wanted) or await self._store.by_submission(wanted)
        if not found:
            raise HTTPException(404, "no statement or submission with this id was ordered")
        return found

    async def decided(self, id_hex: str) -> StoredEntry:
        """The entry with the final verdict; the latest void one if there is none. Raises 404."""
        found = await self.all(id_hex)
        return next((entry for entry in found if entry.verdict.final), found[-1])


def _status(head: Head, checkpoint: str, genesis: Genesis) -> Status:
    return Status(
        origin=genesis.origin,
        chain_id=genesis.chain_id.hex(),
        height=head.height,
        block_id=head.block_id.hex(),
        time_ms=head.time_ms,
        statements=head.entries,
        log_size=head.frontier.size,
        log_root=head.frontier.root().hex(),
        checkpoint=checkpoint,
    )


def _summary(block: StoredBlock) -> dict[str, Any]:
    return {
        "height": block.height,
        "block_id": block.block_id.hex(),
        "time_ms": block.time_ms,
        "statements": block.entries,
        "log_size": block.after.size,
        "log_root": block.after.root().hex(),
        "stored_ms": block.stored_ms,
    }


def _verdict(entry: StoredEntry) -> VerdictOf:
    verdict = entry.verdict
    row = TABLE[Code(verdict.code)]
    return VerdictOf(
        statement_id=verdict.statement_id.hex(),
        verdict=row.name,
        code=int(row.code),
        final=row.final,
        rule=row.rule,
        next_step=row.next_step,
        height=entry.height,
        log_index=verdict.log_index,
        evidence=None if verdict.evidence is None else verdict.evidence.hex(),
        rules_version=verdict.rules_version,
    )


def _statement(entries: list[StoredEntry]) -> StatementOf:
    entry = next((one for one in entries if one.verdict.final), entries[-1])
    statement = parse_ordered(entry.statement)
    return StatementOf(
        statement_id=statement.id.hex(),
        statement=entry.statement.hex(),
        iss=statement.iss,
        kid=statement.kid.hex(),
        sub=statement.sub,
        iat=statement.iat,
        media_type=statement.media_type,
        body_digest=statement.body_digest.hex(),
        body_length=entry.body_length,
        endorsements=[endorsement.hex() for endorsement in entry.endorsements],
        state=entry.beside.state,
        mba=entry.beside.mba,
        verdicts=[_verdict(one) for one in entries],
    )


def _erased(entry: StoredEntry) -> ErasedOf | None:
    if not entry.erasure:
        return None
    erasure = parse_erasure(entry.erasure)
    return ErasedOf(time_ms=erasure.time_ms, reason=erasure.reason)


def _stages(entry: StoredEntry, block: StoredBlock | None) -> list[StageTimes]:
    assert block is not None, "an entry's block is stored"
    before = [
        StageTimes(stage=timing.stage, received_ms=timing.received_ms, done_ms=timing.done_ms)
        for timing in timings_of(entry.beside)
    ]
    return [*before, StageTimes(stage="ledger", received_ms=block.received_ms, done_ms=block.stored_ms)]


def _report(entry: StoredEntry, stages: list[StageTimes]) -> ReportOf:
    fields = ("rule", "severity", "entry", "label", "value", "expected", "text")
    holds = {"statement": entry.statement, "body": entry.body_z, "facts": entry.facts_z}
    return ReportOf(
        stage="ledger",
        statement_id=entry.verdict.statement_id.hex(),
        state=entry.beside.state,
        mba=entry.beside.mba,
        verdict=_verdict(entry),
        findings=[FindingOf(**dict(zip(fields, finding, strict=True))) for finding in entry.findings.all],
        holds=[name for name, held in holds.items() if held],
        erased=_erased(entry),
        stages=stages,
    )
