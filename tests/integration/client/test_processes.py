"""What is kept running is started again, stopped in order, and never mistaken for somebody else's process."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from slt.client.local.lock import Started, holder_of, only_one, process, started_at, this_process
from slt.client.local.processes import Keeper, Program
from slt.client.tasks import beside

SOON_S = 60.0
UNTIL_KILLED = "import signal; print('here', flush=True); signal.pause()"
NEVER_ENDS = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
NEVER_STARTS = "raise SystemExit('no port')"


def program(folder: Path, code: str) -> Program:
    return Program(
        name="sample",
        command=(sys.executable, "-c", code),
        settings=lambda: dict(os.environ),
        folder=folder,
        log=folder / "sample.log",
    )


@asynccontextmanager
async def kept(folder: Path, code: str, ended: Callable[[str, int], None] = lambda *_: None) -> AsyncIterator[Keeper]:
    keeper = Keeper(program(folder, code), ended=ended)
    async with beside(keeper.run()):
        yield keeper


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON_S):
        while not holds():  # noqa: ASYNC110 - another process sets no event here
            await asyncio.sleep(0.01)


async def test_a_killed_program_is_started_again(tmp_path: Path) -> None:
    ends: list[tuple[str, int]] = []
    async with kept(tmp_path, UNTIL_KILLED, lambda *end: ends.append(end)) as keeper:
        await until(lambda: keeper.pid)
        first = keeper.pid
        keeper.signal(signal.SIGKILL)
        await until(lambda: keeper.pid not in (None, first))
        assert keeper.starts == 2
        await keeper.stop(within_s=SOON_S)
    assert ends == [("sample", -signal.SIGKILL)]


async def test_stop_ends_it_for_good(tmp_path: Path) -> None:
    async with kept(tmp_path, UNTIL_KILLED) as keeper:
        await until(lambda: keeper.last_words() == "here")
        one = keeper.started
        await keeper.stop(within_s=SOON_S)
        assert keeper.pid is None and one is not None and not one.is_running()


async def test_what_does_not_listen_to_sigterm_is_killed(tmp_path: Path) -> None:
    async with kept(tmp_path, NEVER_ENDS) as keeper:
        await until(lambda: keeper.pid)
        await keeper.stop(within_s=0.5)
        assert keeper.pid is None


async def test_a_program_that_cannot_start_is_tried_ever_more_slowly_and_its_words_are_kept(tmp_path: Path) -> None:
    async with kept(tmp_path, NEVER_STARTS) as keeper:
        await until(lambda: keeper.starts >= 3)
        assert "no port" in keeper.last_words()
        await keeper.stop(within_s=SOON_S)


async def test_nothing_is_left_when_the_block_fails(tmp_path: Path) -> None:
    started: list[Started] = []

    async def fail() -> None:
        async with kept(tmp_path, UNTIL_KILLED) as keeper:
            await until(lambda: keeper.started)
            started.extend(one for one in [keeper.started] if one is not None)
            raise ValueError("the block failed")

    with pytest.raises(ValueError, match="the block failed"):
        await fail()
    await until(lambda: not started[0].is_running())


def test_a_folder_is_run_by_one_process_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with only_one(lock, what="already up"):
        assert holder_of(lock) == this_process()
        other = (
            "from pathlib import Path\nfrom slt.client.local.lock import only_one\n"
            f"with only_one(Path({str(lock)!r}), what='x'): pass"
        )
        asked = subprocess.run(
            [sys.executable, "-c", other], capture_output=True, text=True, check=False, timeout=SOON_S
        )
        assert asked.returncode != 0
        assert f"WrongUse: x (process {os.getpid()})" in asked.stderr
    assert holder_of(lock) is None
    with only_one(lock, what="already up"):
        pass


def test_a_process_id_that_was_given_out_again_is_not_ours() -> None:
    me = this_process()
    assert me.is_running()
    assert not Started(pid=me.pid, since="before the flood").is_running()
    assert not Started(pid=me.pid, since="").is_running()


def test_a_process_that_ended_does_not_run() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    one = process(child.pid)
    assert one.is_running()
    child.kill()
    child.wait(SOON_S)
    assert not one.is_running()
    assert started_at(child.pid) is None
