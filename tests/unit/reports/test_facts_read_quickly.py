"""Facts are read with cbor2 where they are small: never more than our own strict decoder would read, and the same."""

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.reports import BadFacts, Facts, judge, parse_facts
from slt.reports import facts as module
from slt.statements import cbor
from tests.support.hostile import hostile
from tests.unit.reports.samples import REFERENCE, document


def _encoded(name: str) -> bytes:
    facts = judge(document(name), REFERENCE).facts
    assert facts is not None
    return facts.encoded


GOOD = tuple(map(_encoded, ("XLR1-42", "XLR1-46", "XLF1-110", "XLR1-44", "XLT1-10")))
PIECES = (
    b"\xf6",
    b"\xf5",
    b"\xf7",
    b"\xff",
    b"\x80",
    b"\x81",
    b"\x9f",
    b"\xa0",
    b"\xa1\x61a\x01",
    b"\x5f\x41a\xff",
    b"\x60",
    b"\x78\x01a",
    b"\x61\xff",
    b"\x18\x01",
    b"\x19\x00\x01",
    b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xc0\x60",
    b"\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\xd2\x80",
    b"\xd8\x1c\x80",
    b"\xd8\x1d\x00",
    b"\xd9\x01\x02\x80",
    b"\xf9\x7e\x00",
    b"\xfb\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\xf8\x20",
)


def _read(data: bytes) -> Facts | None:
    try:
        return parse_facts(data)
    except BadFacts:
        return None


def _read_by_ours_alone(data: bytes) -> Facts | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_QUICK_MAX", -1)
        return _read(data)


@given(st.one_of(hostile(GOOD, PIECES), st.binary(max_size=40)))
def test_no_bytes_are_read_otherwise_than_by_our_decoder(data: bytes) -> None:
    assert _read(data) == _read_by_ours_alone(data)


@given(st.sampled_from(GOOD), st.integers(0, 400), st.sampled_from(PIECES))
def test_an_item_of_good_facts_that_is_replaced_is_read_as_by_our_decoder(
    good: bytes, place: int, piece: bytes
) -> None:
    items = _items(cbor2.loads(good))
    parts = [cbor.encode(item) if not isinstance(item, _Head) else item for item in items]
    parts[place % len(parts)] = _Head(piece)
    data = b"".join(parts)
    assert _read(data) == _read_by_ours_alone(data)


@given(st.sampled_from(GOOD), st.integers(0, 400), st.sampled_from((1, 2, 4, 8)))
def test_a_head_that_is_longer_than_it_need_be_is_refused(good: bytes, place: int, width: int) -> None:
    parts = [cbor.encode(item) if not isinstance(item, _Head) else item for item in _items(cbor2.loads(good))]
    at = place % len(parts)
    longer = _longer(parts[at], width)
    data = b"".join((*parts[:at], longer, *parts[at + 1 :]))
    assert (_read(data) is None) == (longer != parts[at])


@pytest.mark.parametrize("good", GOOD)
def test_good_facts_do_not_need_our_decoder(good: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _read_by_ours_alone(good)
    monkeypatch.setattr(cbor, "decode", lambda *_args, **_more: pytest.fail("read twice"))
    assert parse_facts(good) == expected


class _Head(bytes):
    """The head of an array whose items follow."""


def _items(value: Any) -> list[Any]:
    """The scalars of `value` and the heads of its arrays, in the order in which they are encoded."""
    if not isinstance(value, list):
        return [value]
    return [_Head(cbor.head(4, len(value))), *(item for inner in value for item in _items(inner))]


def _longer(part: bytes, width: int) -> bytes:
    """`part` with a head whose argument takes `width` bytes; unchanged where that is its shortest form, or no form."""
    info = part[0] & 0x1F
    if part[0] >= 0xE0:
        return part
    now = 0 if info < 24 else 1 << info - 24
    number = info if info < 24 else int.from_bytes(part[1 : 1 + now], "big")
    if width <= now:
        return part
    return bytes((part[0] & 0xE0 | 24 + (width.bit_length() - 1),)) + number.to_bytes(width, "big") + part[1 + now :]
