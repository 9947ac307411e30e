"""Batches: what goes out was in, names tell batches apart, and what was measured before was reported before.

An item area follows its batches strictly. In a bulk area a batch may arise in the process, because process steps are no
inventory changes: a name that was never reported is no fault there (reports.md 3.4).
"""

from collections.abc import Iterator

from slt.inventory.batches import DEPARTURES, RECEIPTS, SHIPMENTS, Batch, Use, elements_of, lead_of
from slt.inventory.case import Case
from slt.inventory.records import find_report
from slt.inventory.rules.registry import Conflict, rule
from slt.reports.facts import EntryFacts
from slt.reports.findings import Severity
from slt.reports.quantities import format_quantity


@rule("C17", "reports.md 3.4", kinds="I")
def batch_is_in_inventory(case: Case) -> Iterator[Conflict]:
    """What goes out as a batch is in inventory, with at least that weight and as many items."""
    for entry, before, after in _departures(case):
        if _left_before(entry, before, after) is not None:
            continue  # C18 speaks of it
        for label, mg in elements_of(entry.weights):
            left, held = after.held(label), before.held(label)
            if left < 0 and left < held and (held > 0 or _is_strict(case)):
                yield Conflict(
                    f"Entry {entry.number} takes {format_quantity(mg, label)} of label {label} out as batch "
                    f"{entry.batch}, and by the books {_what(case, before)} {format_quantity(held, label)}. Check the "
                    "batch name and the weight, and whether a receipt or a rebatching is missing.",
                    entry=entry.number,
                    label=str(label),
                    value=format_quantity(mg, label),
                    expected=f"at most {format_quantity(max(held, 0), label)}",
                    severity=_severity(case),
                )
        lead = lead_of(entry.weights)
        held_items, left_items = before.items(lead), after.items(lead)
        if held_items > 0 > left_items:
            yield Conflict(
                f"Entry {entry.number} takes {entry.items} items out as batch {entry.batch}, and by the books it has "
                f"{held_items}. Check the number of items.",
                entry=entry.number,
                label="470",
                value=str(entry.items),
                expected=f"at most {held_items}",
                severity=_severity(case),
            )


@rule("C18", "reports.md 3.4 and 4.3, case 8", kinds="I")
def batch_leaves_once(case: Case) -> Iterator[Conflict]:
    """A batch that has left does not leave again."""
    for entry, before, after in _departures(case):
        first = _left_before(entry, before, after)
        if first is None:
            continue
        report = find_report(case.draft, case.facts.country, case.facts.mba, first.number)
        yield Conflict(
            f"Entry {entry.number} takes batch {entry.batch} out, and entry {first.entry} of report {first.number} "
            f"({first.code}, {first.date}) did that before. Check the batch name; to change what was reported, correct "
            "that entry (309 C or D).",
            entry=entry.number,
            label="446",
            value=entry.batch,
            evidence=None if report is None else report.statement_id,
            severity=_severity(case),
        )


@rule(
    "C19",
    "reports.md 3.4; SG-FM-1172 label 446; Regulation 302/2005 annex III field 11",
    severity="warning",
    kinds="I",
)
def name_is_new(case: Case) -> Iterator[Conflict]:
    """A batch name is used once for a code and date; where the profile says so, a receipt brings a name never used."""
    once = case.settings.batch_names_once
    for entry, before, _ in case.outcome.named:
        if entry.status == "C" or not before.reported:
            continue
        if once and entry.code in RECEIPTS:
            yield Conflict(
                f"Entry {entry.number} receives batch {entry.batch}, a name that {case.facts.mba} has used before. "
                "Names are not used again: agree on another one with the shipper.",
                entry=entry.number,
                label="446",
                value=entry.batch,
            )
            continue
        same = next((use for use in before.uses if (use.code, use.date) == (entry.code, entry.date)), None)
        if same is not None:
            yield Conflict(
                f"Entry {entry.number} reports {entry.code} of batch {entry.batch} on {entry.date}, as entry "
                f"{same.entry} of report {same.number} does. If it is the same, delete one of the two.",
                entry=entry.number,
                label="446",
                value=entry.batch,
                severity="warning",
            )


@rule("C20", "reports.md 3.4", severity="warning", kinds="I")
def rebatched_is_there(case: Case) -> Iterator[Conflict]:
    """What is rebatched comes from a batch that is there; it goes to any, new or not."""
    for entry, before, after in case.outcome.named:
        if entry.code != "RM":
            continue
        if not before.reported:
            if not any(use.code != "RM" for use in after.uses):
                yield Conflict(
                    f"Entry {entry.number} takes material from batch {entry.batch}, which {case.facts.mba} never "
                    "reported. Check the name.",
                    entry=entry.number,
                    label="446",
                    value=entry.batch,
                )
            continue
        for label, mg in elements_of(entry.weights):
            held = before.held(label)
            if after.held(label) < min(0, held) and (held > 0 or _is_strict(case)):
                yield Conflict(
                    f"Entry {entry.number} takes {format_quantity(mg, label)} of label {label} from batch "
                    f"{entry.batch}, which has {format_quantity(before.held(label), label)}. Check name and weight.",
                    entry=entry.number,
                    label=str(label),
                    value=format_quantity(mg, label),
                    expected=f"at most {format_quantity(max(before.held(label), 0), label)}",
                )


