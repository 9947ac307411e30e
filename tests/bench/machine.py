"""What the machine spent: CPU and memory by process, and bytes on disk by folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU seconds so far (user and system) and resident bytes of one process."""

    cpu_s: float
    rss_bytes: int


def usage(pids: Mapping[str, int]) -> dict[str, Usage]:
    """The usage of each named process."""
    return {name: _usage(psutil.Process(pid)) for name, pid in pids.items()}


def _usage(process: psutil.Process) -> Usage:
    times = process.cpu_times()
    return Usage(cpu_s=times.user + times.system, rss_bytes=process.memory_info().rss)


def peak_bytes(pid: int) -> int:
    """The most resident memory that the process has had so far (Linux: VmHWM). 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return 0
    peak = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peak[0].split()[1]) * 1024 if peak else 0


def disk_bytes(folders: Mapping[str, Path]) -> dict[str, int]:
    """Bytes in the files below each named folder, as `ls` counts them."""
    return {name: sum(_size(file) for file in folder.rglob("*")) for name, folder in folders.items() if folder.is_dir()}


def _size(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except FileNotFoundError:  # a log segment that was dropped while we looked
        return 0
