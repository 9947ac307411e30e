"""Domain separation (formats.md, Tags) and the roots over lists.

Every hash and signature of ours begins with Tag(name): ASCII "slt/<name>/v1", padded with NUL to 32 bytes.
"""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256

from slt.merkle.hashing import Digest, leaf_hash, tree_root
from slt.merkle.proofs import RootMismatch, root_of_path
from slt.merkle.tree import Frontier, paths_of_appended

TAG_BYTES = 32


@cache
def tag(name: str) -> bytes:
    """Tag(name), 32 bytes."""
    text = f"slt/{name}/v1".encode("ascii")
    if len(text) > TAG_BYTES:
        raise ValueError(f"the tag {name!r} does not fit {TAG_BYTES} bytes")
    return text.ljust(TAG_BYTES, b"\0")


def tagged_hash(name: str, data: bytes) -> Digest:
    """H(name, data) = SHA-256(Tag(name) || data)."""
    return Digest(sha256(tag(name) + data).digest())


def list_root(name: str, encoded_items: Sequence[bytes]) -> Digest:
    """H(name, count u64 || MTH): the root over a list, which binds its length. Items are the CBOR of each element."""
    return _named_root(name, len(encoded_items), tree_root(encoded_items))


def list_paths(encoded_items: Sequence[bytes]) -> list[tuple[Digest, ...]]:
    """The RFC 9162 inclusion path of every item, the leaf's sibling first."""
    return paths_of_appended(Frontier.EMPTY, [leaf_hash(item) for item in encoded_items])


def verify_listed(
    name: str, encoded_item: bytes, index: int, count: int, *, path: Sequence[Digest], root: Digest
) -> None:
    """Check that `encoded_item` stands at `index` of the `count` items under `root`, a list_root. Raises ProofError."""
    got = _named_root(name, count, root_of_path(leaf_hash(encoded_item), index, count, path))
    if got != root:
        raise RootMismatch(root, got)


def _named_root(name: str, count: int, mth: Digest) -> Digest:
    return tagged_hash(name, count.to_bytes(8, "big") + mth)
