"""Weights are whole milligrams, exactly (reports.md 1.4)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.reports.quantities import (
    MG_MAX,
    WEIGHT_LABELS,
    BadQuantity,
    format_quantity,
    quantity_mg,
    read_quantity,
    unit_of,
)


@pytest.mark.parametrize(
    ("text", "label", "mg"),
    [
        ("432310G", 630, 432_310_000),
        ("0G", 630, 0),
        ("-0G", 630, 0),
        ("0.001G", 630, 1),
        ("0.100G", 630, 100),
        ("100.000K", 610, 100_000_000),
        ("0.000001K", 610, 1),
        ("-550G", 630, -550_000),
        ("999999999999999.999G", 630, MG_MAX),
        ("999999999999.999999K", 800, MG_MAX),
    ],
)
def test_a_weight_is_read_to_the_milligram(text: str, label: int, mg: int) -> None:
    assert quantity_mg(text, label) == mg


@pytest.mark.parametrize(
    ("text", "label"),
    [
        *((text, 630) for text in ("", "G", ".5G", "5.G", "1,5G", "1e3G", "01G", "1 G", "1g", "+1G", "--1G", "1G\n")),
        *((text, 630) for text in ("١G", "1.0001G", "1K", "1000000000000000G")),
        *((text, 610) for text in ("1.0000001K", "1G", "1000000000000K")),
    ],
)
def test_what_is_no_weight_of_the_label_is_refused(text: str, label: int) -> None:
    with pytest.raises(BadQuantity):
        quantity_mg(text, label)


@given(mg=st.integers(-MG_MAX, MG_MAX), label=st.sampled_from(WEIGHT_LABELS))
def test_writing_and_reading_a_weight_gives_it_back(mg: int, label: int) -> None:
    assert quantity_mg(format_quantity(mg, label), label) == mg


@given(
    sign=st.sampled_from(["", "-"]),
    whole=st.integers(0, 10**12 - 1),
    decimals=st.text("0123456789", max_size=6),
    unit=st.sampled_from("GK"),
)
def test_reading_agrees_with_decimal_arithmetic(sign: str, whole: int, decimals: str, unit: str) -> None:
    decimals = decimals[: 3 if unit == "G" else 6]
    number = f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"
    quantity = read_quantity(number + unit)
    assert Decimal(quantity.mg) == Decimal(number) * (1_000 if unit == "G" else 1_000_000)
    assert Decimal(quantity.place_mg) == Decimal(10) ** -len(decimals) * (1_000 if unit == "G" else 1_000_000)


def test_kilograms_are_for_natural_and_depleted_uranium_and_thorium() -> None:
    assert [label for label in WEIGHT_LABELS if unit_of(label) == "K"] == [610, 620, 800]
