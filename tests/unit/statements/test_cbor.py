"""One encoding for a value, and a decoder that refuses every other."""

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slt.statements.cbor import DecodeError, Tagged, Value, decode, encode, head

INTEGERS = st.one_of(
    st.integers(min_value=-(2**64), max_value=2**64 - 1),
    st.sampled_from(
        [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1, -1, -24, -25, -256, -257, -(2**64)]
    ),
)
SCALARS = st.one_of(INTEGERS, st.binary(max_size=300), st.text(max_size=100), st.booleans(), st.none())
KEYS = st.one_of(INTEGERS, st.text(max_size=10))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6), st.dictionaries(KEYS, inner, max_size=6), st.builds(Tagged, inner)
    ),
    max_leaves=30,
)


@given(VALUES)
def test_what_is_encoded_decodes_to_the_same_value(value: Value) -> None:
    data = encode(value)
    assert decode(data) == value
    assert encode(decode(data)) == data


@given(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=6), max_leaves=30))
def test_the_encoding_without_maps_is_the_canonical_one_of_cbor2(value: Value) -> None:
    assert encode(value) == cbor2.dumps(value, canonical=True)


@settings(max_examples=1000)
@given(st.one_of(st.binary(max_size=40), VALUES.map(encode)), st.data())
def test_no_other_bytes_decode_to_a_value(data: bytes, draw: st.DataObject) -> None:
    """Any bytes, and the neighbours of an encoding, are the one encoding of what they decode to, or are refused."""
    changed = bytearray(data)
    if changed:
        at = draw.draw(st.integers(min_value=0, max_value=len(changed) - 1))
        changed[at] ^= draw.draw(st.integers(min_value=0, max_value=255))
    try:
        value = decode(bytes(changed))
    except DecodeError:
        return
    assert encode(value) == bytes(changed)


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("nothing", ""),
        ("a trailing byte", "0100"),
        ("half a value", "1900"),
        ("1 in two bytes", "1801"),
        ("255 in three bytes", "1900ff"),
        ("65535 in five bytes", "1a0000ffff"),
        ("2**32 - 1 in nine bytes", "1b00000000ffffffff"),
        ("-24 in two bytes", "3817"),
        ("a length of 2 in two bytes", "58020102"),
        ("text of 1 in two bytes", "780161"),
        ("an array of 1 in two bytes", "980101"),
        ("a half float", "f90000"),
        ("a single float", "fa47c35000"),
        ("a double float", "fb3ff199999999999a"),
        ("undefined", "f7"),
        ("a simple value", "e0"),
        ("a simple value in two bytes", "f820"),
        ("true in two bytes", "f815"),
        ("a break", "ff"),
        ("an indefinite array", "9f01ff"),
        ("an indefinite byte string", "5f4101ff"),
        ("an indefinite text", "7f6161ff"),
        ("an indefinite map", "bf0101ff"),
        ("reserved lengths", "1c"),
        ("a bignum", "c249010000000000000000"),
        ("a date", "c074323031332d30332d32315432303a30343a30305a"),
        ("tag 18 in two bytes", "d81201"),
        ("tag 19", "d301"),
        ("duplicate keys", "a201010102"),
        ("keys out of order", "a202010101"),
        ("keys sorted by length and not bytewise", "a2181800200080"),
        ("a boolean key", "a1f401"),
        ("a byte string key", "a1410101"),
        ("text that is not UTF-8", "61ff"),
        ("a surrogate", "63eda080"),
        ("a string longer than the input", "5affffffff00"),
        ("a string of 2**64 - 1 bytes", "5bffffffffffffffff"),
        ("an array of 2**64 - 1 items", "9bffffffffffffffff"),
        ("a map of 2**63 pairs", "bb8000000000000000"),
        ("an array one item short", "8201"),
        ("a map one value short", "a101"),
    ],
)
def test_another_encoding_is_refused(what: str, data: str) -> None:
    with pytest.raises(DecodeError):
        decode(bytes.fromhex(data))


def test_map_keys_are_ordered_bytewise() -> None:
    """RFC 8949 section 4.2.1, not the length-first order of section 4.2.3: 10, 100, -1, "z", "aa"."""
    assert encode({"aa": 1, "z": 2, -1: 3, 100: 4, 10: 5}).hex() == "a50a0518640420036" + "17a0262616101"


def test_deep_nesting_is_refused_before_the_stack_ends() -> None:
    with pytest.raises(DecodeError, match="nested too deeply"):
        decode(b"\x81" * 100_000 + b"\x01")
    with pytest.raises(DecodeError, match="nested too deeply"):
        decode(b"\xd2" * 100_000 + b"\x01")
    with pytest.raises(DecodeError, match="nested too deeply"):
        decode(b"\xa1\x01" * 50_000 + b"\x01")
    assert decode(b"\x81" * 16 + b"\x01")


def test_too_many_items_are_refused() -> None:
    data = encode([[0] * 100, [0] * 100])
    assert decode(data, items_max=203) == [[0] * 100, [0] * 100]
    with pytest.raises(DecodeError, match="too many items"):
        decode(data, items_max=202)


@pytest.mark.parametrize("value", [1.5, [1.5], {1: 1.5}, object(), [b"", bytearray(1)], {1, 2}])
def test_a_value_without_an_encoding_is_a_type_error(value: Value) -> None:
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize("value", [2**64, -(2**64) - 1, [2**64], [1, [2**64]], {1: 2**64}])
def test_an_integer_beyond_64_bits_has_no_encoding(value: Value) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode(value)


@given(st.integers(min_value=0, max_value=7), st.integers(min_value=0, max_value=2**64 - 1))
def test_a_head_is_the_shortest(major: int, number: int) -> None:
    expected = bytearray(cbor2.dumps(number))
    expected[0] |= major << 5
    assert head(major, number) == bytes(expected)
