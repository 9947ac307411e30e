"""Which records a judgement reads: what can be told beforehand, so that a store loads it with one bulk query."""

from collections.abc import Sequence

import cbor2

from slt.inventory.keys import Kind, key
from slt.inventory.records import Fate, chunk_of
from slt.inventory.state import NeedRecords, View
from slt.inventory.vetting import Vetted, VettedBatch
from slt.reports.facts import Facts
from slt.reports.quantities import ELEMENT_LABELS

_PARAMETERS = ("skew_s", "submission_window_s", "rules_version")


def keys_of_terms() -> set[bytes]:
    """What `judgement.read_terms` reads."""
    return {key(Kind.PARAMETER, name) for name in _PARAMETERS}


def keys_of_statement(vetted: Vetted, *, books: bool = True) -> set[bytes]:
    """What judging a statement reads, but for entries that an addition put elsewhere. Raises BadFacts.

    With `books`, what applying it reads as well.
    """
    keys = {key(Kind.SPENT, vetted.statement_id)}
    for kid in (vetted.kid, *vetted.endorsers):
        keys |= {key(Kind.IDENTITY, kid), key(Kind.REVOKED, kid)}
    facts = vetted.read_facts()
    if facts is not None:
        state, mba = facts.country, facts.mba
        keys |= {
            key(Kind.MBA, state, mba),
            key(Kind.HEAD, state, mba),
            key(Kind.REPORT, state, mba, facts.number),
            key(Kind.DOCUMENT, state, mba, facts.document_digest),
        }
        if books:
            keys.update(key(Kind.BOOK, state, mba, category) for category in ELEMENT_LABELS)
        for number, entry in _targets(facts):
            keys |= _keys_of_entry(state, mba, number, entry)
    return keys


def aliases_read(view: View, batches: Sequence[VettedBatch]) -> set[bytes]:
    """The records behind targets that are additions, as far as `view` has not loaded them.

    Requires that what `keys_of_statement` names is loaded, else raises NeedRecords.
    """
    missing: set[bytes] = set()
    for batch in batches:
        for vetted in batch.items:
            missing |= aliases_of_statement(view, vetted)
    return missing


def aliases_of_statement(view: View, vetted: Vetted) -> set[bytes]:
    """The same of one statement."""
    facts = vetted.read_facts()
    if facts is None:
        return set()
    state, mba = facts.country, facts.mba
    missing: set[bytes] = set()
    for number, entry in _targets(facts):
        fate = view.get(key(Kind.ENTRY, state, mba, number, entry))
        if fate is None:
            continue
        what, by_number, by_entry, _ = cbor2.loads(fate)
        if what == Fate.ADDED:
            missing.update(k for k in _keys_of_entry(state, mba, by_number, by_entry) if not _is_loaded(view, k))
    return missing


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
