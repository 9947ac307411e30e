"""Keys of state records: one encoding, kinds apart, and everything of a kind or an MBA side by side."""

from pathlib import Path

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

import slt.statements
from slt.inventory.keys import RECORDS, Kind, key, kind_of, prefix, table

_TEXTS = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", min_size=1, max_size=4)
_NUMBERS = st.integers(0, 10**9)


def test_every_kind_is_in_the_table_and_its_keys_say_which_it_is() -> None:
    assert set(RECORDS) == set(Kind)
    for kind, record in RECORDS.items():
        assert kind_of(key(kind, *[0] * len(record.key))) is kind


@given(_TEXTS, _TEXTS, _NUMBERS)
def test_a_key_is_the_cbor_of_its_kind_and_values(state: str, mba: str, number: int) -> None:
    made = key(Kind.REPORT, state, mba, number)

    assert cbor2.loads(made) == [Kind.REPORT, state, mba, number]
    assert kind_of(made) is Kind.REPORT


@given(st.lists(st.tuples(_TEXTS, _TEXTS, _NUMBERS), unique=True, max_size=20))
def test_the_keys_of_an_mba_are_exactly_those_that_begin_with_its_prefix(values: list[tuple[str, str, int]]) -> None:
    keys = {key(Kind.REPORT, *value) for value in values} | {key(Kind.BOOK, *value) for value in values}
    for state, mba, _ in values:
        expected = {key(Kind.REPORT, *value) for value in values if value[:2] == (state, mba)}
        assert {k for k in keys if k.startswith(prefix(Kind.REPORT, state, mba))} == expected


def test_keys_of_different_values_differ_even_where_their_text_runs_together() -> None:
    assert key(Kind.HEAD, "XL", "R1") != key(Kind.HEAD, "X", "LR1")


def test_a_key_with_too_few_values_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="REPORT key"):
        key(Kind.REPORT, "XL", "XLR1")


def test_the_table_of_records_in_the_readme_is_this_one() -> None:
    readme = Path(slt.statements.__path__[0]) / "README.md"
    assert table() in readme.read_text()
