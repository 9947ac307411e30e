"""Records of accepted reports as values: what REPORT, ENTRIES and ENTRY hold, and where an entry is found."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import cbor2

from slt.inventory.keys import ENTRIES_PER_RECORD, Kind, key
from slt.inventory.periods import Head
from slt.inventory.state import Draft, Value
from slt.reports.facts import EntryFacts, Facts, Share

EntryValue: TypeAlias = Value  # an entry's array as in the facts (slt.reports.facts)

_STATUS = 1  # its place in that array


class Fate(IntEnum):
    """What an ENTRY record says about the entry number that it is about."""

    SUPERSEDED = 1  # a correction (309 C) stands in its place
    DELETED = 2
    ADDED = 3  # the number did not exist in the report as it came; an addition (309 A) took it


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFate:
    """One ENTRY record: `by_*` names the entry that did it."""

    what: Fate
    by_number: int
    by_entry: int
    by_statement: bytes

    def to_value(self) -> list[object]:
        return [int(self.what), self.by_number, self.by_entry, self.by_statement]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """One REPORT record; the entries beyond its first 64 stand in ENTRIES records."""

    statement_id: bytes
    kind: str
    date: str
    period_from: str
    period_to: str
    entry_count: int
    entries: list[EntryValue]  # the first 64
    document_digest: bytes


def report_of(value: Value) -> StoredReport:
    statement_id, kind, date, period_from, period_to, entry_count, entries, document_digest = value
    return StoredReport(
        statement_id=statement_id,
        kind=kind,
        date=date,
        period_from=period_from,
        period_to=period_to,
        entry_count=entry_count,
        entries=entries,
        document_digest=document_digest,
    )


def find_report(draft: Draft, state: str, mba: str, number: int) -> StoredReport | None:
    """Raises NeedRecords."""
    value = draft.get(key(Kind.REPORT, state, mba, number))
    return None if value is None else report_of(value)


def find_fate(draft: Draft, state: str, mba: str, number: int, entry: int) -> EntryFate | None:
    """Raises NeedRecords."""
    value = draft.entry_fate(state, mba, number, entry)
    if value is None:
        return None
    what, by_number, by_entry, by_statement = value
    return EntryFate(what=Fate(what), by_number=by_number, by_entry=by_entry, by_statement=by_statement)


def chunk_of(entry: int) -> int:
    """Which record holds entry number `entry`: 0 is the REPORT record itself."""
    return (entry - 1) // ENTRIES_PER_RECORD


def find_entry(draft: Draft, report: StoredReport, state: str, mba: str, number: int, entry: int) -> EntryValue:
    """The entry as it was reported. Requires 1 <= entry <= report.entry_count. Raises NeedRecords."""
    chunk, place = divmod(entry - 1, ENTRIES_PER_RECORD)
    if chunk == 0:
        return report.entries[place]
    (entries,) = draft.get(key(Kind.ENTRIES, state, mba, number, chunk)) or ([],)
    return entries[place]


def write_report(draft: Draft, facts: Facts, statement_id: bytes) -> None:
    """Write REPORT and ENTRIES. Requires that the state has no report of this number."""
    entries = [entry.to_value() for entry in facts.entries]
    draft.put(
        key(Kind.REPORT, facts.country, facts.mba, facts.number),
        [
            statement_id,
            facts.kind,
            facts.date,
            facts.period_from,
            facts.period_to,
            len(entries),
            entries[:ENTRIES_PER_RECORD],
            facts.document_digest,
        ],
    )
    for start in range(ENTRIES_PER_RECORD, len(entries), ENTRIES_PER_RECORD):
        record_key = key(Kind.ENTRIES, facts.country, facts.mba, facts.number, start // ENTRIES_PER_RECORD)
        draft.add(record_key, [entries[start : start + ENTRIES_PER_RECORD]])
    draft.add_report(facts.country, facts.mba, facts.number)


def status_of(entry: EntryValue) -> str:
    status: str = entry[_STATUS]
    return status


def entry_of(value: EntryValue) -> EntryFacts:
    """The entry as the report had it in its facts."""
    number, status, target, code, date, kmp, material, batch, shipper_batch, shipper, receiver, *rest = value
    measurement, items, weights, obligations = rest
    return EntryFacts(
        number=number,
        status=status,
        target=None if target is None else (target[0], target[1]),
        code=code,
        date=date,
        kmp=kmp,
        material=material,
        batch=batch,
        shipper_batch=shipper_batch,
        shipper=shipper,
        receiver=receiver,
        measurement=measurement,
        items=items,
        weights=tuple((label, mg) for label, mg in weights),
        obligations=tuple(
            Share(obligation, previous, tuple((label, mg) for label, mg in share))
            for obligation, previous, share in obligations
        ),
    )


def find_head(draft: Draft, state: str, mba: str) -> Head:
    """Where the area stands. Raises NeedRecords."""
    return draft.read(key(Kind.HEAD, state, mba), Head.of) or Head(0)


def last_number_of(head: bytes | None) -> int:
    """The last report number that a HEAD record names; 0 when the state has none."""
    return 0 if head is None else Head.of(cbor2.loads(head)).number
