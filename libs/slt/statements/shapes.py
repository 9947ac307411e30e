"""What a decoder asks of a decoded value: its kind, its length, its range. Each raises DecodeError naming the field."""

import re
from collections.abc import Sequence

from slt.merkle.hashing import DIGEST_BYTES, Digest
from slt.statements.cbor import DecodeError, Value, decode

HEIGHT_MAX = 2**63 - 1
TIME_MS_MAX = 253_402_300_799_999  # The last millisecond of the year 9999.
TIME_S_MAX = TIME_MS_MAX // 1000


def array(value: Value, what: str, length: int | None = None, *, low: int = 0, high: int = 2**32) -> list[Value]:
    """The items of an array of exactly `length`, or of `low` to `high` items."""
    if type(value) is not list:
        raise DecodeError(f"{what} must be an array")
    if length is not None and len(value) != length:
        raise DecodeError(f"{what} must have {length} items, not {len(value)}")
    if not low <= len(value) <= high:
        raise DecodeError(f"{what} must have {low} to {high} items, not {len(value)}")
    return value


def opened(data: bytes, what: str, length: int | None, *, bytes_max: int) -> list[Value]:
    """Decode `data`, at most `bytes_max` long, as an array of `length` items, or of any number."""
    if len(data) > bytes_max:
        raise DecodeError(f"{what} has {len(data)} bytes; at most {bytes_max} are read")
    try:
        value = decode(data)
    except DecodeError as error:
        raise DecodeError(f"{what}: {error}") from None
    return array(value, what, length)


def version(value: Value, what: str) -> None:
    if value != 1 or type(value) is not int:
        raise DecodeError(f"{what} begins with version 1, not {value!r:.40}")


def integer(value: Value, what: str, *, low: int = 0, high: int = 2**64 - 1) -> int:
    if type(value) is not int or not low <= value <= high:
        raise DecodeError(f"{what} must be an integer from {low} to {high}")
    return value


def octets(value: Value, what: str, length: int | None = None, *, low: int = 0, high: int = 2**32) -> bytes:
    if type(value) is not bytes:
        raise DecodeError(f"{what} must be a byte string")
    if length is not None and len(value) != length:
        raise DecodeError(f"{what} must be {length} bytes, not {len(value)}")
    if not low <= len(value) <= high:
        raise DecodeError(f"{what} must be {low} to {high} bytes, not {len(value)}")
    return value


def digest(value: Value, what: str) -> Digest:
    if type(value) is not bytes or len(value) != DIGEST_BYTES:
        raise DecodeError(f"{what} must be a digest of 32 bytes")
    return Digest(value)


def digest_or_none(value: Value, what: str) -> Digest | None:
    return None if value is None else digest(value, what)


def digests(value: Value, what: str, *, high: int = 64) -> tuple[Digest, ...]:
    return tuple(digest(item, what) for item in array(value, what, high=high))


def text(value: Value, what: str, *, low: int = 0, high: int, pattern: re.Pattern[str] | None = None) -> str:
    """Text of `low` to `high` characters that matches `pattern` as a whole."""
    if type(value) is not str:
        raise DecodeError(f"{what} must be text")
    if not low <= len(value) <= high:
        raise DecodeError(f"{what} must have {low} to {high} characters, not {len(value)}")
    if pattern is not None and not pattern.fullmatch(value):
        raise DecodeError(f"{what} has a form that is not allowed: {value[:40]!r}")
    return value


def boolean(value: Value, what: str) -> bool:
    if type(value) is not bool:
        raise DecodeError(f"{what} must be true or false")
    return value


def texts(value: Value, what: str, *, count_max: int, high: int) -> tuple[str, ...]:
    return tuple(text(item, what, high=high) for item in array(value, what, high=count_max))


def check_sizes(what: str, fields: Sequence[tuple[str, bytes, int]]) -> None:
    """Raise ValueError when a field of a value that is being made has another length than it must have."""
    for name, data, length in fields:
        if len(data) != length:
            raise ValueError(f"{what}: {name} must be {length} bytes, not {len(data)}")
