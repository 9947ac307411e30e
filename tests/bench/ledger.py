"""What a ledger's storage does a second: appended, checked, archived and rebuilt, on SQLite and PostgreSQL.

    .venv/bin/python -m tests.bench.ledger --reports 20000 --block 200

Blocks of accepted reports go through the ledger's own writer (`Keeper.take`), which verifies every signature and
commits each block with fsync before it returns; PostgreSQL runs with fsync and full_page_writes on. Then the filled
database is recomputed (`fsck`), written into an archive, and rebuilt from it. One process, no broker, no other load.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.ledger.archive.flow import rebuild, write
from services.ledger.fsck.flow import check
from services.ledger.fsck.walk import Walk
from services.ledger.keeper import open_keeper, signing
from services.ledger.reader import Reader
from services.ledger.store import Store
from slt.bus.messages import Block
from slt.runtime.database import open_engine, upgrade
from tests.support.blocks import Chain, World, accepted, make_world
from tests.support.postgres import PostgresServer

MIGRATIONS: Final = "services.ledger.migrations"
DOCUMENT_BYTES: Final = 1_400  # a report of four entries
THREADS: Final = 2


def made_blocks(world: World, reports: int, block: int) -> list[Block]:
    chain = Chain(world)
    numbers = range(1, reports + 1)
    return [
        chain.add([accepted(world.item(n, document=f"{n:>12}".encode() * (DOCUMENT_BYTES // 12))) for n in some])
        for some in (numbers[at : at + block] for at in range(0, reports, block))
    ]


@asynccontextmanager
async def database(where: str | Path) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(where, "ledger")
    try:
        await upgrade(engine, MIGRATIONS)
        yield engine
    finally:
        await engine.dispose()


async def measured(
    world: World, blocks: Sequence[Block], first: str | Path, second: str | Path, archive: Path
) -> dict[str, Any]:
    """Seconds of each step over `blocks`; `first` is filled, `second` rebuilt from its archive."""
    reports = sum(len(batch.items) for block in blocks for batch in block.batches)
    seconds: dict[str, float] = {}

    def took(what: str, since: float) -> None:
        seconds[what] = time.perf_counter() - since

    with ThreadPoolExecutor(THREADS) as pool:
        async with database(first) as engine:
            store = Store(engine)
            sign = signing(world.genesis, world.checkpoint)
            keeper = await open_keeper(store, world.genesis, sign, pool=pool, now_ms=lambda: 0)
            since = time.perf_counter()
            for block in blocks:
                await keeper.take(block, received_ms=0, published=0)
            took("append", since)
            walk = Walk(store, Reader(store, world.genesis, pool), world.genesis, world.checkpoint.verifier)
            since = time.perf_counter()
            found = await check(
                walk, store, progress=None, damage=[], tell=lambda _: None, clock_s=time.monotonic, passed_on=None
            )
            took("fsck", since)
            assert found.faults == 0
            since = time.perf_counter()
            await write(store, world.genesis, archive, beside={}, tell=lambda _height, _last: None)
            took("export", since)
        async with database(second) as engine:
            since = time.perf_counter()
            await rebuild(
                Store(engine), world.genesis, world.checkpoint.verifier, archive, pool=pool,
                tell=lambda _height, _last: None,
            )  # fmt: skip
            took("import", since)
    return {
        "reports": reports,
        "blocks": len(blocks),
        "archive_bytes": archive.stat().st_size,
        **{f"{what}_reports_per_s": round(reports / spent) for what, spent in seconds.items()},
        "append_blocks_per_s": round(len(blocks) / seconds["append"], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=20_000)
    parser.add_argument("--block", type=int, default=200, help="reports in a block")
    arguments = parser.parse_args()
    world = make_world()
    blocks = made_blocks(world, arguments.reports, arguments.block)
    with tempfile.TemporaryDirectory(prefix="slt-bench-") as folder:
        root = Path(folder)
        rows = {"sqlite": asyncio.run(measured(world, blocks, root / "a", root / "b", root / "sqlite.tar"))}
        with PostgresServer("fsync=on", "full_page_writes=on") as server:
            urls = server.new_database(), server.new_database()
            rows["postgresql"] = asyncio.run(measured(world, blocks, *urls, root / "postgresql.tar"))
    sys.stdout.write(f"{json.dumps(rows, indent=2)}\n")


if __name__ == "__main__":
    main()
