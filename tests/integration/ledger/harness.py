"""A ledger service on a bus of the test's, and a consensus that publishes what the test has made."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from services.ledger.config import Config
from services.ledger.service import serve
from services.ledger.signing import checkpoint_signer
from services.ledger.store import Store
from slt.bus import subjects
from slt.bus.messages import Block, BlockGet, BlockReply, ReceiptGet, ReceiptReply, decode, encode
from slt.consensus.proof import Proof
from slt.consensus.receipts import VerifierCache, verify_receipt
from slt.runtime.database import ProcessLock, open_engine, upgrade
from slt.runtime.run import Runtime, ServiceBus, start
from slt.runtime.settings import load
from slt.statements.answers import decode_receipts
from tests.support.blocks import Chain, Decision, World, make_world, seed
from tests.support.services import service_env, stage_signer
from tests.support.signed import signed

DEADLINE_S: Final = 60.0  # a process start takes ten seconds and more where the machine is busy
POLL_S: Final = "0.05"
MIGRATIONS: Final = "services.ledger.migrations"


def ledger_env(folder: Path, world: World, name: str = "world", **extra: str) -> dict[str, str]:
    """The environment of a ledger service of `make_world(name)`."""
    env = service_env(folder, world, "ledger", SLT_BLOCK_POLL_S=POLL_S, **extra)
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed(f"{name} checkpoint"))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "ledger" / "checkpoint.pem"
    path.write_bytes(pem)
    return env | {"SLT_CHECKPOINT_KEY": str(path)}


def database_of(config: Config) -> str | Path:
    """What open_engine takes: the URL of a PostgreSQL, or the folder of SQLite's file."""
    return config.database_url or config.data_dir


def ledger_config(folder: Path, world: World, **extra: str) -> Config:
    return load(Config, ledger_env(folder, world, **extra))


@dataclass(kw_only=True)
class Running:
    """A ledger service in this process."""

    runtime: Runtime
    store: Store
    served: "asyncio.Task[None]"
    url: str = ""

    async def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.get(f"{self.url}{path}", headers=headers, timeout=DEADLINE_S)


@asynccontextmanager
async def ledger(
    config: Config, bus: ServiceBus, *, store_of: Callable[[Any], Store] = Store
) -> AsyncIterator[Running]:
    """Run the service as `__main__` does, until the context closes. What ended it, if anything did, is raised."""
    config.data_dir.mkdir(parents=True, exist_ok=True)
    with ProcessLock(config.data_dir / "ledger.lock", what="the ledger"):
        async with start(config, service="ledger", bus=bus) as runtime:
            engine = open_engine(database_of(config), "ledger")
            await upgrade(engine, MIGRATIONS)
            store = store_of(engine)
            served = asyncio.create_task(serve(runtime, config, store, checkpoint_signer(config, runtime.genesis)))
            try:
                url = await _url(config, served)
                yield Running(runtime=runtime, store=store, served=served, url=url)
            finally:
                runtime.stopping.set()
                try:
                    async with asyncio.timeout(DEADLINE_S):
                        await served
                finally:
                    await engine.dispose()
                    if config.address_file is not None:
                        config.address_file.unlink(missing_ok=True)


async def _url(config: Config, served: "asyncio.Task[None]") -> str:
    """Where it listens. A service that ended before has its say when the context closes."""
    assert config.address_file is not None
    await until(lambda: served.done() or (config.address_file and config.address_file.exists()), "it listens")
    return "" if served.done() else str(json.loads(config.address_file.read_bytes())["http"])


