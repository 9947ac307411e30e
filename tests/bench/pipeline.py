"""One measured run: a member of real processes, a flood, a paced half load, and what the machine spent on them."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from slt.bus import Bus
from slt.bus.jetstream import connect
from slt.client.folder import PROGRAMS, Folder
from slt.client.local.network import NATS, Network, running
from slt.consensus.receipts import verify_receipt
from tests.bench import load, machine
from tests.bench.world import mba_codes, write_world

WARM_UP_S = 5.0  # not counted: imports, first connections, caches
INIT_WITHIN_S = 120.0  # keys and certificates of 64 facilities
SIGNED_PER_S_MAX = 2500  # reports signed beforehand for each second of flood: more than two cores can order


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run. `window` is how many reports may be unanswered in the flood."""

    seconds: float
    paced_seconds: float
    mbas: int
    per_message: int
    window: int
    sync_always: bool
    paced_per_s: float | None = None  # None: half of what the flood sustained


@dataclass(slots=True, kw_only=True)
class Result:
    """Figures of one run. CPU in milliseconds for each report, memory in MiB, disk in bytes for each report."""

    nats_sync: str
    per_message: int
    document_bytes: int
    sustained_per_s: float = 0.0
    paced_per_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    reports: int = 0
    refusals: int = 0
    receipts_verified: int = 0
    cpu_ms_per_report: dict[str, float] = field(default_factory=dict)
    memory_mib: dict[str, float] = field(default_factory=dict)
    disk_bytes_per_report: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        return asdict(self)


async def measure(plan: Plan) -> Result:
    """Run `plan` in a folder of its own, which is removed afterwards. Raises when an answer is missing or wrong."""
    with tempfile.TemporaryDirectory(prefix="slt-bench-") as name:
        root = Path(name)
        mbas = mba_codes(plan.mbas)
        world = write_world(root / "world", mbas)
        init = [sys.executable, "-m", "slt.client.cli", "init", str(root / "net"), "--from", str(world)]
        await asyncio.to_thread(subprocess.run, init, check=True, stdout=subprocess.DEVNULL, timeout=INIT_WITHIN_S)
        folder = Folder(root / "net")
        async with running(folder, sync_always=plan.sync_always) as network:
            return await _drive(plan, folder, network, mbas)


async def _drive(plan: Plan, folder: Folder, network: Network, mbas: list[str]) -> Result:
    genesis = folder.genesis()
    count = int(SIGNED_PER_S_MAX * (plan.seconds + WARM_UP_S))
    messages = await asyncio.to_thread(load.prepare, genesis, folder.root, mbas, count, plan.per_message)
    result = Result(
        nats_sync="always" if plan.sync_always else "server default",
        per_message=plan.per_message,
        document_bytes=sum(one.document_bytes for one in messages) // count,
    )
    tally, woken = load.Tally(), asyncio.Event()
    async with connect(network.addresses.nats, name="bench") as bus, asyncio.TaskGroup() as tasks:
        listener = tasks.create_task(load.listen(bus, tally, woken))
        warm = await load.flood(
            bus, messages, tally, window=plan.window, stop_at=time.monotonic() + WARM_UP_S, woken=woken
        )
        await load.settle(tally, woken)
        before, had = _look(folder, network), len(tally.answered_at)
        answered, seconds = await _flood(plan, bus, messages[warm:], tally, woken)
        result.sustained_per_s = round(answered / seconds, 1)
        await load.settle(tally, woken)
        _spent(result, before, _look(folder, network), reports=len(tally.answered_at) - had)
        await _paced(plan, result, bus, messages, tally, woken)
        listener.cancel()
    result.reports = len(tally.answered_at)
    result.refusals = tally.refusals
    for receipt in tally.receipts.values():
        verify_receipt(receipt, genesis)
        result.receipts_verified += 1
    return result


_Looked = tuple[dict[str, machine.Usage], dict[str, int]]


def _look(folder: Folder, network: Network) -> _Looked:
    pids = {name: keeper.pid for name, keeper in network.keepers.items()}
    usage = machine.usage({name: pid for name, pid in pids.items() if pid is not None} | {"load": os.getpid()})
    folders = {name: folder.member / "data" / name for name in PROGRAMS} | {NATS: folder.member / NATS}
    return usage, machine.disk_bytes(folders)


async def _flood(
    plan: Plan, bus: Bus, messages: list[load.Prepared], tally: load.Tally, woken: asyncio.Event
) -> tuple[int, float]:
    """Answers in the measured time, and that time. Counts answers that arrived within it, not what was sent."""
    begin, had = time.monotonic(), len(tally.answered_at)
    await load.flood(bus, messages, tally, window=plan.window, stop_at=begin + plan.seconds, woken=woken)
    return len(tally.answered_at) - had, time.monotonic() - begin


async def _paced(
    plan: Plan, result: Result, bus: Bus, messages: list[load.Prepared], tally: load.Tally, woken: asyncio.Event
) -> None:
    unsent = [one for one in messages if one.statements[0] not in tally.sent_at]
    result.paced_per_s = plan.paced_per_s or round(result.sustained_per_s / 2, 1)
    begin = time.monotonic()
    await load.pace(bus, unsent, tally, per_s=result.paced_per_s, stop_at=begin + plan.paced_seconds)
    await load.settle(tally, woken)
    waits = load.latencies_ms(tally, since=begin)
    if waits:
        result.p50_ms = round(waits[len(waits) // 2], 1)
        result.p99_ms = round(waits[min(len(waits) - 1, len(waits) * 99 // 100)], 1)


def _spent(result: Result, before: _Looked, after: _Looked, *, reports: int) -> None:
    for name, now in after[0].items():
        result.cpu_ms_per_report[name] = round(1000 * (now.cpu_s - before[0][name].cpu_s) / reports, 3)
        result.memory_mib[name] = round(now.rss_bytes / 2**20, 1)
    for name, size in after[1].items():
        result.disk_bytes_per_report[name] = round((size - before[1].get(name, 0)) / reports, 1)
