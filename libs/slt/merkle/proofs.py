"""Inclusion and consistency (RFC 9162 sections 2.1.3 and 2.1.4): makers of paths, and verifiers that raise.

A verifier returns nothing: a proof that holds needs no answer, and one that does not cannot be overlooked.
"""

from collections.abc import Callable, Sequence

from slt.merkle.hashing import DIGEST_BYTES, EMPTY_ROOT, Digest, node_hash

Node = Callable[[int, int], Digest]
"""`node(level, position)`: root of the complete subtree over leaves [position << level, (position + 1) << level)."""


class ProofError(ValueError):
    """A proof does not show what it claims. Subclasses carry the numbers."""


class IndexOutside(ProofError):
    def __init__(self, index: int, size: int) -> None:
        super().__init__(f"index {index} is not inside a tree of {size} leaves")
        self.index, self.size = index, size


class SizesReversed(ProofError):
    def __init__(self, old: int, new: int) -> None:
        super().__init__(f"a tree of {new} leaves cannot extend one of {old}")
        self.old, self.new = old, new


class WrongLength(ProofError):
    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"the path has {got} hashes, not {expected}")
        self.expected, self.got = expected, got


class NotADigest(ProofError):
    def __init__(self, size: int) -> None:
        super().__init__(f"a hash in a proof is 32 bytes, not {size}")
        self.size = size


class RootMismatch(ProofError):
    def __init__(self, expected: bytes, got: bytes) -> None:
        super().__init__(f"the proof leads to root {got.hex()}, not {expected.hex()}")
        self.expected, self.got = expected, got


def verify_inclusion(leaf: Digest, index: int, size: int, *, proof: Sequence[Digest], root: Digest) -> None:
    """Check that `leaf` (a leaf hash) stands at `index` in the tree of `size` leaves whose root is `root`.

    `proof` holds the sibling hashes, 32 bytes each, from the leaf upwards. Raises a ProofError: IndexOutside unless
    0 <= index < size, WrongLength, NotADigest, or RootMismatch, which carries both roots (RFC 9162 section 2.1.3.2).
    """
    got = root_of_path(leaf, index, size, proof)
    if got != root:
        raise RootMismatch(root, got)


def root_of_path(leaf: Digest, index: int, size: int, proof: Sequence[Digest]) -> Digest:
    """The root that `proof` leads to from `leaf`. Raises as verify_inclusion, RootMismatch excepted."""
    if not 0 <= index < size:
        raise IndexOutside(index, size)
    _check_path(proof, inclusion_length(index, size))
    node, at, last = leaf, index, size - 1
    for sibling in proof:
        while at == last and not at & 1:  # An only child moves up unchanged; here `last` is never 0.
            at >>= 1
            last >>= 1
        node = node_hash(sibling, node) if at & 1 else node_hash(node, sibling)
        at >>= 1
        last >>= 1
    return node


def inclusion_length(index: int, size: int) -> int:
    """How many hashes the inclusion path of `index` in a tree of `size` leaves has. Requires 0 <= index < size."""
    inner = (index ^ (size - 1)).bit_length()
    return inner + (index >> inner).bit_count()


def verify_consistency(old: int, new: int, *, old_root: Digest, new_root: Digest, proof: Sequence[Digest]) -> None:
    """Check that the tree of `new` leaves extends the tree of `old` leaves (RFC 9162 section 2.1.4.2).

    For old = 0 and for old = new only the empty proof holds. Raises a ProofError: SizesReversed, WrongLength,
    NotADigest, or RootMismatch for the old or the new root.
    """
    if not 0 <= old <= new:
        raise SizesReversed(old, new)
    _check_path(proof, consistency_length(old, new))
    if old == 0:
        _check_root(EMPTY_ROOT, old_root)
        if new == 0:
            _check_root(EMPTY_ROOT, new_root)
        return
    if old == new:
        _check_root(old_root, new_root)
        return
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    at, last = old - 1, new - 1
    while at & 1:
        at >>= 1
        last >>= 1
    seen_old = seen_new = path[0]
    for sibling in path[1:]:
        if at & 1 or at == last:
            seen_old = node_hash(sibling, seen_old)
            seen_new = node_hash(sibling, seen_new)
            while at and not at & 1:
                at >>= 1
                last >>= 1
        else:
            seen_new = node_hash(seen_new, sibling)
        at >>= 1
        last >>= 1
    _check_root(old_root, seen_old)
    _check_root(new_root, seen_new)


