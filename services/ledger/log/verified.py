"""Reads the log's tiles for everybody who asks, and makes again out of the database what is missing or damaged."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from services.ledger.log.disk import Disk
from services.ledger.log.leaves import Leaves
from services.ledger.log.tiles import Broken, TileReader, TileWriter
from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.proofs import consistency_path, inclusion_path
from slt.merkle.tiles import (
    ENTRIES,
    LEVEL_MAX,
    WIDTH,
    BadTile,
    RightEdge,
    Tile,
    encode_bundle,
    encode_tile,
    needed_for_consistency,
    needed_for_inclusion,
    nodes_of,
    tile_root,
    verify_bundle,
    width_at,
)

if TYPE_CHECKING:
    from slt.runtime.logs import Log
    from slt.runtime.metrics import Metrics

P = ParamSpec("P")
R = TypeVar("R")

REPAIRS_MAX: Final = LEVEL_MAX + 2  # one file of every level may be missing above the one that is asked for


class LogBroken(Exception):
    """The database does not give the leaves that the log's root was signed over. A person must look: `slt fsck`."""


class VerifiedTiles:
    """Tiles and bundles under a believed edge. Several tasks may use it; the publisher alone moves the edge."""

    def __init__(self, disk: Disk, leaves: Leaves, *, log: "Log", metrics: "Metrics") -> None:
        self._leaves = leaves
        self._log = log
        self._rebuilt = metrics.counter("slt.ledger.tiles_rebuilt", "Tiles and bundles that were missing or damaged")
        # Reading and writing do not wait for each other: a sync takes as long as the disk likes.
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="tiles-read")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="tiles-write")
        self.reader = TileReader(disk)
        self.writer = TileWriter(disk)
        self.edge = RightEdge.EMPTY
        self.last_height = 0  # of the block that the edge ends with
        self.rebuilt = 0  # files made again since the start

    def close(self) -> None:
        self._reading.shutdown()
        self._writing.shutdown()

    async def reading(self, work: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """`work(...)` on the thread that owns the reader."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, lambda: work(*arguments, **named))

    async def writing(self, work: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """`work(...)` on the thread that owns the writer."""
        return await asyncio.get_running_loop().run_in_executor(self._writing, lambda: work(*arguments, **named))

    async def hashes(self, tile: Tile, *, fresh: bool = False) -> tuple[Digest, ...]:
        """The hashes of a tile as wide as it is at the edge. Raises LogBroken, or OSError when the disk fails."""
        return await self._repairing(lambda edge: self.reader.hashes(tile, edge, fresh=fresh))

    async def bundle(self, tile: Tile) -> list[bytes]:
        """The entries of a bundle as wide as it is at the edge. Raises as `hashes`."""
        return await self._repairing(lambda edge: self.reader.bundle(tile, edge))

    async def content(self, tile: Tile, size: int) -> bytes | None:
        """The file at the path of `tile` in a log of `size` entries, at most those of the edge; None if there is none.

        A partial tile of any width up to that of `size` is given: it is the beginning of what is held.
        """
        if not 1 <= tile.width <= width_at(tile.level, tile.index, size):
            return None
        held = Tile(tile.level, tile.index, width_at(tile.level, tile.index, self.edge.size))
        if tile.level == ENTRIES:
            return encode_bundle((await self.bundle(held))[: tile.width])
        return encode_tile((await self.hashes(held))[: tile.width])

    async def consistency(self, old: int, size: int) -> list[Digest]:
        """The consistency proof from `old` to `size` entries, at most those of the edge."""
        node = nodes_of(size, (await self._all(needed_for_consistency(old, size))).__getitem__)
        return consistency_path(old, size, node)

    async def inclusion(self, index: int, size: int) -> list[Digest]:
        """The inclusion path of `index` in the log of `size` entries, at most those of the edge."""
        node = nodes_of(size, (await self._all(needed_for_inclusion(index, size))).__getitem__)
        return inclusion_path(index, size, node)

    async def _all(self, tiles: list[Tile]) -> dict[Tile, tuple[Digest, ...]]:
        """By tile: its hashes, cut to the width that is asked for."""
        found: dict[Tile, tuple[Digest, ...]] = {}
        for tile in tiles:
            held = Tile(tile.level, tile.index, width_at(tile.level, tile.index, self.edge.size))
            found[tile] = (await self.hashes(held))[: tile.width]
        return found

    async def _repairing(self, read: Callable[[RightEdge], R]) -> R:
        for _ in range(REPAIRS_MAX):
            try:
                return await self.reading(read, self.edge)
            except Broken as broken:
                await self._rebuild(broken.tile)
        raise LogBroken("a tile that was just written cannot be read back: look at the disk of the tiles")

    async def _rebuild(self, tile: Tile) -> None:
        """Make the file of a tile or bundle again, as wide as it is at the edge."""
        if tile.level == ENTRIES:
            entries = await self._entries(tile)
            hashes = await self.hashes(Tile(0, tile.index, tile.width))
            try:
                verify_bundle(entries, hashes)
            except BadTile as error:
                raise LogBroken(f"the statements in the database are not those of {tile.path}: {error}") from None
            data = encode_bundle(entries)
        else:
            hashes = await self._hashes_anew(tile)
            if tile_root(hashes) != await self._repairing(lambda edge: self.reader.expected(tile, edge)):
                raise LogBroken(f"the statements in the database do not hash to {tile.path}")
            data = encode_tile(hashes)
        await self.writing(self.writer.repair, tile, data)
        self.rebuilt += 1
        self._rebuilt.add()
        self._log.warning("tile rebuilt", tile=tile.path)

    async def _hashes_anew(self, tile: Tile) -> tuple[Digest, ...]:
        if tile.level == 0:
            return tuple(leaf_hash(entry) for entry in await self._entries(tile))
        below = [Tile(tile.level - 1, tile.index * WIDTH + place) for place in range(WIDTH)]
        return tuple([tile_root(await self.hashes(child)) for child in below])

    async def _entries(self, tile: Tile) -> list[bytes]:
        begin = tile.index * WIDTH
        entries = await self._leaves.between(begin, begin + tile.width, self.last_height)
        if len(entries) != tile.width:
            raise LogBroken(f"the database has {len(entries)} of the {tile.width} entries of {tile.path}")
        return entries
