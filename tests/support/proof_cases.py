"""Our proofs for others to judge: every entry and every growth of small trees, the edges of those up to 300 entries."""

from collections.abc import Iterator

from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.proofs import LeafTree
from tests.support.others import Consistency, Inclusion

LEAVES = 300
WHOLE_UP_TO = 40
GROWTHS_UP_TO = 24


def entry(index: int) -> bytes:
    return f"entry {index}".encode()


def make_tree() -> LeafTree:
    return LeafTree([leaf_hash(entry(index)) for index in range(LEAVES)])


def inclusions(tree: LeafTree) -> Iterator[Inclusion]:
    for size in range(1, LEAVES + 1):
        everywhere = range(size) if size <= WHOLE_UP_TO else sorted({0, 1, size // 2, size - 2, size - 1})
        for index in everywhere:
            yield Inclusion(
                leaf=leaf_hash(entry(index)),
                index=index,
                size=size,
                path=tree.inclusion(index, size),
                root=tree.root(size),
            )


def consistencies(tree: LeafTree) -> Iterator[Consistency]:
    for new in range(1, LEAVES + 1):
        everywhere = range(1, new + 1) if new <= GROWTHS_UP_TO else sorted({1, 2, new // 2, new - 1, new})
        for old in everywhere:
            yield Consistency(
                old=old,
                new=new,
                old_root=tree.root(old),
                new_root=tree.root(new),
                path=tree.consistency(old, new),
            )


def flipped(digest: Digest) -> Digest:
    return Digest(bytes((digest[0] ^ 1, *digest[1:])))
