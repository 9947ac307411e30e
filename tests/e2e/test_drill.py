"""The operator's drill with `slt`, on real processes: check, archive, lose the machine, rebuild, go on, erase."""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from slt.client.folder import Folder
from slt.client.local.settings import service_folder
from tests.e2e.running import up

WITHIN_S = 90.0


def slt(folder: Folder, *arguments: str, code: int = 0) -> str:
    """Run a command in the folder; what it said on standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "slt.client.cli", *arguments, "--dir", str(folder.root)],
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip
    assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.timeout(400)
def test_a_member_is_checked_archived_lost_rebuilt_and_goes_on(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "ledger")
    subprocess.run([sys.executable, "-m", "slt.client.cli", "init", str(folder.root)], check=True, timeout=WITHIN_S)
    reports = sorted(folder.reports.glob("XLS1-*.code10"))
    archive, state, log = tmp_path / "ledger.tar", tmp_path / "state.slt", tmp_path / "log"

    with up(folder):
        slt(folder, "submit", *map(str, reports[:3]))
        assert "all is well" in slt(folder, "fsck")  # while everything runs
        slt(folder, "snapshot", str(state))
        slt(folder, "export", str(archive), "--state", str(state))
        slt(folder, "export", "--tiles", str(log))
        assert (log / "checkpoint").exists()
        slt(folder, "export", str(archive), code=2)  # nothing is overwritten
    said = json.loads(slt(folder, "import", "--check", str(archive), "--json").splitlines()[-1])
    assert said["statements"] == 3

    for service in ("ledger", "uniqueness", "books"):
        shutil.rmtree(service_folder(folder, service))
    slt(folder, "import", str(archive))
    slt(folder, "restore", str(state))
    slt(folder, "restore", str(state), code=2)  # into a new database only
    assert slt(folder, "fsck").count("all is well") == 2

    with up(folder):
        receipt = slt(folder, "submit", str(reports[3]))
        assert "accepted" in receipt
        assert "3459250" in slt(folder, "inventory", "XLS1", "--json").replace(",", "")  # the books rebuilt theirs
    assert slt(folder, "fsck").count("all is well") == 2

    assert "bodies erased" in slt(folder, "erase", "--before", "2100-01-01", "--reason", "END OF RETENTION")
    assert slt(folder, "fsck").count("all is well") == 2
    _rot(service_folder(folder, "ledger") / "ledger.sqlite", "entries", "beside")
    said_of_it = slt(folder, "fsck", code=1)
    assert "FAULT entries entry" in said_of_it
    _rot(service_folder(folder, "uniqueness") / "uniqueness.sqlite", "records", "value")
    assert "FAULT records" in slt(folder, "fsck", code=1)


def _rot(database: Path, table: str, column: str) -> None:
    """Flip one bit of one row, as a disk does it: no trigger is asked."""
    with sqlite3.connect(database, isolation_level=None) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        rowid, value = connection.execute(f"SELECT rowid, {column} FROM {table} LIMIT 1").fetchone()
        changed = value[:-1] + bytes([value[-1] ^ 1])
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (changed, rowid))
