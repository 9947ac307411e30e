"""What became of an entry, and what it came from: chains of corrections (reports.md 1.8, INFCIRC/153 paragraph 103).

An entry is live from the block that accepted it until the block that corrected or deleted it. So a chain is a story in
ledger time about one moment of effective time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from slt.inventory.questions.amounts import Amount, Sums, add, amounts
from slt.inventory.questions.rows import ACCOUNTING, BookEntry

Standing: TypeAlias = Literal["live", "superseded", "deleted", "deletes", "ignored"]

Address: TypeAlias = tuple[int, int]  # report, entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One entry of a chain."""

    report: int
    entry: int
    kind: str
    status: str
    """309."""
    names: str
    """309: report/entry that it corrects, deletes, or is added as; "" for a new one."""
    standing: Standing
    from_height: int
    to_height: int | None
    date: str
    code: str
    batch: str
    items: int
    weights: tuple[Amount, ...]
    change: tuple[Amount, ...]
    """What it made different, by label: itself less what it took the place of. Of a deletion, less what it deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The entries that stood one after the other in one place, oldest first."""

    state: str
    mba: str
    as_of: int
    links: tuple[Link, ...]


def wanted(rows: Iterable[BookEntry]) -> tuple[set[Address], set[Address]]:
    """What else belongs to the chains of `rows`: addresses of entries that name or are named, and places that an
    addition may have taken. Ask until nothing new comes.
    """
    addresses: set[Address] = set()
    places: set[Address] = set()
    for row in rows:
        if row.by is not None:
            addresses.add(row.by)
        if row.entry.target is not None and row.entry.status in "CD":
            addresses.add(row.entry.target)
            places.add(row.entry.target)
    return addresses, places


def chains(rows: Sequence[BookEntry], as_of: int) -> tuple[Chain, ...]:
    """Chains of the entries of one area, every version; those of a single entry are left out unless it is alone there.

    By the address of their first entry.
    """
    by_address = {(row.number, row.entry.number): row for row in rows if row.from_height <= as_of}
    added = {row.entry.target: address for address, row in by_address.items() if row.entry.status == "A"}
    before: dict[Address, Address] = {}
    for address, row in by_address.items():
        target = row.entry.target
        if row.entry.status in "CD" and target is not None:
            target = target if target in by_address else added.get(target, target)
            before[address] = target
    after = {target: address for address, target in before.items()}
    deletes = {address for address, row in by_address.items() if row.entry.status == "D"}
    found = []
    for address in sorted(by_address):
        if before.get(address) in by_address:
            continue
        line = [address]
        while (later := after.get(line[-1])) is not None:
            line.append(later)
        links = [
            _link(
                by_address[one],
                by_address.get(before[one]) if one in before else None,
                as_of,
                after.get(one) in deletes,
            )
            for one in line
        ]
        first = by_address[address]
        if len(links) > 1 or first.entry.status != "N" or len(by_address) == 1:
            found.append(Chain(state=first.state, mba=first.mba, as_of=as_of, links=tuple(links)))
    return tuple(found)


def _link(row: BookEntry, took_place_of: BookEntry | None, as_of: int, deleted: bool) -> Link:
    own: Sums = {}
    if row.entry.status in ACCOUNTING:
        add(own, row.weights())
    change = dict(own)
    if took_place_of is not None:
        add(change, took_place_of.weights(), -1)
    ended = row.to_height if row.to_height is not None and row.to_height <= as_of else None
    target = row.entry.target
    return Link(
        report=row.number,
        entry=row.entry.number,
        kind=row.kind,
        status=row.entry.status,
        names="" if target is None else f"{target[0]}/{target[1]}",
        standing="deleted" if deleted else _standing(row, ended),
        from_height=row.from_height,
        to_height=ended,
        date=row.date,
        code=row.entry.code,
        batch=row.entry.batch,
        items=row.entry.items,
        weights=amounts(own),
        change=amounts({place: mg for place, mg in change.items() if mg}),
    )


def _standing(row: BookEntry, ended: int | None) -> Standing:
    if row.entry.status == "D":
        return "deletes"
    if row.entry.status == "U":
        return "ignored"
    return "live" if ended is None else "superseded"
