"""Correction chains: what a reference in label 309 leads to (reports.md 1.8, rules C05 to C07).

An entry has one address: the report and number under which it was reported. Two things bend it. A correction (C)
supersedes the entry that it names and is itself the head of the chain from then on: the next correction or deletion
names the correction, and a reference to anything but the head is a fork. An addition (A) gives its entry a second
address in the report that it was left out of; both lead to the same entry.
"""

from dataclasses import dataclass
from typing import TypeAlias

from slt.inventory.records import EntryFate, EntryValue, Fate, find_entry, find_fate, find_report, status_of
from slt.inventory.state import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A live entry and the head of its chain, under the address that it was reported at."""

    number: int
    entry: int
    value: EntryValue


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReport:
    """The ledger has no report of this number for the MBA."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherKind:
    """The report is of another type than the one that refers to it."""

    kind: str
    statement_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NoEntry:
    """The report has no entry of this number, and none was added under it."""

    entry_count: int
    statement_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAccounting:
    """The entry is there and accounts for nothing: a deletion (D), or one marked invalid (U) in a change report."""

    status: str
    statement_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The entry was superseded or deleted; `fate` says by which."""

    fate: EntryFate


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """An addition may take this entry number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The entry number is in use: by the report as it came, or by an addition."""

    statement_id: bytes


Target: TypeAlias = Live | NoReport | OtherKind | NoEntry | NotAccounting | Gone
Place: TypeAlias = Free | NoReport | OtherKind | Taken


def find_target(draft: Draft, *, state: str, mba: str, kind: str, number: int, entry: int) -> Target:
    """What a C or D entry of a report of `kind` names. Raises NeedRecords."""
    report = find_report(draft, state, mba, number)
    if report is None:
        return NoReport()
    if report.kind != kind:
        return OtherKind(kind=report.kind, statement_id=report.statement_id)
    fate = find_fate(draft, state, mba, number, entry)
    if fate is not None and fate.what is Fate.ADDED:
        number, entry = fate.by_number, fate.by_entry
        added_by = find_report(draft, state, mba, number)
        assert added_by is not None, "an ADDED record names an accepted report"
        report, fate = added_by, find_fate(draft, state, mba, number, entry)
    if fate is not None:
        return Gone(fate=fate)
    if entry > report.entry_count:
        return NoEntry(entry_count=report.entry_count, statement_id=report.statement_id)
    value = find_entry(draft, report, state, mba, number, entry)
    status = status_of(value)
    if status == "D" or (status == "U" and kind == "I"):  # in a listing or balance, U says that it is empty
        return NotAccounting(status=status, statement_id=report.statement_id)
    return Live(number=number, entry=entry, value=value)


def find_place(draft: Draft, *, state: str, mba: str, kind: str, number: int, entry: int) -> Place:
    """Whether an A entry of a report of `kind` may take this number. Raises NeedRecords."""
    report = find_report(draft, state, mba, number)
    if report is None:
        return NoReport()
    if report.kind != kind:
        return OtherKind(kind=report.kind, statement_id=report.statement_id)
    if entry <= report.entry_count:
        return Taken(statement_id=report.statement_id)
    fate = find_fate(draft, state, mba, number, entry)
    return Free() if fate is None else Taken(statement_id=fate.by_statement)
