import os
import subprocess
import sys
from pathlib import Path

import pytest

from slt.runtime.files import AlreadyRunning, AppendFile, FatalStorage, ProcessLock, durable_write


def test_a_durable_write_replaces_whole_files_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "claim"
    durable_write(path, b"old")
    durable_write(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["claim"]  # noqa: PTH208 - names only
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_durable_write_syncs_the_file_before_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def seen_fsync(handle: int) -> None:
        steps.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")  # noqa: PTH112 - a handle
        fsync(handle)

    def seen_replace(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(Path, "replace", seen_replace)
    durable_write(tmp_path / "claim", b"x")
    assert steps == ["file", "rename", "folder"]


def test_a_failed_fsync_is_fatal_and_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "claim"
    durable_write(path, b"old")

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FatalStorage, match="Input/output error"):
        durable_write(path, b"new")
    assert path.read_bytes() == b"old"


def test_an_append_file_grows_is_read_and_cut(tmp_path: Path) -> None:
    with AppendFile(tmp_path / "wal") as wal:
        assert (wal.append(b"one"), wal.append(b"twoo")) == (0, 3)
        wal.sync()
        assert wal.read(3, 4) == b"twoo"
        assert wal.read(5, 100) == b"oo"
        wal.cut(3)
    with AppendFile(tmp_path / "wal") as wal:
        assert wal.size == 3
        assert wal.append(b"!") == 3
        assert wal.read(0, 10) == b"one!"


def test_a_failed_sync_of_an_append_file_is_fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with AppendFile(tmp_path / "wal") as wal:
        wal.append(b"one")
        monkeypatch.setattr(os, "fdatasync", fail)
        with pytest.raises(FatalStorage, match="No space left"):
            wal.sync()


def test_a_second_process_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with ProcessLock(path, what="the ledger"):
        code = (
            "import pathlib, sys; from slt.runtime.files import *\n"
            "try:\n    ProcessLock(pathlib.Path(sys.argv[1]), what='the ledger').__enter__()\n"
            "except AlreadyRunning as error: print(error)"
        )
        other = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
        assert f"the ledger: another process (pid {os.getpid()}) holds {path}; stop it first" in other.stdout
    with ProcessLock(path, what="the ledger"):
        pass


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import os, pathlib, signal, sys; from slt.runtime.files import *\n"
        "ProcessLock(pathlib.Path(sys.argv[1]), what='x').__enter__(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == -9
    with ProcessLock(path, what="x"):
        pass


def test_a_lock_is_not_taken_twice_in_one_process(tmp_path: Path) -> None:
    with ProcessLock(tmp_path / "lock", what="x"), pytest.raises(AlreadyRunning):
        ProcessLock(tmp_path / "lock", what="x").__enter__()
