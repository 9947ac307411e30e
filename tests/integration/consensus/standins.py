"""Small stand-ins for the neighbours of consensus: a uniqueness service and a ledger, on any bus."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from services.ledger.core import Examined, Head, examine
from slt.bus import Bus, NoReply
from slt.bus.compression import inflate
from slt.bus.messages import (
    Block,
    BlockGet,
    BlockReply,
    EvaluateItem,
    EvaluateReply,
    EvaluateRequest,
    Item,
    StateChanged,
    StateReply,
    decode,
    encode,
)
from slt.bus.subjects import ADMITTED, BLOCK_GET, BLOCK_YOUNG, EVALUATE, STATE_CHANGED, STATE_GET
from slt.consensus.charter import Charter
from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.tree import Frontier
from slt.statements.governance import Announcement
from slt.statements.headers import genesis_log_entry
from slt.statements.verdicts import Code, Verdict, facts_digest, findings_digest
from tests.support.blocks import World, seed
from tests.support.services import service_env, stage_signer
from tests.support.signed import signed

POLL_S = 0.02
DEADLINE_S = 60.0  # a process start takes ten seconds and more where the machine is busy


@dataclass(slots=True)
class Ledger:
    """Asks for the next block, examines it as the real ledger does, and keeps it."""

    world: World
    bus: Bus
    blocks: list[bytes] = field(default_factory=list)
    examined: list[Examined] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    paused: bool = False

    @property
    def height(self) -> int:
        return len(self.blocks)

    @property
    def head(self) -> Head:
        if self.examined:
            return self.examined[-1].head
        genesis = self.world.genesis
        entry = leaf_hash(genesis_log_entry(genesis.origin, genesis.chain_id))
        return Head(
            height=0,
            block_id=genesis.chain_id,
            time_ms=0,
            entries=0,
            charter=Charter.of(genesis),
            frontier=Frontier.EMPTY.extended([entry]),
        )

    def messages(self) -> list[Block]:
        return [decode(Block, data) for data in self.blocks]

    def statement_ids(self) -> list[bytes]:
        return [one.statement.id for examined in self.examined for one in examined.ordered]

    def accepted(self) -> list[bytes]:
        return [
            one.statement.id
            for examined in self.examined
            for one in examined.ordered
            if one.verdict.code == Code.ACCEPTED
        ]

    async def follow(self) -> None:
        asking = signed(self.bus, self.world, "ledger")
        while True:
            question = encode(BlockGet(from_height=self.height + 1, count=8))
            with suppress(NoReply):
                if not self.paused:
                    reply = decode(BlockReply, await asking.request(BLOCK_YOUNG, question, timeout_s=1.0))
                    for data in reply.blocks:
                        self.take(data)
            await asyncio.sleep(POLL_S)

    def take(self, data: bytes) -> None:
        examined = examine(decode(Block, data), self.head, self.world.genesis)
        self.blocks.append(data)
        self.examined.append(examined)
        self.changed.set()
        self.changed = asyncio.Event()

    async def answer(self, data: bytes) -> bytes:
        """slt.block.get."""
        request = decode(BlockGet, data)
        found = self.blocks[request.from_height - 1 :][: request.count]
        return encode(BlockReply(blocks=found, lowest=min(1, self.height), highest=self.height))

    async def until(self, statement_ids: Sequence[bytes]) -> None:
        """Return once all of `statement_ids` are in stored blocks."""
        async with asyncio.timeout(DEADLINE_S):
            while not set(statement_ids) <= set(self.statement_ids()):
                await self.changed.wait()

    async def until_height(self, height: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while self.height < height:
                await self.changed.wait()


@dataclass(slots=True)
class Uniqueness:
    """Accepts what is not final yet. Knows what the ledger knows, and says need_parent above it."""

    world: World
    bus: Bus
    ledger: Ledger
    evaluated: list[tuple[int, int]] = field(default_factory=list)  # height and time of each question
    replies: list[EvaluateReply] = field(default_factory=list)  # to give first, whatever is asked
    announced: list[Announcement] = field(default_factory=list)

    async def state(self, _data: bytes) -> bytes:
        """slt.state.get."""
        return encode(
            StateReply(
                height=self.ledger.height,
                block_id=self.ledger.head.block_id,
                identities=[],
                mbas=[],
                members=[],
                parameters={},
                rules_version=1,
                reference_version=1,
                announced=[one.encoded for one in self.announced],
            )
        )

    async def answer(self, data: bytes) -> bytes:
        request = decode(EvaluateRequest, data)
        if self.replies:
            return encode(self.replies.pop(0))
        if self.ledger.head.block_id != request.parent_id:
            return encode(EvaluateReply(kind="need_parent", height=self.ledger.height))
        self.evaluated.append((request.height, request.time_ms))
        seen, size, verdicts = set(self.ledger.accepted()), self.ledger.head.frontier.size, []
        items = [item for batch in request.batches for item in batch.items]
        for item in items:
            is_new = item.statement_id not in seen
            seen.add(item.statement_id)
            verdicts.append(_verdict(item, size if is_new else None))
            size += is_new
        return encode(
            EvaluateReply(
                kind="evaluated",
                verdicts=verdicts,
                findings=[item.findings for item in items],
                state_root=seed(f"state {request.height}"),
                parameters_root=self.world.genesis.parameters_root,
                height=self.ledger.height,
            )
        )

    async def tell(self) -> None:
        """Notify whenever the ledger has moved on."""
        while True:
            await self.ledger.changed.wait()
            await self.bus.notify(STATE_CHANGED, encode(StateChanged(height=self.ledger.height)))
            await asyncio.sleep(0)

    async def admit(self, *messages: Sequence[Item]) -> None:
        signer = stage_signer(self.world, "uniqueness")
        for items in messages:
            await self.bus.publish(ADMITTED, signer.seal("admitted", items))


def _verdict(item: EvaluateItem, log_index: int | None) -> bytes:
    rows = [finding[:4] for finding in item.findings]
    return Verdict(
        statement_id=Digest(item.statement_id),
        code=Code.ACCEPTED if log_index is not None else Code.DUPLICATE,
        log_index=log_index,
        rules_version=1,
        facts_digest=facts_digest(item.facts_salt, inflate(item.facts_z, bytes_max=2**26)),
        findings_digest=findings_digest(item.findings_salt, rows),
    ).encoded


@dataclass(frozen=True, slots=True)
class Neighbours:
    ledger: Ledger
    uniqueness: Uniqueness


@asynccontextmanager
async def neighbours(world: World, bus: Bus) -> AsyncIterator[Neighbours]:
    """Both at work while the context is open."""
    ledger = Ledger(world, bus)
    uniqueness = Uniqueness(world, bus, ledger)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(signed(bus, world, "ledger").serving(BLOCK_GET, ledger.answer, concurrency=2))
        await stack.enter_async_context(
            signed(bus, world, "uniqueness").serving(EVALUATE, uniqueness.answer, concurrency=1)
        )
        await stack.enter_async_context(
            signed(bus, world, "uniqueness").serving(STATE_GET, uniqueness.state, concurrency=1)
        )
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ledger.follow()), group.create_task(uniqueness.tell())]
            yield Neighbours(ledger, uniqueness)
            for task in tasks:
                task.cancel()


def consensus_env(folder: Path, world: World, **extra: str) -> dict[str, str]:
    """Write what the service needs under `folder`, and return its environment."""
    env = service_env(folder, world, "consensus")
    home = folder / "consensus"
    seed_of_key = world.consensus.seed
    assert seed_of_key is not None
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed_of_key)
    (home / "consensus.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (home / "term.cbor").write_bytes(world.term.encoded)
    return env | {
        "SLT_CONSENSUS_KEY": str(home / "consensus.pem"),
        "SLT_TERM_CERTIFICATE": str(home / "term.cbor"),
        **extra,
    }
