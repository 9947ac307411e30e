"""`.tlog-proof` files (c2sp.org/tlog-proof): an entry's place in a log, with the checkpoint that covers it.

    c2sp.org/tlog-proof@v1
    extra BASE64            optional; not authenticated by anything in the proof
    index N
    BASE64                  the inclusion path, the leaf's sibling first

    the checkpoint, a signed note, verbatim

The entry itself is not in it: whoever verifies has it, or takes it out of `extra` and does not trust it before.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from slt.merkle.hashing import DIGEST_BYTES, Digest
from slt.merkle.notes import NOTE_BYTES_MAX, NoteError, strict_b64decode
from slt.merkle.tree import SIZE_MAX

FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"
EXTRA_BYTES_MAX: Final = 8 * 1024 * 1024  # A receipt v1 of the largest size fits.
PATH_MAX: Final = 63  # A tree of SIZE_MAX leaves has no longer path.

_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})")
_HASH_CHARS: Final = 44
_TEXT_BYTES_MAX: Final = len(FIRST_LINE) + EXTRA_BYTES_MAX * 4 // 3 + (_HASH_CHARS + 1) * PATH_MAX + NOTE_BYTES_MAX + 64


class BadTlogProof(ValueError):
    """The text is not a tlog-proof. The message says which line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlogProof:
    """The entry at `index` stands in the tree of the checkpoint in `note`; `path` leads there. Nothing is verified."""

    index: int
    path: tuple[Digest, ...]
    note: str
    extra: bytes | None = None

    def text(self) -> str:
        lines = [FIRST_LINE]
        if self.extra is not None:
            lines.append(f"extra {b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [b64encode(digest).decode() for digest in self.path]
        return "\n".join(lines) + "\n\n" + self.note


def parse_tlog_proof(data: bytes) -> TlogProof:
    """Read exactly what TlogProof.text() writes. Raises BadTlogProof; the note inside is not opened here."""
    if len(data) > _TEXT_BYTES_MAX:
        raise BadTlogProof(f"a tlog-proof has at most {_TEXT_BYTES_MAX} bytes, not {len(data)}")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BadTlogProof("a tlog-proof is UTF-8 text") from None
    head, blank, note = text.partition("\n\n")
    if not blank or not note:
        raise BadTlogProof("a tlog-proof is some lines, an empty line and a checkpoint")
    first, *rest = head.split("\n")
    if first != FIRST_LINE:
        raise BadTlogProof(f"the first line is {FIRST_LINE}, not {first[:40]!r}")
    extra = None
    if rest and rest[0].startswith("extra "):
        extra = _decoded(rest.pop(0).removeprefix("extra "), "extra")
        if len(extra) > EXTRA_BYTES_MAX:
            raise BadTlogProof(f"extra has at most {EXTRA_BYTES_MAX} bytes, not {len(extra)}")
    found = _INDEX.fullmatch(rest[0]) if rest else None
    if found is None:
        raise BadTlogProof("the line before the path is 'index' and a decimal number without leading zeros")
    index = int(found[1])
    if index >= SIZE_MAX:
        raise BadTlogProof(f"no log has an entry {index}")
    if len(rest) - 1 > PATH_MAX:
        raise BadTlogProof(f"a path has at most {PATH_MAX} hashes, not {len(rest) - 1}")
    return TlogProof(index=index, path=tuple(_hash(line) for line in rest[1:]), note=note, extra=extra)


def _hash(line: str) -> Digest:
    digest = _decoded(line, "hash of the path")
    if len(digest) != DIGEST_BYTES:
        raise BadTlogProof(f"a hash of the path is 32 bytes, not {len(digest)}")
    return Digest(digest)


def _decoded(encoded: str, what: str) -> bytes:
    try:
        return strict_b64decode(encoded, what)
    except NoteError as error:
        raise BadTlogProof(str(error)) from None
