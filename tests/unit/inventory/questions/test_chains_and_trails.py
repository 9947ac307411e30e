"""Correction chains, and the history of a batch across areas."""

from dataclasses import replace

import pytest

from slt.inventory.questions.asking import NoAnswer, ask_corrections, ask_history
from slt.inventory.questions.corrections import Chain
from slt.inventory.questions.history import History, rebatchings
from slt.inventory.questions.rows import BookEntry
from slt.reports.facts import Facts
from tests.unit.inventory.questions.listed_books import ListBooks
from tests.unit.inventory.questions.test_sample_balances import area
from tests.unit.inventory.sample_world import facts_of


async def chains(
    books: ListBooks, mba: str, number: int | None = None, entry: int | None = None, *, as_of: int | None = None
) -> tuple[Chain, ...]:
    height = books.blocks if as_of is None else as_of
    return await ask_corrections(books, area(mba), number=number, entry=entry, as_of=height)


def told(chain: Chain) -> list[tuple[int, int, str, str]]:
    return [(link.report, link.entry, link.status, link.standing) for link in chain.links]


def again(facts: Facts, number: int, status: str, target: tuple[int, int], mg: int) -> Facts:
    """Another correction of the entry at `target`, as report `number`."""
    (entry,) = facts.entries
    weights = tuple((label, mg if label == 670 else value) for label, value in entry.weights)
    return replace(facts, number=number, entries=(replace(entry, status=status, target=target, weights=weights),))


async def test_a_correction_shows_what_it_changed(year: ListBooks) -> None:
    before = year.blocks
    height = year.accept(facts_of("XLR1-46"))
    (chain,) = await chains(year, "XLR1", 42, 3)
    assert told(chain) == [(42, 3, "N", "superseded"), (46, 1, "C", "live")]
    assert (chain.links[0].to_height, chain.links[1].from_height) == (height, height)
    assert [(one.label, one.quantity) for one in chain.links[1].change] == [(670, "2G")]
    assert chain.links[1].names == "42/3"
    (earlier,) = await chains(year, "XLR1", 42, 3, as_of=before)
    assert told(earlier) == [(42, 3, "N", "live")]


async def test_a_chain_is_the_same_from_either_end_and_from_its_middle(year: ListBooks) -> None:
    correction = facts_of("XLR1-46")
    year.accept(correction)
    year.accept(again(correction, 47, "C", (46, 1), 20_243_000))
    year.accept(again(correction, 48, "D", (47, 1), 20_243_000))
    whole = [
        (42, 3, "N", "superseded"),
        (46, 1, "C", "superseded"),
        (47, 1, "C", "deleted"),
        (48, 1, "D", "deletes"),
    ]
    for number, entry in ((42, 3), (46, 1), (47, 1), (48, 1)):
        (chain,) = await chains(year, "XLR1", number, entry)
        assert told(chain) == whole
    assert [one.mg for one in chain.links[-1].change] == [-460_050_000, -20_243_000]
    assert [told(one) for one in await chains(year, "XLR1")] == [whole]
    assert [told(one) for one in await chains(year, "XLR1", 42)] == [whole]


async def test_an_addition_is_found_under_either_address(year: ListBooks) -> None:
    year.accept(facts_of("XLF1-110"))
    year.accept(facts_of("XLF1-111"))
    for number, entry in ((101, 3), (111, 1)):
        (chain,) = await chains(year, "XLF1", number, entry)
        assert told(chain) == [(111, 1, "A", "live")]
        assert chain.links[0].names == "101/3"
    assert [told(one) for one in await chains(year, "XLF1")] == [
        [(103, 2, "N", "deleted"), (110, 1, "D", "deletes")],
        [(111, 1, "A", "live")],
    ]
    added = facts_of("XLF1-111")
    year.accept(again(added, 112, "C", (101, 3), 67_000_000))  # by the number that it was given
    (chain,) = await chains(year, "XLF1", 101, 3)
    assert told(chain) == [(111, 1, "A", "superseded"), (112, 1, "C", "live")]


async def test_an_entry_that_is_not_there_is_told(year: ListBooks) -> None:
    with pytest.raises(NoAnswer, match="Report 42 of XLR1 has no entry 9"):
        await chains(year, "XLR1", 42, 9)
    assert await chains(year, "XLS1") == ()


async def history(books: ListBooks, batch: str, mba: str | None = None) -> History:
    state = None if mba is None else "XL"
    return await ask_history(books, batch, as_of=books.blocks, state=state, mba=mba)


def steps(found: History) -> list[tuple[str, str, str, str]]:
    return [(event.date, event.mba, event.batch, event.code or event.kind) for event in found.events]


