"""What an accepted report does to the state: its records, the fate of the entries it names, and the books.

Only inventory changes move the books (reports.md 1.5): a physical inventory and a balance are statements about them.
A new or added entry moves the book by its weights, with the sign of its code; a correction first takes back what the
entry that it supersedes has done; a deletion only takes back. Entries marked U do nothing, their number is used.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeAlias

from slt.inventory.case import Case
from slt.inventory.chains import Live
from slt.inventory.keys import Kind, key
from slt.inventory.records import EntryFate, Fate, code_of, weights_of, write_report
from slt.inventory.state import Draft
from slt.reports.signs import book_changes

Deltas: TypeAlias = dict[int, dict[int, int]]  # category -> label -> mg


def apply(case: Case) -> None:
    """Write what the report of `case` changes. Requires that no rule rejects it."""
    facts, draft = case.facts, case.draft
    deltas: Deltas = defaultdict(lambda: defaultdict(int))
    if facts.kind == "I":
        for entry in facts.entries:
            if entry.status in ("N", "C", "A"):
                _count(deltas, 1, entry.code, entry.weights)
    for entry, _, target in case.targets():
        assert isinstance(target, Live), "C05 and C06 reject any other"
        if facts.kind == "I":
            _count(deltas, -1, code_of(target.value), weights_of(target.value))
        what = Fate.SUPERSEDED if entry.status == "C" else Fate.DELETED
        _seal(case, target.number, target.entry, what, entry.number)
    for entry, (number, place), _ in case.places():
        _seal(case, number, place, Fate.ADDED, entry.number)
    write_report(draft, facts, case.statement_id)
    draft.put(key(Kind.DOCUMENT, facts.country, facts.mba, facts.document_digest), [case.statement_id])
    draft.put(key(Kind.HEAD, facts.country, facts.mba), [facts.number])
    for category, weights in deltas.items():
        move_book(draft, facts.country, facts.mba, category, weights)


def move_book(draft: Draft, state: str, mba: str, category: int, deltas: dict[int, int]) -> None:
    """Add `deltas` (label -> mg) to the book of `category`. Raises NeedRecords."""
    record_key = key(Kind.BOOK, state, mba, category)
    book = defaultdict(int, draft.get(record_key) or [])
    for label, mg in deltas.items():
        book[label] += mg
    draft.put(record_key, book_value(book) or None)


def book_value(book: dict[int, int]) -> list[list[int]]:
    """The value of a BOOK record: labels with a weight, in order. Empty: the record is absent."""
    return [[label, mg] for label, mg in sorted(book.items()) if mg != 0]


def _count(deltas: Deltas, direction: int, code: str, weights: Iterable[tuple[int, int]]) -> None:
    for category, label, mg in book_changes(code, weights):
        deltas[category][label] += direction * mg


def _seal(case: Case, number: int, entry: int, what: Fate, by_entry: int) -> None:
    fate = EntryFate(what=what, by_number=case.facts.number, by_entry=by_entry, by_statement=case.statement_id)
    case.draft.put(key(Kind.ENTRY, case.facts.country, case.facts.mba, number, entry), fate.to_value())
