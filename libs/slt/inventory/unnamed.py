"""Receipts whose shipper's batch name is UNKNOWN (label 447): matched by quantity, date and partner (reports.md 4.2).

Which shipments are open is asked of the shipper's latest reports when such a receipt comes, which is rare; so nothing
has to be kept for it with every shipment, and a correction of either side has nothing to undo.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from slt.inventory.keys import Kind, key
from slt.inventory.records import StoredReport, chunk_of, entry_of, find_fate, find_head, find_report
from slt.inventory.state import Draft, NeedRecords
from slt.inventory.transits import SHIPPED, UNKNOWN, Side, Transit, by_quantity
from slt.reports.facts import EntryFacts

REPORTS_BACK: Final = 24
"""Reports of the shipper that are looked through, the latest: a year and more of monthly ones. What is older needs the
shipper's name."""

CHUNKS_MAX: Final = 64
"""Records of 64 entries that are read of one of them: 4,096 entries, more than a transport has batches."""


def shipments_of(draft: Draft, transit: Transit, *, shipper: str, receiver: str) -> dict[Side, Side]:
    """Receipt -> the shipment that it goes with, of the record of receipts under UNKNOWN between these areas.

    Raises NeedRecords.
    """
    alone = [receipt for shipment, receipt in transit.pairs() if receipt is not None and shipment is None]
    state, _, mba = shipper.partition("/")
    if not alone or not mba:
        return {}
    loads = {receipt.load for receipt in alone}
    sent = [
        (number, entry)
        for number, entry in _reported(draft, state, mba)
        if entry.code in SHIPPED
        and entry.receiver == receiver
        and entry.batch != UNKNOWN
        and (entry.items, entry.weights) in loads
    ]
    return {receipt: shipment for shipment, receipt in by_quantity(_open(draft, shipper, receiver, sent), alone)}


def _open(draft: Draft, shipper: str, receiver: str, sent: list[tuple[int, EntryFacts]]) -> Iterator[Side]:
    """The live ones that no receipt names."""
    state, _, mba = shipper.partition("/")
    _load(draft, (key(Kind.ENTRY, state, mba, number, entry.number) for number, entry in sent))
    live = [(number, entry) for number, entry in sent if find_fate(draft, state, mba, number, entry.number) is None]
    places = {entry.batch: key(Kind.TRANSIT, shipper, receiver, entry.batch) for _, entry in live}
    _load(draft, places.values())
    for number, entry in live:
        side = Side.of(number, entry)
        if (side, None) in Transit(draft.get(places[entry.batch]), domestic=True).pairs():
            yield side


def _reported(draft: Draft, state: str, mba: str) -> Iterator[tuple[int, EntryFacts]]:
    """Number and entry of what the latest change reports of an area reported and a receipt may be of."""
    last = find_head(draft, state, mba).number
    numbers = range(max(1, last - REPORTS_BACK + 1), last + 1)
    _load(draft, (key(Kind.REPORT, state, mba, number) for number in numbers))
    reports: dict[int, StoredReport] = {}
    for number in numbers:
        report = find_report(draft, state, mba, number)
        if report is not None and report.kind == "I":
            reports[number] = report
    chunks = {
        number: [
            key(Kind.ENTRIES, state, mba, number, chunk)
            for chunk in range(1, min(chunk_of(report.entry_count), CHUNKS_MAX) + 1)
        ]
        for number, report in reports.items()
        if report.entry_count
    }
    _load(draft, (record_key for keys in chunks.values() for record_key in keys))
    for number, report in reports.items():
        rest = (value for record_key in chunks.get(number, ()) for value in (draft.get(record_key) or [[]])[0])
        for value in (*report.entries, *rest):
            entry = entry_of(value)
            if entry.status in ("N", "C", "A"):
                yield number, entry


def _load(draft: Draft, keys: Iterable[bytes]) -> None:
    """Raise one NeedRecords for all that is not loaded."""
    missing: set[bytes] = set()
    for record_key in keys:
        try:
            draft.get(record_key)
        except NeedRecords as needed:
            missing |= needed.keys
    if missing:
        raise NeedRecords(missing)
