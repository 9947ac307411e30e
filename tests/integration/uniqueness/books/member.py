"""The books inside their member: a ledger that gives blocks, a consensus that hints at them, and the service itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from services.uniqueness.books.config import Config
from services.uniqueness.books.service import serve
from services.uniqueness.books.store import Store
from slt.bus import Bus
from slt.bus.messages import Block, BlockGet, BlockReply, decode, encode
from slt.bus.subjects import BLOCK, BLOCK_GET
from slt.reports.facts import Facts
from slt.runtime.database import ProcessLock, open_engine, upgrade
from slt.runtime.run import Runtime, start
from slt.runtime.settings import load
from tests.support.blocks import Chain, Decision, World, accepted, make_world
from tests.support.buses import World as Broker
from tests.support.services import service_env, stage_signer
from tests.support.signed import signed

DEADLINE_S: Final = 60.0  # a process start takes ten seconds and more where the machine is busy
LEDGER: Final[World] = make_world("books of a member")


async def until(holds: Callable[[], bool], what: str) -> None:
    """Return once `holds()`."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not holds():  # noqa: ASYNC110 - what is waited for is behind a bus, or in another process
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not within {DEADLINE_S} s: {what}") from None


@dataclass(kw_only=True)
class Member:
    """What a test holds: it is the member's ledger and consensus."""

    broker: Broker
    bus: Bus
    folder: Path
    chain: Chain = field(default_factory=lambda: Chain(LEDGER))
    stored: int = 0  # blocks that the ledger gives
    count_max: int = 64  # blocks of one answer
    asked: list[int] = field(default_factory=list)

    def block(self, *reports: Facts | Decision, stored: bool = True) -> Block:
        """The next block; the ledger has it if `stored`."""
        decisions = [one if isinstance(one, Decision) else accepted(item(one)) for one in reports]
        made = self.chain.add(decisions)
        if stored:
            self.stored = len(self.chain.blocks)
        return made

    async def hint(self, block: Block) -> None:
        """As consensus publishes it."""
        sealer = stage_signer(LEDGER, "consensus")
        await self.bus.publish(BLOCK, sealer.seal_bytes("block", encode(block)))

    async def get(self, data: bytes) -> bytes:
        question = decode(BlockGet, data)
        self.asked.append(question.from_height)
        begin = question.from_height - 1
        some = self.chain.blocks[: self.stored][begin : begin + min(question.count, self.count_max)]
        return encode(BlockReply(blocks=[encode(one) for one in some], lowest=1, highest=self.stored))

    @asynccontextmanager
    async def books(self, where: str | Path | None = None, *, store: type[Store] = Store) -> AsyncIterator["Running"]:
        """The service in this process, with everything that its __main__ does."""
        bus = await self.broker.bus("books")
        config = config_of(self.folder)
        config.data_dir.mkdir(parents=True, exist_ok=True)
        with ProcessLock(config.data_dir / "books.lock", what="the books"):
            async with start(config, service="uniqueness", process="books", bus=bus) as runtime:
                engine = open_engine(where or config.data_dir, "books")
                await upgrade(engine, "services.uniqueness.books.migrations")
                address = config.address_file
                assert address is not None
                address.unlink(missing_ok=True)
                serving = asyncio.create_task(serve(runtime, config, engine, store(engine)))
                try:
                    await until(lambda: serving.done() or address.exists(), "the books listen")
                    if serving.done():
                        serving.result()
                    url = json.loads(address.read_bytes())["http"]
                    yield Running(runtime=runtime, engine=engine, serving=serving, url=url)
                finally:
                    runtime.stopping.set()
                    await asyncio.wait({serving}, timeout=DEADLINE_S)
                    serving.cancel()
                    await asyncio.gather(serving, return_exceptions=True)
                    await engine.dispose()


@dataclass(frozen=True, kw_only=True)
class Running:
    runtime: Runtime
    engine: AsyncEngine
    serving: "asyncio.Task[None]"
    url: str

    async def get(self, path: str, **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
            return await client.get(self.url + path, headers=headers)

    async def said(self, path: str) -> dict[str, Any]:
        answer = await self.get(path)
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    async def at(self, height: int) -> None:
        """Return once the books stand at `height`."""
        async with asyncio.timeout(DEADLINE_S):
            while (await self.said("/v1/areas"))["height"] < height:
                assert not self.serving.done(), "the service has ended"
                await asyncio.sleep(0.01)


def item(facts: Facts) -> Any:
    """The report as it leaves uniqueness."""
    return LEDGER.item(facts.number, mba=facts.mba, facts=facts.encoded)


def config_of(folder: Path, **settings: str) -> Config:
    return load(Config, env_of(folder, **settings))


def env_of(folder: Path, **settings: str) -> dict[str, str]:
    given = {"SLT_BLOCK_POLL_S": "0.05", "SLT_LOG_LEVEL": "warning"} | settings
    return service_env(folder, LEDGER, "uniqueness", **given)


@asynccontextmanager
async def member(broker: Broker, folder: Path) -> AsyncIterator[Member]:
    """A member whose ledger answers."""
    made = Member(broker=broker, bus=await broker.bus("member"), folder=folder)
    async with signed(made.bus, LEDGER, "ledger").serving(BLOCK_GET, made.get, concurrency=2):
        yield made
