"""Reads a transparency log as anybody does: checkpoint and tiles (c2sp.org/tlog-tiles), over HTTP or out of a folder.

Nothing that is read is believed: hashes out of tiles count only as proofs that lead to a signed root.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import httpx

from slt.client.errors import Unreachable, WrongUse
from slt.merkle.hashing import Digest
from slt.merkle.notes import NOTE_BYTES_MAX
from slt.merkle.proofs import Node, consistency_path, range_root
from slt.merkle.tiles import BadTile, Tile, decode_tile, nodes_of

READ_WITHIN_S: Final = 5.0
CHECKPOINT: Final = "checkpoint"


class NotThere(Exception):
    """The log has no such file."""


class LogFault(Exception):
    """What the log serves is no log: a tile of a wrong size, a checkpoint that is no text. The text says what."""


class Source(Protocol):
    """The files of a log. `read` raises NotThere for a missing one, and Unreachable when nobody answers."""

    def read(self, path: str) -> bytes: ...


class HttpSource:
    """A log behind an address, such as http://127.0.0.1:8080/log."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def read(self, path: str) -> bytes:
        try:
            answer = httpx.get(f"{self._url}/{path}", timeout=READ_WITHIN_S)
        except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Unreachable(f"the log does not answer at {self._url}: {type(error).__name__}") from None
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotThere(path)
        if answer.is_error:
            raise Unreachable(f"the log answers {answer.status_code} at {self._url}/{path}")
        return answer.content


class FolderSource:
    """A log as files, such as `slt export --tiles` writes them."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> bytes:
        try:
            return (self._root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise NotThere(path) from None
        except OSError as error:
            raise Unreachable(f"{error.filename}: {error.strerror}") from None


def source_of(where: str) -> Source:
    """The log at a URL or in a folder. Raises WrongUse for a folder that is none."""
    if where.startswith(("http://", "https://")):
        return HttpSource(where)
    if not Path(where).is_dir():
        raise WrongUse(f"{where} is neither a URL nor a folder with a log")
    return FolderSource(Path(where))


class Log:
    """One look at a log: its checkpoint is read once, and nodes are read as they are asked for. Not for two threads."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._held: dict[Tile, Sequence[Digest]] = {}

    def checkpoint(self) -> str:
        """The signed note over the log, unverified. Raises Unreachable or LogFault."""
        try:
            data = self._source.read(CHECKPOINT)
            note = data.decode()
        except NotThere:
            raise Unreachable("there is no checkpoint there yet") from None
        except UnicodeDecodeError:
            raise LogFault("the checkpoint is no text") from None
        if len(data) > NOTE_BYTES_MAX:
            raise LogFault(f"the checkpoint has more than {NOTE_BYTES_MAX} bytes")
        return note

    def nodes(self, size: int) -> Node:
        """The nodes of the log with `size` entries, which it must have. Calls raise Unreachable or LogFault."""
        return nodes_of(size, self._tile)

    def consistency(self, old: int, new: int, *, size: int) -> list[Digest]:
        """What the log of `size` entries says leads from `old` to `new` entries. Requires old <= new <= size."""
        return consistency_path(old, new, self.nodes(size))

    def root(self, of: int, *, size: int) -> Digest:
        """What the log of `size` entries says was its root at `of` entries."""
        return range_root(0, of, self.nodes(size))

    def _tile(self, tile: Tile) -> Sequence[Digest]:
        if tile not in self._held:
            self._held[tile] = self._read(tile)
        return self._held[tile]

    def _read(self, tile: Tile) -> Sequence[Digest]:
        try:
            try:
                return decode_tile(self._source.read(tile.path), tile.width)
            except NotThere:
                if tile.is_full:
                    raise
                # A partial tile may go once the full one is there (tlog-tiles, "Partial Tiles"), which begins with it.
                full = decode_tile(self._source.read(tile.full.path), tile.full.width)
                return full[: tile.width]
        except NotThere:
            raise LogFault(f"the log lacks {tile.path}, which its checkpoint covers") from None
        except BadTile as error:
            raise LogFault(f"{tile.path}: {error}") from None
