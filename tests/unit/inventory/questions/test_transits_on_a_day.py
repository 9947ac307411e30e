"""Transits of the sample year as one sees them on a day."""

from dataclasses import replace

from slt.inventory.questions.asking import ask_transits
from slt.inventory.questions.transits import TransitLine
from slt.reports.facts import EntryFacts, Facts
from tests.unit.inventory.questions.listed_books import ListBooks
from tests.unit.inventory.questions.test_sample_balances import area
from tests.unit.inventory.sample_world import facts_of, world


async def seen(books: ListBooks, day: str, *, mba: str | None = None, first: str | None = None) -> list[TransitLine]:
    where = None if mba is None else area(mba)
    return list(await ask_transits(books, area=where, first=first, day=day, as_of=books.blocks))


def states(lines: list[TransitLine], shipper: str, receiver: str) -> dict[str, str]:
    return {line.batch: line.state for line in lines if (line.shipper, line.receiver) == (shipper, receiver)}


def with_entry(facts: Facts, place: int, **changes: object) -> Facts:
    entries: list[EntryFacts] = list(facts.entries)
    entries[place] = replace(entries[place], **changes)  # type: ignore[arg-type]  # fields of an entry
    return replace(facts, entries=tuple(entries))


async def test_fresh_fuel_is_on_its_way_over_the_end_of_a_month(year: ListBooks) -> None:
    fuel = dict.fromkeys(("FB25-01", "FB25-02", "FB25-03", "FB25-04"))
    assert states(await seen(year, "20250928"), "XL/XLF1", "XL/XLR1") == {}
    assert states(await seen(year, "20250930"), "XL/XLF1", "XL/XLR1") == dict.fromkeys(fuel, "open shipment")
    assert states(await seen(year, "20251006"), "XL/XLF1", "XL/XLR1") == dict.fromkeys(fuel, "matched")


async def test_both_areas_see_the_same_transits(year: ListBooks) -> None:
    sent, got = await seen(year, "20251231", mba="XLF1"), await seen(year, "20251231", mba="XLR1")
    both = [line for line in sent if line in got]
    assert [line.batch for line in both] == ["FB25-01", "FB25-02", "FB25-03", "FB25-04"]
    assert {line.receiver for line in sent} == {"XL/XLR1", "XL/XLF1", "XF/XFR9"}


async def test_what_left_the_ledger_stays_open_and_is_never_overdue(year: ListBooks) -> None:
    lines = await seen(year, "20260531", first="20250101")
    assert states(lines, "XL/XLF1", "XF/XFR9") == dict.fromkeys(("FB25-11", "FB25-12"), "open shipment")
    assert states(lines, "XF/XFE1", "XL/XLF1") == dict.fromkeys(("CY-2001", "CY-2002"), "open receipt")
    assert {line.due for line in lines} == {""}


async def test_without_its_receipt_a_shipment_is_overdue_after_its_term() -> None:
    books = ListBooks(*world())
    books.accept(facts_of("XLF1-105"))
    (line, *_) = await seen(books, "20251129")
    assert (line.state, line.due) == ("open shipment", "20251129")
    assert {one.state for one in await seen(books, "20251130")} == {"overdue"}


async def test_both_sides_and_the_labels_that_differ_are_told(year: ListBooks) -> None:
    year.accept(facts_of("XLR1-46"))  # 670 of FB25-03: 20244 g received, 20242 g sent
    (line,) = (one for one in await seen(year, "20251231", mba="XLR1") if one.state == "different")
    assert (line.batch, line.differing) == ("FB25-03", ("670",))
    assert line.shipment is not None and line.receipt is not None
    assert (line.shipment.report, line.receipt.report) == (105, 46)
    assert (dict(line.shipment.weights)[670], dict(line.receipt.weights)[670]) == (20_242_000, 20_244_000)


async def test_a_receiver_who_does_not_know_the_name_is_matched_by_quantity() -> None:
    books = ListBooks(*world())
    books.accept(facts_of("XLF1-105"))
    facts = facts_of("XLR1-42")
    books.accept(with_entry(facts, 0, shipper_batch="UNKNOWN"))
    lines = await seen(books, "20251231", mba="XLR1")
    assert {(line.batch, line.state, line.matched_by) for line in lines} == {
        ("FB25-01", "matched", "quantity"),
        *((f"FB25-0{n}", "matched", "name") for n in (2, 3, 4)),
    }


async def test_of_equal_shipments_the_oldest_goes_with_a_receipt_without_a_name() -> None:
    books = ListBooks(*world())
    sent = facts_of("XLF1-105")
    books.accept(with_entry(sent, 1, weights=sent.entries[0].weights))  # FB25-02 as heavy as FB25-01
    got = facts_of("XLR1-42")
    books.accept(replace(got, entries=(replace(got.entries[0], shipper_batch="UNKNOWN"),)))
    open_ones = states(await seen(books, "20251010", mba="XLR1"), "XL/XLF1", "XL/XLR1")
    assert "UNKNOWN" not in open_ones
    assert (open_ones["FB25-01"], open_ones["FB25-02"]) == ("matched", "open shipment")


async def test_what_ended_before_is_not_told_and_what_is_open_is(year: ListBooks) -> None:
    lines = await seen(year, "20251231", first="20251001")
    assert states(lines, "XL/XLR1", "XL/XLS1") == {}  # matched in March
    assert set(states(lines, "XL/XLF1", "XF/XFR9")) == {"FB25-11", "FB25-12"}  # open since June
    assert set(states(lines, "XL/XLF1", "XL/XLR1").values()) == {"matched"}


async def test_many_sides_under_one_name_are_matched_in_bounded_time() -> None:
    """As in the ledger's records, the latest stay: nothing is matched that was not there."""
    books = ListBooks(*world())
    sent = facts_of("XLF1-105")
    entry = sent.entries[0]
    books.accept(replace(sent, entries=tuple(replace(entry, number=n) for n in range(1, 2001))))
    lines = await seen(books, "20251010", mba="XLF1")
    assert 0 < len(lines) < 2000
    assert {line.state for line in lines} == {"open shipment"}
