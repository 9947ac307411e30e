"""A service's HTTP face: FastAPI in the loop of the service, on a port of its own.

Signals stay with slt.runtime.run: an HTTP server that takes SIGTERM for itself would cut the drain short.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import APIRouter, FastAPI, Response

import slt
from slt.runtime.files import durable_write
from slt.runtime.health import Health
from slt.runtime.telemetry import Telemetry

STOP_WITHIN_S: Final = 5
PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAddress:
    """Where to listen. Port 0 = a free one. TLS when both files are given."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    address_file: Path | None = None  # written once we listen: {"http": url, "pid": n}


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@asynccontextmanager
async def serve(
    address: HttpAddress, *, service: str, health: Health, telemetry: Telemetry, router: APIRouter | None = None
) -> AsyncIterator[str]:
    """Listen while the context is open; gives the URL. Requests under way have STOP_WITHIN_S to end."""
    app = make_app(service=service, health=health, telemetry=telemetry, router=router)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
    )
    with _listening(address.host, address.port) as listening:
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        listens = asyncio.create_task(server.listens.wait())
        try:
            await asyncio.wait({serving, listens}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            url = _url(listening, tls=address.certificate is not None)
            if address.address_file is not None:
                record = json.dumps({"http": url, "pid": os.getpid()}).encode() + b"\n"
                durable_write(address.address_file, record, mode=0o644)
            yield url
        finally:
            listens.cancel()
            server.should_exit = True
            await serving


def make_app(*, service: str, health: Health, telemetry: Telemetry, router: APIRouter | None = None) -> FastAPI:
    """The service's routes, with /livez, /readyz and /metrics."""
    app = FastAPI(title=f"slt {service}", version=slt.__version__)

    @app.get("/livez", tags=["health"], summary="Whether the process should go on")
    async def livez() -> Response:
        return _report(health.not_live(), {})

    @app.get("/readyz", tags=["health"], summary="Whether requests are welcome; what the service waits for")
    async def readyz() -> Response:
        return _report(health.not_ready(), health.waiting)

    @app.get("/metrics", tags=["health"], summary="Metrics in the Prometheus text format")
    async def metrics() -> Response:
        return Response(telemetry.exposition(), media_type=PROMETHEUS)

    if router is not None:
        app.include_router(router)
    return app


def _report(reasons: dict[str, str], waiting: dict[str, str]) -> Response:
    body = {"ok": not reasons, "reasons": reasons, "waiting": waiting}
    return Response(json.dumps(body), status_code=503 if reasons else 200, media_type="application/json")


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=256) as listening:
        yield listening


def _url(listening: socket.socket, *, tls: bool) -> str:
    host, port = listening.getsockname()[:2]
    return f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"
