"""A uniqueness database as a service leaves it: two blocks, and one report that waits for the one before it."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.uniqueness.store import Store
from slt.bus.messages import Item
from slt.inventory.state import StateHead
from slt.runtime.database import open_engine
from tests.integration.uniqueness.member import Member, Running, item, member, soon, until
from tests.support.buses import small_table, world_of

HEIGHT = 2
IAT_S = int(time.time())  # of every statement: made again, it is the same one
HELD = 9  # the number of the report that waits


def numbered(number: int, *, mba: str = "XLR1") -> Item:
    """Report `number`, the same statement each time."""
    return item(number, mba=mba, iat=IAT_S)


@asynccontextmanager
async def opened(where: str | Path) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(where, "uniqueness")
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def filled(folder: Path, database_url: str | None = None) -> AsyncIterator[Member]:
    """The member whose service has filled `here.database`, and was stopped."""
    async with (
        world_of("memory", folder / "bus", small_table(bytes_max=1 << 25)) as broker,
        member(broker, folder, database_url=database_url) as here,
    ):
        async with here.service(hold_s=3600.0) as running:
            await here.sequencer.order(numbered(1), numbered(1, mba="XLF1"))
            await here.sequencer.order(numbered(2), numbered(2, mba="XLF1"), numbered(3))
            await at(here, HEIGHT)
            await here.validated(numbered(HELD))
            await _held(running)
        yield here


async def at(here: Member, height: int) -> None:
    """Return once the service has stored the block of `height`."""

    async def look() -> None:
        while (await here.state()).height < height:
            pass

    await soon(look())


async def _held(running: Running) -> None:
    held: list[object] = []

    async def look() -> None:
        while not held:
            held.extend(await running.store.held())

    await soon(look())
    await until(lambda: bool(held))


async def whole(where: str | Path) -> tuple[StateHead, list[tuple[bytes, bytes, int | None]]]:
    """Head and records of a database."""
    async with opened(where) as engine, Store(engine).frozen() as frozen:
        return frozen.head, [record async for some in frozen.records() for record in some]


async def change(where: str | Path, statement: str, **values: object) -> None:
    """Change rows as a disk would."""
    async with opened(where) as engine, engine.begin() as connection:
        assert (await connection.execute(text(statement), values)).rowcount > 0, "the test must change something"


async def kept(where: str | Path, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
    async with opened(where) as engine, engine.connect() as connection:
        rows = await connection.execute(text(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {columns[0]}"))
        return [tuple(row) for row in rows]
