"""One uniqueness service inside its member; consensus, ledger and validation are stand-ins that a test controls."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from services.uniqueness.config import Config
from services.uniqueness.service import serve
from services.uniqueness.store import Store
from slt.bus import Bus
from slt.bus.messages import (
    Again,
    AgainReply,
    Block,
    BlockBatch,
    BlockGet,
    BlockReply,
    EvaluateBatch,
    EvaluateItem,
    EvaluateReply,
    EvaluateRequest,
    Item,
    ReceiptGet,
    ReceiptReply,
    StateGet,
    StateReply,
    WireFinding,
    decode,
    encode,
)
from slt.bus.stage import StageOpener
from slt.bus.subjects import (
    AGAIN,
    BLOCK,
    BLOCK_GET,
    BLOCK_YOUNG,
    EVALUATE,
    RECEIPT_GET,
    REFUSED_ALL,
    REFUSED_GOVERNANCE,
    STATE_GET,
    VALIDATED,
)
from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.tree import Frontier
from slt.reports.facts import Facts
from slt.runtime.database import ProcessLock, open_engine, upgrade
from slt.runtime.run import Runtime, start
from slt.runtime.settings import load
from slt.statements.answers import decode_refusals
from slt.statements.batches import Batch, BatchEntry, sign_batch
from slt.statements.cbor import encode as encode_cbor
from slt.statements.headers import Header, genesis_log_entry
from slt.statements.refusals import Refusal, verify_refusal
from slt.statements.tags import list_root
from slt.statements.verdicts import Code, parse_verdict
from tests.support.blocks import World, certify, make_world
from tests.support.buses import World as Broker
from tests.support.services import service_env, stage_signer
from tests.support.signed import signed
from tests.unit.inventory.building import report

DEADLINE_S: Final = 60.0  # a process start takes ten seconds and more where the machine is busy
LEDGER: Final[World] = make_world("uniqueness")
MIGRATIONS: Final = "services.uniqueness.migrations"

T = TypeVar("T")


async def soon(awaitable: Awaitable[T]) -> T:
    """The result, within the deadline of every wait here."""
    async with asyncio.timeout(DEADLINE_S):
        return await awaitable


async def until(holds: Callable[[], bool]) -> None:
    """Return once `holds()`: for what nobody announces, asked again and again until the deadline."""

    async def look() -> None:
        while not holds():  # noqa: ASYNC110 - a counter or a table sets no event
            await asyncio.sleep(0.005)

    await soon(look())


def item(
    number: int,
    *,
    facts: Facts | None = None,
    mba: str = "XLR1",
    salt: bytes | None = None,
    iat: int | None = None,
    findings: Sequence[WireFinding] = (),
) -> Item:
    """Report `number` as validation passes it on; of one receipt when `facts` does not say otherwise."""
    given = facts or report(number, mba=mba)
    return LEDGER.item(
        number,
        mba=mba,
        facts=given.encoded,
        salt=salt,
        iat=int(time.time()) if iat is None else iat,
        findings=findings,
    )


def copy_of(one: Item, place: int) -> Item:
    """Another submission of the same statement."""
    return msgspec.structs.replace(one, submission_id=bytes([place]) * 32)


@dataclass(kw_only=True)
class Stored:
    """The ledger as uniqueness sees it."""

    blocks: list[Block] = field(default_factory=list)
    receipts: set[bytes] = field(default_factory=set)  # statements that have one
    again: list[bytes] = field(default_factory=list)  # whose receipts were asked to be issued again
    silent: bool = False  # what it says about receipts cannot be read

    async def receipt_get(self, data: bytes) -> bytes:
        if self.silent:
            return b""
        ids = decode(ReceiptGet, data).statement_ids
        return encode(ReceiptReply(receipts=[b"receipt" if one in self.receipts else None for one in ids]))

    async def issue_again(self, data: bytes) -> bytes:
        items = decode(Again, data).items
        self.again += [statement for statement, _, _ in items]
        return encode(AgainReply(issued=[statement in self.receipts for statement, _, _ in items]))

    async def get(self, data: bytes) -> bytes:
        return encode(_reply(self.blocks, decode(BlockGet, data)))


class Sequencer:
    """Consensus: orders what it is given, asks for evaluation, makes certified blocks and keeps the young ones."""

    def __init__(self, bus: Bus) -> None:
        genesis = LEDGER.genesis
        self.bus = bus
        self.young: list[Block] = []
        self.frontier = Frontier.EMPTY.extended([leaf_hash(genesis_log_entry(genesis.origin, genesis.chain_id))])
        self.parent_id: bytes = genesis.chain_id
        self.height = 0
        self.time_ms = int(time.time() * 1000)
        self.chain: tuple[int, bytes] = (0, genesis.chain_id)
        self._sealer = stage_signer(LEDGER, "consensus")
        self.signed = signed(bus, LEDGER, "consensus")

    async def answer_young(self, data: bytes) -> bytes:
        return encode(_reply(self.young, decode(BlockGet, data)))

    async def evaluate(self, request: EvaluateRequest, *, timeout_s: float = DEADLINE_S) -> EvaluateReply:
        """Raises NoReply, as when the service dies while it evaluates."""
        reply = await self.signed.request(EVALUATE, encode(request), timeout_s=timeout_s)
        return decode(EvaluateReply, reply)

    def propose(self, items: Sequence[Item], *, batch_reports: int = 64) -> tuple[EvaluateRequest, list[BlockBatch]]:
        """What to ask about the next block; the chain of batches moves."""
        batches: list[BlockBatch] = []
        asked: list[EvaluateBatch] = []
        for at in range(0, len(items), batch_reports):
            some = list(items[at : at + batch_reports])
            seq, previous = self.chain
            batch = _batch(seq + 1, previous, some)
            self.chain = (seq + 1, batch.digest)
            signature = sign_batch(batch, LEDGER.genesis.chain_id, LEDGER.consensus)
            batches.append(BlockBatch(batch=batch.encoded, signature=signature, items=some))
            asked.append(
                EvaluateBatch(
                    author=0,
                    seq=batch.seq,
                    digest=batch.digest,
                    previous=previous,
                    items=[EvaluateItem.of(one) for one in some],
                )
            )
        self.time_ms = max(self.time_ms + 1, int(time.time() * 1000))
        request = EvaluateRequest(parent_id=self.parent_id, height=self.height + 1, time_ms=self.time_ms, batches=asked)
        return request, batches

    def finish(
        self,
        request: EvaluateRequest,
        batches: list[BlockBatch],
        reply: EvaluateReply,
        *,
        state_root: bytes | None = None,
    ) -> Block:
        """The certified block of an evaluated proposal. `state_root`: what another evaluation would have given."""
        assert reply.kind == "evaluated", reply
        genesis = LEDGER.genesis
        verdicts = [parse_verdict(verdict) for verdict in reply.verdicts]
        items = [one for batch in batches for one in batch.items]
        leaves = [
            leaf_hash(one.statement)
            for one, verdict in zip(items, verdicts, strict=True)
            if verdict.code == Code.ACCEPTED
        ]
        self.frontier = self.frontier.extended(leaves)
        self.height += 1
        header = Header(
            chain_id=genesis.chain_id,
            height=self.height,
            parent_id=Digest(self.parent_id),
            epoch=0,
            time_ms=request.time_ms,
            proposer=0,
            members_root=genesis.members_root,
            next_members_root=genesis.members_root,
            parameters_root=Digest(reply.parameters_root),
            batches_root=list_root("batches", [encode_cbor(batch.digest) for batch in request.batches]),
            verdicts_root=list_root("verdicts", reply.verdicts),
            state_root=Digest(state_root or reply.state_root),
            log_size=self.frontier.size,
            log_root=self.frontier.root(),
            evidence_root=list_root("evidence", []),
        )
        self.parent_id = header.block_id
        block = Block(
            height=self.height,
            header=header.encoded,
            certificate=certify(header, LEDGER.consensus, LEDGER.term),
            batches=batches,
            verdicts=reply.verdicts,
            findings=reply.findings,
        )
        self.young.append(block)
        return block

    async def order(self, *items: Item, hint: bool = True) -> list[int]:
        """Make `items` one final block and return the codes of its verdicts."""
        request, batches = self.propose(items)
        reply = await self.evaluate(request)
        block = self.finish(request, batches, reply)
        if hint:
            await self.hint(block)
        return [parse_verdict(verdict).code for verdict in reply.verdicts]

    async def hint(self, block: Block) -> None:
        await self.bus.publish(BLOCK, self._sealer.seal_bytes("block", encode(block)))


class Member:
    """What a test holds: it speaks as validation, consensus and ledger, and listens as a facility."""

    def __init__(self, broker: Broker, bus: Bus, folder: Path, database_url: str | None) -> None:
        self.database_url = database_url
        self.broker = broker
        self.bus = bus
        self.folder = folder
        self.ledger = Stored()
        self.sequencer = Sequencer(bus)
        self._sealer = stage_signer(LEDGER, "validation")
        self._opener = StageOpener(LEDGER.genesis, member=0)
        self.admitted_items: list[Item] = []  # as they came, repeats included
        self.refusals: list[Refusal] = []

    @property
    def database(self) -> str | Path:
        """Where the service keeps its state, as open_engine takes it."""
        return self.database_url or self.folder / "uniqueness" / "data"

    @asynccontextmanager
    async def consensus_answers(self) -> AsyncIterator[None]:
        async with self.sequencer.signed.serving(BLOCK_YOUNG, self.sequencer.answer_young, concurrency=1):
            yield

    @asynccontextmanager
    async def ledger_answers(self) -> AsyncIterator[None]:
        ledger = signed(self.bus, LEDGER, "ledger")
        async with (
            ledger.serving(RECEIPT_GET, self.ledger.receipt_get, concurrency=1),
            ledger.serving(AGAIN, self.ledger.issue_again, concurrency=1),
            ledger.serving(BLOCK_GET, self.ledger.get, concurrency=1),
        ):
            yield

    async def validated(self, *items: Item) -> None:
        """Publish one message as validation."""
        await self.bus.publish(VALIDATED, self._sealer.seal("validated", items))

    async def listen(self) -> None:
        """Collect what is admitted and refused, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._admitted())
            tasks.create_task(self._refused())

    async def admitted(self, count: int) -> list[int]:
        """The first `count` different submissions that were admitted, by report number, in order."""
        await until(lambda: len(dict.fromkeys(one.submission_id for one in self.admitted_items)) >= count)
        return [number_of(one) for one in {one.submission_id: one for one in self.admitted_items}.values()][:count]

    async def refused(self, count: int) -> list[Refusal]:
        """The first `count` refusals, verified against genesis."""
        await until(lambda: len(self.refusals) >= count)
        return self.refusals[:count]

    async def state(self) -> StateReply:
        """As validation asks for it."""
        validation = signed(self.bus, LEDGER, "validation")
        reply = await soon(validation.request(STATE_GET, encode(StateGet()), timeout_s=DEADLINE_S))
        return decode(StateReply, reply)

    async def _admitted(self) -> None:
        async for delivery in self.bus.deliveries("consensus", in_flight=16):
            self.admitted_items += self._opener.open("admitted", delivery.data)
            await delivery.done()

    async def _refused(self) -> None:
        async with self.bus.answers([REFUSED_ALL, REFUSED_GOVERNANCE], after=0) as answers:
            async for delivery in answers:
                for refusal, signature, certificate in decode_refusals(delivery.data):
                    self.refusals.append(verify_refusal(refusal, signature, certificate, LEDGER.genesis))

    @asynccontextmanager
    async def service(
        self, *, store: type[Store] = Store, hold_s: float = 300.0, stays: bool = True
    ) -> AsyncIterator["Running"]:
        """The service in this process, with everything that its __main__ does. `stays`: ends when the context does."""
        bus = await self.broker.bus("uniqueness")
        config = config_of(self.folder, hold_s=hold_s, database_url=self.database_url)
        config.data_dir.mkdir(parents=True, exist_ok=True)
        with ProcessLock(config.data_dir / "uniqueness.lock", what="uniqueness"):
            async with start(config, service="uniqueness", bus=bus) as runtime:
                engine = open_engine(self.database, "uniqueness")
                try:
                    await upgrade(engine, MIGRATIONS)
                    address = config.address_file
                    assert address is not None
                    address.unlink(missing_ok=True)
                    serving = asyncio.create_task(serve(runtime, config, made := store(engine)))
                    await until(lambda: address.exists() or serving.done())
                    yield Running(runtime=runtime, store=made, serving=serving)
                    runtime.stopping.set()
                    if stays:
                        await soon(serving)
                finally:
                    if not serving.done():
                        serving.cancel()
                        await asyncio.wait({serving})
                    await engine.dispose()


