"""fsck on a ledger that a service has filled: silent on what is whole, and names the row of every byte that is not."""

import asyncio
import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from services.ledger.config import Config
from services.ledger.fsck.flow import Found, Progress, check
from services.ledger.fsck.tiles import check_tiles
from services.ledger.fsck.walk import Walk
from services.ledger.log.leaves import Leaves
from services.ledger.reader import Reader
from services.ledger.store import ForeignLedger, Store
from services.ledger.tables import METADATA
from slt.bus.memory import MemoryBroker
from slt.bus.messages import Block, decode
from slt.runtime.database import damage, open_engine
from slt.statements.verdicts import Code
from tests.integration.ledger.erasing import erased
from tests.integration.ledger.harness import DEADLINE_S, Running, everything, ledger_config, ledger_env, stored
from tests.support.blocks import World, accepted, make_world, rejected

FINDING = ("V55", "warning", "OI/2", "469", "x", "a measurement basis", "The basis is missing.")


@pytest.fixture
async def filled(config: Config, world: World) -> Path:
    """The folder of a ledger that has stored three blocks with a row in every table, and was stopped.

    The body of the second statement was erased.
    """
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(world.item(1, endorsed=True, findings=[FINDING])), accepted(world.item(2))])
        await sequencing.order([rejected(world.item(3), Code.C01), rejected(world.item(4), Code.BAD_SIGNATURE)])
        await sequencing.order([accepted(world.item(5, findings=[FINDING]))])
        await stored(running, sequencing, 3)
    assert await erased(config.data_dir, world, [world.item(2).statement_id]) == 1
    return config.data_dir


@pytest.fixture
async def published(tmp_path: Path, world: World) -> Path:
    """The folder of a stopped ledger whose log of two entries was published as files."""
    config = ledger_config(tmp_path, world, SLT_LOG_PUBLISH_S="0.05")
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(world.item(1))])
        await stored(running, sequencing, 1)
        await until_published(running, 2)
    return config.data_dir


async def until_published(running: Running, size: int) -> None:
    """Return once the checkpoint of a log of `size` entries is served."""
    async with asyncio.timeout(DEADLINE_S):
        while (await running.get("/log/checkpoint")).text.splitlines()[1:2] != [str(size)]:  # noqa: ASYNC110 - HTTP
            await asyncio.sleep(0.05)


class Checked:
    """What one check told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.found: Found | None = None
        self.passed_on = io.BytesIO()

    @property
    def faults(self) -> list[str]:
        return [one["fault"] for one in self.told if "fault" in one]


async def fsck(
    where: str | Path,
    world: World,
    *,
    progress: bool = False,
    tell: Callable[[dict[str, Any]], None] | None = None,
    seconds_a_look: float = 0.0,
) -> Checked:
    """Check the ledger in a folder, or that of a PostgreSQL's URL, beside which no file stands."""
    checked = Checked()
    engine = open_engine(where, "ledger")
    ticks = count()

    def told(said: dict[str, Any]) -> None:
        checked.told.append(said)
        if tell is not None:
            tell(said)

    try:
        with ThreadPoolExecutor(1) as pool:
            store = Store(engine, checked=False)
            await store.attach(world.genesis)
            leaves, verifier = Leaves(store, world.genesis), world.checkpoint.verifier
            walk = Walk(store, Reader(store, world.genesis, pool), world.genesis, verifier)
            checked.found = await check(
                walk,
                store,
                progress=Progress(Path(where) / "fsck.json", world.genesis) if progress else None,
                damage=await damage(engine),
                tell=told,
                clock_s=lambda: next(ticks) * seconds_a_look,
                passed_on=checked.passed_on,
                tiles=None if isinstance(where, str) else check_tiles(where / "log", leaves, store, verifier),
            )
    finally:
        await engine.dispose()
    return checked


def change(folder: Path, statement: str, *values: object) -> None:
    """Change a database as a disk would: no trigger is asked."""
    with sqlite3.connect(folder / "ledger.sqlite", isolation_level=None) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(statement, values).rowcount > 0, "the test must change something"
        for _, sql in triggers:
            connection.execute(sql)


async def test_a_whole_ledger_has_no_fault_and_every_block_is_passed_on(filled: Path, world: World) -> None:
    checked = await fsck(filled, world)
    assert checked.faults == []
    assert checked.found == Found(height=3, statements=5, faults=0, resumed_after=-1)
    data, heights = checked.passed_on.getvalue(), []
    while data:
        length = int.from_bytes(data[:4], "big")
        heights.append(decode(Block, data[4 : 4 + length]).height)
        data = data[4 + length :]
    assert heights == [1, 2, 3]


def _columns() -> list[tuple[str, str]]:
    return [(table.name, column.name) for table in METADATA.sorted_tables for column in table.columns]


@pytest.mark.parametrize(("table", "column"), _columns())
async def test_a_flipped_bit_in_any_column_is_found_and_its_row_named(
    filled: Path, world: World, table: str, column: str
) -> None:
    keys = METADATA.tables[table].primary_key.columns.keys()
    with sqlite3.connect(filled / "ledger.sqlite") as connection:
        *number, value = connection.execute(
            f"SELECT {', '.join(keys)}, {column} FROM {table} ORDER BY {column} IS NULL, {', '.join(keys)} DESC LIMIT 1"
        ).fetchone()
    other: object
    if isinstance(value, bytes):
        other = value[:-1] + bytes([value[-1] ^ 0x10]) if value else b"\x10"
    elif isinstance(value, str):
        other = f"{value[:-1]}{chr(ord(value[-1]) ^ 1)}"
    else:
        other = b"\x10" if value is None else value ^ 0x10
    change(
        filled, f"UPDATE {table} SET {column} = ? WHERE {' AND '.join(f'{one} IS ?' for one in keys)}", other, *number
    )
    checked = await fsck(filled, world)
    assert any(fault.startswith((f"{table} ", "blocks height ")) for fault in checked.faults), checked.faults


