"""A ledger's database of the first release: upgraded, it is whole, gives the same receipts, and goes on.

python -m tests.integration.ledger.test_ledger_upgrades      makes the vector; only until that release is out
"""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import text

from services.ledger.config import Config
from services.ledger.store import Store
from slt.bus.memory import MemoryBroker
from slt.bus.messages import Block, decode, encode
from slt.merkle.tree import Frontier
from slt.runtime.database import OtherRevision, open_engine, require_newest, upgrade
from slt.statements.batches import parse_batch
from slt.statements.headers import parse_header
from slt.statements.verdicts import Code
from tests.integration.ledger.harness import (
    MIGRATIONS,
    ask_receipts,
    database_of,
    everything,
    ledger_config,
    stored,
)
from tests.integration.ledger.test_ledger_fsck import fsck
from tests.support.blocks import Chain, World, accepted, make_world, rejected
from tests.support.old_databases import read, restore, rows_of, write

VECTOR: Final = "ledger-0001.json"
FINDING: Final = ("V55", "warning", "OI/2", "469", "x", "a measurement basis", "The basis is missing.")

# The first release's tables and columns; the order in which its rows go in.
FIRST: Final[Mapping[str, tuple[str, ...]]] = {
    "blocks": (
        "height", "block_id", "time_ms", "first_entry", "entries", "log_size", "frontier", "header", "certificate",
        "checkpoint", "received_ms", "stored_ms",
    ),
    "batches": ("height", "position", "author", "seq", "digest", "signature", "entries"),
    "entries": (
        "entry", "height", "statement_key", "submission_key", "statement", "endorsements", "verdict", "code",
        "body_length", "body_digest", "beside",
    ),
    "bodies": ("entry", "body_z"),
    "facts": ("entry", "facts_z"),
    "findings": ("entry", "findings"),
    "keys": ("kid", "spki"),
    "marks": ("name", "value"),
}  # fmt: skip


@pytest.fixture
async def old(either: Config) -> dict[str, Any]:
    """What the first release has left; its database stands where `either` says."""
    content = read(VECTOR)
    content["receipts"] = dict(content["receipts"])
    engine = open_engine(database_of(either), "ledger")
    await restore(engine, MIGRATIONS, content)
    await engine.dispose()
    return content


async def test_every_row_is_kept_and_the_whole_is_found_good(old: dict[str, Any], either: Config, world: World) -> None:
    engine = open_engine(database_of(either), "ledger")
    with pytest.raises(OtherRevision, match="revision 0001, this program reads"):
        await require_newest(engine, MIGRATIONS)
    await upgrade(engine, MIGRATIONS)
    await require_newest(engine, MIGRATIONS)
    kept = await rows_of(engine, FIRST)
    await engine.dispose()
    assert kept == old["tables"]
    checked = await fsck(database_of(either), world)
    assert (checked.faults, checked.found and checked.found.height) == ([], len(old["blocks"]))


async def test_the_service_gives_the_receipts_of_then_and_goes_on(
    old: dict[str, Any], either: Config, world: World
) -> None:
    broker = MemoryBroker()
    async with everything(either, world, broker.bus("ledger")) as (running, sequencing, box):
        sequencing.chain = continued(old, world)
        block = await sequencing.order([accepted(world.item(100)), rejected(world.item(101), Code.C01)])
        await stored(running, sequencing, block.height)
        given = await ask_receipts(broker.bus("asker"), *old["receipts"])
        assert given == list(old["receipts"].values())
        for receipt in old["receipts"].values():
            box.verify(receipt)
    assert (await fsck(database_of(either), world)).faults == []


async def test_an_upgraded_database_refuses_what_a_new_one_refuses(old: dict[str, Any], either: Config) -> None:
    engine = open_engine(database_of(either), "ledger")
    await upgrade(engine, MIGRATIONS)
    for table in old["tables"].keys() - {"marks"}:
        for attack in (f"UPDATE {table} SET crc = 0", f"DELETE FROM {table}"):
            with pytest.raises(Exception, match="append-only"):
                await _run(engine, attack)
    await engine.dispose()


async def test_an_upgrade_that_is_interrupted_leaves_the_older_database(
    old: dict[str, Any], either: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(database_of(either), "ledger")

    def crash(_row: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("services.ledger.checks.crc_of", crash)
        with pytest.raises(KeyboardInterrupt):
            await upgrade(engine, MIGRATIONS)
    await engine.dispose()
    assert await rows_of(engine, FIRST) == old["tables"]
    async with engine.connect() as connection:
        assert (await connection.scalar(text("SELECT version_num FROM alembic_version"))) == "0001"
    await upgrade(engine, MIGRATIONS)
    assert (await Store(engine).height()) == len(old["blocks"])
    await engine.dispose()


async def _run(engine: Any, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))


def continued(old: Mapping[str, Any], world: World) -> Chain:
    """The chain that the first release's blocks began."""
    chain = Chain(world)
    chain.blocks = [decode(Block, block) for block in old["blocks"]]
    header = parse_header(chain.blocks[-1].header)
    batch = parse_batch(next(block for block in reversed(chain.blocks) if block.batches).batches[-1].batch)
    chain.height, chain.parent_id, chain.time_ms = header.height, header.block_id, header.time_ms
    chain.batch_seq, chain.batch_digest = batch.seq, batch.digest
    blocks = old["tables"]["blocks"]
    last = dict(zip(blocks["columns"], blocks["rows"][-1], strict=True))
    chain.frontier = Frontier.decoded(last["log_size"], last["frontier"])
    return chain


async def _generate(folder: Path) -> None:
    """What a ledger stores today, without what came after the first release."""
    world = make_world()
    broker, config = MemoryBroker(), ledger_config(folder, world)
    decisions = [
        [accepted(world.item(1, endorsed=True, findings=[FINDING])), accepted(world.item(2))],
        [rejected(world.item(3), Code.C01), rejected(world.item(4), Code.BAD_SIGNATURE)],
        [],
        [accepted(world.item(5, findings=[FINDING])), rejected(world.item(6), Code.V07, with_body=False)],
    ]
    async with everything(config, world, broker.bus("ledger")) as (running, sequencing, _):
        for some in decisions:
            await sequencing.order(some)
        await stored(running, sequencing, len(decisions))
        names = [one.item.statement_id for some in decisions for one in some]
        receipts = dict(zip(names, await ask_receipts(broker.bus("asker"), *names), strict=True))
        blocks = [encode(block) for block in sequencing.chain.blocks]
    engine = open_engine(config.data_dir, "ledger")
    tables = await rows_of(engine, FIRST)
    await engine.dispose()
    given = [[name, receipt] for name, receipt in receipts.items() if receipt is not None]
    write(VECTOR, {"revision": "0001", "tables": tables, "blocks": blocks, "receipts": given})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(_generate(Path(scratch)))