def consistency_length(old: int, new: int) -> int:
    """How many hashes the consistency proof from `old` to `new` leaves has. Requires 0 <= old <= new."""
    if old in (0, new):
        return 0
    shared = old & -old  # The largest complete subtree that ends with the old tree's last leaf.
    length = inclusion_length((old - 1) // shared, -(-new // shared))
    return length if old == shared else length + 1


def inclusion_path(index: int, size: int, node: Node) -> list[Digest]:
    """PATH(index, D_size) of RFC 9162 section 2.1.3.1, the leaf's sibling first. Raises IndexOutside."""
    if not 0 <= index < size:
        raise IndexOutside(index, size)
    path: list[Digest] = []
    begin, end = 0, size
    while end - begin > 1:
        split = begin + _split(end - begin)
        if index < split:
            path.append(range_root(split, end, node))
            end = split
        else:
            path.append(range_root(begin, split, node))
            begin = split
    return path[::-1]


def consistency_path(old: int, new: int, node: Node) -> list[Digest]:
    """PROOF(old, D_new) of RFC 9162 section 2.1.4.1. Empty for old = 0 and old = new. Raises SizesReversed."""
    if not 0 <= old <= new:
        raise SizesReversed(old, new)
    if old in (0, new):
        return []
    path: list[Digest] = []
    begin, end, whole = 0, new, True
    while end != old:
        split = begin + _split(end - begin)
        if old <= split:
            path.append(range_root(split, end, node))
            end = split
        else:
            path.append(range_root(begin, split, node))
            begin, whole = split, False
    if not whole:
        path.append(range_root(begin, end, node))
    return path[::-1]


def range_root(begin: int, end: int, node: Node) -> Digest:
    """The root over leaves [begin, end), a range that appears when a tree is split at powers of two."""
    if begin == end:
        return EMPTY_ROOT
    parts = []
    at = begin
    while at < end:
        level = (end - at).bit_length() - 1
        parts.append(node(level, at >> level))
        at += 1 << level
    root = parts.pop()
    while parts:
        root = node_hash(parts.pop(), root)
    return root


class LeafTree:
    """A whole tree in memory over leaf hashes, for any of its sizes so far: for tests, tools and small logs."""

    def __init__(self, leaves: Sequence[Digest] = ()) -> None:
        self._levels: list[list[Digest]] = [[]]
        for leaf in leaves:
            self.append(leaf)

    def __len__(self) -> int:
        return len(self._levels[0])

    def append(self, leaf: Digest) -> None:
        self._levels[0].append(leaf)
        level = 0
        while len(self._levels[level]) % 2 == 0:
            if level + 1 == len(self._levels):
                self._levels.append([])
            left, right = self._levels[level][-2:]
            self._levels[level + 1].append(node_hash(left, right))
            level += 1

    def root(self, size: int | None = None) -> Digest:
        """The root when the tree had `size` leaves; without it, the root now."""
        return range_root(0, self._held(size), self._node)

    def inclusion(self, index: int, size: int | None = None) -> list[Digest]:
        return inclusion_path(index, self._held(size), self._node)

    def consistency(self, old: int, new: int | None = None) -> list[Digest]:
        return consistency_path(old, self._held(new), self._node)

    def _held(self, size: int | None) -> int:
        held = len(self)
        if size is None:
            return held
        if not 0 <= size <= held:
            raise SizesReversed(size, held)
        return size

    def _node(self, level: int, position: int) -> Digest:
        return self._levels[level][position]


def _split(size: int) -> int:
    """The largest power of two strictly below `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def _check_path(proof: Sequence[Digest], expected: int) -> None:
    if len(proof) != expected:
        raise WrongLength(expected, len(proof))
    for digest in proof:
        if len(digest) != DIGEST_BYTES:
            raise NotADigest(len(digest))


def _check_root(expected: bytes, got: bytes) -> None:
    if expected != got:
        raise RootMismatch(expected, got)
