"""The log as tiles (c2sp.org/tlog-tiles): files of 256 hashes, bundles of 256 entries, and how they grow.

A tile at level l holds the roots of 256 subtrees of 256^l entries each; at level 0 that are leaf hashes. The rightmost
tile of a level is partial until it has all its hashes. A bundle holds the entries below a tile of level 0, each behind
its length in two bytes. A partial tile or bundle is the beginning of every wider one.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from slt.merkle.hashing import DIGEST_BYTES, EMPTY_ROOT, Digest, joined, leaf_hash
from slt.merkle.proofs import IndexOutside, Node, consistency_path, inclusion_path
from slt.merkle.tree import SIZE_MAX, Frontier

WIDTH: Final = 256
HEIGHT: Final = 8  # a tile is a subtree of 2^8
LEVEL_MAX: Final = 7  # of a tree of SIZE_MAX entries
ENTRIES: Final = -1  # the level of bundles
ENTRY_BYTES_MAX: Final = 0xFFFF

_PATH: Final = re.compile(r"tile/(entries|[0-7])/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_INDEX_MAX: Final = SIZE_MAX // WIDTH


class BadTile(ValueError):
    """The path, tile or bundle is not what it has to be. The message says what is wrong."""


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Names a tile, or a bundle (level ENTRIES), of `width` hashes or entries; 256 is a full one."""

    level: int
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if not ENTRIES <= self.level <= LEVEL_MAX or not 0 <= self.index <= _INDEX_MAX:
            raise BadTile(f"no log of {SIZE_MAX} entries has tile {self.index} at level {self.level}")
        if not 1 <= self.width <= WIDTH:
            raise BadTile(f"a tile is 1 to {WIDTH} wide, not {self.width}")

    @property
    def is_full(self) -> bool:
        return self.width == WIDTH

    @property
    def full(self) -> "Tile":
        return Tile(self.level, self.index)

    @property
    def path(self) -> str:
        """`tile/0/x001/x234/067`, with `.p/8` behind it for one of width 8."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = "" if self.is_full else f".p/{self.width}"
        return f"tile/{level}/{_grouped(self.index)}{partial}"

    @classmethod
    def from_path(cls, path: str) -> "Tile":
        """Read exactly what .path gives. Raises BadTile."""
        match = _PATH.fullmatch(path)
        if match is None:
            raise BadTile("a tile is at tile/<level>/<index> or tile/entries/<index>, the index in groups of 3 digits")
        level, upper, last, width = match.groups()
        index = int(upper.replace("x", "").replace("/", "") + last)
        tile = cls(ENTRIES if level == "entries" else int(level), index, int(width or WIDTH))
        if tile.path != path:
            raise BadTile(f"the path of this tile is {tile.path}")
        return tile


def width_at(level: int, index: int, size: int) -> int:
    """How wide the tile at `level` and `index` is in a log of `size` entries; 0 where there is none."""
    hashes = size >> HEIGHT * max(level, 0)
    return max(0, min(WIDTH, hashes - index * WIDTH))


def tiles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """The tiles and bundles of a log of `size` entries that a log of `since` entries did not have, leaves first."""
    yield from _tiles_at(ENTRIES, size, since)
    level = 0
    while size >> HEIGHT * level:
        yield from _tiles_at(level, size >> HEIGHT * level, since >> HEIGHT * level)
        level += 1


def _tiles_at(level: int, hashes: int, before: int) -> Iterator[Tile]:
    if hashes > before:
        for index in range(before // WIDTH, -(-hashes // WIDTH)):
            yield Tile(level, index, min(WIDTH, hashes - index * WIDTH))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """The bundle of `entries`. Raises BadTile for an entry whose length two bytes cannot say."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise BadTile(f"an entry has at most {ENTRY_BYTES_MAX} bytes, not {len(entry)}")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """The first `width` entries of a bundle, which may be wider. Raises BadTile if it does not hold so many."""
    entries: list[bytes] = []
    at = 0
    while len(entries) < width:
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise BadTile(f"the bundle ends within entry {len(entries)} of {width}")
        entries.append(data[at + 2 : end])
        at = end
    return entries


def cut_bundle(data: bytes, width: int) -> bytes:
    """The bundle of the first `width` entries of a wider one. Raises BadTile."""
    return encode_bundle(decode_bundle(data, width))


def encode_tile(hashes: Sequence[Digest]) -> bytes:
    return b"".join(hashes)


def decode_tile(data: bytes, width: int) -> list[Digest]:
    """The hashes of a tile of `width`. Raises BadTile if it is not exactly so wide."""
    if len(data) != width * DIGEST_BYTES:
        raise BadTile(f"a tile of width {width} has {width * DIGEST_BYTES} bytes, not {len(data)}")
    return [Digest(data[at : at + DIGEST_BYTES]) for at in range(0, len(data), DIGEST_BYTES)]


def tile_root(hashes: Sequence[Digest]) -> Digest:
    """The hash of a full tile in the tile above it."""
    assert len(hashes) == WIDTH, "only a full tile is hashed into the one above"
    row = list(hashes)
    while len(row) > 1:
        row = joined(row)
    return row[0]


def _levels(size: int) -> int:
    return -(-size.bit_length() // HEIGHT)


def _row_width(level: int, size: int) -> int:
    return (size >> HEIGHT * level) % WIDTH


@dataclass(frozen=True, slots=True)
class RightEdge:
    """The rightmost tile of every level of a log of `size` entries: all that is needed to go on, and to be believed.

    `rows[l]` holds floor(size / 256^l) mod 256 hashes, those of the partial tile at level l; it is empty where the
    rightmost tile is full.
    """

    size: int
    rows: tuple[tuple[Digest, ...], ...]

    EMPTY: ClassVar[Self]

    def __post_init__(self) -> None:
        if not 0 <= self.size <= SIZE_MAX or len(self.rows) != _levels(self.size):
            raise BadTile(f"a log of {self.size} entries has {_levels(self.size)} levels, not {len(self.rows)}")
        for level, row in enumerate(self.rows):
            if len(row) != _row_width(level, self.size):
                raise BadTile(f"the edge of {self.size} entries has {_row_width(level, self.size)} hashes at {level}")

    def extended(self, leaves: Sequence[Digest]) -> "tuple[RightEdge, list[tuple[Tile, tuple[Digest, ...]]]]":
        """The edge after `leaves` (leaf hashes) are appended, and every tile that this filled or widened."""
        rows = [list(row) for row in self.rows]
        changed: list[tuple[Tile, tuple[Digest, ...]]] = []
        new = list(leaves)
        level = 0
        while new:
            if level == len(rows):
                rows.append([])
            index = (self.size >> HEIGHT * level) // WIDTH
            row = rows[level] + new
            parts = [tuple(row[at : at + WIDTH]) for at in range(0, len(row), WIDTH)]
            changed += [(Tile(level, index + place, len(part)), part) for place, part in enumerate(parts)]
            rows[level] = list(parts.pop()) if len(row) % WIDTH else []
            new = [tile_root(part) for part in parts]
            level += 1
        return RightEdge(self.size + len(leaves), tuple(map(tuple, rows))), changed

    @property
    def frontier(self) -> Frontier:
        """The peaks of the tree, whose root is that of the log."""
        peaks: list[Digest] = []
        for level in range(len(self.rows) - 1, -1, -1):
            row, at = self.rows[level], 0
            for bit in range(HEIGHT - 1, -1, -1):
                if len(row) >> bit & 1:
                    peaks.append(_subtree(row[at : at + (1 << bit)]))
                    at += 1 << bit
        return Frontier(self.size, tuple(peaks))

    def root(self) -> Digest:
        return self.frontier.root()

    def hashes(self, tile: Tile) -> tuple[Digest, ...] | None:
        """The hashes of `tile` if it is the beginning of a rightmost partial one of ours."""
        if 0 <= tile.level < len(self.rows) and tile.index == (self.size >> HEIGHT * tile.level) // WIDTH:
            row = self.rows[tile.level]
            return row[: tile.width] if tile.width <= len(row) else None
        return None

    def partial_tiles(self) -> list[Tile]:
        """The tiles whose hashes these are."""
        return [
            Tile(level, (self.size >> HEIGHT * level) // WIDTH, len(row)) for level, row in enumerate(self.rows) if row
        ]

    @classmethod
    def read(cls, size: int, read: Callable[[Tile], bytes]) -> "RightEdge":
        """The edge of a log of `size` entries out of its partial tiles. Raises BadTile; compare the root."""
        rows: list[tuple[Digest, ...]] = []
        for level in range(_levels(size)):
            width = _row_width(level, size)
            tile = Tile(level, (size >> HEIGHT * level) // WIDTH, width) if width else None
            rows.append(tuple(decode_tile(read(tile), width)) if tile else ())
        return cls(size, tuple(rows))


RightEdge.EMPTY = RightEdge(0, ())


def nodes_of(size: int, read: Callable[[Tile], Sequence[Digest]]) -> Node:
    """The nodes of a log of `size` entries, for makers of paths, out of its tiles.

    `read` gives the hashes of a tile as wide as it is at `size`; each is asked for once. Raises IndexOutside for a
    node that such a log does not have.
    """
    held: dict[Tile, Sequence[Digest]] = {}

    def node(level: int, position: int) -> Digest:
        if (position + 1) << level > size:
            raise IndexOutside(((position + 1) << level) - 1, size)
        tile_level, height = divmod(level, HEIGHT)
        index, begin = divmod(position << height, WIDTH)
        tile = Tile(tile_level, index, width_at(tile_level, index, size))
        if tile not in held:
            held[tile] = read(tile)
        return _subtree(held[tile][begin : begin + (1 << height)])

    return node


def needed_for_inclusion(index: int, size: int) -> list[Tile]:
    """The tiles that the inclusion path of `index` in a log of `size` entries is made of. Raises IndexOutside."""
    return _asked(size, lambda node: inclusion_path(index, size, node))


def needed_for_consistency(old: int, size: int) -> list[Tile]:
    """The tiles that the consistency proof from `old` to `size` entries is made of."""
    return _asked(size, lambda node: consistency_path(old, size, node))


def verify_bundle(entries: Sequence[bytes], hashes: Sequence[Digest]) -> None:
    """Raise BadTile unless `entries` hash to the beginning of a tile of level 0, whose `hashes` are believed."""
    for at, entry in enumerate(entries):
        if at >= len(hashes) or leaf_hash(entry) != hashes[at]:
            raise BadTile(f"entry {at} of the bundle is not the one that the log has signed")


def _asked(size: int, walk: Callable[[Node], object]) -> list[Tile]:
    tiles: dict[Tile, None] = {}

    def read(tile: Tile) -> Sequence[Digest]:
        tiles[tile] = None
        return (EMPTY_ROOT,) * tile.width  # any hash will do: only the asking counts

    walk(nodes_of(size, read))
    return list(tiles)


def _grouped(index: int) -> str:
    """1234067 is x001/x234/067."""
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])


def _subtree(hashes: Sequence[Digest]) -> Digest:
    """The root over a complete subtree of `hashes`."""
    row = list(hashes)
    while len(row) > 1:
        row = joined(row)
    return row[0]