@rule("C21", "reports.md 3.4; SG-FM-1172 code DI", severity="warning", kinds="I")
def difference_is_of_a_receipt(case: Case) -> Iterator[Conflict]:
    """A shipper/receiver difference is of a batch that was received, once for a receipt, and smaller than the batch.

    The size is asked only while something of the batch is there: what was rebatched meanwhile stands under other names.
    """
    for entry, _, after in case.outcome.named:
        if entry.code != "DI":
            continue
        receipts = sum(use.code in RECEIPTS for use in after.uses)
        differences = sum(use.code == "DI" for use in after.uses)
        text = ""
        if not receipts:
            text = f"which {case.facts.mba} has not received. Name the batch of the receipt"
        elif differences > receipts:
            text = f"which has {differences} differences for {receipts} receipts. Correct the earlier one (309 C)"
        elif any(0 < after.held(label) + mg < abs(mg) for label, mg in elements_of(entry.weights)):
            text = "and it is more than the whole batch. Check the weights and their sign"
        if text:
            yield Conflict(
                f"Entry {entry.number} reports a difference of batch {entry.batch}, {text}.",
                entry=entry.number,
                label="446",
                value=entry.batch,
            )


@rule("C22", "reports.md 1.9 and 3.4; SG-FM-1172 label 469", severity="warning", kinds="IP")
def measured_before_is_reported_before(case: Case) -> Iterator[Conflict]:
    """A batch on basis L or T was reported by this area before. RP makes a batch and is exempt."""
    facts = case.facts
    asked = [entry for entry in facts.entries if entry.measurement.startswith(("L", "T"))]
    if not asked:
        return
    here = {
        entry.batch for entry in facts.entries if entry.code == "RP" or not entry.measurement.startswith(("L", "T"))
    }
    for entry in asked:
        if entry.status not in ("N", "C", "A") or entry.code == "RP" or entry.batch in here or not entry.batch:
            continue
        value = case.outcome.batch_value(entry.batch)
        if value is None:
            yield Conflict(
                f"Entry {entry.number} says that batch {entry.batch} was reported by {facts.mba} before, and it was "
                "not. Check the batch name and the basis.",
                entry=entry.number,
                label="469",
                value=entry.measurement,
                expected="M or N",
            )


@rule("C25", "reports.md 3.4", severity="warning", kinds="I")
def burn_up_is_reported_once(case: Case) -> Iterator[Conflict]:
    """In a reactor, loss and production of a batch are reported once for each discharge."""
    if case.mba.type != "reactor":
        return
    for entry, before, _ in case.outcome.named:
        if entry.code not in ("LN", "NP") or entry.status == "C":
            continue
        first = next((use for use in before.uses if use.code == entry.code and use.date != entry.date), None)
        if first is not None:
            yield Conflict(
                f"Entry {entry.number} reports {entry.code} of batch {entry.batch}, as entry {first.entry} of report "
                f"{first.number} did ({first.date}). If it was not loaded again meanwhile, delete one of the two.",
                entry=entry.number,
                label="446",
                value=entry.batch,
            )


def _is_strict(case: Case) -> bool:
    return case.mba.kind == "item"


def _severity(case: Case) -> Severity | None:
    """The rule's own in an item area; milder in a bulk area."""
    return None if _is_strict(case) else "warning"


def _what(case: Case, before: Batch) -> str:
    return "that batch has" if before.reported else f"{case.facts.mba} never had it:"


def _departures(case: Case) -> Iterator[tuple[EntryFacts, Batch, Batch]]:
    """Each entry that takes a batch out, or a part of it, with the batch before and after the report."""
    return (named for named in case.outcome.named if named[0].code in DEPARTURES)


def _left_before(entry: EntryFacts, before: Batch, after: Batch) -> Use | None:
    """The use of an earlier report by which all of this batch has left, when this report takes it out once more."""
    if not before.uses or entry.code not in SHIPMENTS or entry.status == "C":
        return None
    if any(before.held(label) > 0 for label, _ in elements_of(entry.weights)):
        return None
    live = [use for use in before.uses if use.code in SHIPMENTS and use in after.uses]
    came_back = any(after.held(label) >= 0 for label, mg in elements_of(entry.weights) if mg)
    return None if came_back or not live else live[-1]
