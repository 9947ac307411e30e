"""One large physical inventory listing, end to end with real processes: seconds, and the peak memory of each process.

    .venv/bin/python -m tests.bench.listing --entries 5000 100000

A store whose books begin with as many batches lists all of them. `slt submit` checks, signs and sends the listing, and
waits for a receipt that verifies: its seconds are all of that, from the start of the process. On basis L every batch
was reported before, as in a store; on basis M each is measured for the first time, and the state gets a record of each.
Peaks are the kernel's high-water marks, so nothing is missed between two looks. See README.md.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from slt.client.folder import PROGRAMS, Folder
from slt.client.generate import fuel
from slt.client.generate.area import Area, Listed
from slt.client.generate.calendar import later
from slt.client.generate.chance import Chance
from slt.client.generate.plan import ELEMENT_MG_MAX
from slt.client.generate.report import render
from slt.client.generate.writing import opening_csv
from slt.client.local.network import NATS, Network, running
from tests.bench import machine
from tests.bench.pipeline import INIT_WITHIN_S

PIT: Final = "20251231"
OPENED_PIT: Final = "20241231"
WAIT_S: Final = 600  # for the receipt: longer is a failed run


@dataclass(slots=True, kw_only=True)
class Result:
    """Memory in MiB, at its highest, by process; `slt submit` is the client."""

    entries: int
    basis: str
    document_bytes: int
    seconds: float = 0.0
    peak_mib: dict[str, float] = field(default_factory=dict)
    disk_mib: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Run the asked sizes, print a table each, write DIR/listing.json."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.listing", description=__doc__)
    parser.add_argument("--entries", type=int, nargs="+", default=[5_000, 100_000], help="sizes (default 5000 100000)")
    parser.add_argument("--basis", choices=("L", "M"), default="L", help="measurement basis, 469 (default L)")
    parser.add_argument("--out", type=Path, default=Path(".bench"), help="folder of the JSON (default .bench)")
    asked = parser.parse_args()
    results = []
    for entries in asked.entries:
        results.append(asyncio.run(measure(entries, asked.basis)))
        print(_table(results[-1]), flush=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    written = asked.out / "listing.json"
    written.write_text(json.dumps({"runs": [asdict(one) for one in results]}, indent=2) + "\n")
    print(f"written: {written}")


async def measure(entries: int, basis: str) -> Result:
    """One ledger, one listing. Raises when it is not accepted."""
    with tempfile.TemporaryDirectory(prefix="slt-bench-") as name:
        root = Path(name)
        document = _write_world(root / "world", entries, basis)
        await _slt("init", str(root / "net"), "--from", str(root / "world" / "world.toml"), within_s=INIT_WITHIN_S)
        folder = Folder(root / "net")
        result = Result(entries=entries, basis=basis, document_bytes=document.stat().st_size)
        async with running(folder) as network:
            begin = time.monotonic()
            submit = ("submit", "--dir", str(folder.root), "--wait", str(WAIT_S), str(document))
            result.peak_mib["slt submit"] = await _slt(*submit, within_s=WAIT_S + 60)
            result.seconds = round(time.monotonic() - begin, 2)
            _look(result, folder, network)
        return result


def _look(result: Result, folder: Folder, network: Network) -> None:
    pids = {name: keeper.pid for name, keeper in network.keepers.items()}
    for name, pid in pids.items():
        assert pid is not None, f"{name} died on the way"
        result.peak_mib[name] = round(machine.peak_bytes(pid) / 2**20, 1)
    folders = {name: folder.member / "data" / name for name in PROGRAMS} | {NATS: folder.member / NATS}
    result.disk_mib = {name: round(size / 2**20, 1) for name, size in machine.disk_bytes(folders).items()}


async def _slt(*words: str, within_s: float) -> float:
    """Run the command to its end. Returns the peak of its memory in MiB. Raises when its answer is not yes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "slt.client.cli", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    peak = 0
    said = asyncio.create_task(process.communicate())
    async with asyncio.timeout(within_s):
        while not said.done():
            peak = max(peak, machine.peak_bytes(process.pid))
            await asyncio.wait([said], timeout=0.05)
    output, _ = said.result()
    if process.returncode:
        raise RuntimeError(f"slt {words[0]} ended with {process.returncode}:\n{output.decode()[-4000:]}")
    return round(peak / 2**20, 1)


def _write_world(folder: Path, entries: int, basis: str) -> Path:
    """The world file, its opening inventory and the listing, which is returned."""
    (folder / "openings").mkdir(parents=True)
    area = Area(
        state="XA",
        mba="S001",
        type="store",
        kind="item",
        flow_kmps=("1",),
        inventory_kmps=("A",),
        period_from=later(OPENED_PIT, 1),
    )
    listing = list(_batches(entries, basis))
    opening = listing if basis == "L" else listing[:1]
    (folder / "openings" / "S001.csv").write_text(opening_csv(opening), encoding="ascii")
    (folder / "world.toml").write_text(_WORLD, encoding="ascii")
    report = next(area.close(PIT, later(PIT, 13), listing))
    document = folder / report.name
    document.write_bytes(render(report))
    return document


def _batches(count: int, basis: str) -> Iterator[Listed]:
    chance = Chance("listing", count)
    for number in range(1, count + 1):
        one = fuel.spent(f"S001{number:08d}", chance, ELEMENT_MG_MAX)
        yield Listed("A", "B/Q/2/G", one.name, basis, 1, one.weights)


_WORLD: Final = f"""origin = "bench.example/listing"

[parameters]

[[mba]]
state = "XA"
mba = "S001"
facility = "S001"
type = "store"
kind = "item"
flow_kmps = ["1"]
inventory_kmps = ["A"]
opened = "19900101"
closed = ""
profile = "iaea"
endorsement = "none"
unified = false
last_report_number = 0
last_pit = "{OPENED_PIT}"
opening = "openings/S001.csv"

[[identity]]
name = "s001"
role = "reporter"
state = "XA"
mbas = ["S001"]

[[member]]
name = "bench"
"""


def _table(result: Result) -> str:
    size = f"{result.entries:,} entries, basis {result.basis}, {result.document_bytes / 2**20:.1f} MiB"
    lines = [
        f"\nA listing of {size}; {os.cpu_count()} cores",
        f"  {'accepted':<16}{result.seconds:.1f} s from `slt submit` to its verified receipt",
        f"  {'process':<16}{'peak MiB':>10}{'disk MiB':>10}",
    ]
    for name, peak in result.peak_mib.items():
        lines.append(f"  {name:<16}{peak:>10.1f}{result.disk_mib.get(name, ''):>10}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
