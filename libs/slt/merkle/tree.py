"""A growing tree without its leaves: the frontier, and the paths of what was appended last (RFC 9162 section 2.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from slt.merkle.hashing import DIGEST_BYTES, EMPTY_ROOT, Digest, joined, node_hash

SIZE_MAX = 2**63 - 1
"""No tree is larger: sizes fit a signed 64-bit column."""


class BadFrontier(ValueError):
    """The stored frontier is not one of a tree of that size."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that appending needs: the roots of the complete subtrees that a tree of `size` leaves falls into.

    `peaks` has one digest of 32 bytes for each one-bit of `size`, the largest subtree first.
    """

    size: int
    peaks: tuple[Digest, ...]

    EMPTY: ClassVar[Self]

    def __post_init__(self) -> None:
        if not 0 <= self.size <= SIZE_MAX:
            raise BadFrontier(f"a tree has 0 to {SIZE_MAX} leaves, not {self.size}")
        if len(self.peaks) != self.size.bit_count():
            raise BadFrontier(f"a tree of {self.size} leaves has {self.size.bit_count()} peaks, not {len(self.peaks)}")
        if any(len(peak) != DIGEST_BYTES for peak in self.peaks):
            raise BadFrontier("a peak is 32 bytes")

    def extended(self, leaves: Sequence[Digest]) -> "Frontier":
        """The frontier after `leaves` (leaf hashes, in order) are appended."""
        size, peaks = self.size, list(self.peaks)
        for leaf in leaves:
            node = leaf
            level = size
            while level & 1:
                node = node_hash(peaks.pop(), node)
                level >>= 1
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks))

    def root(self) -> Digest:
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in self.peaks[-2::-1]:
            root = node_hash(peak, root)
        return root

    @property
    def encoded(self) -> bytes:
        """The peaks one after the other; the size is kept beside it."""
        return b"".join(self.peaks)

    @classmethod
    def decoded(cls, size: int, data: bytes) -> "Frontier":
        """The frontier that was `encoded`. Raises BadFrontier when `data` is not exactly the peaks of `size` leaves."""
        if len(data) % DIGEST_BYTES:
            raise BadFrontier(f"{len(data)} bytes are no list of 32-byte peaks")
        return cls(size, tuple(Digest(data[at : at + DIGEST_BYTES]) for at in range(0, len(data), DIGEST_BYTES)))


Frontier.EMPTY = Frontier(0, ())


def paths_of_appended(before: Frontier, leaves: Sequence[Digest]) -> list[tuple[Digest, ...]]:
    """The inclusion path of each of `leaves` in the tree of `before.size + len(leaves)` leaves.

    A frontier is enough: everything to the left of the new leaves that a path of theirs needs is a peak. Paths run
    from the leaf's sibling upwards (RFC 9162 section 2.1.3.1).
    """
    if not leaves:
        return []
    rows: list[tuple[int, list[Digest]]] = []
    peaks = list(before.peaks)
    first, last, row = before.size, before.size + len(leaves) - 1, list(leaves)
    while True:
        if first & 1:  # The row begins with a right child: its left sibling is the peak of this level.
            row.insert(0, peaks.pop())
            first -= 1
        rows.append((first, row))
        if last == 0:
            break
        row = joined(row)
        first >>= 1
        last >>= 1
    return [
        _path(index, before.size + len(leaves) - 1, rows) for index in range(before.size, before.size + len(leaves))
    ]


def _path(index: int, last: int, rows: list[tuple[int, list[Digest]]]) -> tuple[Digest, ...]:
    path = []
    for first, row in rows:
        sibling = index ^ 1
        if sibling <= last:
            path.append(row[sibling - first])
        index >>= 1
        last >>= 1
    return tuple(path)
