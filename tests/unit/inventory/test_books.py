"""The books: what each code, status and category does to them (reports.md 1.5 and 1.8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.inventory.books import book_lines
from slt.inventory.keys import Kind, kind_of
from slt.reports.facts import EntryFacts, Facts
from slt.reports.signs import book_changes
from slt.statements.verdicts import Code
from tests.unit.inventory.building import Ledger, codes, entry, report, statement

KG = 1_000_000


@pytest.mark.parametrize(
    ("code", "weights", "books"),
    [
        ("RD", {630: 100, 670: 4}, {630: {630: 100, 670: 4}}),
        ("SD", {630: 100, 700: 9}, {630: {630: -100}, 700: {700: -9}}),
        ("DI", {630: 550, 670: 24}, {630: {630: -550, 670: -24}}),
        ("DI", {630: -550}, {630: {630: 550}}),
        ("RM", {630: 100}, {}),
        ("RP", {630: 100}, {}),
        ("NP", {700: 9}, {700: {700: 9}}),
        ("ND", {610: 100 * KG, 620: 100 * KG}, {610: {610: -100 * KG}, 620: {620: 100 * KG}}),
        ("EN", {630: 5, 670: 1, 610: 5, 770: 1}, {630: {630: -5, 670: -1}, 610: {610: 5, 770: 1}}),
        ("RF", {600: 8, 670: 1}, {600: {600: 8, 670: 1}}),
        ("LN", {630: 0, 670: 3}, {630: {670: -3}}),
    ],
)
def test_a_new_entry_moves_the_books_with_the_sign_of_its_code(
    code: str, weights: dict[int, int], books: dict[int, dict[int, int]]
) -> None:
    ledger = Ledger()
    ledger.accept(report(41, entry(code=code, weights=weights)))
    assert _books(ledger) == books


def test_a_correction_takes_back_what_it_supersedes_and_a_deletion_takes_back_only() -> None:
    ledger = Ledger()
    ledger.accept(report(41, entry(weights={630: 100, 670: 4})))
    ledger.accept(report(42, entry(status="C", target=(41, 1), code="SD", weights={630: 90})))
    assert _books(ledger) == {630: {630: -90}}
    ledger.accept(report(43, entry(status="D", target=(42, 1), code="", weights={})))
    assert _books(ledger) == {}


def test_an_addition_counts_and_a_deletion_of_it_under_the_old_reports_number_takes_it_back() -> None:
    ledger = Ledger()
    ledger.accept(report(41, entry(weights={630: 100})))
    ledger.accept(report(42, entry(status="A", target=(41, 2), weights={630: 10})))
    assert _books(ledger) == {630: {630: 110}}
    ledger.accept(report(43, entry(status="D", target=(41, 2), code="", weights={})))
    assert _books(ledger) == {630: {630: 100}}


def test_entries_marked_invalid_leave_the_books_alone() -> None:
    ledger = Ledger()
    ledger.accept(report(41, entry(status="U", weights={630: 100})))
    assert _books(ledger) == {}


@pytest.mark.parametrize("kind", ["P", "M"])
def test_inventories_and_balances_speak_about_the_books_and_do_not_move_them(kind: str) -> None:
    ledger = Ledger()
    ledger.accept(report(41, entry(code="PB" if kind == "M" else ""), kind=kind))
    ledger.accept(report(42, entry(status="D", target=(41, 1), code="", weights={}), kind=kind))
    assert _books(ledger) == {}


def test_a_textual_report_uses_its_number_and_nothing_else() -> None:
    ledger = Ledger()
    from dataclasses import replace

    text = replace(report(41, kind="T"), entries=())
    assert codes(ledger.block(statement(text), statement(report(42)))) == [Code.ACCEPTED, Code.ACCEPTED]


def test_books_of_two_areas_are_apart() -> None:
    ledger = Ledger()
    ledger.accept(report(41, entry(weights={630: 100})))
    assert ledger.book(630, "XLF1") == {}


def test_books_go_beyond_64_bits_without_a_fault() -> None:
    ledger = Ledger()
    most = 10**18 - 1
    ledger.accept(report(41, *(entry(batch=f"B{n}", weights={630: most}) for n in range(40))))
    assert ledger.book(630) == {630: 40 * most}
    ledger.accept(report(42, *(entry(code="SD", batch=f"B{n}", weights={630: most}) for n in range(80))))
    assert ledger.book(630) == {630: -40 * most}


WEIGHTS = st.dictionaries(st.sampled_from([610, 620, 630, 670, 700, 770]), st.integers(0, 50), min_size=1, max_size=3)
CODES = st.sampled_from(["RD", "SD", "LN", "NP", "DI", "RM", "EN", "ND"])


class Oracle:
    """The dumb book: remembers every entry and adds up those that are live."""

    def __init__(self) -> None:
        self.live: dict[tuple[int, int], EntryFacts] = {}

    def books(self) -> dict[int, dict[int, int]]:
        total: dict[int, dict[int, int]] = {}
        for one in self.live.values():
            for category, label, mg in book_changes(one.code, one.weights):
                book = total.setdefault(category, {})
                book[label] = book.get(label, 0) + mg
        kept = {c: {k: v for k, v in book.items() if v} for c, book in total.items()}
        return {c: book for c, book in kept.items() if book}


@given(st.data())
def test_books_of_a_random_history_equal_the_sum_over_live_entries(data: st.DataObject) -> None:
    ledger, oracle = Ledger(), Oracle()
    for number in range(41, 41 + data.draw(st.integers(1, 6))):
        entries: list[EntryFacts] = []
        free = list(oracle.live)
        for place in range(1, data.draw(st.integers(1, 3)) + 1):
            status = data.draw(st.sampled_from("NCD" if free else "N"))
            target = None if status == "N" else free.pop(data.draw(st.integers(0, len(free) - 1)))
            made = entry(
                place,
                status=status,
                target=target,
                code="" if status == "D" else data.draw(CODES),
                weights={} if status == "D" else data.draw(WEIGHTS),
            )
            entries.append(made)
        for made in entries:
            if made.target is not None:
                del oracle.live[made.target]
            if made.status != "D":
                oracle.live[(number, made.number)] = made
        ledger.accept(_report(number, entries))
        assert _books(ledger) == oracle.books()


def _report(number: int, entries: list[EntryFacts]) -> Facts:
    return report(number, *entries)


def _books(ledger: Ledger) -> dict[int, dict[int, int]]:
    books: dict[int, dict[int, int]] = {}
    for line in book_lines((k, v) for k, v in ledger.records.items() if kind_of(k) is Kind.BOOK):
        books.setdefault(line.category, {})[line.label] = line.mg
    return books