async def test_an_assembly_is_followed_from_the_pond_into_its_canister(year: ListBooks) -> None:
    found = await history(year, "SP01", "XLR1")
    assert steps(found) == [
        ("20241215", "XLR1", "SP01", "O"),
        ("20250310", "XLR1", "SP01", "SD"),
        ("20250312", "XLS1", "SP01", "RD"),
        ("20250602", "XLS1", "SP01", "RM"),
        ("20250602", "XLS1", "CN-0001", "RP"),
        ("20251231", "XLS1", "CN-0001", "P"),
    ]
    assert found.complete
    shipped = found.events[1]
    assert (shipped.what, shipped.partner, shipped.weights[0].quantity) == ("shipped", "XL/XLS1", "-432310G")


async def test_a_canister_is_followed_back_to_all_that_went_into_it(year: ListBooks) -> None:
    found = await history(year, "CN-0001")
    assert {name.batch for name in found.names} == {"CN-0001", "SP01", "SP02", "SP03", "SP04"}
    assert {name.mba for name in found.names} == {"XLR1", "XLS1"}


async def test_a_receiver_may_call_it_otherwise(year: ListBooks) -> None:
    got = facts_of("XLR1-42")
    renamed = replace(got, number=60, entries=(replace(got.entries[0], batch="A-7", date="20260106"),))
    year.accept(renamed)
    assert "A-7" in {event.batch for event in (await history(year, "FB25-01", "XLF1")).events}
    assert "XLF1" in {event.mba for event in (await history(year, "A-7")).events}


async def test_one_name_in_areas_that_have_nothing_to_do_with_each_other(year: ListBooks) -> None:
    sent = facts_of("XLF1-106")  # LW-2502, a discard
    year.accept(replace(sent, mba="XLT1", number=30, entries=(replace(sent.entries[0], code="RS"),)))
    assert {event.mba for event in (await history(year, "LW-2502")).events} == {"XLF1", "XLT1"}
    assert {event.mba for event in (await history(year, "LW-2502", "XLF1")).events} == {"XLF1"}


async def test_a_batch_that_nobody_knows_has_no_events(year: ListBooks) -> None:
    assert (await history(year, "NOBODY")).events == ()


def rebatched(*batches: str) -> list[BookEntry]:
    """Entries of one report on one day: RM of lower-case names, RP of capitals, as many grams as letters."""
    (first, *_) = facts_of("XLS1-22").entries
    return [
        BookEntry(
            state="XL",
            mba="XLS1",
            number=22,
            kind="I",
            date=first.date,
            entry=replace(
                first,
                number=number,
                code="RM" if batch.islower() else "RP",
                batch=batch,
                weights=((630, 1000 * len(batch)), (670, 10 * len(batch))),
            ),
            from_height=1,
            to_height=None,
            by=None,
        )
        for number, batch in enumerate(batches, 1)
    ]


@pytest.mark.parametrize(
    "whole",
    [
        (["a", "b", "CC"],),
        (["a", "b", "CC"], ["dd", "E", "F"], ["G", "g"]),
        (["a", "b", "CC"], ["d", "e", "f"]),  # never agrees: with all that follows
        (["a", "bb", "CC", "D"],),  # all taken first: they cannot be told apart
    ],
)
def test_rebatchings_of_a_day_are_told_apart_where_the_sums_agree(whole: tuple[list[str], ...]) -> None:
    rows = rebatched(*(batch for some in whole for batch in some))
    found = [[row.entry.batch for row in some] for some in rebatchings(reversed(rows))]
    assert found == list(whole)


async def test_a_batch_goes_into_its_own_canister_only_and_a_canister_comes_from_its_own_batches(
    year: ListBooks,
) -> None:
    report = facts_of("XLS1-22")
    other = [replace(one, number=5 + one.number, batch=f"X{one.batch}") for one in report.entries]
    received = facts_of("XLS1-21")
    more = [replace(one, batch=f"X{one.batch}", shipper_batch=f"X{one.batch}") for one in received.entries]
    year.accept(replace(received, number=25, entries=tuple(more)))
    year.accept(replace(report, number=26, entries=(*report.entries, *other)))
    forward = await ask_history(year, "XSP01", as_of=year.blocks)
    assert [name.batch for name in forward.names if name.mba == "XLS1"] == ["XCN-0001", "XSP01"]
    back = await ask_history(year, "XCN-0001", as_of=year.blocks)
    assert [name.batch for name in back.names if name.mba == "XLS1"] == ["XCN-0001", "XSP01", "XSP02", "XSP03", "XSP04"]
