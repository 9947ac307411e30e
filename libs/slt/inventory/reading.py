"""Which records a judgement reads: what can be told beforehand, so that a store loads it with one bulk query."""

from collections.abc import Sequence
from functools import cache

import cbor2

from slt.inventory.changes import keys_of_change
from slt.inventory.judgement import TERMS
from slt.inventory.keys import ENTRIES_PER_RECORD, Kind, key
from slt.inventory.outcome import ACCOUNTS
from slt.inventory.periods import day_after, months_of
from slt.inventory.records import Fate, chunk_of, entry_of, report_of
from slt.inventory.state import NeedRecords, Value, View
from slt.inventory.transits import transit_key
from slt.inventory.vetting import Vetted, VettedBatch
from slt.reports.facts import EntryFacts, Facts
from slt.reports.quantities import ELEMENT_LABELS


@cache
def keys_of_terms() -> frozenset[bytes]:
    """What `judgement.read_terms` reads."""
    return frozenset((key(Kind.LEDGER), *(key(Kind.PARAMETER, name) for name in TERMS)))


def keys_of_statement(vetted: Vetted, *, books: bool = True) -> set[bytes]:
    """What judging a statement reads, but for what only the entries that it refers to tell.

    Raises BadFacts and BadVetting.

    With `books`, what flags and applying it read as well.
    """
    keys = {key(Kind.SPENT, vetted.statement_id)}
    for kid in (vetted.kid, *vetted.endorsers):
        keys |= {key(Kind.IDENTITY, kid), key(Kind.REVOKED, kid)}
    announcement = vetted.read_change()
    if announcement is not None:
        keys |= {key(Kind.MEMBERS), key(Kind.DUE, announcement.effective_height)}
        keys |= {key(Kind.ANNOUNCED, vetted.statement_id), *keys_of_change(announcement.change)}
    facts = vetted.read_facts()
    if facts is not None:
        keys |= _keys_of_report(facts, books=books)
        for number, entry in _targets(facts):
            keys |= _keys_of_entry(facts.country, facts.mba, number, entry)
    return keys


def _keys_of_report(facts: Facts, *, books: bool) -> set[bytes]:
    state, mba = facts.country, facts.mba
    keys = {key(Kind.MBA, state, mba), key(Kind.HEAD, state, mba), key(Kind.REPORT, state, mba, facts.number)}
    if books:
        keys.add(key(Kind.CONTENT, state, mba, facts.content_digest))
    if facts.kind == "I" or (facts.kind == "P" and books):
        keys.update([key(Kind.BATCH, state, mba, entry.batch) for entry in facts.entries if entry.batch])
    if facts.kind == "I" and books:
        for entry in facts.entries:
            keys |= _keys_of_change(state, mba, entry)
        keys.update([key(Kind.BOOK, state, mba, category) for category in ELEMENT_LABELS])
    if facts.kind in ("P", "M"):
        keys.add(key(Kind.PIT, state, mba, facts.period_to))
    if facts.kind == "M":
        keys.add(key(Kind.PIT, state, mba, day_after(facts.period_from, -1)))
        keys.update(key(Kind.FLOWS, state, mba, month) for month in months_of(facts.period_from, facts.period_to))
    return keys


def _keys_of_change(state: str, mba: str, entry: EntryFacts) -> set[bytes]:
    """What an inventory change moves, but for its batch."""
    keys: set[bytes] = set()
    if entry.date:
        keys.add(key(Kind.FLOWS, state, mba, entry.date[:6]))
    if entry.code in ACCOUNTS:
        keys.add(key(Kind.ACCOUNT, state, mba, ACCOUNTS[entry.code][0]))
    for share in entry.obligations:
        keys.update(key(Kind.OBLIGATION, state, mba, name) for name in (share.obligation, share.previous) if name)
    transit = transit_key(state, mba, entry)
    return keys if transit is None else keys | {transit}


def aliases_read(view: View, batches: Sequence[VettedBatch]) -> set[bytes]:
    """The records behind what statements refer to, as far as `view` has not loaded them.

    They are those of an addition that stands elsewhere, and what an entry moved that is taken back.

    Requires that what `keys_of_statement` names is loaded, else raises NeedRecords.
    """
    missing: set[bytes] = set()
    for batch in batches:
        for vetted in batch.items:
            missing |= aliases_of_statement(view, vetted)
    return missing


def aliases_of_statement(view: View, vetted: Vetted, *, books: bool = True) -> set[bytes]:
    """The same of one statement. `books`: see keys_of_statement."""
    facts = vetted.read_facts()
    if facts is None:
        return set()
    state, mba = facts.country, facts.mba
    wanted: set[bytes] = set()
    for number, entry in _targets(facts):
        fate = view.get(key(Kind.ENTRY, state, mba, number, entry))
        if fate is None:
            wanted |= _keys_behind(view, state, mba, number, entry, books=books)
            continue
        what, by_number, by_entry, _ = cbor2.loads(fate)
        if what == Fate.ADDED:
            wanted |= _keys_of_entry(state, mba, by_number, by_entry)
            wanted |= _keys_behind(view, state, mba, by_number, by_entry, books=books)
    return {record_key for record_key in wanted if not _is_loaded(view, record_key)}


def _keys_behind(view: View, state: str, mba: str, number: int, entry: int, *, books: bool) -> set[bytes]:
    """What taking back an accepted entry moves, as far as its report is loaded."""
    holder = key(Kind.ENTRIES, state, mba, number, chunk) if (chunk := chunk_of(entry)) else None
    report_key = key(Kind.REPORT, state, mba, number)
    if not _is_loaded(view, report_key) or (holder is not None and not _is_loaded(view, holder)):
        return set()
    value = view.get(report_key)
    if value is None:
        return set()
    report = report_of(cbor2.loads(value))
    if report.kind in ("P", "M"):
        return {key(Kind.PIT, state, mba, report.period_to)}
    entries = report.entries if holder is None else _entries(view.get(holder))
    place = (entry - 1) % ENTRIES_PER_RECORD
    if place >= len(entries):
        return set()
    change = entry_of(entries[place])
    keys = {key(Kind.BATCH, state, mba, change.batch)} if change.batch else set()
    return keys | _keys_of_change(state, mba, change) if books else keys


def _entries(value: bytes | None) -> list[Value]:
    entries: list[Value] = [] if value is None else cbor2.loads(value)[0]
    return entries


def _targets(facts: Facts) -> set[tuple[int, int]]:
    return {entry.target for entry in facts.entries if entry.target is not None}


def _keys_of_entry(state: str, mba: str, number: int, entry: int) -> set[bytes]:
    keys = {key(Kind.REPORT, state, mba, number), key(Kind.ENTRY, state, mba, number, entry)}
    if chunk := chunk_of(entry):
        keys.add(key(Kind.ENTRIES, state, mba, number, chunk))
    return keys


def _is_loaded(view: View, record_key: bytes) -> bool:
    try:
        view.get(record_key)
    except NeedRecords:
        return False
    return True
