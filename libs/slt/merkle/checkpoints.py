"""Checkpoints (c2sp.org/tlog-checkpoint): the text that a log signs. Three lines, no extensions."""

import re
from base64 import b64encode
from dataclasses import dataclass

from slt.merkle.hashing import DIGEST_BYTES, EMPTY_ROOT, Digest
from slt.merkle.notes import NoteError, strict_b64decode
from slt.merkle.tree import SIZE_MAX

ORIGIN = re.compile(r"[!-~]{1,128}")
"""Printable ASCII without space. The log's key has it as its name, so no '+'; '#' ends it in `aud`, so no '#'."""

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class BadCheckpoint(ValueError):
    """The text is not a checkpoint. The message says where."""


class WrongEmptyRoot(BadCheckpoint):
    """A log without entries has one root, and this is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The log named `origin` had `size` entries and this `root` (32 bytes)."""

    origin: str
    size: int
    root: Digest

    def __post_init__(self) -> None:
        check_origin(self.origin)
        if not 0 <= self.size <= SIZE_MAX:
            raise BadCheckpoint(f"a log has 0 to {SIZE_MAX} entries, not {self.size}")
        if len(self.root) != DIGEST_BYTES:
            raise BadCheckpoint(f"a root is 32 bytes, not {len(self.root)}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise WrongEmptyRoot("a log without entries has the empty root")

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read exactly what Checkpoint.text() writes. Raises BadCheckpoint."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise BadCheckpoint("a checkpoint is three lines: origin, size, root")
    origin, size, root = lines[:3]
    if not _SIZE.fullmatch(size):
        raise BadCheckpoint(f"the size is a decimal number without leading zeros, not {size[:24]!r}")
    try:
        digest = Digest(strict_b64decode(root, "root"))
    except NoteError as error:
        raise BadCheckpoint(str(error)) from None
    return Checkpoint(origin=origin, size=int(size), root=digest)


def check_origin(origin: str) -> None:
    """Raise BadCheckpoint unless `origin` can name a log: it is also its key's name and the first part of `aud`."""
    if not ORIGIN.fullmatch(origin) or "+" in origin or "#" in origin:
        raise BadCheckpoint(
            f"an origin is 1 to 128 printable ASCII characters without space, '+' and '#': {origin[:40]!r}"
        )
