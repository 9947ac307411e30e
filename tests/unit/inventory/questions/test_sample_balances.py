"""Balances of the sample year to the gram, and the balance reports that follow from the other reports."""

from dataclasses import replace

import pytest

from slt.inventory.questions.asking import NoAnswer, ask_balance, ask_draft
from slt.inventory.questions.balance import Balance
from slt.reports import LabelledEntry, judge, read_report, write_report
from slt.reports.reference import Reference
from slt.statements.genesis import Mba
from tests.unit.inventory.questions.listed_books import ListBooks
from tests.unit.inventory.sample_world import FOLDER, YEAR, facts_of, world

# reports.md 8, in grams: PB, increases, decreases, DI, BA, PE, MF by label.
TABLE = {
    "XLR1": {
        630: (5_409_500, {"RD": 1_840_010, "LN": 110_350, "SD": 1_729_500}, 0, 5_409_660, 5_409_660, 0),
        670: (175_711, {"RD": 80_960, "LN": 67_158, "SD": 13_791}, 0, 175_722, 175_722, 0),
        700: (18_425, {"NP": 18_408, "SD": 18_425}, 0, 18_408, 18_408, 0),
    },
    "XLF1": {
        630: (
            1_855_400,
            {"RF": 3_061_050, "SD": 1_840_010, "SF": 920_150, "LD": 1_251, "TW": 2_100},
            550,
            2_152_389,
            2_151_971,
            418,
        ),
        670: (81_638, {"RF": 134_686, "SD": 80_960, "SF": 40_486, "LD": 55, "TW": 92}, 24, 94_707, 94_689, 18),
    },
    "XLS1": {
        630: (1_729_750, {"RD": 1_729_500}, 0, 3_459_250, 3_459_250, 0),
        670: (13_820, {"RD": 13_791}, 0, 27_611, 27_611, 0),
        700: (18_398, {"RD": 18_425}, 0, 36_823, 36_823, 0),
    },
}
PITS = {"XLR1": "20251215", "XLF1": "20251231", "XLS1": "20251231"}
BALANCES = {"XLR1": 45, "XLF1": 109, "XLS1": 24}


def area(mba: str) -> Mba:
    (found,) = (one for one in world()[0] if one.mba == mba)
    return found


