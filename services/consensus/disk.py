"""One folder of files, and which of its operations are durable when they return.

The log, the height register and the signer stand on this and on nothing else, so that tests can run them on a disk that
loses what was not synced. Not safe for two callers at once: one thread owns a folder (service.py).

Whatever the operating system refuses is slt.runtime.files.FatalStorage: what the disk holds now is unknown, so the
process ends, and nothing is retried (consensus.md W10). The next start reads what is really there.
"""

from pathlib import Path
from typing import Protocol

from slt.runtime.files import AppendFile, durable_write, sync_folder


class Appending(Protocol):
    """A file open for appending."""

    def append(self, data: bytes) -> None:
        """Write at the end; durable after the next `sync`. A crash before it leaves any prefix, or any of its pages."""

    def sync(self) -> None:
        """Everything appended is durable on return."""

    def close(self) -> None: ...


class Disk(Protocol):
    """What may be done with the files of a folder. They have plain names; others' files are not seen."""

    def names(self) -> list[str]:
        """The files there are, sorted."""

    def read(self, name: str) -> bytes:
        """The whole content. Raises FileNotFoundError."""

    def appending(self, name: str) -> Appending:
        """Open for appending; made if it is not there, and that is durable after `sync_folder`."""

    def sync(self, name: str) -> None:
        """The content of the file is durable on return. What a killed process wrote is there to read and may not be
        durable yet: a start syncs what it goes on with.
        """

    def truncate(self, name: str, size_bytes: int) -> None:
        """Cut the file to `size_bytes`. Durable on return."""

    def replace(self, name: str, data: bytes) -> None:
        """Make `data` the content: temporary file, sync, rename, sync of the folder. Durable on return; a crash before
        leaves either the old content or the new.
        """

    def remove(self, name: str) -> None:
        """Remove the file; durable after `sync_folder`."""

    def sync_folder(self) -> None:
        """Files made and removed stay so."""


class OsDisk:
    """A real folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def names(self) -> list[str]:
        return sorted(path.name for path in self._folder.iterdir() if not path.name.startswith("."))

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def appending(self, name: str) -> Appending:
        return _OsFile(self._folder / name)

    def sync(self, name: str) -> None:
        with AppendFile(self._folder / name) as file:
            file.sync()

    def truncate(self, name: str, size_bytes: int) -> None:
        with AppendFile(self._folder / name) as file:
            file.cut(size_bytes)

    def replace(self, name: str, data: bytes) -> None:
        durable_write(self._folder / name, data)

    def remove(self, name: str) -> None:
        (self._folder / name).unlink()

    def sync_folder(self) -> None:
        sync_folder(self._folder)


class _OsFile:
    def __init__(self, path: Path) -> None:
        self._file = AppendFile(path)

    def append(self, data: bytes) -> None:
        self._file.append(data)

    def sync(self) -> None:
        self._file.sync()

    def close(self) -> None:
        self._file.close()