@dataclass(frozen=True, kw_only=True)
class Running:
    runtime: Runtime
    store: Store
    serving: "asyncio.Task[None]"


@asynccontextmanager
async def member(broker: Broker, folder: Path, *, database_url: str | None = None) -> AsyncIterator[Member]:
    """A member whose consensus and ledger answer. `database_url`: of PostgreSQL, in place of a file in `folder`."""
    async with AsyncExitStack() as stack:
        made = Member(broker, await broker.bus("member"), folder, database_url)
        await stack.enter_async_context(made.consensus_answers())
        await stack.enter_async_context(made.ledger_answers())
        listening = asyncio.create_task(made.listen())
        try:
            yield made
        finally:
            if listening.done():
                listening.result()
            listening.cancel()
            await asyncio.wait({listening})


def config_of(folder: Path, *, hold_s: float = 300.0, database_url: str | None = None) -> Config:
    settings = {"SLT_HOLD_S": str(hold_s), "SLT_BLOCK_POLL_S": "0.05", "SLT_LOG_LEVEL": "warning"}
    settings |= {} if database_url is None else {"SLT_DATABASE_URL": database_url}
    return load(Config, service_env(folder, LEDGER, "uniqueness", **settings))


def number_of(one: Item) -> int:
    from services.uniqueness.core import vetted_of

    facts = vetted_of(one).read_facts()
    assert facts is not None
    return facts.number


def _batch(seq: int, previous: bytes, items: Sequence[Item]) -> Batch:
    return Batch(
        author=0,
        seq=seq,
        previous=Digest(previous),
        entries=tuple(
            BatchEntry(
                statement=one.statement,
                endorsements=tuple(one.endorsements),
                body_length=one.body_length,
                body_digest=Digest(one.body_digest),
            )
            for one in items
        ),
    )


def _reply(blocks: Sequence[Block], question: BlockGet) -> BlockReply:
    found = [one for one in blocks if one.height >= question.from_height][: question.count]
    return BlockReply(
        blocks=[encode(one) for one in found],
        lowest=blocks[0].height if blocks else 0,
        highest=blocks[-1].height if blocks else 0,
    )
