"""Compares the published log's files with the entries in the database: every file is a function of these.

Files that are missing are made again by the service when somebody asks for them, and so are damaged ones; here they
are told, because a static server gives them out as they are. Files behind the published checkpoint may be there (the
service died before it was published): they are compared too.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from services.ledger.fsck.faults import Fault
from services.ledger.log.leaves import Leaves
from services.ledger.log.tiles import CHECKPOINT
from services.ledger.store import Store
from slt.merkle.cosignatures import open_checkpoint
from slt.merkle.hashing import leaf_hash
from slt.merkle.notes import NoteError, NoteVerifier
from slt.merkle.tiles import (
    ENTRIES,
    WIDTH,
    BadTile,
    RightEdge,
    Tile,
    encode_bundle,
    encode_tile,
    tiles_of,
)

TEMPORARY: Final = "."  # how the name of a file begins that was never finished; the next write of its name replaces it


async def check_tiles(folder: Path, leaves: Leaves, store: Store, verifier: NoteVerifier) -> AsyncIterator[Fault]:
    """Every file under `folder` against the stored blocks. Yields nothing where nothing was published yet."""
    note, found, foreign = _listed(folder)
    if note is None:
        return
    last = await store.height()  # after the files were listed: whatever they cover is stored
    published = await _published(note, leaves, last, verifier)
    if isinstance(published, str):
        yield _fault(CHECKPOINT, published)
        published = 0
    for name in foreign:
        yield _fault(name, "no file of the log has this name")
    for tile in tiles_of(published):
        if tile not in found:
            yield _fault(tile.path, "the file is missing; the service makes it again when it is asked for")
    async for name, text in _differing(folder, found, leaves, last):
        yield _fault(name, text)


async def _published(note: str, leaves: Leaves, last: int, verifier: NoteVerifier) -> int | str:
    """The size that the checkpoint on the disk is of; or what is wrong with it."""
    try:
        checkpoint = open_checkpoint(note, [verifier]).checkpoint
    except NoteError as error:
        return f"it does not hold: {error}"
    if await leaves.root_at(checkpoint.size, last) != checkpoint.root:
        return f"its root over {checkpoint.size} entries is not that of the database"
    return checkpoint.size


def _listed(folder: Path) -> tuple[str | None, set[Tile], list[str]]:
    """The published checkpoint, the tiles and bundles that are there, and names that are none.

    A service that publishes meanwhile removes partial tiles of older sizes: then the list is made again.
    """
    while True:
        note = _text(folder / CHECKPOINT)
        found: set[Tile] = set()
        foreign: list[str] = []
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if not path.is_file() or name == CHECKPOINT or path.name.startswith(TEMPORARY):
                continue
            try:
                found.add(Tile.from_path(name))
            except BadTile:
                foreign.append(name)
        if note == _text(folder / CHECKPOINT):
            return note, found, foreign


async def _differing(folder: Path, found: set[Tile], leaves: Leaves, last: int) -> AsyncIterator[tuple[str, str]]:
    """Go through the log's entries once, 256 at a time, and compare each file with what they make."""
    edge = RightEdge.EMPTY
    waiting: dict[tuple[int, int], list[Tile]] = {}
    for tile in sorted(found):
        waiting.setdefault((tile.level, tile.index), []).append(tile)
    async for bundle in _bundles(leaves, last):
        for tile in waiting.pop((ENTRIES, edge.size // WIDTH), []):
            if tile.width > len(bundle) or not _holds(folder, tile, encode_bundle(bundle[: tile.width])):
                yield tile.path, "it does not hold the log's entries"
        edge, changed = edge.extended([leaf_hash(entry) for entry in bundle])
        for grown, hashes in changed:
            for tile in waiting.pop((grown.level, grown.index), []) if grown.is_full else []:
                if not _holds(folder, tile, encode_tile(hashes[: tile.width])):
                    yield tile.path, "its hashes are not those of the log's entries"
    for tile in (one for some in waiting.values() for one in some):  # at the right end, or beyond it
        expected = edge.hashes(tile) if tile.level != ENTRIES else None
        if expected is None or not _holds(folder, tile, encode_tile(expected)):
            yield tile.path, "its hashes are not those of the log's entries, or the log does not go so far"


async def _bundles(leaves: Leaves, last: int) -> AsyncIterator[list[bytes]]:
    held: list[bytes] = []
    async for some in leaves.after(0, last):
        held += some.leaves
        while len(held) >= WIDTH:
            yield held[:WIDTH]
            held = held[WIDTH:]
    if held:
        yield held


def _holds(folder: Path, tile: Tile, expected: bytes) -> bool:
    """Whether the file is what it should be. One that went away since it was listed is no fault: see `_listed`."""
    try:
        return (folder / tile.path).read_bytes() == expected
    except FileNotFoundError:
        return True


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return None


def _fault(name: str, text: str) -> Fault:
    return Fault(table="log", row=name, height=-1, text=text)
