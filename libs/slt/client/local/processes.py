"""Keep programs running: each its own process, started again with back-off when it ends, stopped in order."""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slt.client.local.lock import Started, process

BACKOFF_FIRST_S: Final = 0.1  # a killed service is back before anybody waits for it
BACKOFF_LAST_S: Final = 5.0  # one that cannot start does not eat the machine
STEADY_S: Final = 10.0  # a run of this length was a success: the next back-off begins anew
LAST_WORDS_BYTES: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run. `settings` is asked before every start, so that a restart can keep the port of the run before."""

    name: str
    command: Sequence[str]
    settings: Callable[[], Mapping[str, str]]
    folder: Path  # where it runs
    log: Path  # standard output and error, appended


class Keeper:
    """Keeps one program running between `run` and `stop`. One task calls `run`; any task may call the rest."""

    def __init__(self, program: Program, *, ended: Callable[[str, int], None]) -> None:
        """`ended(name, code)` is called whenever the program ended without being asked to."""
        self.program = program
        self.starts = 0
        self.failures = 0  # how often in a row it ended soon and by itself, with an error
        self._ended = ended
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    @property
    def started(self) -> Started | None:
        """The process while it runs."""
        running = self._process is not None and self._process.returncode is None
        return process(self._process.pid) if self._process is not None and running else None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def run(self) -> None:
        """Start the program, and again whenever it ends, until `stop`. Cancelled: the process is killed."""
        clock = asyncio.get_running_loop().time
        pause_s = BACKOFF_FIRST_S
        try:
            while not self._stopping.is_set():
                began = clock()
                code = await self._run_once()
                if self._stopping.is_set():
                    return
                self._ended(self.program.name, code)
                steady = clock() - began >= STEADY_S
                self.failures = self.failures + 1 if code > 0 and not steady else 0
                pause_s = BACKOFF_FIRST_S if steady else min(2 * pause_s, BACKOFF_LAST_S)
                await self._paused(pause_s)
        finally:
            self.signal(signal.SIGKILL)
            if self._process is not None:
                await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def stop(self, *, within_s: float) -> None:
        """Ask the program to end (SIGTERM), kill it if it has not within `within_s`, and start it no more."""
        self._stopping.set()
        running = self._process
        if running is None or running.returncode is not None:
            return
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(running.wait(), within_s)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await running.wait()

    def last_words(self) -> str:
        """The end of its log: why it did not start."""
        try:
            with self.program.log.open("rb") as log:
                log.seek(0, 2)
                log.seek(max(0, log.tell() - LAST_WORDS_BYTES))
                return log.read().decode("utf-8", errors="replace").strip()
        except FileNotFoundError:
            return ""

    async def _run_once(self) -> int:
        with self.program.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.program.settings()),
                cwd=self.program.folder,
                start_new_session=True,  # a Ctrl-C at the terminal is for us: we stop them in order
            )
        self.starts += 1
        return await self._process.wait()

    async def _paused(self, pause_s: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), pause_s)
        except TimeoutError:
            return
