"""Books of the first release: upgraded on either database they answer as they did, and go on with the next block.

python -m tests.integration.uniqueness.books.test_books_upgrades      makes the vector; only until that release is out
"""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from services.uniqueness.books.tables import METADATA
from slt.bus.messages import Block, decode, encode
from slt.merkle.tree import Frontier
from slt.runtime.database import open_engine, require_newest, upgrade
from slt.statements.batches import parse_batch
from slt.statements.headers import parse_header
from tests.integration.uniqueness.books.conftest import MIGRATIONS
from tests.integration.uniqueness.books.member import Member, Running, member
from tests.support.buses import small_table, world_of
from tests.support.old_databases import read, restore, rows_of, write
from tests.unit.inventory.building import entry, report

VECTOR: Final = "books-0001.json"
ASKED: Final = (
    "/v1/inventory?mba=XLR1",
    "/v1/inventory?mba=XLR1&as_of_height=2",
    "/v1/reports?mba=XLR1",
    "/v1/entries?mba=XLR1",
)


async def _answers(running: Running) -> dict[str, Any]:
    return {path: await running.said(path) for path in ASKED}


@pytest.mark.parametrize("then", ["as they are", "after the next block"])
async def test_upgraded_books_answer_as_the_first_release_did(where: str | Path, tmp_path: Path, then: str) -> None:
    old = read(VECTOR)
    engine = open_engine(where, "books")
    await restore(engine, MIGRATIONS, old)
    await upgrade(engine, MIGRATIONS)
    await require_newest(engine, MIGRATIONS)
    tables = {name: table["columns"] for name, table in old["tables"].items()}
    assert await rows_of(engine, tables) == old["tables"]
    await engine.dispose()
    async with (
        world_of("memory", tmp_path / "bus", small_table(bytes_max=1 << 25)) as broker,
        member(broker, tmp_path) as here,
    ):
        _continue(here, old)
        async with here.books(where) as running:
            if then == "as they are":
                assert await _answers(running) == old["answers"]
                return
            here.block(report(4, entry(status="D", code="", target=(2, 1), weights={})))
            await running.at(4)
            as_then = "/v1/inventory?mba=XLR1&as_of_height=2"
            assert (await running.said(as_then))["result"] == old["answers"][as_then]["result"]
            assert (await running.said("/v1/areas"))["height"] == 4


def _continue(here: Member, old: Mapping[str, Any]) -> None:
    """The ledger goes on with the blocks that these books were made of."""
    chain = here.chain
    chain.blocks = [decode(Block, block) for block in old["blocks"]]
    header, batch = parse_header(chain.blocks[-1].header), parse_batch(chain.blocks[-1].batches[-1].batch)
    chain.height, chain.parent_id, chain.time_ms = header.height, header.block_id, header.time_ms
    chain.batch_seq, chain.batch_digest = batch.seq, batch.digest
    chain.frontier = Frontier.decoded(header.log_size, old["frontier"])
    here.stored = len(chain.blocks)


async def _generate(folder: Path) -> None:
    """What the books hold and say today."""
    tables = {table.name: table.columns.keys() for table in METADATA.sorted_tables}
    async with (
        world_of("memory", folder / "bus", small_table(bytes_max=1 << 25)) as broker,
        member(broker, folder) as here,
    ):
        here.block(report(1), report(1, mba="XLF1"))
        here.block(report(2, entry(), entry(weights={630: 7})))
        here.block(report(3, entry(status="C", target=(1, 1), weights={630: 70})))
        async with here.books(folder / "books") as running:
            await running.at(3)
            answers = await _answers(running)
            rows = await rows_of(running.engine, tables)
        blocks = [encode(block) for block in here.chain.blocks]
        write(
            VECTOR,
            {
                "revision": "books_0001",
                "tables": rows,
                "blocks": blocks,
                "frontier": here.chain.frontier.encoded,
                "answers": answers,
            },
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(_generate(Path(scratch)))
