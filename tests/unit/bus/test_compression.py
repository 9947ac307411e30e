import struct

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from slt.bus.compression import compress, inflate
from slt.bus.messages import Malformed

MIB = 1024 * 1024


@given(st.binary(min_size=1, max_size=5000))
def test_what_is_compressed_comes_back(data: bytes) -> None:
    assert inflate(compress(data), bytes_max=5000) == data


def test_exactly_the_limit_is_allowed_and_one_byte_more_is_not() -> None:
    assert len(inflate(compress(bytes(1000)), bytes_max=1000)) == 1000
    with pytest.raises(Malformed, match="declares 1001 bytes; 1000 are allowed"):
        inflate(compress(bytes(1001)), bytes_max=1000)


def test_a_bomb_is_refused_before_anything_is_allocated() -> None:
    frame = compress(bytes(64 * MIB))
    assert len(frame) < 16 * 1024
    with pytest.raises(Malformed, match="declares 67108864 bytes"):
        inflate(frame, bytes_max=MIB)


def test_a_frame_that_claims_a_huge_size_is_refused_by_its_claim() -> None:
    frame = zstandard.ZstdCompressor().compress(b"x")
    # Frame header descriptor with an 8-byte content size (RFC 8878 section 3.1.1.1).
    claim = frame[:4] + bytes([0xE0]) + struct.pack("<Q", 2**62) + b"\x01\x00\x00"
    with pytest.raises(Malformed, match="declares 4611686018427387904 bytes"):
        inflate(claim, bytes_max=MIB)


def test_a_frame_that_holds_more_or_less_than_it_declares_is_refused() -> None:
    frame = bytearray(compress(bytes(200)))
    assert frame[4] == 0x20  # single segment, one byte of content size
    for declared in (0, 100, 199, 201, 255):
        frame[5] = declared
        with pytest.raises(Malformed):
            inflate(bytes(frame), bytes_max=1000)


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(Malformed, match="empty"):
        inflate(zstandard.ZstdCompressor().compress(b""), bytes_max=1000)


def test_a_frame_that_does_not_declare_its_size_is_refused() -> None:
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 100)
    with pytest.raises(Malformed, match="does not declare its size"):
        inflate(frame, bytes_max=1000)


def test_anything_behind_the_frame_is_refused() -> None:
    frame = compress(b"x" * 100)
    skippable = struct.pack("<II", 0x184D2A50, 4) + b"free"
    for behind in (b"\x00", frame, skippable):
        with pytest.raises(Malformed):
            inflate(frame + behind, bytes_max=1000)
    with pytest.raises(Malformed, match="not a zstd frame"):
        inflate(skippable + frame, bytes_max=1000)


def test_a_frame_that_asks_for_a_dictionary_is_refused() -> None:
    samples: list[bytes | bytearray | memoryview] = [
        b"report %d of material balance area XLR1" % n for n in range(2000)
    ]
    dictionary = zstandard.train_dictionary(2048, samples)
    frame = zstandard.ZstdCompressor(dict_data=dictionary).compress(b"report 7 of material balance area XLR1")
    with pytest.raises(Malformed, match="dictionary"):
        inflate(frame, bytes_max=1000)


@given(st.binary(max_size=200))
def test_any_bytes_inflate_or_are_malformed(data: bytes) -> None:
    for candidate in (data, b"\x28\xb5\x2f\xfd" + data):
        try:
            assert len(inflate(candidate, bytes_max=1000)) <= 1000
        except Malformed:
            continue


def test_every_cut_of_a_frame_is_malformed() -> None:
    frame = compress(b"material " * 50)
    for length in range(len(frame)):
        with pytest.raises(Malformed):
            inflate(frame[:length], bytes_max=1000)


@given(st.binary(min_size=1, max_size=2000), st.integers(0, 3000), st.binary(max_size=4), st.binary(min_size=1))
def test_a_damaged_frame_changes_nothing_of_the_next_one(data: bytes, place: int, damage: bytes, after: bytes) -> None:
    """The decompressor is used again: whatever it has seen, it reads as a new one does."""
    frame = bytearray(compress(data))
    at = place % (len(frame) + 1)
    frame[at : at + len(damage)] = damage
    expected = _inflated_by_a_new_one(bytes(frame))
    try:
        assert inflate(bytes(frame), bytes_max=2**20) == expected
    except Malformed:
        assert expected is None
    assert inflate(compress(after), bytes_max=2**20) == after


def _inflated_by_a_new_one(frame: bytes) -> bytes | None:
    """The content of a frame that declares its size, and is all of `frame`."""
    try:
        parameters = zstandard.get_frame_parameters(frame)
        if frame[:4] != b"\x28\xb5\x2f\xfd" or parameters.dict_id or not 0 < parameters.content_size <= 2**20:
            return None
        content = zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError:
        return None
    return content if len(content) == parameters.content_size else None
