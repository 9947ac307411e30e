"""Every place where publishing the log may end: what a checkpoint covers is there, and nothing was cosigned twice."""

import hashlib
import random
from base64 import b64decode
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from prometheus_client import CollectorRegistry

from services.ledger.keeper import signing
from services.ledger.log.cosigning import OutsideWitnesses
from services.ledger.log.leaves import Leaves
from services.ledger.log.publishing import Publisher, Signers
from services.ledger.log.verified import VerifiedTiles
from services.ledger.log.witness import Witness
from services.ledger.rows import StoredBlock
from slt.merkle.cosignatures import cosigner_key_from_seed
from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.policy import Policy
from slt.merkle.proofs import LeafTree
from slt.merkle.tree import Frontier
from slt.runtime.logs import Log
from slt.runtime.metrics import Metrics
from slt.statements.headers import genesis_log_entry
from tests.integration.ledger.log_harness import mth
from tests.simulation.disk import Crashed, Loss, Machine
from tests.simulation.log_disk import LogDisk
from tests.support.blocks import make_world

WORLD = make_world()
KEY = cosigner_key_from_seed("ledger.example/test/member/0", bytes([7]) * 32)
FIRST, SECOND = 258, 3  # leaves of the two blocks that are published: over a tile's end, and a few more
ENTRIES = [genesis_log_entry(WORLD.genesis.origin, WORLD.genesis.chain_id)]
ENTRIES += [f"statement {number}".encode() for number in range(FIRST + SECOND)]
TREE = LeafTree([leaf_hash(entry) for entry in ENTRIES])
STATE = hashlib.sha256(WORLD.genesis.origin.encode()).hexdigest()  # the file in which the witness remembers
SIZES = (1, 1 + FIRST, 1 + FIRST + SECOND)
ROUNDS_MAX = 4
DASH = "\N{EM DASH}".encode()  # begins a signature line


class Chain:
    """services.ledger.store.Store, as far as leaves are read: three blocks."""

    def __init__(self) -> None:
        before = Frontier.EMPTY
        self._blocks: list[StoredBlock] = []
        for height, size in enumerate(SIZES):
            after = before.extended([leaf_hash(entry) for entry in ENTRIES[before.size : size]])
            self._blocks.append(
                StoredBlock(
                    height=height, block_id=b"", time_ms=0, first_entry=max(0, before.size - 1),
                    entries=size - before.size, before=before, after=after, header=b"", certificate=b"",
                    checkpoint=signing(WORLD.genesis, WORLD.checkpoint)(after), received_ms=0, stored_ms=0,
                )
            )  # fmt: skip
            before = after

    async def block(self, height: int) -> StoredBlock | None:
        return self._blocks[height]

    async def blocks(self, from_height: int, count: int) -> list[StoredBlock]:
        return self._blocks[from_height : from_height + count]

    async def accepted(self, block: StoredBlock) -> list[bytes]:
        return ENTRIES[block.before.size : block.after.size]


CHAIN = Chain()


