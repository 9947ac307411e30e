"""The book on a day, as of a height, by category, measurement point and batch."""

from dataclasses import replace
from decimal import Decimal

import pytest

from slt.inventory.questions.asking import ask_inventory, ask_statement
from slt.inventory.questions.inventory import By, Inventory
from slt.inventory.questions.measures import effective_kg, enrichment, significant_quantities
from slt.inventory.questions.statement import half_year
from tests.unit.inventory.questions.listed_books import ListBooks
from tests.unit.inventory.questions.test_sample_balances import area
from tests.unit.inventory.sample_world import facts_of

G = 1000
KG = 1_000_000


async def book(
    books: ListBooks,
    mba: str,
    day: str | None,
    *,
    as_of: int | None = None,
    by: By = "category",
    batch: str | None = None,
) -> Inventory:
    height = books.blocks if as_of is None else as_of
    return await ask_inventory(books, area(mba), by=by, day=day, as_of=height, batch=batch)


def grams(inventory: Inventory) -> dict[int, int]:
    sums: dict[int, int] = {}
    for line in inventory.lines:
        sums[line.label] = sums.get(line.label, 0) + line.mg
    return {label: mg // G for label, mg in sums.items() if mg}


async def test_the_book_follows_the_accounting_dates(year: ListBooks) -> None:
    opening = {630: 5_409_500, 670: 175_711, 700: 18_425}
    assert grams(await book(year, "XLR1", "20250309")) == opening
    shipped = {630: 5_409_500 - 1_729_500, 670: 175_711 - 13_791}
    assert grams(await book(year, "XLR1", "20250310")) == shipped
    assert grams(await book(year, "XLR1", "20251005")) == shipped
    assert grams(await book(year, "XLR1", "20251006")) == {630: 5_520_010, 670: 242_880}


async def test_a_physical_inventory_makes_the_book_new(year: ListBooks) -> None:
    """INFCIRC/153 paragraph 102: from its day on the book stands on the listing; the difference is the MUF."""
    before, after = await book(year, "XLF1", "20251230"), await book(year, "XLF1", "20251231")
    assert (before.pit, after.pit) == ("20241231", "20251231")
    assert grams(before)[630] - grams(after)[630] == 419  # from the changes; the report rounds LD and says 418
    assert grams(await book(year, "XLF1", None)) == grams(after) == {630: 2_151_971, 670: 94_689}


async def test_a_correction_changes_a_past_day_from_its_height_on(year: ListBooks) -> None:
    before = year.blocks
    height = year.accept(facts_of("XLR1-46"))  # 2 g more U-235 received on 6 October
    assert grams(await book(year, "XLR1", "20251031", as_of=before))[670] == 242_880
    assert grams(await book(year, "XLR1", "20251031", as_of=height))[670] == 242_882
    assert grams(await book(year, "XLR1", "20251005", as_of=height))[670] == 161_920
    assert grams(await book(year, "XLR1", "20251215", as_of=height))[670] == 175_722  # the listing says what was there


async def test_a_deletion_gives_the_material_back_from_its_height_on(year: ListBooks) -> None:
    before = year.blocks
    height = year.accept(facts_of("XLF1-110"))
    sent = grams(await book(year, "XLF1", "20250630", as_of=before))[630]
    assert grams(await book(year, "XLF1", "20250630", as_of=height))[630] == sent + 459_940


async def test_an_early_height_knows_only_what_was_reported_till_then(year: ListBooks) -> None:
    nothing = await book(year, "XLS1", "20251231", as_of=0)
    assert nothing.pit == "20241231"
    assert grams(nothing) == {630: 1_729_750, 670: 13_820, 700: 18_398}


@pytest.mark.parametrize("mba", ["XLR1", "XLF1", "XLS1"])
@pytest.mark.parametrize("day", ["20250310", "20250630", "20251120", "20251231", None])
async def test_batches_and_measurement_points_sum_to_the_book(year: ListBooks, mba: str, day: str | None) -> None:
    whole = grams(await book(year, mba, day))
    assert grams(await book(year, mba, day, by="batch")) == whole
    assert grams(await book(year, mba, day, by="kmp")) == whole


async def test_measurement_points_are_known_as_of_the_listing(year: ListBooks) -> None:
    listed = await book(year, "XLR1", "20251215", by="kmp")
    assert {line.kmp for line in listed.lines} == {"B", "C"}
    moved = await book(year, "XLR1", "20251214", by="kmp")
    assert moved.pit == "20241215"
    assert any(line.kmp == "" for line in moved.lines)  # what has moved since has no known place


async def test_a_batch_in_the_store_is_one_canister_after_encapsulation(year: ListBooks) -> None:
    before, after = await book(year, "XLS1", "20250601", by="batch"), await book(year, "XLS1", "20250602", by="batch")
    assert {line.batch for line in before.lines} >= {"SP01", "SP02", "SP03", "SP04"}
    assert {line.batch for line in after.lines} == {"SP91", "SP92", "SP93", "SP94", "CN-0001"}
    (canister,) = (line for line in after.lines if (line.batch, line.label) == ("CN-0001", 700))
    assert (canister.mg, canister.items, canister.quantity) == (18_425 * G, 4, "18425G")
    one = await book(year, "XLS1", "20250602", batch="CN-0001")
    assert one.lines == tuple(line for line in after.lines if line.batch == "CN-0001")


async def test_a_category_change_moves_natural_uranium_to_depleted(year: ListBooks) -> None:
    year.accept(facts_of("XLT1-9"))
    lines = {line.label: line.quantity for line in (await book(year, "XLT1", "20260131")).lines}
    assert lines == {610: "-100K", 620: "100K"}
    assert (await book(year, "XLT1", "20260119")).lines == ()


async def test_the_statement_of_a_half_year_adds_up(year: ListBooks) -> None:
    statement = await ask_statement(year, area("XLF1"), day="20260115", as_of=year.blocks)
    assert (statement.first, statement.last) == ("20250701", "20251231")
    uranium = next(line for line in statement.lines if line.label == 630)
    assert uranium.begin_mg == (1_855_400 + 3_061_050 - 550 - 920_150) * G
    assert (uranium.increases_mg, uranium.decreases_mg) == (0, (625 + 1_840_010 + 625 + 2_100) * G)
    assert uranium.adjusted == "-419G"  # the physical inventory; see its balance
    assert uranium.end == "2151971G"
    assert statement.effective_kg == Decimal("4.166416")  # 2151.971 kg x (94.689 / 2151.971) squared
    assert statement.significant_quantities == Decimal("1.262520")  # 94.689 kg of U-235 in LEU, 75 kg each


@pytest.mark.parametrize(
    ("day", "half"),
    [
        ("20250629", ("20240701", "20241231")),
        ("20250630", ("20250101", "20250630")),
        ("20251230", ("20250101", "20250630")),
        ("20251231", ("20250701", "20251231")),
    ],
)
def test_a_half_year_counts_when_it_is_over(day: str, half: tuple[str, str]) -> None:
    assert half_year(day) == half


@pytest.mark.parametrize(
    ("sums", "kg"),
    [
        ({(700, 700): 3 * KG}, "3.000000"),
        ({(630, 630): 100 * KG, (630, 670): 1 * KG}, "0.010000"),  # e = 0.01: 100 kg x 0.0001
        ({(630, 630): 100 * KG, (630, 670): 20 * KG}, "4.000000"),
        ({(630, 630): 100 * KG, (630, 640): 5 * KG, (630, 670): 5 * KG}, "1.000000"),
        ({(630, 630): 100 * KG, (630, 660): 10 * KG, (630, 670): 1 * KG}, "1.000000"),
        ({(610, 610): 1000 * KG}, "0.100000"),
        ({(620, 620): 1000 * KG}, "0.050000"),
        ({(620, 620): 1000 * KG, (620, 780): 6 * KG}, "0.100000"),
        ({(800, 800): 1000 * KG}, "0.050000"),
    ],
)
def test_effective_kilograms(sums: dict[tuple[int, int], int], kg: str) -> None:
    assert effective_kg(sums) == Decimal(kg)


def test_significant_quantities_go_by_enrichment() -> None:
    assert significant_quantities({(630, 630): 100 * KG, (630, 670): 25 * KG}) == Decimal(1)
    assert significant_quantities({(630, 630): 1000 * KG, (630, 670): 75 * KG}) == Decimal(1)
    assert significant_quantities({(700, 700): 8 * KG, (800, 800): 20_000 * KG}) == Decimal(2)
    assert enrichment({(700, 700): 8 * KG}, 700) is None


async def test_an_area_without_any_physical_inventory_sums_its_changes() -> None:
    empty = replace(area("XLS1"), last_pit="", opening=None)
    books = ListBooks((empty,))
    books.accept(facts_of("XLS1-21"))
    inventory = await ask_inventory(books, empty, by="category", day=None, as_of=1)
    assert inventory.pit == ""
    assert grams(inventory) == {630: 1_729_500, 670: 13_791, 700: 18_425}
