"""What is due and what is late on a day."""

from dataclasses import replace

import pytest

from slt.inventory.questions.asking import ask_due
from slt.inventory.questions.due import DueLine, deadlines
from slt.reports.facts import Facts
from tests.unit.inventory.questions.listed_books import ListBooks
from tests.unit.inventory.questions.test_sample_balances import area
from tests.unit.inventory.sample_world import facts_of, world


async def due(books: ListBooks, mba: str, day: str, *, profile: str = "iaea") -> list[DueLine]:
    where = replace(area(mba), profile=profile)
    return list(await ask_due(books, [where], day=day, as_of=books.blocks))


def said(lines: list[DueLine]) -> list[tuple[str, str, str, str]]:
    return [(line.what, line.of, line.due, line.standing) for line in lines]


def books_of(*names: str) -> ListBooks:
    books = ListBooks(*world())
    for name in names:
        books.accept(facts_of(name))
    return books


async def test_a_listing_waits_thirty_days_for_its_balance() -> None:
    books = books_of("XLR1-44")
    assert ("balance", "20251215", "20260114", "due") in said(await due(books, "XLR1", "20260114"))
    assert ("balance", "20251215", "20260114", "late") in said(await due(books, "XLR1", "20260115"))
    assert {line.term for line in await due(books, "XLR1", "20260114") if line.what == "balance"} == {
        "30 days after the physical inventory"
    }
    books.accept(facts_of("XLR1-45"))
    assert not [line for line in await due(books, "XLR1", "20260115") if line.what == "balance"]


async def test_what_was_written_later_was_not_there_on_the_day(year: ListBooks) -> None:
    """The listing and the balance of the plant are of 28 January; on 10 January nobody knew of the inventory."""
    assert not [line for line in await due(year, "XLF1", "20260110") if line.what in ("listing", "balance")]
    assert not [line for line in await due(year, "XLF1", "20260201") if line.what in ("listing", "balance")]


async def test_a_month_without_report_wants_one_only_if_something_changed() -> None:
    books = books_of("XLR1-42")  # October
    assert said(await due(books, "XLR1", "20251210")) == [("change report", "202511", "20251230", "if changed")]
    assert said(await due(books, "XLR1", "20251231")) == []  # its term is over, and December is not


async def test_where_empty_reports_are_due_every_month_is_asked_for() -> None:
    books = books_of("XLR1-41")  # March 2025
    lines = await due(books, "XLR1", "20250620", profile="euratom")
    assert said(lines) == [
        ("change report", "202412", "20250115", "late"),
        ("change report", "202501", "20250215", "late"),
        ("change report", "202502", "20250315", "late"),
        ("change report", "202504", "20250515", "late"),
        ("change report", "202505", "20250615", "late"),
        ("physical inventory", "20241215", "20260215", "due"),
    ]
    assert {line.rule for line in lines} == {"C29", "C14"}


async def test_a_month_that_a_physical_inventory_splits_needs_both_parts() -> None:
    books = books_of()
    facts = facts_of("XLR1-43")
    first = replace(facts, period_from="20251101", period_to="20251115")
    books.accept(first)
    assert ("change report", "202511", "20251215", "late") in said(
        await due(books, "XLR1", "20251216", profile="euratom")
    )
    books.accept(replace(facts, number=44, period_from="20251116", period_to="20251130"))
    assert not [line for line in await due(books, "XLR1", "20251216", profile="euratom") if line.of == "202511"]


async def test_a_physical_inventory_is_due_after_fourteen_months() -> None:
    books = books_of()
    lines = await due(books, "XLR1", "20260216", profile="euratom")
    assert ("physical inventory", "20241215", "20260215", "late") in said(lines)
    assert not [line for line in await due(books, "XLR1", "20300101") if line.what == "physical inventory"]


async def test_a_report_that_came_late_is_told_for_a_year(year: ListBooks) -> None:
    finding = ("V39", "warning", "", "003", "20251107", "not after 20250430", "late")
    late: Facts = replace(facts_of("XLR1-41"), date="20250507", number=60)
    year.accept(late, findings=(finding,))
    (line,) = (one for one in await due(year, "XLR1", "20250601") if one.standing == "came late")
    assert (line.of, line.due, line.written, line.report) == ("202503", "20250430", "20250507", 60)
    assert not [one for one in await due(year, "XLR1", "20260508") if one.standing == "came late"]


async def test_an_area_that_is_older_than_twenty_years_is_asked_for_the_last_twenty() -> None:
    old = replace(area("XLR1"), profile="euratom", opened="19700101", last_pit="", opening=None)
    lines = await ask_due(ListBooks((old,)), [old], day="20251110", as_of=0)
    months = [line.of for line in lines if line.what == "change report"]
    assert (months[0], months[-1], len(months)) == ("200512", "202510", 239)


async def test_a_closed_area_owes_nothing() -> None:
    books = books_of("XLR1-44")
    closed = replace(area("XLR1"), closed="20251231")
    assert await ask_due(books, [closed], day="20260115", as_of=1) == ()


@pytest.mark.parametrize(
    ("profile", "terms"),
    [
        (
            "iaea",
            ["30 days after the end of the month, if something changed"] + 2 * ["30 days after the physical inventory"],
        ),
        (
            "euratom",
            [
                "15 days after the end of the month, also when nothing changed",
                *2 * ["30 days after the physical inventory"],
                "14 months after the one before",
            ],
        ),
    ],
)
def test_the_terms_of_a_profile_stand_in_one_table(profile: str, terms: list[str]) -> None:
    assert [line.term for line in deadlines(profile)] == terms
