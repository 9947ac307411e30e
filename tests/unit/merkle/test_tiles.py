"""Tiles: what C2SP says about paths, widths and bundles, and a growing edge against the dumb tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.merkle.hashing import Digest, leaf_hash, tree_root
from slt.merkle.proofs import IndexOutside, LeafTree, consistency_path, inclusion_path
from slt.merkle.tiles import (
    ENTRIES,
    BadTile,
    RightEdge,
    Tile,
    cut_bundle,
    decode_bundle,
    encode_bundle,
    encode_tile,
    needed_for_consistency,
    needed_for_inclusion,
    nodes_of,
    tile_root,
    tiles_of,
    verify_bundle,
    width_at,
)

LEAVES = [leaf_hash(str(number).encode()) for number in range(66_000)]
TREE = LeafTree(LEAVES)


def grown(*sizes: int) -> tuple[RightEdge, dict[Tile, tuple[Digest, ...]]]:
    """The edge after growing to each of `sizes` in turn, and every tile that was ever made."""
    edge = RightEdge.EMPTY
    made: dict[Tile, tuple[Digest, ...]] = {}
    for size in sizes:
        edge, changed = edge.extended(LEAVES[edge.size : size])
        made |= dict(changed)
    return edge, made


# Paths


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 999), "tile/0/999"),
        (Tile(0, 1000), "tile/0/x001/000"),
        (Tile(2, 5, 17), "tile/2/005.p/17"),
        (Tile(ENTRIES, 273, 112), "tile/entries/273.p/112"),
        (Tile(ENTRIES, 1000), "tile/entries/x001/000"),
    ],
)
def test_a_path_is_the_published_one_and_reads_back(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.from_path(path) == tile


@given(st.integers(-1, 7), st.integers(0, 2**55 - 1), st.integers(1, 256))
def test_every_path_reads_back(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert Tile.from_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0", "tile/0/0000", "tile/00/000", "tile/8/000", "tile/-1/000", "tile/0/x000/001", "tile/0/001/002",
        "tile/0/x001", "tile/0/X001/000", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/08", "tile/0/000.p/",
        "tile/0/000.p", "tile/0/000/", "/tile/0/000", "tile/0/٠٠٠", "tile/Entries/000", "tile/0/000\n",
        "tile/0/" + "x999/" * 7 + "999", "tile/0/../0/000", "checkpoint",
    ],
)  # fmt: skip
def test_what_is_not_exactly_a_path_is_refused(path: str) -> None:
    with pytest.raises(BadTile):
        Tile.from_path(path)


def test_the_tiles_of_70000_entries_are_those_of_the_specification() -> None:
    tiles = list(tiles_of(70_000))
    assert sum(tile.level == 0 and tile.is_full for tile in tiles) == 273
    assert [tile for tile in tiles if tile.level == 0 and not tile.is_full] == [Tile(0, 273, 112)]
    assert [tile for tile in tiles if tile.level == 1] == [Tile(1, 0), Tile(1, 1, 17)]
    assert [tile for tile in tiles if tile.level == 2] == [Tile(2, 0, 1)]
    assert list(tiles_of(256)) == [Tile(ENTRIES, 0), Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == []


def test_widths_at_a_size() -> None:
    assert [width_at(0, index, 70_000) for index in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert [width_at(level, 0, 256) for level in (ENTRIES, 0, 1, 2)] == [256, 256, 1, 0]


# Growth


@given(st.lists(st.integers(0, 1500), min_size=1, max_size=6))
def test_an_edge_that_grows_in_any_steps_makes_the_tiles_and_the_root_of_the_dumb_tree(sizes: list[int]) -> None:
    sizes = sorted(sizes)
    edge, made = grown(*sizes)
    assert edge.size == sizes[-1]
    assert edge.root() == TREE.root(sizes[-1])
    for tile in tiles_of(sizes[-1]):
        if tile.level >= 0:
            reach = 256**tile.level
            begin = tile.index * 256 * reach
            expected = [TREE._node(8 * tile.level, begin // reach + place) for place in range(tile.width)]
            assert list(made[tile]) == expected


def test_three_levels_grow_and_read_back() -> None:
    edge, made = grown(1, 255, 256, 257, 65_535, 65_536, 66_000)
    assert edge.root() == TREE.root(66_000)
    assert len(edge.rows) == 3
    for size in (1, 255, 256, 257, 65_535, 65_536, 66_000):
        read = RightEdge.read(size, lambda tile: encode_tile(made[tile]))
        assert read.root() == TREE.root(size)
    assert RightEdge.read(66_000, lambda tile: encode_tile(made[tile])) == edge


def test_what_grew_is_what_a_log_of_that_size_has_and_the_smaller_had_not() -> None:
    edge, _ = grown(700)
    _, changed = edge.extended(LEAVES[700:1300])
    assert {tile for tile, _ in changed} == {tile for tile in tiles_of(1300, since=700) if tile.level != ENTRIES}
    assert set(tiles_of(1300)) - set(tiles_of(700)) == set(tiles_of(1300, since=700))


def test_a_full_tile_is_hashed_into_the_one_above() -> None:
    _, made = grown(66_000)
    for index in (0, 17, 255):
        assert tile_root(made[Tile(0, index)]) == made[Tile(1, 0)][index]


def test_an_edge_out_of_a_short_tile_is_refused() -> None:
    _, made = grown(300)
    with pytest.raises(BadTile, match="1408 bytes, not 1376"):
        RightEdge.read(300, lambda tile: encode_tile(made[tile])[:-32])


def test_the_edge_knows_the_beginnings_of_its_own_tiles_only() -> None:
    edge, made = grown(300)
    assert edge.hashes(Tile(0, 1, 10)) == made[Tile(0, 1, 44)][:10]
    assert edge.hashes(Tile(0, 1, 45)) is None
    assert edge.hashes(Tile(0, 0)) is None
    assert edge.hashes(Tile(ENTRIES, 1, 3)) is None


# Proofs out of tiles


@given(st.integers(1, 2000), st.data())
def test_proofs_out_of_tiles_are_those_of_the_dumb_tree(size: int, data: st.DataObject) -> None:
    _, made = grown(size)
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    node = nodes_of(size, lambda tile: made[tile])
    assert inclusion_path(index, size, node) == TREE.inclusion(index, size)
    assert consistency_path(old, size, node) == TREE.consistency(old, size)
    asked: set[Tile] = set()

    def noting(tile: Tile) -> tuple[Digest, ...]:
        asked.add(tile)
        return made[tile]

    inclusion_path(index, size, nodes_of(size, noting))
    assert set(needed_for_inclusion(index, size)) == asked
    consistency_path(old, size, nodes_of(size, noting))
    assert set(needed_for_consistency(old, size)) <= asked


def test_a_node_beyond_the_size_is_not_there() -> None:
    _, made = grown(300)
    with pytest.raises(IndexOutside):
        nodes_of(300, lambda tile: made[tile])(8, 1)


# Bundles


@given(st.lists(st.binary(max_size=300), max_size=256), st.data())
def test_a_bundle_reads_back_and_can_be_cut(entries: list[bytes], data: st.DataObject) -> None:
    bundle = encode_bundle(entries)
    width = data.draw(st.integers(0, len(entries)))
    assert decode_bundle(bundle, len(entries)) == entries
    assert cut_bundle(bundle, width) == encode_bundle(entries[:width])


def test_a_bundle_that_ends_early_is_refused() -> None:
    bundle = encode_bundle([b"one", b"two"])
    for cut in range(len(bundle)):
        with pytest.raises(BadTile, match="ends within"):
            decode_bundle(bundle[:cut], 2)


def test_an_entry_longer_than_two_bytes_can_say_is_refused() -> None:
    assert decode_bundle(encode_bundle([bytes(65_535)]), 1) == [bytes(65_535)]
    with pytest.raises(BadTile, match="65535 bytes, not 65536"):
        encode_bundle([bytes(65_536)])


def test_a_bundle_belongs_to_its_hashes_alone() -> None:
    entries = [b"a", b"b", b"c"]
    hashes = [leaf_hash(entry) for entry in entries]
    verify_bundle(entries, hashes)
    verify_bundle(entries[:2], hashes)
    for wrong in ([b"a", b"x"], [b"b", b"a"], [*entries, b"d"]):
        with pytest.raises(BadTile):
            verify_bundle(wrong, hashes)


def test_the_root_of_an_empty_edge_is_that_of_the_empty_tree() -> None:
    assert RightEdge.EMPTY.root() == tree_root([])
