"""The consensus service as its own process on a real broker: killed at any moment, stopped, started twice."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from slt.bus.messages import Item
from tests.integration.consensus.standins import DEADLINE_S, Neighbours, consensus_env, neighbours
from tests.support.blocks import make_world
from tests.support.buses import JetStreamWorld, small_table, world_of
from tests.support.buses import World as Buses

WORLD = make_world()


@pytest.fixture
async def buses(tmp_path: Path) -> AsyncIterator[Buses]:
    async with world_of("nats", tmp_path / "nats", small_table(bytes_max=64 * 1024 * 1024)) as opened:
        yield opened


@asynccontextmanager
async def around(buses: Buses) -> AsyncIterator[Neighbours]:
    async with neighbours(WORLD, await buses.bus("neighbours")) as both:
        yield both


class Process:
    """python -m services.consensus over one folder."""

    def __init__(self, folder: Path, buses: Buses, **extra: str) -> None:
        assert isinstance(buses, JetStreamWorld)
        self._env = consensus_env(folder, WORLD, SLT_NATS_URL=buses.server.url, SLT_BLOCK_LINGER_MS="2", **extra)
        self.log = folder / "consensus.jsonl"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.consensus", env=os.environ | self._env, stdout=log, stderr=log
            )

    async def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """The exit code, once it has ended."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self.ended()

    async def ended(self) -> int:
        assert self._process is not None
        async with asyncio.timeout(DEADLINE_S):
            return await self._process.wait()

    def events(self, name: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.log.read_bytes().splitlines() if line.startswith(b"{")]
        return [line for line in lines if line["event"] == name]


@asynccontextmanager
async def running(folder: Path, buses: Buses, **extra: str) -> AsyncIterator[Process]:
    process = Process(folder, buses, **extra)
    await process.start()
    try:
        yield process
    finally:
        await process.end()


def some(first: int, last: int) -> list[Item]:
    return [WORLD.item(number) for number in range(first, last + 1)]


@pytest.mark.timeout(300)  # eleven starts of the process
async def test_38_killed_again_and_again_under_load_it_loses_nothing_and_orders_nothing_twice(
    buses: Buses, tmp_path: Path
) -> None:
    rng = random.Random(20)
    reports = some(1, 240)
    async with around(buses) as both, running(tmp_path, buses) as process:
        for turn in range(0, len(reports), 24):
            await both.uniqueness.admit(*[reports[at : at + 3] for at in range(turn, turn + 24, 3)])
            await asyncio.sleep(rng.uniform(0.2, 1.2))  # the moment of the kill, not a wait for anything
            await process.end()
            await process.start()
        await both.ledger.until([item.statement_id for item in reports])
        accepted = both.ledger.accepted()
        assert sorted(accepted) == sorted(item.statement_id for item in reports)
        ids = both.ledger.statement_ids()
        assert len(set(ids)) == len(reports)
        evaluated = [height for height, _ in both.uniqueness.evaluated]
        assert evaluated == sorted(evaluated), "a height was evaluated after a later one"
        assert not process.events("halted")


async def test_asked_to_stop_it_finishes_what_it_holds_and_ends_with_0(buses: Buses, tmp_path: Path) -> None:
    reports = some(1, 20)
    async with around(buses) as both, running(tmp_path, buses) as process:
        await both.uniqueness.admit(*[[item] for item in reports])
        await both.ledger.until_height(1)
        assert await process.end(signal.SIGTERM) == 0
        await process.start()
        await both.ledger.until([item.statement_id for item in reports])
        assert len(both.ledger.statement_ids()) == len(reports)


async def test_37_a_second_process_on_the_same_data_ends_at_once(buses: Buses, tmp_path: Path) -> None:
    async with around(buses) as both, running(tmp_path, buses):
        await both.uniqueness.admit(some(1, 1))
        await both.ledger.until_height(1)
        second = Process(tmp_path, buses)
        second.log = tmp_path / "second.jsonl"
        await second.start()
        assert await second.ended() == 1
        assert "another process" in second.log.read_text()
        await both.uniqueness.admit(some(2, 2))
        await both.ledger.until_height(2)


async def test_37_a_second_process_with_the_same_key_and_other_data_ends_at_once(buses: Buses, tmp_path: Path) -> None:
    async with around(buses) as both, running(tmp_path, buses) as first:
        await both.uniqueness.admit(some(1, 1))
        await both.ledger.until_height(1)
        second = Process(tmp_path, buses, SLT_DATA_DIR=str(tmp_path / "elsewhere"))
        second.log = tmp_path / "second.jsonl"
        await second.start()
        assert await second.ended() == 1
        assert "another process signs with the key" in second.log.read_text()
        assert not first.events("halted")


async def test_33_a_damaged_log_is_not_signed_on(buses: Buses, tmp_path: Path) -> None:
    async with around(buses) as both, running(tmp_path, buses) as process:
        for number in (1, 2):
            await both.uniqueness.admit(some(number, number))
            await both.ledger.until_height(number)
        await process.end()
        (segment,) = (tmp_path / "consensus" / "data" / "wal").glob("*.log")
        data = bytearray(segment.read_bytes())
        data[200] ^= 1
        segment.write_bytes(data)
        await process.start()
        assert await process.ended() == 1
        assert "is damaged, and was durable" in process.log.read_text()


async def test_63_a_broker_that_is_killed_and_comes_back_is_no_reason_to_stop(buses: Buses, tmp_path: Path) -> None:
    reports = some(1, 30)
    async with around(buses) as both, running(tmp_path, buses):
        await both.uniqueness.admit(*[[item] for item in reports[:15]])
        await both.ledger.until_height(1)
        await buses.away()
        await buses.back()
        await both.uniqueness.admit(*[[item] for item in reports])  # what it had not written is gone: all again
        await both.ledger.until([item.statement_id for item in reports])
        accepted = both.ledger.accepted()
        assert len(accepted) == len(set(accepted)) == len(reports)
