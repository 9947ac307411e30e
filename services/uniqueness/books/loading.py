"""Filling the books without a ledger: the writer's own code, fed with facts in place of certified blocks.

For benchmarks and for looking at synthetic years (`slt generate`): the tables are exactly those that the service makes
of blocks with the same reports, but nobody has certified anything. Never point it at a member's database.

    async with loading("sqlite or URL", genesis, openings) as loader:      # migrates; a new or a loaded database
        await loader.block(time_ms, [facts, facts, ...])                   # one height; stored at once
    await loader.blocks([(time_ms, [facts, ...]), ...])                    # many heights in one transaction: fastest

Reports must be in an order in which the ledger would accept them: an area's numbers one after the other, targets of
corrections live.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

from services.uniqueness.books.first import first_books
from services.uniqueness.books.rows import Gathered, Moment
from services.uniqueness.books.store import Head, Store
from slt.reports.facts import Facts
from slt.runtime.database import open_engine, upgrade
from slt.statements.genesis import Genesis
from slt.statements.openings import Opening


class Loader:
    """Adds blocks of accepted reports. Made by `loading`."""

    def __init__(self, store: Store, head: Head, areas: dict[tuple[str, str], int]) -> None:
        self._store = store
        self.areas = areas
        self.head = head

    async def block(self, time_ms: int, reports: Sequence[Facts]) -> None:
        """One block with these reports, all accepted. Durable on return."""
        await self.blocks([(time_ms, reports)])

    async def blocks(self, blocks: Iterable[tuple[int, Sequence[Facts]]]) -> None:
        """Consecutive blocks, (time_ms, reports) each, in one transaction. Durable on return."""
        encoded = ((time_ms, [facts.encoded for facts in reports]) for time_ms, reports in blocks)
        await self.gathered(*gather_encoded(self.head, encoded, self.areas))

    async def gathered(self, head: Head, gathered: Gathered) -> None:
        """What `gather_encoded` made of the blocks after `self.head`, perhaps elsewhere. Durable on return."""
        await self._store.commit(self.head.height, head, gathered)
        self.head = head


def gather_encoded(
    head: Head, blocks: Iterable[tuple[int, Sequence[bytes]]], areas: Mapping[tuple[str, str], int]
) -> tuple[Head, Gathered]:
    """The rows of consecutive blocks after `head`, (time_ms, encoded facts) each, and the head after them. Pure."""
    gathered = Gathered()
    for time_ms, reports in blocks:
        height, log_size = head.height + 1, head.log_size
        for place, encoded in enumerate(reports, start=log_size):
            moment = Moment(height, time_ms, place, sha256(encoded).digest())
            gathered.add_report(encoded, (), moment, areas)
        block_id = sha256(head.block_id + height.to_bytes(8, "big")).digest()
        head = Head(height=height, block_id=block_id, log_size=log_size + len(reports), time_ms=time_ms)
    return head, gathered


@asynccontextmanager
async def loading(where: str | Path, genesis: Genesis, openings: Iterable[Opening]) -> AsyncIterator[Loader]:
    """Open the books at `where`: a PostgreSQL URL (postgresql+asyncpg://...), or a folder for books.sqlite.

    Migrates the database; a new one begins with what `genesis` and `openings` say.
    """
    engine = open_engine(where, "books")
    try:
        await upgrade(engine, "services.uniqueness.books.migrations")
        store = Store(engine)
        head, _ = await store.begin(genesis.chain_id, lambda: first_books(genesis, list(openings)))
        yield Loader(store, head, await store.areas())
    finally:
        await engine.dispose()
