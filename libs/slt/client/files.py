"""Files that must be there after a power cut, and keys that only their owner may read."""

import os
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600
PUBLIC: Final = 0o644


def write_durably(path: Path, data: bytes, *, mode: int = PUBLIC) -> None:
    """Replace `path` by `data` at once: a reader, or a crash, finds the old file or the whole new one.

    On return the bytes and the name are on disk. The folder must exist. A crash before the rename leaves a file
    whose name ends in `.partial`, which the next write to the same path replaces.
    """
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), mode)  # the umask, or an older partial file, may have said otherwise
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def write_private(path: Path, data: bytes) -> None:
    """Write a secret: readable by its owner only, from its first byte on."""
    write_durably(path, data, mode=PRIVATE)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
