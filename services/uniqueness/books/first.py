"""The books at height 0: the areas of genesis, and the opening inventories that it names."""

from collections.abc import Iterable
from pathlib import Path

from services.uniqueness.books.rows import Gathered
from services.uniqueness.books.store import First, Head
from slt.inventory.genesis import opening_of
from slt.statements.genesis import Genesis
from slt.statements.openings import Opening, parse_opening


def first_books(genesis: Genesis, openings: Iterable[Opening]) -> First:
    """What a new database begins with. `openings` are at least those that genesis names; others are left aside.

    Areas are numbered from 1 on, in the order of (state, mba). Raises OpeningFault.
    """
    by_digest = {opening.digest: opening for opening in openings}
    areas = dict(enumerate(sorted(genesis.mbas, key=lambda mba: (mba.state, mba.mba)), start=1))
    gathered = Gathered()
    for area, mba in areas.items():
        gathered.add_area(area, 0, mba)
        if mba.opening is not None:
            gathered.add_opening(area, opening_of(mba, by_digest))
    # The log has one entry at height 0, which names the ledger.
    head = Head(height=0, block_id=genesis.chain_id, log_size=1, time_ms=0)
    return First(head=head, areas=areas, gathered=gathered)


def read_openings(folder: Path | None) -> list[Opening]:
    """Every opening inventory (*.cbor) of a folder. Raises DecodeError for a file that is none."""
    return [] if folder is None else [parse_opening(path.read_bytes()) for path in sorted(folder.glob("*.cbor"))]
