"""Who is running what here: a lock for a folder, and process ids that cannot be mistaken for another's."""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slt.client.errors import WrongUse


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """One process: its id, and when it started in the system's own words. Ids are used again; the pair is not."""

    pid: int
    since: str

    def is_running(self) -> bool:
        """Whether this very process still runs."""
        return self.since != "" and started_at(self.pid) == self.since


def this_process() -> Started:
    return process(os.getpid())


def process(pid: int) -> Started:
    """The process that has `pid` now."""
    return Started(pid=pid, since=started_at(pid) or "")


def started_at(pid: int) -> str | None:
    """When the process with `pid` started, or None if it does not run (a zombie does not)."""
    if Path("/proc/self/stat").exists():
        try:
            # After the command, which stands in parentheses and may hold anything (proc(5)): 3 state, 22 starttime.
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] == "Z" else fields[19]
    ps = shutil.which("ps")
    if ps is None:
        return None
    asked = subprocess.run([ps, "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, since = asked.stdout.strip().partition(" ")
    return None if not since or state.startswith("Z") else since.strip()


@contextmanager
def only_one(path: Path, *, what: str) -> Iterator[None]:
    """Hold the lock file `path` for this process. Raises WrongUse, naming the holder, when another process has it.

    The system lets go of it when the process ends, however it ends. The file stays and says who held it last.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = holder_of(path)
            who = f" (process {holder.pid})" if holder else ""
            raise WrongUse(f"{what}{who}") from None
        me = this_process()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": me.pid, "since": me.since}).encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder_of(path: Path) -> Started | None:
    """Who holds the lock file `path`, as far as it still runs."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        holder = Started(pid=int(said["pid"]), since=str(said["since"]))
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return holder if holder.is_running() else None
