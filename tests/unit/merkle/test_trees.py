"""Trees, frontiers and proofs against the dumb recursive definitions of RFC 9162 section 2.1, for all sizes to 70."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.merkle.hashing import EMPTY_ROOT, Digest, leaf_hash, tree_root
from slt.merkle.proofs import (
    IndexOutside,
    LeafTree,
    NotADigest,
    ProofError,
    RootMismatch,
    SizesReversed,
    WrongLength,
    verify_consistency,
    verify_inclusion,
)
from slt.merkle.tree import BadFrontier, Frontier, paths_of_appended

SIZES = range(71)
ENTRIES = [bytes([number]) * (number % 5) for number in range(70)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
TREE = LeafTree(LEAVES)

# RFC 6962's reference tree (the entries and roots of the Certificate Transparency test suites).
RFC6962_ENTRIES = [
    bytes.fromhex(entry)
    for entry in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
RFC6962_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def dumb_root(leaves: list[Digest]) -> Digest:
    """MTH, word for word."""
    if not leaves:
        return Digest(sha256(b"").digest())
    if len(leaves) == 1:
        return leaves[0]
    k = dumb_split(len(leaves))
    return Digest(sha256(b"\x01" + dumb_root(leaves[:k]) + dumb_root(leaves[k:])).digest())


def dumb_path(index: int, leaves: list[Digest]) -> list[Digest]:
    """PATH, word for word."""
    if len(leaves) == 1:
        return []
    k = dumb_split(len(leaves))
    if index < k:
        return [*dumb_path(index, leaves[:k]), dumb_root(leaves[k:])]
    return [*dumb_path(index - k, leaves[k:]), dumb_root(leaves[:k])]


def dumb_subproof(old: int, leaves: list[Digest], whole: bool) -> list[Digest]:
    """SUBPROOF, word for word."""
    if old == len(leaves):
        return [] if whole else [dumb_root(leaves)]
    k = dumb_split(len(leaves))
    if old <= k:
        return [*dumb_subproof(old, leaves[:k], whole), dumb_root(leaves[k:])]
    return [*dumb_subproof(old - k, leaves[k:], False), dumb_root(leaves[:k])]


def dumb_split(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def flipped(data: Digest, bit: int = 0) -> Digest:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return Digest(bytes(changed))


# Roots


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_rfc_6962(size: int) -> None:
    entries = RFC6962_ENTRIES[:size]
    assert tree_root(entries).hex() == RFC6962_ROOTS[size]
    assert Frontier.EMPTY.extended([leaf_hash(entry) for entry in entries]).root().hex() == RFC6962_ROOTS[size]


@pytest.mark.parametrize("size", SIZES)
def test_every_way_to_a_root_agrees_with_the_definition(size: int) -> None:
    root = dumb_root(LEAVES[:size])
    assert tree_root(ENTRIES[:size]) == root
    assert TREE.root(size) == root
    assert LeafTree(LEAVES[:size]).root() == root
    assert Frontier.EMPTY.extended(LEAVES[:size]).root() == root


# Frontiers


@given(st.lists(st.integers(min_value=0, max_value=20), max_size=6))
def test_a_frontier_grows_alike_in_any_portions(portions: list[int]) -> None:
    leaves = [leaf_hash(number.to_bytes(2, "big")) for number in range(sum(portions))]
    frontier, at = Frontier.EMPTY, 0
    for portion in portions:
        frontier = frontier.extended(leaves[at : at + portion])
        at += portion
    assert frontier == Frontier.EMPTY.extended(leaves)
    assert Frontier.decoded(frontier.size, frontier.encoded) == frontier


@pytest.mark.parametrize("size", SIZES)
def test_a_stored_frontier_of_another_length_is_refused(size: int) -> None:
    data = Frontier.EMPTY.extended(LEAVES[:size]).encoded
    for wrong in (data + b"\0", data + bytes(32), data[:-32] if data else b"\0" * 32):
        with pytest.raises(BadFrontier):
            Frontier.decoded(size, wrong)


@pytest.mark.parametrize("before", SIZES)
def test_paths_of_appended_are_inclusion_paths(before: int) -> None:
    for after in range(before, 71):
        paths = paths_of_appended(Frontier.EMPTY.extended(LEAVES[:before]), LEAVES[before:after])
        assert [list(path) for path in paths] == [TREE.inclusion(index, after) for index in range(before, after)]


# Inclusion


@pytest.mark.parametrize("size", range(1, 71))
def test_inclusion_paths_are_those_of_the_definition_and_hold(size: int) -> None:
    for index in range(size):
        path = TREE.inclusion(index, size)
        assert path == dumb_path(index, LEAVES[:size])
        verify_inclusion(LEAVES[index], index, size, proof=path, root=TREE.root(size))


@pytest.mark.parametrize("size", range(1, 34))
def test_an_inclusion_proof_shows_nothing_but_its_own_claim(size: int) -> None:
    root = TREE.root(size)
    for index in range(size):
        path, leaf = TREE.inclusion(index, size), LEAVES[index]
        for at in range(len(path)):
            broken = [*path[:at], flipped(path[at], 7), *path[at + 1 :]]
            with pytest.raises(RootMismatch):
                verify_inclusion(leaf, index, size, proof=broken, root=root)
        with pytest.raises(RootMismatch):
            verify_inclusion(flipped(leaf), index, size, proof=path, root=root)
        with pytest.raises(RootMismatch) as mismatch:
            verify_inclusion(leaf, index, size, proof=path, root=flipped(root))
        assert mismatch.value.expected == flipped(root) and mismatch.value.got == root
        for other in range(size):
            if other != index:
                with pytest.raises(ProofError):
                    verify_inclusion(leaf, other, size, proof=path, root=root)


@pytest.mark.parametrize("size", range(1, 34))
def test_a_truncated_or_extended_inclusion_proof_has_the_wrong_length(size: int) -> None:
    for index in range(size):
        path = TREE.inclusion(index, size)
        for wrong in ([*path, EMPTY_ROOT], [EMPTY_ROOT, *path], path[1:] if path else [EMPTY_ROOT]):
            with pytest.raises(WrongLength):
                verify_inclusion(LEAVES[index], index, size, proof=wrong, root=TREE.root(size))


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (5, 5), (-1, 5), (2**70, 5), (0, -1)])
def test_an_index_outside_the_tree_is_no_claim(index: int, size: int) -> None:
    with pytest.raises(IndexOutside):
        verify_inclusion(LEAVES[0], index, size, proof=[], root=TREE.root(1))


def test_a_short_hash_in_a_proof_is_refused() -> None:
    with pytest.raises(NotADigest):
        verify_inclusion(LEAVES[0], 0, 2, proof=[Digest(LEAVES[1][:31])], root=TREE.root(2))


def test_an_inner_node_is_no_leaf() -> None:
    inner = TREE.root(2)
    with pytest.raises(ProofError):
        verify_inclusion(inner, 0, 4, proof=TREE.inclusion(0, 4), root=TREE.root(4))


# Consistency


@pytest.mark.parametrize("new", SIZES)
def test_consistency_proofs_are_those_of_the_definition_and_hold(new: int) -> None:
    for old in range(new + 1):
        proof = TREE.consistency(old, new)
        assert proof == (dumb_subproof(old, LEAVES[:new], True) if old else [])
        verify_consistency(old, new, old_root=TREE.root(old), new_root=TREE.root(new), proof=proof)


@pytest.mark.parametrize("new", range(1, 34))
def test_a_consistency_proof_shows_nothing_but_its_own_claim(new: int) -> None:
    for old in range(new + 1):
        proof, old_root, new_root = TREE.consistency(old, new), TREE.root(old), TREE.root(new)
        with pytest.raises(RootMismatch):
            verify_consistency(old, new, old_root=flipped(old_root), new_root=new_root, proof=proof)
        if old:  # From the empty tree everything follows: nothing is said about the new root.
            with pytest.raises(RootMismatch):
                verify_consistency(old, new, old_root=old_root, new_root=flipped(new_root), proof=proof)
        if 0 < old < new:
            with pytest.raises(RootMismatch):
                verify_consistency(old, new, old_root=new_root, new_root=old_root, proof=proof)
        for at in range(len(proof)):
            broken = [*proof[:at], flipped(proof[at], 255), *proof[at + 1 :]]
            with pytest.raises(RootMismatch):
                verify_consistency(old, new, old_root=old_root, new_root=new_root, proof=broken)
        for wrong in ([*proof, EMPTY_ROOT], proof[:-1] if proof else [new_root], [new_root, *proof]):
            with pytest.raises(WrongLength):
                verify_consistency(old, new, old_root=old_root, new_root=new_root, proof=wrong)


def test_a_smaller_tree_does_not_extend_a_larger_one() -> None:
    with pytest.raises(SizesReversed):
        verify_consistency(5, 4, old_root=TREE.root(5), new_root=TREE.root(4), proof=[])


def test_equal_sizes_with_different_roots_are_a_split_view() -> None:
    with pytest.raises(RootMismatch):
        verify_consistency(5, 5, old_root=TREE.root(5), new_root=TREE.root(6), proof=[])


def test_the_empty_tree_has_only_the_empty_root() -> None:
    with pytest.raises(RootMismatch):
        verify_consistency(0, 5, old_root=TREE.root(1), new_root=TREE.root(5), proof=[])
