"""The state root: order does not matter, and keeping it up to date gives what recomputing it would."""

from hashlib import sha256, shake_128

from hypothesis import given
from hypothesis import strategies as st

from slt.inventory.lthash import EMPTY_LANES, LANES_BYTES, lanes_of, state_root, updated

_RECORDS = st.dictionaries(st.binary(min_size=1, max_size=12), st.binary(max_size=40), max_size=12)


def _oracle(records: dict[bytes, bytes]) -> bytes:
    """formats.md, "Batch, block, roots", one lane at a time."""
    total = [0] * 1024
    for k, v in records.items():
        framed = b"slt/record/v1".ljust(32, b"\0") + len(k).to_bytes(4, "big") + k + len(v).to_bytes(4, "big") + v
        digest = shake_128(framed).digest(2048)
        for lane in range(1024):
            total[lane] = (total[lane] + int.from_bytes(digest[2 * lane : 2 * lane + 2], "little")) % 2**16
    return b"".join(lane.to_bytes(2, "little") for lane in total)


@given(_RECORDS)
def test_lanes_are_the_sum_that_the_format_defines(records: dict[bytes, bytes]) -> None:
    assert updated(EMPTY_LANES, added=records.items()) == _oracle(records)


@given(_RECORDS, st.randoms(use_true_random=False))
def test_order_of_records_does_not_matter(records: dict[bytes, bytes], random: object) -> None:
    shuffled = list(records.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis hands out a random.Random

    assert updated(EMPTY_LANES, added=shuffled) == updated(EMPTY_LANES, added=records.items())


@given(_RECORDS, _RECORDS)
def test_incremental_lanes_equal_recomputed_lanes(before: dict[bytes, bytes], after: dict[bytes, bytes]) -> None:
    lanes = updated(EMPTY_LANES, added=before.items())

    changed = updated(
        lanes,
        removed=[(k, v) for k, v in before.items() if after.get(k) != v],
        added=[(k, v) for k, v in after.items() if before.get(k) != v],
    )

    assert changed == updated(EMPTY_LANES, added=after.items())


@given(_RECORDS)
def test_taking_everything_out_again_leaves_the_empty_state(records: dict[bytes, bytes]) -> None:
    lanes = updated(EMPTY_LANES, added=records.items())
    assert updated(lanes, removed=records.items()) == EMPTY_LANES


def test_moving_a_byte_from_key_to_value_changes_the_lanes() -> None:
    assert lanes_of(b"ab", b"c") != lanes_of(b"a", b"bc")


def test_the_root_is_a_tagged_hash_of_the_lanes() -> None:
    expected = sha256(b"slt/state/v1".ljust(32, b"\0") + bytes(LANES_BYTES)).digest()
    assert state_root(EMPTY_LANES) == expected