@dataclass(kw_only=True)
class Sequencer:
    """Consensus, as far as a ledger sees it."""

    world: World
    bus: ServiceBus
    chain: Chain
    asked: list[BlockGet] = field(default_factory=list)
    askers: list[str] = field(default_factory=list)  # by their certificates, in the same order
    silent: bool = False
    dropped: int = 0  # blocks up to here were said to be stored, and are gone

    @property
    def stored(self) -> int:
        """The height up to which the ledger has said that it has stored."""
        return max((one.from_height - 1 for one in self.asked), default=-1)

    async def publish(self, *blocks: Block) -> None:
        """Hint at `blocks`, as consensus does once they are final."""
        signer = stage_signer(self.world, "consensus")
        for block in blocks:
            await self.bus.publish(subjects.BLOCK, signer.seal_bytes("block", encode(block)))

    async def order(self, decisions: Sequence[Decision], **how: Any) -> Block:
        """Make the next block and hint at it."""
        block = self.chain.add(decisions, **how)
        await self.publish(block)
        return block

    async def young(self, data: bytes) -> bytes:
        asked = decode(BlockGet, data)
        self.asked.append(asked)
        self.dropped = max(self.dropped, asked.from_height - 1)
        blocks = [] if self.silent else self.chain.blocks[self.dropped :][: asked.count]
        return encode(BlockReply(blocks=[encode(block) for block in blocks], highest=self.chain.height))


@asynccontextmanager
async def sequencer(world: World, bus: ServiceBus) -> AsyncIterator[Sequencer]:
    one = Sequencer(world=world, bus=bus, chain=Chain(world))
    speaker = signed(bus, world, "consensus")
    one.askers = speaker.askers
    async with speaker.serving(subjects.BLOCK_YOUNG, one.young, concurrency=2):
        yield one


async def until(holds: Callable[[], Any], what: str) -> None:
    """Return once `holds()` is true."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not holds():  # noqa: ASYNC110 - what is waited for is behind a bus, or in another process
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not within {DEADLINE_S} s: {what}") from None


async def stored(running: Running, sequencing: Sequencer, height: int) -> None:
    """Return once the ledger has told consensus that `height` is stored."""
    await until(lambda: running.served.done() or sequencing.stored >= height, f"block {height} stored")
    if running.served.done():
        running.served.result()


class Mailbox:
    """Everything that facilities were told, as they read it: statement id -> receipts, in order of arrival."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.receipts: dict[bytes, list[bytes]] = {}
        self.subjects: dict[bytes, str] = {}
        self.messages = 0
        self._cache = VerifierCache()

    async def read(self, bus: ServiceBus) -> None:
        async with bus.answers([subjects.RECEIPT_ALL], after=0) as answers:
            async for delivery in answers:
                chain_id, height, receipts = decode_receipts(delivery.data)
                assert chain_id == self.world.genesis.chain_id
                self.messages += 1
                for receipt in receipts:
                    proof = self.verify(receipt)
                    assert proof.height == height
                    self.receipts.setdefault(proof.statement_id, []).append(receipt)
                    self.subjects[proof.statement_id] = delivery.subject

    def verify(self, receipt: bytes) -> Proof:
        return verify_receipt(receipt, self.world.genesis, cache=self._cache)


@asynccontextmanager
async def mailbox(world: World, bus: ServiceBus) -> AsyncIterator[Mailbox]:
    box = Mailbox(world)
    reading = asyncio.create_task(box.read(bus))
    try:
        yield box
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


@asynccontextmanager
async def everything(
    config: Config, world: World, bus: ServiceBus
) -> AsyncIterator[tuple[Running, Sequencer, Mailbox]]:
    """A ledger, its consensus and the facilities' mailbox, all on one bus."""
    async with AsyncExitStack() as stack:
        sequencing = await stack.enter_async_context(sequencer(world, bus))
        box = await stack.enter_async_context(mailbox(world, bus))
        running = await stack.enter_async_context(ledger(config, bus))
        yield running, sequencing, box


async def ask_receipts(bus: ServiceBus, *statement_ids: bytes) -> list[bytes | None]:
    """As validation asks the ledger of `make_world()`."""
    reply = await signed(bus, make_world(), "validation").request(
        subjects.RECEIPT_GET, encode(ReceiptGet(statement_ids=list(statement_ids))), timeout_s=DEADLINE_S
    )
    return decode(ReceiptReply, reply).receipts
