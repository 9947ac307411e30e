"""Corrections, deletions and additions: what label 309 refers to (reports.md 1.8 and 3.4)."""

from collections.abc import Iterator

from slt.inventory.batches import elements_of
from slt.inventory.case import Case
from slt.inventory.chains import Gone, Live, NoEntry, NoReport, NotAccounting, OtherKind, Taken
from slt.inventory.records import Fate, entry_of
from slt.inventory.rules.registry import Conflict, rule
from slt.reports.facts import EntryFacts

_REPORT_TYPES = {
    "I": "an inventory change report",
    "P": "a physical inventory listing",
    "M": "a material balance report",
}


def _reference(case: Case, entry: EntryFacts, number: int, place: int) -> str:
    return f"{entry.status}/{case.facts.country};{number}/{place}"


@rule("C05", "reports.md 3.4; SG-FM-1172 label 309", references=True)
def target_is_there(case: Case) -> Iterator[Conflict]:
    """A correction or deletion names an accounting entry of an accepted report of the same area and type.

    Whether that entry is still the head of its chain is C06.
    """
    for entry, (number, place), target in case.targets():
        evidence: bytes | None = None
        match target:
            case NoReport():
                if case.may_come(number):
                    continue
                text = f"report {number} of {case.facts.mba} is not in this ledger"
                if number == case.facts.number:
                    text = f"report {number} is this one, and an entry corrects an earlier report"
            case OtherKind(kind=kind, statement_id=evidence):
                text = (
                    f"report {number} is {_REPORT_TYPES.get(kind, 'a textual report')}, of another type than this one"
                )
            case NoEntry(entry_count=count, statement_id=evidence):
                text = f"report {number} has entries 1 to {count} and no entry {place}"
            case NotAccounting(status=status, statement_id=evidence):
                what = "a deletion" if status == "D" else "marked invalid"
                text = f"entry {place} of report {number} is {what}: there is nothing in it to change"
            case Live() | Gone():
                continue
        yield Conflict(
            f"Entry {entry.number}: {text}. Name the entry as it was accepted, and sign a new statement.",
            entry=entry.number,
            label="309",
            value=_reference(case, entry, number, place),
            evidence=evidence,
        )


@rule("C06", "reports.md 3.4 and 4.3, cases 4 to 6", references=True)
def target_is_head(case: Case) -> Iterator[Conflict]:
    """The entry that a correction or deletion names was neither superseded nor deleted.

    A chain goes on at its head, which is its last correction; a deletion ends it. Anything else would be a fork.
    """
    taken: dict[tuple[int, int], int] = {}  # address -> the entry of this report that changes it
    for entry, (number, place), target in case.targets():
        expected = ""
        evidence: bytes | None = None
        match target:
            case Gone(fate=fate):
                evidence = fate.by_statement
                by = f"entry {fate.by_entry} of report {fate.by_number}"
                if fate.what is Fate.DELETED:
                    text = f"it was deleted by {by}. Report it anew (309 N or A)"
                else:
                    text = f"it was superseded by {by}. Name the last correction"
                    expected = _reference(case, entry, fate.by_number, fate.by_entry)
            case Live(number=at_number, entry=at_entry):
                first = taken.setdefault((at_number, at_entry), entry.number)
                if first == entry.number:
                    continue
                text = f"entry {first} of this report changes it already. Leave one of the two"
            case _:
                continue  # C05 speaks of it
        yield Conflict(
            f"Entry {entry.number} refers to entry {place} of report {number}: {text}, and sign a new statement.",
            entry=entry.number,
            label="309",
            value=_reference(case, entry, number, place),
            expected=expected,
            evidence=evidence,
        )


@rule("C07", "reports.md 3.4; SG-FM-1172 label 309", references=True)
def place_is_free(case: Case) -> Iterator[Conflict]:
    """An addition takes an entry number that is free in an accepted report of the same area and type."""
    taken: dict[tuple[int, int], int] = {}
    for entry, (number, place), found in case.places():
        evidence: bytes | None = None
        match found:
            case NoReport():
                if case.may_come(number):
                    continue
                text = (
                    f"report {number} of {case.facts.mba} is not in this ledger. Name the report that misses the entry"
                )
                if number == case.facts.number:
                    text = f"report {number} is this one. Report the entry as new (309 N)"
            case OtherKind(kind=kind, statement_id=evidence):
                text = (
                    f"report {number} is {_REPORT_TYPES.get(kind, 'a textual report')}, of another type than this one. "
                    "Name a report of this type"
                )
            case Taken(statement_id=evidence):
                text = (
                    f"entry {place} of report {number} exists. Take a number that is free there, or correct it (309 C)"
                )
            case _:
                first = taken.setdefault((number, place), entry.number)
                if first == entry.number:
                    continue
                text = f"entry {first} of this report takes number {place} already. Take another one"
        yield Conflict(
            f"Entry {entry.number}: {text}, and sign a new statement.",
            entry=entry.number,
            label="309",
            value=_reference(case, entry, number, place),
            evidence=evidence,
        )


@rule("C08", "reports.md 1.8 and 3.4; REGDOC-2.13.1")
def key_fields_stay(case: Case) -> Iterator[Conflict]:
    """A correction leaves date, batch, type and category as they were.

    The area cannot change: a reference is within it. Profiles for which Code 10 speaks alone have this rule off.
    """
    for entry, (number, place), target in case.targets():
        if entry.status != "C" or not isinstance(target, Live):
            continue
        before = entry_of(target.value)
        fields = (
            ("412", before.date, entry.date),
            ("446", before.batch, entry.batch),
            ("411", before.code, entry.code),
            ("weights", _categories(before), _categories(entry)),
        )
        for label, was, now in fields:
            if was != now:
                yield Conflict(
                    f"Entry {entry.number} changes a field of entry {place} of report {number} that identifies it. "
                    "Delete that entry (309 D) and report it anew, and sign a new statement.",
                    entry=entry.number,
                    label=label,
                    value=now,
                    expected=was,
                )


def _categories(entry: EntryFacts) -> str:
    return ", ".join(str(label) for label, _ in elements_of(entry.weights))
