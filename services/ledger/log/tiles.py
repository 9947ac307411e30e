"""The log's tiles as files: a cache made from the database, and whatever is read back is compared with the log's root.

A static file server can serve the folder as it is: `checkpoint`, `tile/<level>/<index>`, `tile/entries/<index>`. The
order is fixed: bundles, tiles from the leaves upwards, all re-read and re-hashed, and only then the checkpoint that
covers them. So whatever a checkpoint on the disk covers is on the disk too, unless somebody or something took it away;
that is found out when it is read, and made again.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.ledger.log.disk import Disk, place
from slt.merkle.checkpoints import BadCheckpoint, parse_checkpoint
from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.notes import NoteError, split_note
from slt.merkle.tiles import (
    ENTRIES,
    HEIGHT,
    WIDTH,
    BadTile,
    RightEdge,
    Tile,
    decode_bundle,
    decode_tile,
    encode_bundle,
    encode_tile,
    tile_root,
    verify_bundle,
    width_at,
)

CHECKPOINT: Final = "checkpoint"
TILES_HELD: Final = 256  # verified full tiles in memory, 8 kB each: the upper levels of any log, and what is popular


class Broken(Exception):
    """A file is not there, or does not hold what the log's root says that it holds."""

    def __init__(self, tile: Tile) -> None:
        super().__init__(f"{tile.path} is missing or damaged")
        self.tile = tile


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """The right end of the log after entries were appended."""

    edge: RightEdge
    open_entries: tuple[bytes, ...]  # those of the bundle that is not full
    changed: tuple[Tile, ...]  # tiles and bundles that were written


