"""V50, V52 to V56, V60: the entries of one report against each other (reports.md 3.3)."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from slt.reports import codes
from slt.reports.findings import shown
from slt.reports.labels import WEIGHTS
from slt.reports.quantities import format_quantity
from slt.reports.rules.registry import LIVE, NcRow, OiRow, Problem, Report, report_rule
from slt.reports.signs import category_of


@report_rule("V50", "reports.md 3.3, 1.3")
def entry_numbers_without_gap(report: Report) -> Iterator[Problem]:
    """002 runs 1, 2, 3 in accounting entries and again in notes, and the total is their number."""
    yield from _numbered([(row.name, row.facts.number, row.total) for row in report.entries])
    yield from _numbered([(row.name, row.number, row.total) for row in report.notes])


def _numbered(rows: Sequence[tuple[str, int, int]]) -> Iterator[Problem]:
    expected = 1
    for position, (name, number, total) in enumerate(rows):
        if number and number != expected:
            yield Problem(
                f"This entry has number {number}, and {expected} comes next. Number the entries without a gap; "
                "if one is missing from the file, add it.",
                "002",
                str(number),
                str(expected),
                name,
            )
        # Go on from the number that stands there, so that one gap is one finding.
        expected = (number or expected) + 1
        if number and not total and not position:
            yield Problem(
                "The first entry states how many there are. Write the total after a slash.",
                "002",
                str(number),
                f"{number}/{len(rows)}",
                name,
            )
        elif total and total != len(rows):
            yield Problem(
                f"The total says {total}, and the report has {len(rows)} of these entries. Correct the total, "
                "or add what is missing.",
                "002",
                f"{number}/{total}",
                f"{number}/{len(rows)}",
                name,
            )


@report_rule("V52", "reports.md 3.3; SG-FM-1172 label 446", kinds="I")
def one_change_of_a_batch_a_day(report: Report) -> Iterator[Problem]:
    """An ICR has no two entries of one code, date, batch and category."""
    seen: dict[tuple[str, str, str, int], str] = {}
    for row in report.entries:
        facts = row.facts
        if facts.status in {"D", "U"} or not (facts.code and facts.date and facts.batch):
            continue
        present = {label for label, _ in facts.weights}
        for category in sorted({category_of(label, present) for label in present}):
            first = seen.setdefault((facts.code, facts.date, facts.batch, category), row.name)
            if first != row.name:
                yield Problem(
                    f"Entry {first} already reports {facts.code} of this batch on this date (label {category}). "
                    "Report one transaction once, or give the batches different names.",
                    "446",
                    shown(facts.batch),
                    "once for each code, date and category",
                    row.name,
                )
                break


@report_rule("V53", "reports.md 3.3, 1.5", kinds="I")
def rebatched_as_much_as_before(report: Report) -> Iterator[Problem]:
    """What RM takes out of batches, RP puts into batches: in each category, the element and each isotope."""
    rows = [row for row in report.entries if row.facts.code in codes.REBATCHING and row.facts.status == "N"]
    if any(row.unread for row in rows):
        return  # The weight that cannot be read has a finding of its own.
    taken: dict[tuple[int, int], int] = {}
    put: dict[tuple[int, int], int] = {}
    for row in rows:
        side = taken if row.facts.code == "RM" else put
        present = {label for label, _ in row.facts.weights}
        for label, mg in row.facts.weights:
            place = (category_of(label, present), label)
            side[place] = side.get(place, 0) + mg
    for category, label in sorted(taken.keys() | put.keys()):
        out, into = taken.get((category, label), 0), put.get((category, label), 0)
        if out != into:
            yield Problem(
                f"The batches that are taken apart (RM) weigh {format_quantity(out, label)}, and those that are made "
                f"of them (RP) {format_quantity(into, label)}. Correct the weights, or report the entry that is "
                "missing.",
                str(label),
                format_quantity(into, label),
                format_quantity(out, label),
                rows[0].name,
            )


@report_rule("V54", "reports.md 3.3, 1.5", kinds="I", severity="warning")
def production_with_burn_up(report: Report) -> Iterator[Problem]:
    """Where irradiated fuel loses uranium (LN), plutonium is made (NP): of the same batch on the same date."""
    produced = {
        (row.facts.batch, row.facts.date)
        for row in report.entries
        if row.facts.code == "NP" and row.facts.status in LIVE
    }
    for row in report.entries:
        facts = row.facts
        if facts.code != "LN" or facts.status != "N" or not facts.material.endswith(f"/{codes.IRRADIATED_FUEL}"):
            continue
        if facts.batch and facts.date and (facts.batch, facts.date) not in produced:
            yield Problem(
                "Irradiated fuel loses uranium here, and no plutonium is made. Report the nuclear production (NP) of "
                "this batch on the same date, or correct batch or date of the entry that does.",
                "446",
                shown(facts.batch),
                f"NP of the batch on {facts.date}",
                row.name,
            )


@report_rule("V56", "reports.md 3.3", kinds="P")
def batch_once_at_a_measurement_point(report: Report) -> Iterator[Problem]:
    """A listing names a batch once at each key measurement point."""
    seen: dict[tuple[str, str], str] = {}
    for row in report.entries:
        facts = row.facts
        if facts.status not in LIVE or not facts.batch:
            continue
        first = seen.setdefault((facts.kmp, facts.batch), row.name)
        if first != row.name:
            yield Problem(
                f"Entry {first} already lists this batch at measurement point {shown(facts.kmp)}. List it once with "
                "the weights of all its items, or give the batches different names.",
                "446",
                shown(facts.batch),
                "once for each measurement point",
                row.name,
            )


_NOTE_OF_ENTRY: Final = re.compile(r"E/([0-9]{1,9})")
_NOTE_IN_TEXTUAL: Final = re.compile(r"R/[0-9]{1,9}|E/[0-9]{1,9}/[0-9]{1,9}")


@report_rule("V55", "reports.md 3.3, 1.2, 1.3")
def notes_and_their_entries(report: Report) -> Iterator[Problem]:
    """A note points at an accounting entry that has 390:Y, and 390:Y has a note."""
    if report.context.kind == "T":
        yield from _textual_references(report.notes)
        return
    entries = {row.facts.number: row for row in report.entries}
    noted = set()
    for note in report.notes:
        if note.reference in {"", "R"}:
            continue
        match = _NOTE_OF_ENTRY.fullmatch(note.reference)
        if match is None:
            yield _bad_reference(note, "E/n or R")
            continue
        number = int(match[1])
        noted.add(number)
        if number not in entries:
            yield Problem(
                f"The note is about entry {number}, which this report does not have. Correct the number.",
                "099",
                shown(note.reference),
                f"E/1 to E/{len(entries)}" if entries else "",
                note.name,
            )
        elif not entries[number].noted:
            yield Problem(
                f"Note {note.name} is about this entry. Add 390:Y# to it, or correct label 099 of the note.",
                "390",
                "",
                "Y",
                entries[number].name,
            )
    yield from (_without_note(row) for row in report.entries if row.noted and row.facts.number not in noted)


def _without_note(row: OiRow) -> Problem:
    return Problem(
        "The entry says that there is a note about it (390:Y), and there is none. Add a note with "
        f"099:E/{row.facts.number}#, or leave label 390 out.",
        "390",
        "Y",
        f"a note with 099:E/{row.facts.number}",
        row.name,
    )


def _textual_references(notes: Sequence[NcRow]) -> Iterator[Problem]:
    for note in notes:
        if note.reference not in {"", "R"} and not _NOTE_IN_TEXTUAL.fullmatch(note.reference):
            yield _bad_reference(note, "R/report or E/report/entry")


def _bad_reference(note: NcRow, expected: str) -> Problem:
    return Problem(
        "It is not clear what this note is about. Correct label 099, or leave it out for a note on the whole report.",
        "099",
        shown(note.reference),
        expected,
        note.name,
    )


@report_rule("V60", "reports.md 3.3, 1.2", kinds="PM")
def empty_listing_or_balance(report: Report) -> Iterator[Problem]:
    """A PIL or MBR with an entry 309:U is empty: that entry alone, without weights."""
    for row in report.entries:
        if row.facts.status != "U":
            continue
        if len(report.entries) > 1:
            yield Problem(
                "309:U marks an empty listing or balance, and this one has other entries. Leave this entry out, "
                "or the others.",
                "309",
                "U",
                "the only entry",
                row.name,
            )
        if row.weighed:
            yield Problem(
                f"309:U marks an empty listing or balance, and this entry states a weight. Leave the weights out "
                f"({min(WEIGHTS)} to {max(WEIGHTS)}), or report the entry as new (309:N).",
                "309",
                "U",
                "no weights",
                row.name,
            )
