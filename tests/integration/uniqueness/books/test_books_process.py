"""python -m services.uniqueness.books: killed at any moment, it comes to the same books."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.uniqueness.books.queries import reading
from slt.bus.streams import TABLE
from slt.inventory.questions.rows import EntryQuery
from slt.runtime.database import open_engine
from tests.integration.uniqueness.books.member import DEADLINE_S, Member, env_of, member, until
from tests.support.buses import world_of
from tests.unit.inventory.building import entry, report

BLOCKS = 60


class Process:
    def __init__(self, here: Member, nats_url: str, **settings: str) -> None:
        env = env_of(here.folder, SLT_NATS_URL=nats_url, **settings)
        self._address = Path(env["SLT_ADDRESS_FILE"])
        self._env = {**os.environ, **env}
        self._log = here.folder / "books.log"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._address.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "services.uniqueness.books"]
            self._process = subprocess.Popen(command, env=self._env, stdout=log, stderr=log)
        await until(lambda: self._address.exists() or self.ended() is not None, "it listens")
        assert self.ended() is None, self._log.read_text()[-2000:]

    def ended(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    def end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(DEADLINE_S)

    async def height(self) -> int:
        async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
            answer = await client.get(json.loads(self._address.read_bytes())["http"] + "/v1/areas")
            return int(answer.json()["height"])


@asynccontextmanager
async def running(here: Member, nats_url: str, **settings: str) -> AsyncIterator[Process]:
    process = Process(here, nats_url, **settings)
    await process.start()
    try:
        yield process
    finally:
        if process.ended() is None:
            process.end(signal.SIGKILL)


def chain_of(here: Member) -> None:
    """Reports of two areas, and corrections of the one before."""
    for number in range(1, BLOCKS + 1):
        corrected = entry(status="C", target=(number - 1, 1), weights={630: number})
        here.block(
            report(number, corrected) if number % 5 == 0 else report(number, *(entry() for _ in range(5))),
            report(number, mba="XLF1"),
            stored=False,
        )


@pytest.mark.timeout(300)
async def test_books_killed_at_seeded_moments_are_those_of_a_run_that_was_not(
    where: str | Path, tmp_path: Path
) -> None:
    seeded = random.Random(20251122)
    settings = {"SLT_DATABASE_URL": where} if isinstance(where, str) else {}
    async with world_of("jetstream", tmp_path / "nats", TABLE) as broker, member(broker, tmp_path) as here:
        url: str = broker.server.url  # type: ignore[attr-defined]  # of the real broker's world
        chain_of(here)
        here.count_max = 1  # a transaction for each block: many moments to be killed at
        async with running(here, url, **settings) as process:
            for stored in range(10, BLOCKS + 1, 10):
                here.stored = stored
                began = time.monotonic()
                while await process.height() < stored and time.monotonic() < began + seeded.uniform(0.0, 0.2):
                    pass
                process.end(signal.SIGKILL)
                await process.start()
            await _stands_at(process, BLOCKS)
            assert process.end(signal.SIGTERM) == 0
        async with here.books(tmp_path / "whole") as whole:
            await whole.at(BLOCKS)
            async with reading(whole.engine) as books:
                expected = await _everything(books)
        engine = open_engine(where if isinstance(where, str) else here.folder / "uniqueness" / "data", "books")
        async with reading(engine) as books:
            assert await _everything(books) == expected
        await engine.dispose()


async def _stands_at(process: Process, height: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while await process.height() < height:
        assert time.monotonic() < deadline, f"height {height} was not reached"


async def _everything(books: Any) -> list[Any]:
    height = await books.height()
    flows = [
        await books.flows(state="XL", mba=mba, first="00010101", last="99991231", as_of=at)
        for mba in ("XLR1", "XLF1")
        for at in (height, height - 1, height // 2)
    ]
    return [await books.entries(EntryQuery(as_of=height, every_version=True)), *flows]


async def test_a_second_process_on_the_same_folder_stops_with_a_clear_error(tmp_path: Path) -> None:
    async with world_of("jetstream", tmp_path / "nats", TABLE) as broker, member(broker, tmp_path) as here:
        url: str = broker.server.url  # type: ignore[attr-defined]  # of the real broker's world
        async with running(here, url):
            second = Process(here, url, SLT_ADDRESS_FILE=str(tmp_path / "other.json"))
            with pytest.raises(AssertionError, match="the books: another process"):
                await second.start()
            assert second.ended() == 1
