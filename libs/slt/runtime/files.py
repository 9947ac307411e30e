"""Durable files. What these functions return from is on the disk, or the process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

FILE_MODE: Final = 0o600


class FatalStorage(Exception):
    """The disk did not keep what it was told to. After a failed fsync nobody knows what is there: the process ends."""


class AlreadyRunning(Exception):
    """Another process owns this folder."""


def durable_write(path: Path, data: bytes, *, mode: int = FILE_MODE) -> None:
    """Replace `path` by `data` in one step: after a crash it holds the old bytes or the new. Raises FatalStorage.

    Durable on return: temporary file, fsync, rename, fsync of the folder. Blocks.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with _fatal(path):
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            _write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        temporary.replace(path)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names that were created, renamed or removed in `folder` durable. Raises FatalStorage."""
    with _fatal(folder):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class AppendFile:
    """A file that only grows: `append`, then `sync`, then it may be promised. One process, one thread at a time.

    A crash may leave a part of what was appended after the last sync; the reader recognises it by its own framing and
    calls `cut`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _fatal(path):
            is_new = not path.exists()
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, FILE_MODE)
            self.size = os.fstat(self._handle).st_size  # bytes written, synced or not
        if is_new:
            sync_folder(path.parent)

    def append(self, data: bytes) -> int:
        """Write `data` at the end and return where it begins. Not durable before `sync`. Raises FatalStorage."""
        begins = self.size
        with _fatal(self.path):
            _write_all(self._handle, data)
        self.size += len(data)
        return begins

    def sync(self) -> None:
        """Durable on return. Raises FatalStorage; do not try again."""
        with _fatal(self.path):
            os.fdatasync(self._handle)

    def read(self, begins: int, length: int) -> bytes:
        """`length` bytes from `begins`, or fewer where the file ends."""
        with _fatal(self.path):
            parts = []
            while length and (part := os.pread(self._handle, length, begins)):
                parts.append(part)
                begins, length = begins + len(part), length - len(part)
            return b"".join(parts)

    def cut(self, size: int) -> None:
        """Forget what stands behind `size`, durably."""
        assert size <= self.size
        with _fatal(self.path):
            os.ftruncate(self._handle, size)
            os.fsync(self._handle)
        self.size = size

    def close(self) -> None:
        os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ProcessLock:
    """One process at a time for what lies in a folder. The kernel lets go when the process ends, however it ends."""

    def __init__(self, path: Path, *, what: str) -> None:
        self._path = path
        self._what = what
        self._handle = -1

    def __enter__(self) -> Self:
        """Raises AlreadyRunning, which names the process that holds it."""
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, FILE_MODE)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._handle, 32, 0).decode("ascii", "replace").strip()
            os.close(self._handle)
            raise AlreadyRunning(
                f"{self._what}: another process (pid {holder or 'unknown'}) holds {self._path}; stop it first"
            ) from None
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode("ascii"), 0)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


@contextmanager
def _fatal(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FatalStorage(f"{path}: {error.strerror or error}") from error