class TileWriter:
    """Writes tiles. Used by one thread at a time; any step may raise OSError or FatalStorage, and be done again."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def append(self, edge: RightEdge, open_entries: Sequence[bytes], new: Sequence[bytes]) -> Grown:
        """Write the bundles and tiles that `new` entries fill or widen; each file is durable on return.

        `open_entries` are those of the rightmost bundle before. A crash leaves some of the files: wider partial ones
        and new full ones, which no checkpoint covers yet, and which are written again with the same bytes.
        """
        entries = [*open_entries, *new]
        first = edge.size // WIDTH
        changed: list[Tile] = []
        for at in range(0, len(entries), WIDTH):
            part = entries[at : at + WIDTH]
            changed.append(Tile(ENTRIES, first + at // WIDTH, len(part)))
            place(self._disk, changed[-1].path, encode_bundle(part))
        grown, tiles = edge.extended([leaf_hash(entry) for entry in new])
        for tile, hashes in tiles:
            place(self._disk, tile.path, encode_tile(hashes))
            changed.append(tile)
        rest = len(entries) % WIDTH
        return Grown(edge=grown, open_entries=tuple(entries[len(entries) - rest :]), changed=tuple(changed))

    def check(self, changed: Sequence[Tile], edge: RightEdge) -> None:
        """Re-read and re-hash what was written, against `edge`, whose root the caller has compared. Raises Broken."""
        reader = TileReader(self._disk, tiles_held=len(changed))
        for tile in sorted(changed, key=lambda one: (-one.level, one.index)):
            if tile.width == width_at(tile.level, tile.index, edge.size):
                if tile.level == ENTRIES:
                    reader.bundle(tile, edge)
                elif tile.is_full:
                    reader.hashes(tile, edge)
                else:
                    self._check_partial(tile, edge)

    def repair(self, tile: Tile, data: bytes) -> None:
        """Write a tile or bundle again; durable on return."""
        place(self._disk, tile.path, data)

    def publish(self, note: str) -> None:
        """Replace the checkpoint; durable on return. A crash before leaves the old one, whose tiles are all there."""
        place(self._disk, CHECKPOINT, note.encode())

    def drop_partials(self, sizes: Sequence[int]) -> None:
        """Remove partial tiles but for those at the right end of logs of `sizes` (what is served, what is written).

        The full tile is there by now. A crash leaves some of them, and the next call removes those.
        """
        for level in range(ENTRIES, -(-max(sizes).bit_length() // HEIGHT)):
            indexes = [(size >> HEIGHT * max(level, 0)) // WIDTH for size in sizes]
            kept = {f"{Tile(level, index).path}.p" for index in indexes}
            for folder in {_folder(Tile(level, max(0, min(indexes) - before))) for before in (0, 1)}:
                for name in self._disk.folders(folder):
                    if name.endswith(".p") and f"{folder}/{name}" not in kept:
                        self._disk.remove_folder(f"{folder}/{name}")

    def _check_partial(self, tile: Tile, edge: RightEdge) -> None:
        if self._disk.read(tile.path) != encode_tile(edge.hashes(tile) or ()):
            raise Broken(tile)


class TileReader:
    """Reads tiles and bundles, and gives out only what hashes to the root of a believed edge.

    Used by one thread at a time.
    """

    def __init__(self, disk: Disk, *, tiles_held: int = TILES_HELD) -> None:
        self._disk = disk
        self._tiles_held = tiles_held
        self._held: OrderedDict[Tile, tuple[Digest, ...]] = OrderedDict()

    def checkpoint(self) -> str | None:
        data = self._disk.read(CHECKPOINT)
        return None if data is None else data.decode("utf-8", "replace")

    def holds(self, tile: Tile, data: bytes) -> bool:
        return self._disk.read(tile.path) == data

    def recovered(self) -> RightEdge:
        """The edge that the checkpoint on the disk and its partial tiles tell of; an empty one if they tell of none.

        Nothing here is believed: the caller compares the root with the one in the database.
        """
        note = self.checkpoint()
        try:
            size = 0 if note is None else parse_checkpoint(split_note(note)[0]).size
            return RightEdge.read(size, lambda tile: self._disk.read(tile.path) or b"")
        except (NoteError, BadCheckpoint, BadTile):
            return RightEdge.EMPTY

    def hashes(self, tile: Tile, edge: RightEdge, *, fresh: bool = False) -> tuple[Digest, ...]:
        """The hashes of `tile`, as wide as it is at the edge's size. Raises Broken for the file that is not good.

        `fresh` looks at the file even if its content is known.
        """
        if (from_edge := edge.hashes(tile)) is not None:
            return from_edge
        assert tile.is_full, "a partial tile is part of the edge"
        known = self._held.get(tile)
        if known is not None and not fresh:
            self._held.move_to_end(tile)
            return known
        expected = self.expected(tile, edge)
        try:
            hashes = tuple(decode_tile(self._disk.read(tile.path) or b"", WIDTH))
        except BadTile:
            raise Broken(tile) from None
        if tile_root(hashes) != expected:
            raise Broken(tile)
        self._held[tile] = hashes
        while len(self._held) > self._tiles_held:
            self._held.popitem(last=False)
        return hashes

    def expected(self, tile: Tile, edge: RightEdge) -> Digest:
        """The hash of a full tile in the tile above it. Raises Broken for a file further up."""
        level, index = tile.level + 1, tile.index // WIDTH
        above = Tile(level, index, width_at(level, index, edge.size))
        return self.hashes(above, edge)[tile.index % WIDTH]

    def bundle(self, tile: Tile, edge: RightEdge) -> list[bytes]:
        """The entries of a bundle, as wide as it is at the edge's size. Raises Broken."""
        hashes = self.hashes(Tile(0, tile.index, tile.width), edge)
        data = self._disk.read(tile.path)
        try:
            entries = decode_bundle(data or b"", tile.width)
            verify_bundle(entries, hashes)
        except BadTile:
            raise Broken(tile) from None
        if encode_bundle(entries) != data:
            raise Broken(tile)
        return entries


def _folder(tile: Tile) -> str:
    return tile.path.rpartition("/")[0]