@pytest.mark.parametrize("table", ["blocks", "batches", "entries", "bodies", "facts", "findings", "keys", "erasures"])
async def test_a_row_that_is_gone_is_missed(filled: Path, world: World, table: str) -> None:
    key = METADATA.tables[table].primary_key.columns.keys()[0]
    change(filled, f"DELETE FROM {table} WHERE {key} = (SELECT min({key}) FROM {table} WHERE {key} > 0)")
    assert (await fsck(filled, world)).faults


@pytest.mark.parametrize("table", ["batches", "bodies", "facts", "findings", "keys", "erasures"])
async def test_a_row_too_many_is_found(filled: Path, world: World, table: str) -> None:
    columns = METADATA.tables[table].columns.keys()
    key = METADATA.tables[table].primary_key.columns.keys()[0]
    shown = ", ".join("x'00ff'" if c == key == "kid" else f"{c} + 100" if c in (key, "seq") else c for c in columns)
    change(filled, f"INSERT INTO {table} ({', '.join(columns)}) SELECT {shown} FROM {table} LIMIT 1")
    faults = (await fsck(filled, world)).faults
    assert any(fault.startswith(f"{table} ") for fault in faults), faults


async def test_what_agrees_with_its_checksum_must_still_agree_with_its_block(filled: Path, world: World) -> None:
    """Somebody who writes the checksum as well cannot change what anything certified, or computed, binds."""
    from services.ledger.checks import crc_of

    with sqlite3.connect(filled / "ledger.sqlite") as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM entries WHERE entry = 1").fetchone())
    for column, other in (("code", 12), ("statement_key", 7), ("submission_key", 7), ("body_length", 3)):
        changed = row | {column: other}
        change(filled, f"UPDATE entries SET {column} = ?, crc = ? WHERE entry = 1", other, crc_of(changed))
        assert any("entry 1" in fault or "height 1" in fault for fault in (await fsck(filled, world)).faults), column
        change(filled, f"UPDATE entries SET {column} = ?, crc = ? WHERE entry = 1", row[column], row["crc"])
    assert (await fsck(filled, world)).faults == []


async def test_rows_behind_a_block_that_does_not_verify_are_still_compared_with_their_checksums(
    filled: Path, world: World
) -> None:
    change(filled, "UPDATE blocks SET certificate = x'00' WHERE height = 1")
    change(filled, "UPDATE bodies SET body_z = CAST(body_z || x'00' AS BLOB) WHERE entry = 4")
    faults = (await fsck(filled, world)).faults
    assert [fault for fault in faults if fault.startswith("bodies entry 4:")]
    assert [fault for fault in faults if fault.startswith("blocks height 1:")]


async def test_an_interrupted_check_goes_on_where_it_was(filled: Path, world: World) -> None:
    def interrupt(said: dict[str, Any]) -> None:
        if said.get("height") == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await fsck(filled, world, progress=True, tell=interrupt, seconds_a_look=20.0)
    found = (await fsck(filled, world, progress=True)).found
    assert found == Found(height=3, statements=3, faults=0, resumed_after=1)
    assert (await fsck(filled, world, progress=True)).found == Found(
        height=3, statements=5, faults=0, resumed_after=-1
    ), "one that ended begins anew"


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000.p/2", "tile/entries/000.p/2"])
@pytest.mark.parametrize("how", ["a byte", "a byte more", "gone"])
async def test_a_file_of_the_published_log_that_is_not_what_the_entries_make_is_named(
    published: Path, world: World, name: str, how: str
) -> None:
    assert (await fsck(published, world)).faults == []
    path = published / "log" / name
    data = path.read_bytes()
    if how == "gone" and name == "checkpoint":
        path.write_bytes(data[:-20])  # a folder without a checkpoint has published nothing
    elif how == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:] if how == "a byte" else data + b"\0")
    assert [fault for fault in (await fsck(published, world)).faults if fault.startswith(f"log {name}:")]


async def test_a_file_that_is_no_part_of_the_log_is_named(published: Path, world: World) -> None:
    (published / "log" / "tile" / "0" / "notes.txt").write_text("by hand")
    (published / "log" / "tile" / "0" / "001").write_bytes(bytes(8192))
    faults = (await fsck(published, world)).faults
    assert [fault.split(":")[0] for fault in faults] == ["log tile/0/notes.txt", "log tile/0/001"]


async def test_the_database_of_another_ledger_is_not_checked(filled: Path) -> None:
    with pytest.raises(ForeignLedger, match="the genesis file is"):
        await fsck(filled, make_world("another"))


def test_the_program_says_what_it_found_and_exits_with_it(filled: Path, world: World, tmp_path: Path) -> None:
    env = ledger_env(tmp_path, world)
    command = [sys.executable, "-m", "services.ledger.fsck", "--json"]

    def run() -> tuple[int, list[dict[str, Any]]]:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    code, said = run()
    assert (code, said[-1]["done"]) == (0, "ledger: height 3, 5 statements: all is well")
    change(filled, "UPDATE entries SET beside = CAST(beside || x'00' AS BLOB) WHERE entry = 2")
    code, said = run()
    assert code == 1
    assert [one["row"] for one in said if "fault" in one] == ["entry 2"]
