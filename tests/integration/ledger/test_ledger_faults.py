"""Disks that rot, tear and are full: nothing false is answered, the chain verifies, every statement has one receipt."""

import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from services.ledger.config import Config
from services.ledger.joined import Rotten
from services.ledger.store import Store
from slt.bus.memory import MemoryBroker
from slt.bus.requests import Declined
from slt.statements.verdicts import Code
from tests.integration.ledger.harness import (
    ask_receipts,
    everything,
    ledger,
    ledger_config,
    mailbox,
    sequencer,
    stored,
    until,
)
from tests.integration.ledger.test_ledger_fsck import change, fsck
from tests.support.blocks import Decision, World, accepted, rejected

FINDING: Final = ("V55", "warning", "OI/2", "469", "x", "a measurement basis", "The basis is missing.")
SEED: Final = 20261122
WAL_HEAD_BYTES: Final = 32  # SQLite's file format, section 4
FRAME_HEAD_BYTES: Final = 24


def blocks_of(world: World) -> list[list[Decision]]:
    """Four blocks: reports 10, 20, 30 and 40 with an endorsement and a finding, and one that is rejected in each."""
    return [
        [
            accepted(world.item(number, endorsed=True, findings=[FINDING])),
            rejected(world.item(number + 1), Code.V07),
        ]
        for number in (10, 20, 30, 40)
    ]


@pytest.fixture
async def filled(config: Config, world: World) -> Path:
    """The folder of a stopped ledger of four blocks."""
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        for decisions in blocks_of(world):
            await sequencing.order(decisions)
        await stored(running, sequencing, 4)
    return config.data_dir


# Bit rot


@pytest.mark.parametrize(
    ("rot", "row"),
    [
        ("UPDATE entries SET verdict = CAST(verdict || x'00' AS BLOB) WHERE entry = 0", "entries entry 0"),
        ("UPDATE entries SET statement = CAST(statement || x'00' AS BLOB) WHERE entry = 0", "entries entry 0"),
        ("UPDATE entries SET code = 12 WHERE entry = 0", "entries entry 0"),
        ("UPDATE entries SET endorsements = NULL WHERE entry = 0", "entries entry 0"),
        ("UPDATE findings SET findings = x'9190' WHERE entry = 0", "findings entry 0"),
        ("UPDATE bodies SET body_z = CAST(body_z || x'00' AS BLOB) WHERE entry = 0", "bodies entry 0"),
        ("UPDATE blocks SET header = CAST(header || x'00' AS BLOB) WHERE height = 1", "blocks height 1"),
        ("UPDATE blocks SET checkpoint = checkpoint || 'x' WHERE height = 1", "blocks height 1"),
    ],
)
async def test_a_rotten_row_is_not_answered_and_everything_else_is(
    filled: Path, config: Config, world: World, rot: str, row: str
) -> None:
    change(filled, rot)
    broker = MemoryBroker()
    rotten, good = world.item(10).statement_id, world.item(40).statement_id
    async with ledger(config, broker.bus("ledger")) as running:
        answer = await running.get(f"/v1/receipts/{rotten.hex()}")
        assert (answer.status_code, answer.json()["detail"].startswith(f"{row}: its bytes")) == (503, True), answer.text
        with pytest.raises(Declined):
            await ask_receipts(broker.bus("asker"), rotten)
        assert (await running.get(f"/v1/receipts/{good.hex()}")).status_code == 200
        assert await ask_receipts(broker.bus("asker"), good) != [None]
        ready = await running.get("/readyz")
        assert (ready.status_code, ready.json()["reasons"]["rows"].startswith(row)) == (503, True)
    assert any(fault.startswith(row) for fault in (await fsck(filled, world)).faults)


async def test_a_batch_that_rotted_is_not_sent_to_others(filled: Path, config: Config, world: World) -> None:
    change(filled, "UPDATE batches SET signature = CAST(signature || x'00' AS BLOB) WHERE height = 2")
    async with ledger(config, MemoryBroker().bus("ledger")) as running:
        with pytest.raises(Rotten, match="batches height 2, position 0"):
            await running.store.batches(2)
        assert [batch.author for batch in await running.store.batches(1)] == [0]


async def test_a_statement_is_not_ordered_a_second_time_because_its_first_row_rotted(
    config: Config, world: World
) -> None:
    """Read wrongly, the row would say that the statement has no final verdict yet."""
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(world.item(1))])
        await sequencing.order([accepted(world.item(2))])
        await stored(running, sequencing, 2)
        change(config.data_dir, "UPDATE entries SET code = 12 WHERE entry = 0")
        await sequencing.order([rejected(world.item(1), Code.C01)])
        await until(lambda: "chain" in running.runtime.health.not_ready(), "the alarm")
        assert "entries entry 0" in running.runtime.health.not_ready()["chain"]
        assert await running.store.height() == 2


@pytest.mark.parametrize(
    "rot", ["UPDATE blocks SET time_ms = 7 WHERE height = 4", "UPDATE keys SET spki = CAST(spki || x'00' AS BLOB)"]
)
async def test_where_the_chain_ends_in_a_rotten_row_the_service_does_not_start(
    filled: Path, config: Config, rot: str
) -> None:
    change(filled, rot)
    with pytest.raises(Rotten, match=r"^(blocks height 4|keys kid .*): its bytes are not those"):
        async with ledger(config, MemoryBroker().bus("ledger")):
            pass


# A full disk


