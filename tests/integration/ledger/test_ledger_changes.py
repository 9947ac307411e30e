"""A ledger that starts again knows which changes were announced: it reads them in its own rows."""

import pytest
from sqlalchemy import text

from services.ledger.config import Config
from services.ledger.keeper import head_after
from services.ledger.store import Store
from slt.bus.memory import MemoryBroker
from slt.runtime.database import open_engine
from slt.statements.governance import Announcement, SetParameter
from slt.statements.verdicts import Code
from tests.integration.ledger.harness import everything, stored
from tests.support.blocks import World, accepted
from tests.unit.ledger.test_parameters_of_blocks import decision

LATER = Announcement(change=SetParameter(name="skew_s", value=600), effective_height=1000, nonce=bytes(16))
OTHER = Announcement(change=SetParameter(name="skew_s", value=60), effective_height=1001, nonce=bytes(16))


@pytest.fixture
async def filled(config: Config, world: World) -> Config:
    """A change accepted, a change refused, and reports around them."""
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(world.item(1)), decision(world, LATER)])
        await sequencing.order([decision(world, OTHER, Code.CHANGE_CONFLICT), accepted(world.item(2))])
        await stored(running, sequencing, 2)
    return config


async def test_accepted_changes_are_found_again_and_no_others(filled: Config, world: World) -> None:
    engine = open_engine(filled.data_dir, "ledger")
    store = Store(engine)
    await store.attach(world.genesis)
    last = await store.last_block()
    head = await head_after(last, store, world.genesis)
    assert head.charter.waiting == (LATER,)
    assert await store.changes(0) == []
    assert head.charter.at(1000).parameters["skew_s"] == 600
    await engine.dispose()


async def test_they_are_found_through_their_own_index(filled: Config) -> None:
    engine = open_engine(filled.data_dir, "ledger")
    async with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            query = "SELECT statement FROM entries WHERE body_length = 0 AND code = ? AND height <= ? ORDER BY entry"
            plan = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", (0, 5))).all()
            assert "entries_without_body" in str(plan)
        else:
            found = await connection.scalar(
                text("SELECT count(*) FROM pg_indexes WHERE indexname = 'entries_without_body'")
            )
            assert found == 1
    await engine.dispose()
