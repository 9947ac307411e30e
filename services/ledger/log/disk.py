"""Files in a folder of their own, and which operations on them are durable when they return.

Tiles and the witness's state stand on this and on nothing else, so that tests can run them on a disk that loses what
was not synced, or has no room. Names are relative, with "/" between folders. Blocks: call it on a thread.
"""

import os
import shutil
from pathlib import Path
from typing import Final, Protocol

from slt.runtime.files import sync_folder

PUBLIC: Final = 0o644  # a static file server reads the tiles


class Disk(Protocol):
    """What may be done with files. Any method may raise OSError (no room) or FatalStorage (a failed sync)."""

    def read(self, name: str) -> bytes | None:
        """The whole content; None where there is no such file."""

    def write(self, name: str, data: bytes) -> None:
        """Make or replace a file. Not durable, and not whole after a crash, before `sync`."""

    def sync(self, name: str) -> None:
        """The content is durable on return; what is read next comes from the device where the system allows it."""

    def rename(self, old: str, new: str) -> None:
        """Replace `new` in one step. Durable after `sync_folder`."""

    def folders(self, folder: str) -> list[str]:
        """The names of the folders inside, without their path."""

    def make_folder(self, folder: str) -> bool:
        """Make one folder in an existing one; False if it is there. Durable after `sync_folder` of the outer one."""

    def remove_folder(self, folder: str) -> None:
        """Remove it with everything inside, if it is there. Nothing relies on this being durable."""

    def sync_folder(self, folder: str) -> None:
        """Names made, renamed and removed inside are durable on return."""


class OsDisk:
    """A real folder, made if it is missing."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root

    def read(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def write(self, name: str, data: bytes) -> None:
        self._root.mkdir(parents=True, exist_ok=True)  # somebody may have removed the whole folder
        handle = os.open(self._root / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PUBLIC)
        with os.fdopen(handle, "wb") as file:
            file.write(data)

    def sync(self, name: str) -> None:
        handle = os.open(self._root / name, os.O_RDONLY)
        try:
            os.fsync(handle)
            if hasattr(os, "posix_fadvise"):  # Not everywhere; without it a re-read may see the memory only.
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)

    def rename(self, old: str, new: str) -> None:
        (self._root / old).replace(self._root / new)

    def folders(self, folder: str) -> list[str]:
        try:
            return sorted(path.name for path in (self._root / folder).iterdir() if path.is_dir())
        except FileNotFoundError:
            return []

    def make_folder(self, folder: str) -> bool:
        self._root.mkdir(parents=True, exist_ok=True)
        try:
            (self._root / folder).mkdir()
        except FileExistsError:
            return False
        return True

    def remove_folder(self, folder: str) -> None:
        shutil.rmtree(self._root / folder, ignore_errors=True)

    def sync_folder(self, folder: str) -> None:
        sync_folder(self._root / folder)


def place(disk: Disk, name: str, data: bytes) -> None:
    """Make `data` the content of the file `name`, with the folders that it needs. Durable on return.

    A crash at any step leaves the old content or the new, and perhaps a temporary file (its name begins with a dot)
    that the next write of the same name replaces.
    """
    *folders, last = name.split("/")
    outer = ""
    for part in folders:
        inner = f"{outer}/{part}" if outer else part
        if disk.make_folder(inner):
            disk.sync_folder(outer)
        outer = inner
    temporary = f"{outer}/.{last}.new" if outer else f".{last}.new"
    disk.write(temporary, data)
    disk.sync(temporary)
    disk.rename(temporary, name)
    disk.sync_folder(outer)
