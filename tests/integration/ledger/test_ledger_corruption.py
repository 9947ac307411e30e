"""A hundred random bytes, one after the other, anywhere in what a ledger keeps: fsck names the place of each."""

import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Final

import pytest

from services.ledger.fsck.faults import KEYS, name_of
from services.ledger.tables import METADATA
from slt.bus.memory import MemoryBroker
from slt.statements.verdicts import Code
from tests.integration.ledger.erasing import erased
from tests.integration.ledger.harness import everything, ledger_config, stored
from tests.integration.ledger.test_ledger_fsck import FINDING, change, fsck, until_published
from tests.support.blocks import World, accepted, make_world, rejected

SEED: Final = 20_261_122
IN_TABLES: Final = 80
IN_FILES: Final = 20


@pytest.fixture
async def whole(tmp_path: Path, world: World) -> Path:
    """The folder of a stopped ledger of several blocks, with a row in every table and its log published."""
    config = ledger_config(tmp_path, world, SLT_LOG_PUBLISH_S="0.05")
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        for number in range(0, 24, 6):
            some = [world.item(number + n, endorsed=n == 0, findings=[FINDING] if n == 1 else []) for n in range(5)]
            await sequencing.order([*map(accepted, some), rejected(world.item(number + 5), Code.C01)])
        await stored(running, sequencing, 4)
        await until_published(running, 21)
    await erased(config.data_dir, world, [world.item(7).statement_id])
    return config.data_dir


@pytest.mark.timeout(300)
async def test_each_of_a_hundred_random_bytes_is_found_at_its_place(whole: Path, tmp_path: Path) -> None:
    world, draw = make_world(), random.Random(SEED)
    assert (await fsck(whole, world)).faults == []
    for number in range(IN_TABLES + IN_FILES):
        folder = tmp_path / f"copy-{number}"
        shutil.copytree(whole, folder)
        place = _rot_a_row(folder, draw) if number < IN_TABLES else _rot_a_file(folder, draw)
        faults = (await fsck(folder, world)).faults
        assert any(fault.startswith(place) for fault in faults), (number, place, faults)
        shutil.rmtree(folder)


def _rot_a_row(folder: Path, draw: random.Random) -> str:
    """Change one byte of one column of one row; what fsck calls the row. Keys have tests of their own."""
    with sqlite3.connect(folder / "ledger.sqlite") as connection:
        connection.row_factory = sqlite3.Row
        table = draw.choice([one for one in METADATA.tables if one in KEYS])
        row = dict(draw.choice(connection.execute(f"SELECT * FROM {table}").fetchall()))
    kept = {*KEYS[table], "author", "seq"}
    column = draw.choice([name for name, value in row.items() if name not in kept and value not in (None, b"", "")])
    where = " AND ".join(f"{key} IS ?" for key in KEYS[table])
    value = _changed(row[column], draw)
    change(folder, f"UPDATE {table} SET {column} = ? WHERE {where}", value, *(row[key] for key in KEYS[table]))
    return f"{table} {name_of(table, row)}:"


def _changed(value: Any, draw: random.Random) -> Any:
    if isinstance(value, int):
        return value ^ 1 << draw.randrange(30)
    if isinstance(value, str):
        at = draw.randrange(len(value))
        return value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]
    at = draw.randrange(len(value))
    return value[:at] + bytes([value[at] ^ draw.randrange(1, 256)]) + value[at + 1 :]


def _rot_a_file(folder: Path, draw: random.Random) -> str:
    """Change one byte of one file of the published log."""
    log = folder / "log"
    path = draw.choice(sorted(one for one in log.rglob("*") if one.is_file()))
    path.write_bytes(_changed(path.read_bytes(), draw))
    return f"log {path.relative_to(log).as_posix()}:"
