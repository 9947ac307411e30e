"""export --tiles: the whole log as files for a static server; verified before its checkpoint is written."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol

from rich.progress import Progress

from slt.client.commands.log import View, read_bundle, view_of
from slt.client.errors import AnswerIsNo, Unreachable, WrongUse
from slt.client.files import write_durably
from slt.client.local.network import working_folder
from slt.client.local.settings import service_folder
from slt.client.output import Output, console
from slt.client.tiled_log import CHECKPOINT, LogFault
from slt.merkle.checkpoints import BadCheckpoint, Checkpoint, parse_checkpoint
from slt.merkle.hashing import leaf_hash
from slt.merkle.notes import NoteError, NoteVerifier, open_note
from slt.merkle.tiles import ENTRIES, WIDTH, BadTile, RightEdge, Tile, encode_bundle, encode_tile, width_at
from slt.statements.genesis import Genesis
from slt.statements.headers import genesis_log_entry

DATABASE: Final = "ledger.sqlite"


class Entries(Protocol):
    """A log's checkpoint, and its entries in order."""

    note: str
    checkpoint: Checkpoint

    def bundles(self) -> Iterator[list[bytes]]:
        """256 entries each, but for the last. Raises LogFault, BadTile or Unreachable."""


class Served:
    """A log that is served, or lies in another folder. Its checkpoint has been verified."""

    def __init__(self, view: View) -> None:
        self._source = view.source
        self.note, opened = view.opened()
        self.checkpoint = opened.checkpoint

    def bundles(self) -> Iterator[list[bytes]]:
        for index in range(-(-self.checkpoint.size // WIDTH)):
            yield read_bundle(self._source, Tile(ENTRIES, index, width_at(ENTRIES, index, self.checkpoint.size)))


class Stored:
    """The log of a ledger's SQLite file, which needs not run; the checkpoint is the one of its last block."""

    def __init__(self, path: Path, genesis: Genesis) -> None:
        self._genesis = genesis
        try:
            self._database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            row = self._database.execute("SELECT checkpoint FROM blocks ORDER BY height DESC LIMIT 1").fetchone()
        except sqlite3.Error as error:
            raise Unreachable(f"{path} cannot be read: {error}") from None
        if row is None:
            raise WrongUse(f"{path} holds no ledger yet")
        keys = [NoteVerifier.from_vkey(member.checkpoint_vkey) for member in genesis.members]
        self.note = _cosigned(path.parent / "log" / CHECKPOINT, str(row[0]), keys)
        self.checkpoint = _checkpoint(self.note, keys)

    def bundles(self) -> Iterator[list[bytes]]:
        bundle = [genesis_log_entry(self._genesis.origin, self._genesis.chain_id)]
        left = self.checkpoint.size - 1
        with closing(self._database):
            rows = self._database.execute(
                "SELECT statement FROM entries WHERE code = 0 ORDER BY entry LIMIT ?", (left,)
            )
            for (statement,) in rows:
                if len(bundle) == WIDTH:
                    yield bundle
                    bundle = []
                bundle.append(bytes(statement))
        yield bundle


def export_tiles(
    target: Path, *, genesis: Path | None, where: str | None, policy: Path | None, directory: Path, as_json: bool
) -> None:
    """Write the log into `target`: tiles and bundles first, and the checkpoint once its root was computed from them."""
    out = Output(as_json=as_json)
    _check_target(target)
    entries = _entries(genesis=genesis, where=where, policy=policy, directory=directory)
    size = entries.checkpoint.size
    hidden = as_json or not sys.stderr.isatty()
    try:
        with Progress(console=console(stderr=True), transient=True, disable=hidden) as bar:
            files = _write(target, entries, bar)
    except (LogFault, BadTile) as error:
        raise AnswerIsNo(f"the log does not hold together: {error}") from None
    write_durably(target / CHECKPOINT, entries.note.encode())
    root = entries.checkpoint.root.hex()
    out.objects([{"folder": str(target), "size": size, "root": root, "files": files + 1}])
    out.say(f"{target}: the log of {size} entries in {files + 1} files, root {root}, every hash computed anew.")


def _entries(*, genesis: Path | None, where: str | None, policy: Path | None, directory: Path) -> Entries:
    """The log that is served; where nothing is up and none was named, the one in the member's database."""
    try:
        return Served(view_of(genesis=genesis, where=where, policy=policy, directory=directory))
    except Unreachable:
        if genesis is not None or where is not None:
            raise
        folder = working_folder(directory)
        path = service_folder(folder, "ledger") / DATABASE
        if not path.exists():
            raise
        return Stored(path, folder.genesis())


def _write(target: Path, entries: Entries, bar: Progress) -> int:
    """Write bundles and tiles, and compare the root; durable on return. Gives the number of files."""
    files = 0

    def write(tile: Tile, data: bytes) -> None:
        nonlocal files
        path = target / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, data)
        files += 1

    task = bar.add_task("Writing entries", total=entries.checkpoint.size)
    edge = RightEdge.EMPTY
    for bundle in entries.bundles():
        write(Tile(ENTRIES, edge.size // WIDTH, len(bundle)), encode_bundle(bundle))
        edge, changed = edge.extended([leaf_hash(entry) for entry in bundle])
        for tile, hashes in changed:
            if tile.is_full:
                write(tile, encode_tile(hashes))
        bar.update(task, completed=edge.size)
    for tile in edge.partial_tiles():
        write(tile, encode_tile(edge.hashes(tile) or ()))
    if edge.size != entries.checkpoint.size or edge.root() != entries.checkpoint.root:
        raise LogFault(
            f"{edge.size} entries hash to {edge.root().hex()}, and {entries.checkpoint.size} were signed with "
            f"{entries.checkpoint.root.hex()}"
        )
    return files


def _check_target(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise WrongUse(f"{target} is a file")
    if target.is_dir() and any(target.iterdir()) and not (target / CHECKPOINT).exists():
        raise WrongUse(f"{target} is not empty, and holds no earlier export: choose another folder")
    target.mkdir(parents=True, exist_ok=True)


def _cosigned(published: Path, note: str, keys: list[NoteVerifier]) -> str:
    """The published note on the same checkpoint as `note`, which has cosignatures besides; `note` if there is none."""
    try:
        other = published.read_text(encoding="utf-8")
        return other if open_note(other, keys) == open_note(note, keys) else note
    except (OSError, UnicodeDecodeError, NoteError):
        return note


def _checkpoint(note: str, keys: list[NoteVerifier]) -> Checkpoint:
    try:
        return parse_checkpoint(open_note(note, keys))
    except (NoteError, BadCheckpoint) as error:
        raise AnswerIsNo(f"the checkpoint in the database does not hold: {error}") from None
