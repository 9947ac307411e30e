"""RM and RP entries that belong together: one rebatching is one line in Euratom, two or more entries in Code 10."""

from collections.abc import Iterator, Sequence
from typing import Final

from slt.reports.euratom.weights import weights_of
from slt.reports.labelled import LabelledEntry

_SAME: Final = ("309", "412")


def rebatchings(entries: Sequence[LabelledEntry]) -> Iterator[list[LabelledEntry]]:
    """The entries in order, each alone; but RM entries and the RP entries behind them together when they balance.

    They balance when one side is a single batch, and the weights of both sides are equal, label by label.
    """
    at = 0
    while at < len(entries):
        end = at
        for code in ("RM", "RP"):
            while end < len(entries) and _belongs(entries[end], entries[at], code):
                end += 1
        some = list(entries[at:end])
        if _balance(some):
            yield some
        else:
            yield from ([entry] for entry in entries[at : max(end, at + 1)])
        at = max(end, at + 1)


def _belongs(entry: LabelledEntry, first: LabelledEntry, code: str) -> bool:
    new = entry.get("309") == "N" and entry.get("411") == code
    return new and all(entry.get(label) == first.get(label) for label in _SAME)


def _balance(entries: Sequence[LabelledEntry]) -> bool:
    sums: dict[str, dict[int, int]] = {"RM": {}, "RP": {}}
    counts = {"RM": 0, "RP": 0}
    for entry in entries:
        counts[entry["411"]] += 1
        side = sums[entry["411"]]
        for label, quantity in weights_of(entry).items():
            side[label] = side.get(label, 0) + quantity.mg
    names = [(entry["411"], entry.get("446", "")) for entry in entries]
    distinct = len(set(names)) == len(names)
    return distinct and min(counts.values()) == 1 and sums["RM"] == sums["RP"]
