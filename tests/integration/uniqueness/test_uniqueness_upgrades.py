"""A state of the first release: upgraded on either database it is whole, and the service goes on with it.

python -m tests.integration.uniqueness.test_uniqueness_upgrades      makes the vector; only until that release is out
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from slt.bus.messages import Block, decode, encode
from slt.merkle.tree import Frontier
from slt.runtime.database import OtherRevision, require_newest, upgrade
from slt.statements.batches import parse_batch
from slt.statements.headers import parse_header
from slt.statements.verdicts import Code
from tests.integration.uniqueness.member import LEDGER, MIGRATIONS, Member, member
from tests.integration.uniqueness.stored_state import HELD, at, filled, numbered, opened
from tests.integration.uniqueness.test_uniqueness_fsck import fsck
from tests.support.buses import small_table, world_of
from tests.support.old_databases import read, restore, rows_of, write

VECTOR: Final = "uniqueness-0001.json"

# The first release's tables and columns; the order in which its rows go in.
FIRST: Final[Mapping[str, tuple[str, ...]]] = {
    "head": ("id", "chain_id", "height", "block_id", "lanes", "log_size", "time_ms"),
    "records": ("key", "value", "spent_iat"),
    "held": ("submission_id", "statement_id", "state", "mba", "number", "held_ms", "until_ms", "item"),
}
AGO_MS: Final = 86_400_000  # the held report came so long before the vector was made: its time is over in every test
NO_CERTIFICATE: Final = "FAULT head: it has no certified header; start the service of this version and let a block come"


@pytest.fixture
def old() -> dict[str, Any]:
    """What the first release has left."""
    return read(VECTOR)


@pytest.fixture
async def here(old: dict[str, Any], tmp_path: Path, database_url: str | None) -> AsyncIterator[Member]:
    """A member that has its database, and a consensus that goes on with its blocks."""
    async with (
        world_of("memory", tmp_path / "bus", small_table(bytes_max=1 << 25)) as broker,
        member(broker, tmp_path, database_url=database_url) as made,
    ):
        async with opened(made.database) as engine:
            await restore(engine, MIGRATIONS, old)
        _continue(made, old)
        yield made


def _continue(here: Member, old: Mapping[str, Any]) -> None:
    sequencer = here.sequencer
    sequencer.young = [decode(Block, block) for block in old["blocks"]]
    header = parse_header(sequencer.young[-1].header)
    batch = parse_batch(sequencer.young[-1].batches[-1].batch)
    sequencer.height, sequencer.parent_id = header.height, header.block_id
    sequencer.chain = (batch.seq, batch.digest)
    sequencer.frontier = Frontier.decoded(header.log_size, old["frontier"])


async def test_every_row_is_kept_and_hashes_to_the_roots_of_its_blocks(here: Member, old: dict[str, Any]) -> None:
    async with opened(here.database) as engine:
        with pytest.raises(OtherRevision, match="revision 0001, this program reads"):
            await require_newest(engine, MIGRATIONS)
        await upgrade(engine, MIGRATIONS)
        await require_newest(engine, MIGRATIONS)
        assert await rows_of(engine, FIRST) == old["tables"]
    told = await fsck(here, blocks=here.sequencer.young)
    assert (told.lines, told.held, told.whole) == ([NO_CERTIFICATE], 1, True)


async def test_the_service_goes_on_and_with_the_next_block_the_state_proves_itself(
    here: Member, old: dict[str, Any]
) -> None:
    async with here.service():
        assert await here.sequencer.order(numbered(4), numbered(1)) == [Code.ACCEPTED, Code.C03], "1 was reported"
        await at(here, len(old["blocks"]) + 1)
        (refusal,) = await here.refused(1)  # nobody sent the report before it, and its time has long been over
        assert refusal.submission_id == old["tables"]["held"]["rows"][0][0]
    told = await fsck(here, blocks=here.sequencer.young)
    assert (told.lines, told.held, told.whole) == ([], 0, True)


async def _generate(folder: Path) -> None:
    """What the service stores today, without what came after the first release."""
    async with filled(folder) as here:
        async with opened(here.database) as engine:
            tables = await rows_of(engine, FIRST)
        ((*names, number, held_ms, until_ms, item),) = tables["held"]["rows"]
        assert number == HELD
        tables["held"]["rows"] = [[*names, number, held_ms - AGO_MS, until_ms - AGO_MS, item]]
        write(
            VECTOR,
            {
                "revision": "0001",
                "chain_id": LEDGER.genesis.chain_id,
                "tables": tables,
                "blocks": [encode(block) for block in here.sequencer.young],
                "frontier": here.sequencer.frontier.encoded,
            },
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(_generate(Path(scratch)))
