"""The hashes of an RFC 9162 tree (section 2.1.1): SHA-256, a leaf begins with 0x00 and a node with 0x01."""

from collections.abc import Iterable
from hashlib import sha256
from typing import NewType

Digest = NewType("Digest", bytes)
"""A SHA-256 digest, 32 bytes."""

DIGEST_BYTES = 32

EMPTY_ROOT = Digest(sha256(b"").digest())
"""The root of the tree without leaves."""


def leaf_hash(entry: bytes) -> Digest:
    return Digest(sha256(b"\x00" + entry).digest())


def node_hash(left: bytes, right: bytes) -> Digest:
    return Digest(sha256(b"\x01" + left + right).digest())


def tree_root(entries: Iterable[bytes]) -> Digest:
    """MTH of RFC 9162 section 2.1.1 over `entries`, which are hashed here as leaves.

    Row by row from the leaves: neighbours are joined, and an odd last node moves up unchanged. That is the same tree
    as splitting at the largest power of two below the size.
    """
    row = [leaf_hash(entry) for entry in entries]
    if not row:
        return EMPTY_ROOT
    while len(row) > 1:
        row = joined(row)
    return row[0]


def joined(row: list[Digest]) -> list[Digest]:
    """The row above `row`, whose first node stands at an even position."""
    above = [Digest(sha256(b"\x01" + row[at] + row[at + 1]).digest()) for at in range(0, len(row) - 1, 2)]
    if len(row) % 2:
        above.append(row[-1])
    return above