@dataclass
class Member:
    """The disks of a ledger that is started again and again, and what it has shown to the world."""

    machine: Machine
    tiles: LogDisk
    state: LogDisk
    shown: set[int] = field(default_factory=set)  # sizes under served checkpoints
    cosigned: dict[int, bytes] = field(default_factory=dict)  # size -> root

    @classmethod
    def new(cls, *, seed: int = 1) -> "Member":
        machine = Machine(rng=random.Random(seed))
        return cls(machine, LogDisk(machine, "tiles"), LogDisk(machine, "state"))

    async def live(self, *heights: int) -> Publisher:
        """Publish up to each of `heights` in turn. Ends with Crashed where the machine's fuse says so."""
        log, metrics = Log("ledger", level="error"), Metrics(CollectorRegistry())
        keeper: Any = SimpleNamespace(head=None)
        store: Any = CHAIN
        leaves = Leaves(store, WORLD.genesis)

        async def own_root(size: int) -> Digest | None:
            return await leaves.root_at(size, keeper.head.height)

        witness = Witness(
            KEY,
            self.state,
            {WORLD.genesis.origin: [WORLD.checkpoint.verifier]},
            own_origin=WORLD.genesis.origin,
            own_root=own_root,
            now_s=lambda: 1_700_000_000,
        )
        tiles = VerifiedTiles(self.tiles, leaves, log=log, metrics=metrics)
        signers = Signers(
            log=WORLD.checkpoint.verifier,
            witness=witness,
            outside=OutsideWitnesses(Policy(), wait_s=1, log=log, metrics=metrics),
            policy=Policy(),
        )
        publisher = Publisher(keeper, leaves, tiles, signers, every_s=0.0, scrub_s=0.0, log=log, metrics=metrics)
        try:
            await witness.open()
            for height in heights:
                keeper.head = SimpleNamespace(height=height, frontier=CHAIN._blocks[height].after)
                await self._publish(publisher, SIZES[height])
        finally:
            tiles.close()
        return publisher

    async def _publish(self, publisher: Publisher, size: int) -> None:
        for _ in range(ROUNDS_MAX):
            try:
                await publisher.round()
            finally:
                if publisher.published is not None:
                    self._look_at(publisher.published.note)
            if publisher.published is not None and publisher.published.size == size:
                return
        raise AssertionError(f"not published after {ROUNDS_MAX} rounds: {publisher.trouble}")

    def _look_at(self, note: str) -> None:
        lines = note.split("\n")
        size, root = int(lines[1]), b64decode(lines[2])
        assert self.cosigned.setdefault(size, root) == root == TREE.root(size)
        self.shown.add(size)

    def check(self) -> int:
        """Whatever the checkpoint on the disk covers is there, and was seen by the witness before. Gives its size."""
        note = self.tiles.read("checkpoint")
        size = 0 if note is None else int(note.split(b"\n")[1])
        assert size >= max(self.shown, default=0), "what was served is on the disk"
        state = self.state.read(STATE)
        seen = 0 if state is None else int(state.split(b"\n")[3])
        assert seen >= size or (note or b"").count(DASH) == 1, "what was cosigned is remembered"
        row = [hashlib.sha256(b"\0" + entry).digest() for entry in ENTRIES[:size]]
        bundles = [self._file("entries", index, min(256, size - 256 * index)) for index in range(-(-size // 256))]
        assert b"".join(bundles) == b"".join(len(entry).to_bytes(2, "big") + entry for entry in ENTRIES[:size])
        level = 0
        while row:
            found = [self._file(str(level), at // 256, len(row[at : at + 256])) for at in range(0, len(row), 256)]
            assert found == [b"".join(row[at : at + 256]) for at in range(0, len(row), 256)]
            row = [mth(row[at : at + 256]) for at in range(0, len(row) - len(row) % 256, 256)]
            level += 1
        return size

    def _file(self, level: str, index: int, width: int) -> bytes:
        data = self.tiles.read(f"tile/{level}/{index:03d}" + ("" if width == 256 else f".p/{width}"))
        assert data is not None, (level, index, width)
        return data


async def points() -> list[str]:
    member = Member.new()
    await member.live(0, 1, 2)
    return member.machine.labels


@pytest.mark.timeout(300)  # some hundred lives, each of some ten milliseconds
@pytest.mark.parametrize("loss", get_args(Loss))
async def test_after_an_end_at_any_step_everything_that_was_promised_is_there(loss: Loss) -> None:
    count = len(await points())
    assert count > 100
    for at in range(1, count + 1):
        member = Member.new(seed=at)
        member.machine.blows_at = at
        with pytest.raises(Crashed):
            await member.live(0, 1, 2)
        for disk in (member.tiles, member.state):
            disk.lose(loss)
        member.check()
        await member.live(2)
        assert member.check() == SIZES[2], member.machine.labels[at - 1]


async def test_the_steps_come_in_the_order_that_makes_a_crash_harmless() -> None:
    """Entries before tiles, tiles before the witness's memory, that before the checkpoint; dropping is last."""
    labels = [
        label for label in await points() if label.startswith("after") and ("rename" in label or "remove" in label)
    ]
    assert list(dict.fromkeys(label.split(": ")[0] + " " + label.split()[3] for label in labels)) == [
        "after tiles entries",
        "after tiles tile",
        f"after state {STATE[:10]}",
        "after tiles checkpoint",
        "after tiles folder",
    ]


@pytest.mark.parametrize("disk", ["tiles", "state"])
async def test_no_room_at_any_write_is_borne_and_made_good_when_there_is_room(disk: str) -> None:
    member = Member.new()
    await member.live(0, 1, 2)
    operations = getattr(member, disk).operations
    assert operations >= 4
    for at in range(1, operations + 1):
        member = Member.new(seed=at)
        getattr(member, disk).fails_at = at
        publisher = await member.live(0, 1, 2)
        assert member.check() == SIZES[2]
        closed = publisher._signers.witness is not None and publisher._signers.witness.closed is not None
        # A failed sync of the witness's state closes the witness; the log goes on without its cosignature.
        assert not closed or disk == "state"


async def test_an_older_database_under_a_cosigner_that_has_seen_more_publishes_nothing() -> None:
    member = Member.new()
    await member.live(2)
    member.tiles = LogDisk(member.machine, "tiles")  # a new machine: no tiles, an old copy of the database
    with pytest.raises(AssertionError, match="our cosigner has signed 262 entries and 259 are stored"):
        await member.live(1)
    assert member.tiles.read("checkpoint") is None
    await member.live(2)  # it has caught up


async def test_a_state_that_rotted_closes_the_witness_and_a_lost_tile_does_not() -> None:
    member = Member.new()
    await member.live(1)
    state = member.state.files[STATE]
    state.written = state.written.replace(b"\n259\n", b"\n258\n")
    member.tiles.files.pop("tile/0/000")
    publisher = await member.live(2)
    assert publisher.published is not None and publisher.published.note.encode().count(DASH) == 1
    assert publisher.trouble is not None and "cannot be read" in publisher.trouble
