"""The log for everybody: static files over HTTP (C2SP tlog-tiles), and the witness that we are (C2SP tlog-witness).

GET /log/checkpoint                  the signed and cosigned checkpoint; never cached
GET /log/tile/{level}/{index}        a tile, or the beginning of one (`.p/{width}`); cached for ever
GET /log/tile/entries/{index}        a bundle of entries, in the same way
POST /witness/add-checkpoint         a cosignature on a checkpoint that extends what was cosigned before
GET /witness/{origin_hash}/checkpoint  the latest one cosigned of a log, by the SHA-256 of its origin
"""

import gzip
from hashlib import sha256
from typing import Annotated, Final

from fastapi import APIRouter, Header, Path, Request, Response

from services.ledger.log.publishing import Publisher
from services.ledger.log.verified import LogBroken, VerifiedTiles
from services.ledger.log.witness import Closed, NotStoredYet, Witness
from slt.merkle.tiles import ENTRIES, BadTile, Tile
from slt.merkle.witness import REQUEST_BYTES_MAX, SIZE_TYPE, Refused, parse_add_checkpoint
from slt.runtime.files import FatalStorage

NOTE_TYPE: Final = "text/plain; charset=utf-8"
TILE_TYPE: Final = "application/octet-stream"
FOR_EVER: Final = "public, max-age=31536000, immutable"  # a year: the longest that caches keep
RETRY_S: Final = "2"
GZIP_LEVEL: Final = 6


def make_log_router(publisher: Publisher, tiles: VerifiedTiles, witness: Witness | None) -> APIRouter:
    """The routes of the log. They show what is published, and nothing that no checkpoint covers yet."""
    router = APIRouter(tags=["log"])

    @router.get("/log/checkpoint", summary="The latest published checkpoint: a C2SP signed note")
    async def checkpoint(if_none_match: Annotated[str | None, Header()] = None) -> Response:
        if publisher.published is None:
            return _later(publisher.trouble or publisher.waiting or "the log is being published")
        data = publisher.published.note.encode()
        return _file(data, NOTE_TYPE, "no-cache", if_none_match)

    @router.get("/log/tile/{path:path}", summary="A tile or a bundle of entries, as C2SP tlog-tiles names it")
    async def tile(
        path: str,
        if_none_match: Annotated[str | None, Header()] = None,
        accept_encoding: Annotated[str, Header()] = "",
    ) -> Response:
        if publisher.published is None:
            return _later("the log is being published")
        try:
            wanted = Tile.from_path(f"tile/{path}")
        except BadTile as error:
            return _plain(404, str(error))
        try:
            data = await tiles.content(wanted, publisher.published.size)
        except (LogBroken, OSError, FatalStorage) as error:
            return _plain(500, f"{wanted.path} cannot be read: {error}")
        if data is None:
            return _plain(404, f"a log of {publisher.published.size} entries has no {wanted.path}")
        zipped = wanted.level == ENTRIES and "gzip" in accept_encoding
        if zipped:
            data = await tiles.reading(gzip.compress, data, GZIP_LEVEL, mtime=0)
        response = _file(data, TILE_TYPE, FOR_EVER, if_none_match)
        if wanted.level == ENTRIES:
            response.headers["Vary"] = "Accept-Encoding"
        if zipped:
            response.headers["Content-Encoding"] = "gzip"
        return response

    @router.post("/witness/add-checkpoint", summary="Cosign a checkpoint (C2SP tlog-witness)")
    async def add_checkpoint(request: Request) -> Response:
        if witness is None:
            return _plain(404, "this service has no cosigner key and is no witness")
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > REQUEST_BYTES_MAX:
                return _plain(400, f"a request has at most {REQUEST_BYTES_MAX} bytes")
        try:
            line = await witness.add(parse_add_checkpoint(bytes(body)))
        except Refused as refused:
            if refused.size is not None:
                return Response(f"{refused.size}\n".encode(), refused.status, {"Content-Type": SIZE_TYPE})
            return _plain(refused.status, refused.reason)
        except (NotStoredYet, Closed, OSError) as error:
            return _later(str(error))
        return Response(line.line.encode(), media_type=NOTE_TYPE)

    @router.get("/witness/{origin_hash}/checkpoint", summary="The latest checkpoint that was cosigned of a log")
    async def latest(origin_hash: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]) -> Response:
        try:
            note = None if witness is None else await witness.latest(origin_hash)
        except Closed as error:
            return _later(str(error))
        if note is None:
            return _plain(404, "nothing was cosigned of such a log here")
        return Response(note.encode(), media_type=NOTE_TYPE, headers={"Cache-Control": "no-cache"})

    return router


def _file(data: bytes, media_type: str, caching: str, if_none_match: str | None) -> Response:
    tag = f'"{sha256(data).hexdigest()[:32]}"'
    headers = {"Cache-Control": caching, "ETag": tag}
    if if_none_match is not None and (if_none_match.strip() == "*" or tag in if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type=media_type)


def _plain(status: int, reason: str) -> Response:
    return Response(f"{reason}\n".encode(), status, media_type=NOTE_TYPE)


def _later(reason: str) -> Response:
    """Come again: a cache, or our clock, is behind, or a person has to look at the disk."""
    return Response(f"{reason}\n".encode(), 503, {"Retry-After": RETRY_S}, NOTE_TYPE)
