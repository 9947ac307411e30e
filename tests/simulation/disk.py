"""A machine whose disks lose what was not synced, and whose process can be ended before and after every operation."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from slt.runtime.files import FatalStorage

PAGE_BYTES: Final = 64  # small, so that a torn write has several pages

Loss = Literal["kill", "power", "torn"]
"""What is left of unsynced data. kill: all of it, the process alone died. power: none. torn: some pages, some names."""


class Crashed(BaseException):
    """The process is gone. Not an Exception: nothing in it may catch this."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label


@dataclass(slots=True)
class _File:
    written: bytes = b""  # what a reader sees
    durable: bytes = b""


@dataclass(slots=True)
class Machine:
    """Folders that share one fuse. `points` counts the places where the process could have ended so far."""

    rng: random.Random
    folders: dict[str, "MemoryDisk"] = field(default_factory=dict)
    points: int = 0
    labels: list[str] = field(default_factory=list)
    blows_at: int = -1
    syncs: int = 0
    sync_fails: bool = False

    def disk(self, name: str) -> "MemoryDisk":
        return self.folders.setdefault(name, MemoryDisk(self, name))

    def point(self, label: str) -> None:
        """A place where a crash may come."""
        self.points += 1
        self.labels.append(label)
        if self.points == self.blows_at:
            raise Crashed(label)

    @contextmanager
    def around(self, label: str) -> Iterator[None]:
        self.point(f"before {label}")
        yield
        self.point(f"after {label}")

    def lose(self, loss: Loss) -> None:
        """What the next start finds on the disks."""
        for disk in self.folders.values():
            disk.lose(loss)


class MemoryDisk:
    """services.consensus.disk.Disk in memory."""

    def __init__(self, machine: Machine, folder: str) -> None:
        self._machine = machine
        self._folder = folder
        self.files: dict[str, _File] = {}
        self.durable_files: dict[str, _File] = {}

    def names(self) -> list[str]:
        return sorted(self.files)

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise FileNotFoundError(name)
        return self.files[name].written

    def appending(self, name: str) -> "MemoryFile":
        self._machine.point(f"before open {self._folder}")
        return MemoryFile(self._machine, self._folder, self.files.setdefault(name, _File()))

    def sync(self, name: str) -> None:
        MemoryFile(self._machine, self._folder, self.files[name]).sync()

    def truncate(self, name: str, size_bytes: int) -> None:
        file = self.files[name]
        with self._machine.around(f"truncate {self._folder}"):
            file.written = file.durable = file.written[:size_bytes]

    def replace(self, name: str, data: bytes) -> None:
        point = self._machine.point
        point(f"before replace {self._folder}")
        self._sync_or_fail()
        point(f"before rename {self._folder}")
        self.files[name] = _File(data, data)
        point(f"after rename {self._folder}")
        self.sync_folder()

    def remove(self, name: str) -> None:
        with self._machine.around(f"remove {self._folder}"):
            del self.files[name]

    def sync_folder(self) -> None:
        with self._machine.around(f"sync folder {self._folder}"):
            self._sync_or_fail()
            self.durable_files = dict(self.files)

    def _sync_or_fail(self) -> None:
        self._machine.syncs += 1
        if self._machine.sync_fails:
            raise FatalStorage(f"{self._folder}: told to fail")

    def durable_view(self) -> "MemoryDisk":
        """What would be left if the power went now. A copy on a machine of its own."""
        view = Machine(rng=random.Random(0)).disk(self._folder)
        view.files = {name: _File(file.durable, file.durable) for name, file in self.durable_files.items()}
        view.durable_files = dict(view.files)
        return view

    def lose(self, loss: Loss) -> None:
        rng = self._machine.rng
        if loss == "power":
            self.files = dict(self.durable_files)
        if loss == "torn":
            kept = {name: file for name, file in self.files.items() if rng.random() < 0.5}
            gone = {name for name in self.durable_files if name not in self.files and rng.random() < 0.5}
            back = {name: file for name, file in self.durable_files.items() if name not in gone}
            self.files = back | kept
        for file in {id(file): file for file in self.files.values()}.values():
            if loss == "power":
                file.written = file.durable
            if loss == "torn":
                file.written = _torn(file, rng)
        if loss != "kill":
            for file in self.files.values():
                file.durable = file.written
            self.durable_files = dict(self.files)


class MemoryFile:
    """services.consensus.disk.Appending in memory."""

    def __init__(self, machine: Machine, folder: str, file: _File) -> None:
        self._machine = machine
        self._folder = folder
        self._file = file

    def append(self, data: bytes) -> None:
        self._machine.point(f"before append {self._folder}")
        half = len(data) // 2
        self._file.written += data[:half]
        self._machine.point(f"within append {self._folder}")
        self._file.written += data[half:]
        self._machine.point(f"after append {self._folder}")

    def sync(self) -> None:
        with self._machine.around(f"sync {self._folder}"):
            self._machine.syncs += 1
            if self._machine.sync_fails:
                raise FatalStorage(f"{self._folder}: told to fail")
            self._file.durable = self._file.written

    def close(self) -> None:
        """Nothing is held."""


def _torn(file: _File, rng: random.Random) -> bytes:
    """Some of the unsynced end: a prefix, or pages of it with holes of zeros between, as a disk may leave them."""
    if not file.written.startswith(file.durable):
        return file.written if rng.random() < 0.5 else file.durable
    end = file.written[len(file.durable) :]
    end = end[: rng.randint(0, len(end))]
    if rng.random() < 0.5:
        pages = [end[at : at + PAGE_BYTES] for at in range(0, len(end), PAGE_BYTES)]
        end = b"".join(page if rng.random() < 0.6 else bytes(len(page)) for page in pages)
    return file.durable + end
