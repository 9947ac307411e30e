"""Publishes the log: tiles out of the committed blocks, then a checkpoint that is cosigned as the policy asks.

A task of its own that follows the keeper and never holds it up. In order, for the log up to the last stored block:

tiles       bundles and tiles, durable, re-read and re-hashed, and their root compared with the block's
cosign      by our own key under the witness's rule, then by the outside witnesses, within a time
publish     the checkpoint's file, durable; from here on it is served

A crash at any step leaves the checkpoint before, with all its tiles. The next start goes on from it by the same code,
or from nothing.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.ledger.keeper import Keeper
from services.ledger.log.cosigning import OutsideWitnesses, note_with
from services.ledger.log.leaves import Leaves
from services.ledger.log.tiles import Broken
from services.ledger.log.verified import LogBroken, VerifiedTiles
from services.ledger.log.witness import Closed, Witness
from services.ledger.rows import StoredBlock
from slt.merkle.checkpoints import parse_checkpoint
from slt.merkle.cosignatures import open_checkpoint
from slt.merkle.notes import NoteError, NoteSignature, NoteVerifier, split_note
from slt.merkle.policy import Policy, PolicyNotMet
from slt.merkle.tiles import ENTRIES, WIDTH, RightEdge, Tile, tiles_of, width_at
from slt.merkle.witness import AddCheckpoint, Refused
from slt.runtime.files import FatalStorage

if TYPE_CHECKING:
    from slt.runtime.logs import Log
    from slt.runtime.metrics import Metrics

STEP_LEAVES: Final = 4096  # leaves in memory while catching up: some megabytes


class Untrue(Exception):
    """This ledger would contradict what it has signed. Nothing is published until a person has looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The checkpoint that is served, with every signature that it carries."""

    size: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signers:
    """Who signs our checkpoints, and what is asked of them."""

    log: NoteVerifier  # our own checkpoint key
    witness: Witness | None  # our own cosigner
    outside: OutsideWitnesses
    policy: Policy


class Publisher:
    """Owns the edge of the tiles and what is served. `run` and `scrub` are tasks; anybody may read `published`."""

    def __init__(
        self,
        keeper: Keeper,
        leaves: Leaves,
        tiles: VerifiedTiles,
        signers: Signers,
        *,
        every_s: float,
        scrub_s: float,
        log: "Log",
        metrics: "Metrics",
    ) -> None:
        self._keeper = keeper
        self._leaves = leaves
        self._tiles = tiles
        self._signers = signers
        self._every_s = every_s
        self._scrub_s = scrub_s
        self._log = log
        self._block: StoredBlock | None = None  # that the edge ends with
        self._open_entries: tuple[bytes, ...] = ()
        self._lines: dict[tuple[str, bytes], NoteSignature] = {}  # cosignatures on the edge's checkpoint so far
        self._scrubbing: Iterator[Tile] = iter(())
        self.published: Published | None = None
        self.waiting: str | None = None  # whose cosignatures are awaited
        self.trouble: str | None = None  # why nothing is published
        self._published_size = metrics.gauge("slt.ledger.log_published", "Entries under the checkpoint that is served")
        self._troubled = metrics.gauge("slt.ledger.log_trouble", "1 while the log is stored and cannot be published")

    # The two tasks

    async def run(self) -> None:
        """Publish whatever is stored, every `every_s`, until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(self._every_s)

    async def round(self) -> None:
        """Publish what is stored now. Trouble is told, and the next round tries again."""
        try:
            if self._block is None:
                await self._recover()
            await self._step()
            self._settle()
        except (OSError, FatalStorage, Broken, LogBroken, Untrue) as error:
            # The files are a cache: the next round writes them again, from the last edge that was checked.
            self._sound(f"{type(error).__name__}: {error}")

    async def scrub(self) -> None:
        """Read one file after the other, for ever, and make again what is not as it should be.

        After a file that had to be made again the next one follows at once: where one is missing, all may be.
        """
        while True:
            before = self._tiles.rebuilt
            try:
                if self.published is not None:
                    await self._scrub_one(self.published)
            except (OSError, FatalStorage, LogBroken) as error:
                self._sound(f"{type(error).__name__}: {error}")
                await asyncio.sleep(self._every_s)
            if self._tiles.rebuilt == before:
                await asyncio.sleep(self._scrub_s)

    # One round

    async def _recover(self) -> None:
        """Go on from the checkpoint on the disk, if the database says the same of it; else from nothing."""
        height = self._keeper.head.height
        edge = await self._tiles.reading(self._tiles.reader.recovered)
        block = await self._leaves.block_of(edge.size - 1, height) if edge.size else None
        if block is None or block.after != edge.frontier:
            edge, block = RightEdge.EMPTY, await self._leaves.block_of(0, 0)
            assert block is not None, "height 0 has leaf 0"
            self._log.info("log is published anew", entries=self._keeper.head.frontier.size)
        begin = edge.size - edge.size % WIDTH
        self._open_entries = tuple(await self._leaves.between(begin, edge.size, height))
        self._tiles.edge, self._tiles.last_height, self._block = edge, block.height, block
        note = await self._tiles.reading(self._tiles.reader.checkpoint)
        if edge.size and note is not None and self._may_serve(note):
            self._serve(Published(size=edge.size, note=note))

    async def _step(self) -> None:
        """Bring tiles and checkpoint to the end of the chain, unless an earlier one still waits for its quorum."""
        published = self.published
        if self.waiting is None and self._keeper.head.frontier.size > self._tiles.edge.size:
            await self._grow(self._keeper.head.height)
        if published is None or published.size < self._tiles.edge.size or self._signers.outside.anybody:
            await self._publish()

    async def _grow(self, height: int) -> None:
        leaves: list[bytes] = []
        async for some in self._leaves.after(self._tiles.edge.size, height):
            leaves += some.leaves
            if len(leaves) >= STEP_LEAVES or some.block.height == height:
                await self._append(leaves, some.block)
                leaves = []

    async def _append(self, leaves: list[bytes], block: StoredBlock) -> None:
        """Write what `leaves` add, up to the end of `block`; the edge moves once it has been read back and compared."""
        tiles = self._tiles
        grown = await tiles.writing(tiles.writer.append, tiles.edge, self._open_entries, leaves)
        if grown.edge.frontier != block.after:
            raise LogBroken(
                f"the statements up to block {block.height} do not hash to the root that it was signed with"
            )
        await tiles.writing(tiles.writer.check, grown.changed, grown.edge)
        tiles.edge, tiles.last_height = grown.edge, block.height
        self._open_entries, self._block, self._lines = grown.open_entries, block, {}

    async def _publish(self) -> None:
        assert self._block is not None
        note = self._block.checkpoint
        before = len(self._lines)
        await self._cosign(note)
        whole = note_with(note, self._lines.values())
        size = self._tiles.edge.size
        if self.published is not None and self.published.size == size and len(self._lines) == before:
            return  # the same one, and nobody new has cosigned it
        try:
            self._signers.policy.check(whole, [self._signers.log])
        except PolicyNotMet as error:
            if self.waiting is None:
                self._log.warning("checkpoint waits", size=size, reason=str(error))
            self.waiting = str(error)
            return
        await self._tiles.writing(self._tiles.writer.publish, whole)
        self._serve(Published(size=size, note=whole))
        await self._tiles.writing(self._tiles.writer.drop_partials, (size,))

    async def _cosign(self, note: str) -> None:
        """Add to `_lines` the cosignatures on the edge's checkpoint that are not there yet."""
        checkpoint = parse_checkpoint(split_note(note)[0])
        witness = self._signers.witness
        if witness is not None and (witness.cosigner.name, witness.cosigner.key_id) not in self._lines:
            try:
                seen = witness.seen(checkpoint.origin)
                old = 0 if seen is None else seen.size
                if old > checkpoint.size:
                    raise Untrue(
                        f"our cosigner has signed {old} entries and {checkpoint.size} are stored: the database is "
                        "older than what was promised. Let it catch up, or restore a newer one"
                    )
                proof = tuple(await self._tiles.consistency(old, checkpoint.size))
                self._add(await witness.add(AddCheckpoint(old=old, proof=proof, note=note)))
            except Refused as error:
                raise Untrue(f"what is stored contradicts what our cosigner has signed: {error}") from error
            except Closed:
                pass  # _settle says so; whether it can be published without us is for the policy to say
        for line in await self._signers.outside.cosign(
            note, checkpoint, self._tiles.consistency, have=self._lines.keys()
        ):
            self._add(line)

    def _add(self, line: NoteSignature) -> None:
        self._lines.setdefault((line.name, line.key_id), line)

    def _may_serve(self, note: str) -> bool:
        """Whether a checkpoint from the disk is ours and meets today's policy."""
        try:
            self._signers.policy.check(note, [self._signers.log])
        except (NoteError, PolicyNotMet):
            return False
        opened = open_checkpoint(note, [self._signers.log], self._signers.policy.cosigners)
        self._lines = {(one.line.name, one.line.key_id): one.line for one in opened.cosignatures}
        return True

    def _serve(self, published: Published) -> None:
        self.published, self.waiting = published, None
        self._published_size.set(published.size)

    # Looking after what was written

    async def _scrub_one(self, published: Published) -> None:
        tiles = self._tiles
        if await tiles.reading(tiles.reader.checkpoint) != published.note and self.published is published:
            await tiles.writing(tiles.writer.publish, published.note)
            tiles.rebuilt += 1
            self._log.warning("checkpoint rebuilt", size=published.size)
        tile = next(self._scrubbing, None)
        if tile is None:
            self._scrubbing = tiles_of(published.size)
        elif tile.is_full:
            await (tiles.bundle(tile) if tile.level == ENTRIES else tiles.hashes(tile, fresh=True))
        else:
            await self._scrub_partial(tile)

    async def _scrub_partial(self, tile: Tile) -> None:
        """A partial file is what the checkpoint on the disk needs; it may have been dropped for its full one since."""
        published = self.published
        if published is None or tile.width != width_at(tile.level, tile.index, published.size):
            return
        expected = await self._tiles.content(tile, published.size)
        if expected is not None and not await self._tiles.reading(self._tiles.reader.holds, tile, expected):
            await self._tiles.writing(self._tiles.writer.repair, tile, expected)
            self._tiles.rebuilt += 1
            self._log.warning("tile rebuilt", tile=tile.path)

    def _sound(self, reason: str) -> None:
        if self.trouble != reason:
            self._log.error("log trouble", reason=reason)
        self.trouble = reason
        self._troubled.set(1)

    def _settle(self) -> None:
        """After a round that went well."""
        witness = self._signers.witness
        if witness is not None and witness.closed is not None:
            self._sound(f"our own cosigner does not sign: {witness.closed}")
            return
        if self.trouble is not None:
            self._log.info("log goes on", size=self._tiles.edge.size)
        self.trouble = None
        self._troubled.set(0)
