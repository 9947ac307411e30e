"""What one report puts into the tables; sums of any size; months between two days."""

from dataclasses import replace

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import MetaData, Table, create_engine

from services.uniqueness.books.queries import _months
from services.uniqueness.books.rows import Gathered, Moment, UnknownArea, joined, split, statement_key
from services.uniqueness.books.tables import EMPTY, ENTRIES, LINES, METADATA
from slt.inventory.records import entry_of
from slt.reports.facts import Facts
from slt.statements.openings import Opening, OpeningEntry
from tests.unit.inventory.building import entry, report

FACTS = [column.name for column in ENTRIES.c].index("facts")
AREAS = {("XL", "XLR1"): 7}
MOMENT = Moment(height=12, time_ms=1_760_000_000_000, log_index=99, statement_id=bytes(range(32)))


def gathered(facts: Facts) -> Gathered:
    made = Gathered()
    made.add_report(facts.encoded, (), MOMENT, AREAS)
    return made


def test_the_whole_entry_comes_back_from_its_row() -> None:
    facts = report(5, entry(), replace(entry(status="D", target=(3, 2), weights={}), date=""))
    rows = gathered(facts).entries
    assert [entry_of(cbor2.loads(row[FACTS])) for row in rows] == list(facts.entries)
    assert [row[:4] for row in rows] == [(7, 99, 1, 5), (7, 99, 2, 5)]
    assert [row[9] for row in rows] == [20251006, 20251031], "the period's end stands in for a date that is left out"


def test_a_report_of_an_area_that_nobody_knows_is_a_fault_of_ours() -> None:
    with pytest.raises(UnknownArea, match="block 12 accepts a report of XL/XLF1"):
        gathered(report(5, mba="XLF1"))


def test_only_what_accounts_is_summed_and_an_addition_ends_nothing() -> None:
    weights = {630: 1000}
    made = gathered(
        report(
            5,
            entry(weights=weights),
            entry(status="U", weights=weights),
            entry(status="D", target=(1, 1), weights={}),
            entry(status="C", target=(1, 2), weights=weights),
            entry(status="A", target=(1, 9), weights=weights),
        )
    )
    assert made.sums == {
        (7, 12, "I", 202510, "RD", 0, LINES): 3,
        (7, 12, "I", 202510, "RD", 0, EMPTY): 1,
        (7, 12, "I", 202510, "RD", 630, 630): 3000,
    }
    assert [(ending.number, ending.entry, ending.by_entry) for ending in made.endings] == [(1, 1, 3), (1, 2, 4)]
    assert made.added == [(7, 1, 9, 99, 5)]


def test_what_is_taken_back_leaves_no_sum() -> None:
    made = gathered(report(5))
    value = cbor2.loads(made.entries[0][FACTS])
    made.count(-1, 7, 12, "I", 20251006, value)
    assert made.flow_rows() == made.total_rows() == []


def test_an_opening_inventory_is_dated_on_its_day_and_keeps_its_obligations() -> None:
    line = OpeningEntry(batch="B1", kmp="A", material="B/Q/2/F", items=2, weights=((630, 5), (670, 1)), obligation="P")
    made = Gathered()
    made.add_opening(7, Opening(mba="XLR1", pit="20241231", entries=(line,)))
    (row,) = made.entries
    assert row[:5] == (7, -7, 1, 0, "O")
    (share,) = entry_of(cbor2.loads(row[FACTS])).obligations
    assert share == ("P", "", ((630, 5), (670, 1)))
    assert made.sums[7, 0, "O", 20241231, "O", 630, 670] == 1


@given(st.lists(st.integers(-(10**24), 10**24), max_size=50))
def test_sums_of_any_size_are_exact_when_their_parts_are_added_up_apart(weights: list[int]) -> None:
    parts = [split(mg) for mg in weights]
    assert all(-(2**63) <= part < 2**63 for pair in parts for part in pair)
    assert joined(sum(high for high, _ in parts), sum(low for _, low in parts)) == sum(weights)


@given(st.dates(), st.dates())
def test_months_and_days_between_two_days_cover_each_day_once(first: object, last: object) -> None:
    begin, end = (int(str(day).replace("-", "")) for day in (first, last))
    if begin > end:
        begin, end = end, begin
    whole, parts = _months(begin, end)
    years = {begin // 10000, end // 10000, (begin + end) // 20000}
    for day in (y * 10000 + m * 100 + d for y in years for m in range(1, 13) for d in (1, 2, 15, 27, 28, 29, 30, 31)):
        covered = (whole is not None and whole[0] <= day // 100 <= whole[1]) + sum(a <= day <= b for a, b in parts)
        exists = day <= end or day // 100 != end // 100  # the 31st of a whole month of 30 days is in it, and harms none
        if exists:
            assert covered == (begin <= day <= end), (day, whole, parts)


def test_a_statement_is_searched_by_a_number_that_both_databases_hold() -> None:
    assert statement_key(b"\xff" * 32) == -1
    assert statement_key(bytes(31) + b"\x01") == 0


def test_the_tables_are_those_of_the_migrations() -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    from services.uniqueness.books.migrations.versions import __name__ as versions

    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        first = __import__("importlib").import_module(f"{versions}.0001_first")
        with Operations.context(MigrationContext.configure(connection)):
            first.upgrade()
        made = MetaData()
        made.reflect(connection)
    engine.dispose()

    def shape(table: Table) -> list[tuple[str, bool, bool]]:
        return [(column.name, bool(column.primary_key), bool(column.nullable)) for column in table.c]

    assert {name: shape(made.tables[name]) for name in METADATA.tables} == {
        name: shape(table) for name, table in METADATA.tables.items()
    }