class Full:
    """SQLite says that the disk is full once its file would have more than `pages`."""

    def __init__(self) -> None:
        self.pages = 1 << 30

    def store(self, engine: Any) -> Store:
        event.listen(engine.sync_engine, "begin", self._limit)
        return Store(engine)

    def _limit(self, connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={self.pages}")


async def test_a_full_disk_ends_the_process_and_with_room_again_nothing_is_missing_or_double(
    config: Config, world: World
) -> None:
    broker, full = MemoryBroker(), Full()
    first, *others = blocks_of(world)
    others.append([accepted(world.item(500 + number)) for number in range(64)])
    expected = {one.item.statement_id for decisions in (first, *others) for one in decisions}
    ended: list[BaseException] = []
    async with sequencer(world, broker.bus("consensus")) as sequencing, mailbox(world, broker.bus("facility")) as box:
        try:
            async with ledger(config, broker.bus("ledger"), store_of=full.store) as running:
                await sequencing.order(first)
                await stored(running, sequencing, 1)
                full.pages = 1  # no page more than there are
                for decisions in others:
                    await sequencing.order(decisions)
                await until(running.served.done, "it ends")
        except* OperationalError as errors:
            ended += errors.exceptions
        assert "database or disk is full" in str(ended)
        assert (await fsck(config.data_dir, world)).faults == []
        async with ledger(config, broker.bus("ledger")) as running:
            await stored(running, sequencing, sequencing.chain.height)
            await until(lambda: set(box.receipts) == expected, "every receipt")
    assert all(len(set(copies)) == 1 for copies in box.receipts.values())
    assert (await fsck(config.data_dir, world)).faults == []


# Torn writes and lost pages


async def test_whatever_part_of_the_unsynced_journal_a_crash_leaves_what_was_answered_is_there(
    config: Config, world: World, tmp_path: Path
) -> None:
    """The file and its journal as they were when the power went, the journal cut at and inside every frame."""
    broker = MemoryBroker()
    journal = config.data_dir / "ledger.sqlite-wal"
    answered: dict[int, int] = {}  # height -> bytes of the journal when its receipts were out
    async with everything(config, world, broker.bus("ledger")) as (running, sequencing, box):
        for height, decisions in enumerate(blocks_of(world), start=1):
            await sequencing.order(decisions)
            await stored(running, sequencing, height)
            await until(lambda height=height: len(box.receipts) == 2 * height, "its receipts")  # type: ignore[misc]
            answered[height] = journal.stat().st_size
        published = {name: copies[0] for name, copies in box.receipts.items()}
        for name in ("ledger.sqlite", "ledger.sqlite-wal"):
            shutil.copyfile(config.data_dir / name, tmp_path / name)
        chain = sequencing.chain
    whole = (tmp_path / "ledger.sqlite-wal").read_bytes()
    frame = FRAME_HEAD_BYTES + int.from_bytes(whole[8:12], "big")
    dice = random.Random(SEED)
    heights: set[int] = set()
    folder = tmp_path / "image"
    folder.mkdir()
    for begin in range(WAL_HEAD_BYTES, answered[4] + 1, frame):
        for cut, tail in ((begin, b""), (begin + frame // 2, b""), (begin, dice.randbytes(frame))):
            shutil.copyfile(tmp_path / "ledger.sqlite", folder / "ledger.sqlite")
            (folder / "ledger.sqlite-wal").write_bytes(whole[:cut] + tail)
            (folder / "ledger.sqlite-shm").unlink(missing_ok=True)
            height = _opened_at(folder)
            assert height >= max((h for h, size in answered.items() if size <= cut), default=-1), f"seed {SEED}"
            if height >= 1 and height not in heights:
                assert (await fsck(folder, world)).faults == []
                heights.add(height)
    assert heights == {1, 2, 3, 4}

    torn = ledger_config(tmp_path / "again", world)
    torn.data_dir.mkdir(parents=True)
    shutil.copyfile(tmp_path / "ledger.sqlite", torn.data_dir / "ledger.sqlite")
    (torn.data_dir / "ledger.sqlite-wal").write_bytes(whole[: answered[2] + frame // 3])
    broker = MemoryBroker()
    async with everything(torn, world, broker.bus("ledger")) as (running, sequencing, _):
        sequencing.chain = chain
        await stored(running, sequencing, 4)
        assert await ask_receipts(broker.bus("asker"), *published) == list(published.values())


async def test_a_crash_in_the_middle_of_writing_the_journal_back_loses_nothing(
    config: Config, world: World, tmp_path: Path
) -> None:
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        for decisions in blocks_of(world):
            await sequencing.order(decisions)
        await stored(running, sequencing, 4)
        before = (config.data_dir / "ledger.sqlite").read_bytes()
        journal = (config.data_dir / "ledger.sqlite-wal").read_bytes()
    after = (config.data_dir / "ledger.sqlite").read_bytes()
    assert before != after, "the last connection wrote the journal back"
    page, dice = int.from_bytes(journal[8:12], "big"), random.Random(SEED)
    folder = tmp_path / "image"
    folder.mkdir()
    for _ in range(8):
        image = bytearray(before.ljust(len(after), b"\0"))
        for begin in range(0, len(after), page):
            done = dice.choice((0, 512, page))  # a page was written, was not, or only its first sector was
            image[begin : begin + done] = after[begin : begin + done]
        (folder / "ledger.sqlite").write_bytes(bytes(image))
        (folder / "ledger.sqlite-wal").write_bytes(journal)
        (folder / "ledger.sqlite-shm").unlink(missing_ok=True)
        assert _opened_at(folder) == 4, f"seed {SEED}"
        assert (await fsck(folder, world)).faults == []


def _opened_at(folder: Path) -> int:
    """The last height of a file that is opened as after a crash, once SQLite finds nothing wrong with it; -1: none."""
    with sqlite3.connect(folder / "ledger.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'blocks'").fetchall():
            return -1
        (height,) = connection.execute("SELECT coalesce(max(height), -1) FROM blocks").fetchone()
    connection.close()
    return int(height)
