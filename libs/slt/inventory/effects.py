"""What an accepted report writes: its records, the fate of entries it names, and what comes out of it (outcome.py)."""

from collections.abc import Mapping

from slt.inventory.case import Case
from slt.inventory.chains import Live
from slt.inventory.keys import Kind, key
from slt.inventory.periods import weights_value
from slt.inventory.records import EntryFate, Fate, write_report


def apply(case: Case) -> None:
    """Write what the report of `case` changes. Requires that no rule rejects it."""
    facts, draft, outcome = case.facts, case.draft, case.outcome
    where = (facts.country, facts.mba)
    head = outcome.head
    for category, (_, book) in outcome.books.items():
        draft.put(key(Kind.BOOK, *where, category), book_value(book) or None)
    for name, (_, batch) in outcome.batches.items():
        draft.put(key(Kind.BATCH, *where, name), batch.to_value())
    for month, flows in outcome.flows.items():
        draft.put(key(Kind.FLOWS, *where, month), flows)
    for day, (_, pit) in outcome.pits.items():
        draft.put(key(Kind.PIT, *where, day), pit.to_value())
    for account, (_, outstanding) in outcome.accounts.items():
        draft.put(key(Kind.ACCOUNT, *where, account), weights_value(outstanding) or None)
    for obligation, (_, held) in outcome.obligations.items():
        draft.put(key(Kind.OBLIGATION, *where, obligation), weights_value(held) or None)
    for record_key, transit in outcome.transits.items():
        draft.put(record_key, transit.to_value())
    for entry, _, target in case.targets():
        assert isinstance(target, Live), "C05 and C06 reject any other"
        what = Fate.SUPERSEDED if entry.status == "C" else Fate.DELETED
        _seal(case, target.number, target.entry, what, entry.number)
    for entry, (number, place), _ in case.places():
        _seal(case, number, place, Fate.ADDED, entry.number)
    write_report(draft, facts, case.statement_id)
    content = key(Kind.CONTENT, *where, facts.content_digest)
    if draft.get(content) is None:
        draft.put(content, [facts.number])
    draft.put(key(Kind.HEAD, *where), head.to_value())


def book_value(book: Mapping[int, int]) -> list[list[int]]:
    """The value of a BOOK record: labels with a weight, in order. Empty: the record is absent."""
    return weights_value(dict(book))


def _seal(case: Case, number: int, entry: int, what: Fate, by_entry: int) -> None:
    fate = EntryFate(what=what, by_number=case.facts.number, by_entry=by_entry, by_statement=case.statement_id)
    case.draft.put(key(Kind.ENTRY, case.facts.country, case.facts.mba, number, entry), fate.to_value())