def grams(balance: Balance, label: int) -> dict[str, int]:
    return {line.code: (line.reported_mg or 0) // 1000 for line in balance.lines if line.label == label}


def unordered(entries: tuple[LabelledEntry, ...]) -> list[list[tuple[str, str]]]:
    """Without entry numbers: the order among decreases is anybody's."""
    return sorted(sorted((label, content) for label, content in one.items() if label != "002") for one in entries)


@pytest.mark.parametrize("mba", TABLE)
async def test_the_balance_is_that_of_the_table(year: ListBooks, mba: str) -> None:
    balance = await ask_balance(year, area(mba), pit=None, as_of=year.blocks)
    assert (balance.pit, balance.report) == (PITS[mba], BALANCES[mba])
    for label, (pb, changes, di, ba, pe, mf) in TABLE[mba].items():
        shown = grams(balance, label)
        expected = {"PB": pb, **changes, "BA": ba, "PE": pe, "MF": mf} | ({"DI": di} if di else {})
        assert shown == expected, label
    assert {one.label: one.mg for one in balance.muf} == {label: row[-1] * 1000 for label, row in TABLE[mba].items()}
    assert balance.differing == ()


@pytest.mark.parametrize("mba", TABLE)
async def test_what_is_reported_and_its_adjustments_follow_from_the_other_reports(year: ListBooks, mba: str) -> None:
    balance = await ask_balance(year, area(mba), pit=PITS[mba], as_of=year.blocks)
    adjusted = {(line.code, line.label): line.adjustment_mg for line in balance.lines if line.adjustment_mg}
    assert adjusted == ({("LD", 630): -1000, ("LD", 670): -1000} if mba == "XLF1" else {})
    assert all(line.agrees for line in balance.lines if line.code not in ("BA", "MF"))


@pytest.mark.parametrize("mba", ["XLR1", "XLS1"])
async def test_a_drafted_balance_report_is_the_one_that_was_reported(year: ListBooks, mba: str) -> None:
    made = await ask_draft(
        year,
        area(mba),
        pit=PITS[mba],
        as_of=year.blocks,
        date=facts_of(f"{mba}-{BALANCES[mba]}").date,
        encoder="DOE,J",
        number=BALANCES[mba],
    )
    stated = read_report((FOLDER / f"{mba}-{BALANCES[mba]}.code10").read_bytes())
    assert made[0] == stated[0]
    assert unordered(made) == unordered(stated)


async def test_a_drafted_balance_of_the_plant_differs_by_its_known_rounding_only(year: ListBooks) -> None:
    made = await ask_draft(
        year, area("XLF1"), pit=None, as_of=year.blocks, date="20260128", encoder="DOE,J", number=109
    )
    drafted = {entry["411"]: (entry["630"], entry["670"]) for entry in made}
    stated = {
        entry["411"]: (entry["630"], entry["670"]) for entry in read_report((FOLDER / "XLF1-109.code10").read_bytes())
    }
    assert stated.pop("RALD") == ("-1G", "-1G")
    assert {code: drafted[code] for code in drafted if drafted[code] != stated[code]} == {
        "LD": ("1250G", "54G"),
        "BA": ("2152390G", "94708G"),
        "MF": ("419G", "19G"),
    }


@pytest.mark.parametrize("mba", TABLE)
@pytest.mark.parametrize("rounded", [False, True])
async def test_a_draft_breaks_no_rule(year: ListBooks, mba: str, rounded: bool) -> None:
    made = await ask_draft(
        year, area(mba), pit=None, as_of=year.blocks, date="20260110", encoder="DOE,J", rounded=rounded
    )
    judged = judge(write_report(made), Reference.of(world()[0], 1))
    assert judged.findings == ()
    assert judged.number == BALANCES[mba] + 1


async def test_a_rounded_draft_states_whole_units_and_adjusts_them(year: ListBooks) -> None:
    books = ListBooks(*world())
    for name in YEAR:
        facts = facts_of(name)
        if name == "XLF1-104":
            (entry,) = facts.entries
            facts = replace(facts, entries=(replace(entry, weights=((630, 625_400), (670, 27_499))),))
        if not name.endswith("-109"):
            books.accept(facts)
    made = await ask_draft(
        books, area("XLF1"), pit=None, as_of=books.blocks, date="20260128", encoder="DOE,J", rounded=True
    )
    drafted = {entry["411"]: (entry["630"], entry["670"]) for entry in made}
    assert (drafted["LD"], drafted["RALD"]) == (("1250G", "54G"), ("0.4G", "0.499G"))
    assert judge(write_report(made), Reference.of(world()[0], 1)).findings == ()


async def test_the_listing_is_checked_batch_by_batch(year: ListBooks) -> None:
    reactor = await ask_balance(year, area("XLR1"), pit=None, as_of=year.blocks)
    assert reactor.check == ()
    plant = await ask_balance(year, area("XLF1"), pit=None, as_of=year.blocks)
    said = {line.batch: line.state for line in plant.check}
    assert said["CY-1001"] == "missing" and said["PW-2502"] == "extra"
    assert said["FB25-01"] == "arisen"  # made here and sent: it was never received
    assert "CY-2002" not in said  # received and listed as it was


async def test_before_the_listing_there_is_nothing_to_draft_from() -> None:
    books = ListBooks(*world())
    with pytest.raises(
        NoAnswer, match=r"no balance of XLR1 that ends on 20251215, .* Known: none. They begin after 20241215"
    ):
        await ask_draft(books, area("XLR1"), pit="20251215", as_of=0, date="20260110", encoder="DOE,J")
    empty = ListBooks((replace(area("XLR1"), last_pit="", opening=None),))
    with pytest.raises(NoAnswer, match="They begin on 19"):
        await ask_balance(empty, empty.mbas[0], pit=None, as_of=0)


async def test_the_physical_inventory_that_the_books_begin_with_has_no_balance_here(year: ListBooks) -> None:
    with pytest.raises(NoAnswer, match=r"Known: 20251215\."):
        await ask_balance(year, area("XLR1"), pit="20241215", as_of=year.blocks)


async def test_a_summary_reads_no_batches(year: ListBooks) -> None:
    assert (await ask_balance(year, area("XLF1"), pit=None, as_of=year.blocks, check=False)).check == ()


async def test_an_empty_balance_report_states_nothing_and_agrees() -> None:
    books = ListBooks(*world())
    for name in ("XLT1-7", "XLT1-8"):
        books.accept(facts_of(name))
    balance = await ask_balance(books, area("XLT1"), pit=None, as_of=2)
    assert (balance.report, balance.listing, balance.lines, balance.differing) == (8, 7, (), ())


async def test_an_empty_listing_that_is_deleted_is_no_listing() -> None:
    books = ListBooks(*world())
    listing = facts_of("XLT1-7")
    books.accept(listing)
    (entry,) = listing.entries
    books.accept(replace(listing, number=8, entries=(replace(entry, status="D", target=(7, 1)),)))
    assert (await ask_balance(books, area("XLT1"), pit=None, as_of=1)).listing == 7
    with pytest.raises(NoAnswer):
        await ask_balance(books, area("XLT1"), pit=None, as_of=2)


async def test_an_area_without_material_drafts_one_empty_entry() -> None:
    books = ListBooks(*world())
    books.accept(facts_of("XLT1-7"))
    made = await ask_draft(books, area("XLT1"), pit=None, as_of=1, date="20260105", encoder="DOE,J")
    assert write_report(made) == (FOLDER / "XLT1-8.code10").read_bytes()
