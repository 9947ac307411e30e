"""Hostile documents, and what reading one costs: counted calls and allocated bytes, which no busy machine changes."""

import sys
import tracemalloc
from collections.abc import Callable, Sequence
from types import FrameType

from hypothesis import strategies as st

LENGTH_MAX = 64 << 10
"""Bytes of a hostile document: enough to tell linear work from more, and little enough for a test."""


def hostile(seeds: Sequence[bytes], pieces: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Damaged and swollen versions of `seeds`, and heaps of `pieces`, up to LENGTH_MAX bytes."""
    damage = st.lists(
        st.tuples(
            st.sampled_from(["flip", "cut", "insert", "repeat"]), st.integers(0, 10_000), st.sampled_from(pieces)
        ),
        min_size=1,
        max_size=4,
    )
    heaps = st.lists(st.tuples(st.sampled_from(pieces), st.integers(1, 3_000)), min_size=1, max_size=6)
    return st.one_of(
        st.builds(_damaged, st.sampled_from(seeds), damage),
        heaps.map(lambda some: b"".join(piece * count for piece, count in some)[:LENGTH_MAX]),
        st.binary(max_size=300),
    )


def _damaged(seed: bytes, damage: list[tuple[str, int, bytes]]) -> bytes:
    text = bytearray(seed)
    for what, place, piece in damage:
        at = place % (len(text) + 1)
        match what:
            case "flip":
                text[at : at + 1] = piece[:1]
            case "cut":
                del text[at : at + len(piece) * 7]
            case "insert":
                text[at:at] = piece
            case _:
                text[at:at] = bytes(text[at : at + 400]) * 40
    return bytes(text[:LENGTH_MAX])


def calls_of(read: Callable[[bytes], object], data: bytes, *expected: type[Exception]) -> int:
    """How many functions are called while `data` is read, in Python and C. Only `expected` exceptions may come."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        read(data)
    except expected:
        pass
    finally:
        sys.setprofile(before)
    return calls


def peak_of(read: Callable[[bytes], object], data: bytes, *expected: type[Exception]) -> int:
    """The most bytes that are allocated at a time while `data` is read."""
    tracemalloc.start()
    try:
        read(data)
    except expected:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak
