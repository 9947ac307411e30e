"""Deterministic CBOR (RFC 8949 section 4.2.1): one encoding for a value, and a decoder that refuses every other.

The values are integers of 64 bits, byte and text strings, arrays, maps, tag 18 (COSE_Sign1), booleans and null.
The decoder is ours, so that no library's version decides what a member accepts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import cbor2

DEPTH_MAX: Final = 16
ITEMS_MAX: Final = 4_000_000  # The facts of a report of 100,000 entries; an item is at least one byte of input.

_INT_MAX: Final = 2**64 - 1
_INT_MIN: Final = -(2**64)


class DecodeError(ValueError):
    """The bytes are not the one encoding of an allowed value. The message says what was found and where."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A value under tag 18, which marks a COSE_Sign1."""

    value: "Value"


Value: TypeAlias = "int | bytes | str | bool | Sequence[Value] | Mapping[Value, Value] | Tagged | None"

_SCALARS: Final = frozenset({bytes, str, bool, type(None)})  # but int, which has a range
_ARRAYS: Final = frozenset({list, tuple})


def encode(value: Value) -> bytes:
    """The one encoding of `value`. Raises TypeError for what has none (floats among them), ValueError for large ints.

    Map keys are sorted bytewise by their encoding.
    """
    if _is_plain(value):
        return cbor2.dumps(value)
    parts: list[bytes] = []
    _write(value, parts.append)
    return b"".join(parts)


def head(major: int, number: int) -> bytes:
    """The shortest head of major type `major` with argument `number`, 0 to 2**64 - 1."""
    if number < 24:
        return bytes((major << 5 | number,))
    if number <= 0xFF:
        return bytes((major << 5 | 24, number))
    if number <= 0xFFFF:
        return (major << 5 | 25).to_bytes(1, "big") + number.to_bytes(2, "big")
    if number <= 0xFFFFFFFF:
        return (major << 5 | 26).to_bytes(1, "big") + number.to_bytes(4, "big")
    return (major << 5 | 27).to_bytes(1, "big") + number.to_bytes(8, "big")


def decode(data: bytes, *, items_max: int = ITEMS_MAX, depth_max: int = DEPTH_MAX) -> Value:
    """The value whose one encoding is `data`; arrays come back as lists. Raises DecodeError.

    Refused are floats, indefinite lengths, integers and lengths that are not the shortest, map keys out of order or
    twice, text that is not UTF-8, other tags and simple values, lengths past the input, trailing bytes, more than
    `items_max` items, and more than `depth_max` levels. Nothing is allocated for a length before it is checked.
    """
    reader = _Reader(bytes(data), items_max - 1)  # The outermost item is one of them.
    try:
        value, end = reader.one(0, depth_max)
    except IndexError:
        raise DecodeError("the input ends inside an item") from None
    if end != len(data):
        raise DecodeError(f"{len(data) - end} bytes follow the value")
    return value


class _Reader:
    __slots__ = ("data", "items_left", "size")

    def __init__(self, data: bytes, items_max: int) -> None:
        self.data = data
        self.size = len(data)
        self.items_left = items_max

    def one(self, at: int, depth_left: int) -> tuple[Value, int]:
        """The item at `at`, and where it ends."""
        first = self.data[at]
        at += 1
        if first < 0x18:
            return first, at
        number = first & 0x1F
        if number >= 24:
            if first >= 0xE0:
                raise DecodeError(f"a float, an indefinite length or simple value at byte {at - 1}")
            number, at = self.argument(number, at)
        major = first >> 5
        if 2 <= major <= 3:
            end = at + number
            if end > self.size:
                raise DecodeError(f"a string of {number} bytes at byte {at} is longer than the input")
            return self.data[at:end] if major == 2 else _text(self.data, at, end), end
        if major == 4:
            return self.array(at, number, depth_left)
        if major <= 1:
            return (number if major == 0 else -1 - number), at
        return self.rare(major, number, at, depth_left)

    def array(self, at: int, count: int, depth_left: int) -> tuple[Value, int]:
        """`count` items from `at`, and where they end."""
        self.enter(at, count, depth_left)
        one = self.one
        values: list[Value] = []
        for _ in range(count):
            value, at = one(at, depth_left - 1)
            values.append(value)
        return values, at

    def map(self, at: int, count: int, depth_left: int) -> tuple[Value, int]:
        """`count` pairs from `at`, and where they end."""
        self.enter(at, 2 * count, depth_left)
        pairs: dict[Value, Value] = {}
        last = b""
        for _ in range(count):
            begin = at
            key, at = self.one(at, depth_left - 1)
            if type(key) not in _KEYS:
                raise DecodeError(f"a map key at byte {begin} is neither an integer nor text")
            encoded = self.data[begin:at]
            if encoded <= last:
                raise DecodeError(f"a map key at byte {begin} is out of order or comes twice")
            last = encoded
            pairs[key], at = self.one(at, depth_left - 1)
        return pairs, at

    def rare(self, major: int, number: int, at: int, depth_left: int) -> tuple[Value, int]:
        """Maps, tag 18, booleans and null."""
        if major == 5:
            return self.map(at, number, depth_left)
        if major == 6:
            if number != 18:
                raise DecodeError(f"tag {number} at byte {at}; only 18 is known")
            self.enter(at, 1, depth_left)
            value, at = self.one(at, depth_left - 1)
            return Tagged(value), at
        if number in _SIMPLE:
            return _SIMPLE[number], at
        raise DecodeError(f"simple value {number} at byte {at - 1}")

    def enter(self, at: int, items: int, depth_left: int) -> None:
        """Before what holds `items` items from `at`: there is room for them, in the input and in the limits."""
        if items > self.size - at:
            raise DecodeError(f"{items} items at byte {at} are more than the input has")
        self.items_left -= items
        if self.items_left < 0:
            raise DecodeError("the value has too many items")
        if depth_left == 0:
            raise DecodeError("the value is nested too deeply")

    def argument(self, info: int, at: int) -> tuple[int, int]:
        """The number that follows the initial byte, in its shortest form only."""
        if info == 24:
            number = self.data[at]
            if number < 24:
                raise DecodeError(f"a number at byte {at} is not in its shortest form")
            return number, at + 1
        if info > 27:
            raise DecodeError(f"an indefinite or reserved length at byte {at - 1}")
        width = 1 << info - 24
        if at + width > self.size:
            raise IndexError
        number = int.from_bytes(self.data[at : at + width], "big")
        if number >> (width * 4) == 0:
            raise DecodeError(f"a number at byte {at} is not in its shortest form")
        return number, at + width


_KEYS: Final = frozenset({int, str})
_SIMPLE: Final[dict[int, bool | None]] = {20: False, 21: True, 22: None}


def _text(data: bytes, begin: int, end: int) -> str:
    try:
        return data[begin:end].decode()
    except UnicodeDecodeError:
        raise DecodeError(f"text at byte {begin} is not UTF-8") from None


def _is_plain(value: Value) -> bool:
    """True when cbor2 writes `value` as we would: no map, no tag, no subclass and no large integer in it."""
    items: list[Any] = [value]
    for item in items:  # which grows by what each array holds
        kind = type(item)
        if kind is int:
            if not _INT_MIN <= item <= _INT_MAX:
                return False
        elif kind in _ARRAYS:
            items += item
        elif kind not in _SCALARS:
            return False
    return True


def _write(value: Value, write: Callable[[bytes], None]) -> None:
    if isinstance(value, bool) or value is None:
        write(b"\xf6" if value is None else b"\xf5" if value else b"\xf4")
    elif isinstance(value, int):
        if not _INT_MIN <= value <= _INT_MAX:
            raise ValueError(f"{value} does not fit 64 bits")
        write(head(0, int(value)) if value >= 0 else head(1, -1 - int(value)))
    elif isinstance(value, bytes):
        write(head(2, len(value)) + value)
    elif isinstance(value, str):
        text = value.encode()
        write(head(3, len(text)) + text)
    elif isinstance(value, Tagged):
        write(head(6, 18))
        _write(value.value, write)
    elif isinstance(value, Mapping):
        pairs = sorted((encode(key), item) for key, item in value.items())
        write(head(5, len(pairs)))
        for key, item in pairs:
            write(key)
            _write(item, write)
    elif isinstance(value, (list, tuple)):
        write(head(4, len(value)))
        for item in value:
            _write(item, write)
    else:
        raise TypeError(f"{type(value).__name__} has no encoding here")
