"""services.ledger.log.disk.Disk in memory: a disk with folders that loses what was not synced, and may have no room."""

import errno
from dataclasses import dataclass, field

from slt.runtime.files import FatalStorage
from tests.simulation.disk import Loss, Machine


@dataclass(slots=True)
class _File:
    written: bytes = b""  # what a reader sees
    durable: bytes = b""


@dataclass(slots=True)
class LogDisk:
    """Shares the fuse of `machine`. `fails_at` counts writes and syncs from 1; that one, and no other, fails."""

    machine: Machine
    label: str
    files: dict[str, _File] = field(default_factory=dict)
    durable_files: dict[str, _File] = field(default_factory=dict)
    dirs: set[str] = field(default_factory=lambda: {""})
    durable_dirs: set[str] = field(default_factory=lambda: {""})
    operations: int = 0
    fails_at: int = -1

    def read(self, name: str) -> bytes | None:
        file = self.files.get(name)
        return None if file is None else file.written

    def write(self, name: str, data: bytes) -> None:
        self._point(f"before write {_kind(name)}")
        assert _parent(name) in self.dirs, f"no folder for {name}"
        self._may_fail(OSError(errno.ENOSPC, "No space left on device"))
        self.files[name] = _File(data[: len(data) // 2])
        self._point(f"within write {_kind(name)}")
        self.files[name].written = data
        self._point(f"after write {_kind(name)}")

    def sync(self, name: str) -> None:
        with self.machine.around(f"{self.label}: sync {_kind(name)}"):
            self._may_fail(FatalStorage(f"{name}: told to fail"))
            self.files[name].durable = self.files[name].written

    def rename(self, old: str, new: str) -> None:
        with self.machine.around(f"{self.label}: rename {_kind(new)}"):
            self.files[new] = self.files.pop(old)

    def folders(self, folder: str) -> list[str]:
        return sorted(name.rpartition("/")[2] for name in self.dirs if name and _parent(name) == folder)

    def make_folder(self, folder: str) -> bool:
        if folder in self.dirs:
            return False
        assert _parent(folder) in self.dirs
        with self.machine.around(f"{self.label}: make folder"):
            self.dirs.add(folder)
        return True

    def remove_folder(self, folder: str) -> None:
        with self.machine.around(f"{self.label}: remove folder"):
            self.files = {name: file for name, file in self.files.items() if not name.startswith(f"{folder}/")}
            self.dirs.discard(folder)

    def sync_folder(self, folder: str) -> None:
        with self.machine.around(f"{self.label}: sync folder"):
            self._may_fail(FatalStorage(f"{folder}: told to fail"))
            self.durable_files = {name: file for name, file in self.durable_files.items() if _parent(name) != folder}
            self.durable_files |= {name: file for name, file in self.files.items() if _parent(name) == folder}
            self.durable_dirs = {name for name in self.durable_dirs if not name or _parent(name) != folder}
            self.durable_dirs |= {name for name in self.dirs if name and _parent(name) == folder}

    def lose(self, loss: Loss) -> None:
        """What the next start finds."""
        if loss == "kill":
            return
        rng = self.machine.rng
        if loss == "power":
            self.files, self.dirs = dict(self.durable_files), set(self.durable_dirs)
        else:  # some of the names that were not synced made it, and parts of the content
            kept = {name: file for name, file in self.files.items() if name in self.durable_files or rng.random() < 0.5}
            back = {name: file for name, file in self.durable_files.items() if name not in kept or rng.random() < 0.5}
            self.files, self.dirs = kept | back, self.dirs | self.durable_dirs
        for file in {id(file): file for file in self.files.values()}.values():
            cut = rng.randint(0, len(file.written)) if loss == "torn" else 0
            file.written = file.durable or file.written[:cut]
            file.durable = file.written
        self.files = {name: file for name, file in self.files.items() if self._has_folders(name)}
        self.durable_files, self.durable_dirs = dict(self.files), set(self.dirs)

    def _has_folders(self, name: str) -> bool:
        folder = _parent(name)
        return folder in self.dirs and (not folder or self._has_folders(folder))

    def _point(self, what: str) -> None:
        self.machine.point(f"{self.label}: {what}")

    def _may_fail(self, failure: Exception) -> None:
        self.operations += 1
        if self.operations == self.fails_at:
            raise failure


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _kind(name: str) -> str:
    """Points are named by what they touch, not by which one: `tile`, `entries`, `checkpoint`, a state."""
    return "entries" if "entries" in name else name.partition("/")[0].lstrip(".").removesuffix(".new")[:10]
