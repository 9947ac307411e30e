"""What does the book hold on a day? (INFCIRC/153 paragraph 102, reports.md 1.5 and 8)

The book inventory is the most recent physical inventory and all changes since. So the answer stands on the latest
listing that was taken on or before the day, the opening inventory being the first one, and names its date.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from slt.inventory.batches import Batch, lead_of
from slt.inventory.questions.amounts import Sums, add, book_flows
from slt.inventory.questions.rows import BookEntry, Flow, Physical
from slt.reports.quantities import ELEMENT_LABELS, format_mg, unit_of
from slt.reports.signs import category_of

By: TypeAlias = Literal["category", "kmp", "batch"]

FIRST_DAY: Final = "00010101"


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryLine:
    """So much of one element or isotope. `kmp`, `batch`, `material`, `items` are empty where one did not ask so far."""

    state: str
    mba: str
    kmp: str
    """As of the listing. Empty by KMP: what has changed since, at measurement points that nobody reports."""
    batch: str
    material: str
    items: int
    category: int
    label: int
    mg: int
    """Negative where more is reported to have left than came: in a bulk area batches arise in the process."""
    quantity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The book of one area at the end of a day."""

    state: str
    mba: str
    by: By
    date: str
    as_of: int
    pit: str
    """The physical inventory that the answer stands on; "" when there was none yet and it sums all changes."""
    lines: tuple[InventoryLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the book holds of one batch."""

    batch: str
    kmp: str
    material: str
    weights: tuple[tuple[int, int], ...]
    """(label, mg), without zeros."""
    items: int

    def amounts(self) -> tuple[tuple[int, int, int], ...]:
        """(category, label, mg)."""
        present = {label for label, _ in self.weights}
        return tuple((category_of(label, present), label, mg) for label, mg in self.weights)


def standing_on(physicals: Iterable[Physical], day: str) -> Physical | None:
    """The latest physical inventory on or before `day` that was listed."""
    return max((one for one in physicals if one.listed and one.pit <= day), key=lambda one: one.pit, default=None)


def book_of(base: Physical | None, flows: Iterable[Flow]) -> Sums:
    """The book by category and label. `flows`: of the days after `base`, as `since` has it."""
    book: Sums = {}
    if base is not None:
        add(book, base.sums)
    add(book, book_flows(flows))
    return {place: mg for place, mg in book.items() if mg}


def held(listing: Iterable[BookEntry], changes: Iterable[BookEntry]) -> list[Held]:
    """The book by batch: the listed batches, moved by every change since, in the order of their names.

    A batch that is listed at several measurement points is one batch. What sums to nothing is left out.
    """
    batches: dict[str, Batch] = {}
    kmps: dict[str, set[str]] = {}
    materials: dict[str, str] = {}
    for row in listing:
        entry = row.entry
        batch = batches.setdefault(entry.batch, Batch(None))
        lead = lead_of(entry.weights)
        for label, mg in entry.weights:
            batch.add(label, mg, entry.items if label == lead else 0)
        kmps.setdefault(entry.batch, set()).add(entry.kmp)
        materials[entry.batch] = entry.material
    for row in sorted(changes, key=lambda one: (one.date, one.address)):
        entry = row.entry
        batches.setdefault(entry.batch, Batch(None)).move(1, entry)
        materials[entry.batch] = entry.material or materials.get(entry.batch, "")
    found = []
    for name, batch in sorted(batches.items()):
        weights = tuple(sorted((label, mg) for label, (mg, _) in batch.holdings.items() if mg))
        items = max((batch.items(label) for label in ELEMENT_LABELS), default=0)
        if weights:
            found.append(
                Held(
                    batch=name,
                    kmp="+".join(sorted(kmps.get(name, ()))),
                    material=materials[name],
                    weights=weights,
                    items=items,
                )
            )
    return found


def by_category(state: str, mba: str, book: Sums) -> tuple[InventoryLine, ...]:
    return tuple(_line(state, mba, category, label, mg) for (category, label), mg in sorted(book.items()))


def by_batch(state: str, mba: str, holdings: Sequence[Held]) -> tuple[InventoryLine, ...]:
    return tuple(
        _line(state, mba, category, label, mg, kmp=one.kmp, batch=one.batch, material=one.material, items=one.items)
        for one in holdings
        for category, label, mg in one.amounts()
    )


def by_kmp(state: str, mba: str, listing: Iterable[BookEntry], flows: Iterable[Flow]) -> tuple[InventoryLine, ...]:
    """What the listing says of each measurement point, and under no name what the book has moved since.

    A batch may move between inventory KMPs without an entry, so nobody can say more (reports.md 8). The lines sum to
    the book by category.
    """
    places: dict[str, Sums] = {}
    items: dict[str, int] = {}
    for row in listing:
        add(places.setdefault(row.entry.kmp, {}), row.weights())
        items[row.entry.kmp] = items.get(row.entry.kmp, 0) + row.entry.items
    moved: Sums = {}
    add(moved, book_flows(flows))
    lines = [
        _line(state, mba, category, label, mg, kmp=kmp, items=items[kmp])
        for kmp, sums in sorted(places.items())
        for (category, label), mg in sorted(sums.items())
    ]
    lines += [_line(state, mba, category, label, mg) for (category, label), mg in sorted(moved.items()) if mg]
    return tuple(lines)


def _line(
    state: str,
    mba: str,
    category: int,
    label: int,
    mg: int,
    *,
    kmp: str = "",
    batch: str = "",
    material: str = "",
    items: int = 0,
) -> InventoryLine:
    return InventoryLine(
        state=state,
        mba=mba,
        kmp=kmp,
        batch=batch,
        material=material,
        items=items,
        category=category,
        label=label,
        mg=mg,
        quantity=format_mg(mg, unit_of(label)),
    )
