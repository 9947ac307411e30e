"""Transits: what one area ships is what another receives (reports.md 4.2).

Flags only, and about the reporting area's own entries only: a finding says that the other side differs and in which
label, never what the other side reported. An open side is no finding: the other report may be on its way. Its record
says that it is open, and overdue after the term.
"""

from collections.abc import Iterator

from slt.inventory.case import Case
from slt.inventory.outcome import Line
from slt.inventory.rules.registry import Conflict, rule
from slt.inventory.transits import DOMESTIC, FOREIGN, RECEIVED, SHIPPED, UNKNOWN, Side, Transit, transit_key
from slt.inventory.unnamed import shipments_of
from slt.reports.quantities import format_quantity


@rule("C27", "reports.md 3.4 and 4.2", severity="warning", kinds="I")
def domestic_transit_matches(case: Case) -> Iterator[Conflict]:
    """A domestic shipment and its receipt agree in batch, items, material description, weights and order of dates."""
    yield from _mismatches(case, domestic=True)


@rule("C28", "reports.md 3.4 and 4.2", severity="warning", kinds="I")
def foreign_transit_matches(case: Case) -> Iterator[Conflict]:
    """An export and the import that this ledger knows agree in batch, items, weights and order of dates."""
    yield from _mismatches(case, domestic=False)


def _mismatches(case: Case, *, domestic: bool) -> Iterator[Conflict]:
    unnamed: dict[bytes, dict[Side, Side]] = {}
    codes = DOMESTIC if domestic else FOREIGN
    for line in case.outcome.lines:
        entry = line.entry
        if entry.code not in codes or line.direction < 0:
            continue
        record_key = transit_key(case.facts.country, case.facts.mba, entry)
        if record_key is None:
            continue
        transit = case.outcome.transits[record_key]
        if entry.code in RECEIVED and entry.shipper_batch == UNKNOWN and record_key not in unnamed:
            own = f"{case.facts.country}/{case.facts.mba}"
            unnamed[record_key] = shipments_of(case.draft, transit, shipper=entry.shipper, receiver=own)
        yield from _of_entry(line, transit, unnamed.get(record_key, {}), domestic=domestic)


def _of_entry(line: Line, transit: Transit, unnamed: dict[Side, Side], *, domestic: bool) -> Iterator[Conflict]:
    entry = line.entry
    shipped = entry.code in SHIPPED
    partner, what = (entry.receiver, "receipt") if shipped else (entry.shipper, "shipment")
    own = Side.of(line.number, entry)
    pair = next((pair for pair in transit.pairs() if pair[0 if shipped else 1] == own), None)
    if pair is None:
        return  # forgotten: too many of one name
    other = pair[1 if shipped else 0] or unnamed.get(own)
    if other is None:
        if not shipped and domestic and entry.shipper_batch == UNKNOWN:
            yield Conflict(
                f"Entry {entry.number} does not name the batch as {partner} does, and no open shipment from there has "
                "its items and weights. Ask for the name and correct the entry.",
                entry=entry.number,
                label="447",
                value=UNKNOWN,
            )
        elif not shipped and transit.shipments:
            yield Conflict(
                f"Entry {entry.number} receives batch {entry.shipper_batch} from {partner} once more: each shipment "
                "of it has its receipt. Check the batch name, or delete one of the receipts.",
                entry=entry.number,
                label="447",
                value=entry.shipper_batch,
            )
        return
    shipment, receipt = (own, other) if shipped else (other, own)
    for label in transit.differing(shipment, receipt):
        yield Conflict(
            f"Entry {entry.number} differs in label {label} from the {what} that {partner} reported. Compare the "
            "transfer document with the other side, and correct whichever is wrong."
            if label != "412"
            else f"Entry {entry.number}: batch {_own_batch(line)} would be received before it was shipped. Compare the "
            f"dates with {partner}.",
            entry=entry.number,
            label=label,
            value=_value(own, label),
        )


def _own_batch(line: Line) -> str:
    """The name under which both sides know the batch."""
    return line.entry.batch if line.entry.code in SHIPPED else line.entry.shipper_batch


def _value(side: Side, label: str) -> str:
    match label:
        case "412":
            return side.date
        case "430":
            return side.material
        case "470":
            return str(side.items)
        case _:
            mg = dict(side.weights).get(int(label))
            return "" if mg is None else format_quantity(mg, int(label))
