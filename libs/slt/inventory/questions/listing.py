"""Does a physical inventory listing say what the book says? Line by line, by batch (reports.md 1.6, 8).

In an item area every difference wants an explanation. In a bulk area batches arise and vanish in the process between
two physical inventories: there, a batch that is extra or missing is ordinary, and the sums count (PE against BA).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from slt.inventory.questions.inventory import Held, held
from slt.inventory.questions.rows import BookEntry

State: TypeAlias = Literal["equal", "differing", "missing", "extra", "arisen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingLine:
    """One batch, as listed and as the book has it on the day of the physical inventory."""

    batch: str
    kmp: str
    state: State
    """missing: in the book and not listed. extra: listed and not in the book. differing: not the same amounts.
    arisen: in the book with less than nothing, and not listed: it arose in the process, and has left."""
    differing: tuple[str, ...]
    """Labels that differ: 470 items, and weights."""
    listed_items: int
    book_items: int
    listed: tuple[tuple[int, int], ...]
    """(label, mg)."""
    book: tuple[tuple[int, int], ...]


def check_listing(listing: Iterable[BookEntry], book: Iterable[Held]) -> tuple[ListingLine, ...]:
    """Compare the live lines of a listing with the book by batch at that day (`held` of the listing before)."""
    listed = {one.batch: one for one in held(listing, ())}
    expected = {one.batch: one for one in book}
    return tuple(_compared(listed.get(name), expected.get(name)) for name in sorted(listed.keys() | expected.keys()))


def _compared(listed: Held | None, book: Held | None) -> ListingLine:
    one = listed or book
    assert one is not None, "a name comes from one of the two"
    ours, theirs = (dict(side.weights) if side is not None else {} for side in (book, listed))
    items = (listed.items if listed is not None else 0, book.items if book is not None else 0)
    differing = [str(label) for label in sorted(ours.keys() | theirs.keys()) if ours.get(label) != theirs.get(label)]
    if items[0] != items[1]:
        differing.insert(0, "470")
    state: State = "equal"
    if listed is None:
        state = "missing" if any(mg > 0 for mg in ours.values()) else "arisen"
    elif book is None:
        state = "extra"
    elif differing:
        state = "differing"
    return ListingLine(
        batch=one.batch,
        kmp=listed.kmp if listed is not None else "",
        state=state,
        differing=tuple(differing) if state == "differing" else (),
        listed_items=items[0],
        book_items=items[1],
        listed=tuple(sorted(theirs.items())),
        book=tuple(sorted(ours.items())),
    )
