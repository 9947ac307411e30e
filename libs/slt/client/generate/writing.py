"""A generated world on disk: what `slt init --from`, `slt check` and `slt submit` read. Written as it is made."""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from slt.client.generate.area import Listed
from slt.client.generate.plan import Plan
from slt.client.generate.report import Report, render
from slt.client.generate.world import Facility, World
from slt.reports.quantities import format_quantity

ORIGIN: Final = "generated.example"
WORLD, ORDER, SUMMARY, README = "world.toml", "order.txt", "summary.json", "README.md"
_LABELS: Final = (630, 670, 700)


@dataclass(slots=True, kw_only=True)
class Summary:
    """What was made. Counts of reports and entries are by report type (I, P, M)."""

    plan: dict[str, int]
    areas: list[str] = field(default_factory=list)
    reports: dict[str, int] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    entries_per_year: int = 0
    largest_report: int = 0  # entries
    bytes: int = 0  # of all documents
    transits: dict[str, int] = field(default_factory=dict)
    """`domestic` and `foreign` are matched; `on_the_way` was not received until the end; `imported` from and `exported`
    to a State outside the ledger have one side only."""
    unaccounted: list[dict[str, str]] = field(default_factory=list)
    """MF of each balance that has some: area, date, weight by label."""
    digest: str = ""
    """SHA-256 in hex over the world file, the openings and the documents in their order: equal for equal plans."""

    @property
    def total(self) -> int:
        return sum(self.entries.values())


def write_world(plan: Plan, directory: Path, *, told: Callable[[Report], None] = lambda _: None) -> Summary:
    """Write everything below `directory`, which must not exist or be empty (else FileExistsError).

    `told` is called with each report once it is written. Memory is bounded by a month of reports.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty")
    world = World(plan)
    summary = Summary(plan=asdict(plan), areas=[facility.area.name for facility in world.facilities])
    digest = hashlib.sha256()
    for content in write_beginnings(world, directory):
        digest.update(content)
    entries: Counter[str] = Counter()
    reports: Counter[str] = Counter()
    with (directory / ORDER).open("w", encoding="ascii", newline="\n") as order:
        for report in world.reports():
            document = render(report)
            digest.update(document)
            path = f"reports/{report.period_to[:4]}/{report.name}"
            _write(directory / path, document)
            order.write(f"{path}\n")
            reports[report.kind] += 1
            entries[report.kind] += len(report.entries)
            summary.bytes += len(document)
            summary.largest_report = max(summary.largest_report, len(report.entries))
            summary.unaccounted += _unaccounted(report)
            told(report)
    summary.reports, summary.entries = dict(reports), dict(entries)
    summary.entries_per_year = summary.total // plan.years
    summary.transits = asdict(world.roads.transits) | {"on_the_way": world.roads.on_the_way}
    summary.digest = digest.hexdigest()
    _write(directory / SUMMARY, (json.dumps(asdict(summary), indent=2) + "\n").encode())
    _write(directory / README, _readme(summary).encode())
    return summary


def write_beginnings(world: World, directory: Path) -> list[bytes]:
    """Write what a ledger of these areas begins with: the world file and the openings. Returns their contents."""
    written = list(_beginnings(world))
    for name, content in written:
        _write(directory / name, content)
    return [content for _, content in written]


def opening_csv(listing: list[Listed]) -> str:
    """An opening inventory as slt.reports.openings reads it."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["batch", "kmp", "material", "items", *_LABELS])
    for one in listing:
        weights = dict(one.weights)
        cells = [format_quantity(weights[label], label) if label in weights else "" for label in _LABELS]
        rows.writerow([one.batch, one.kmp, one.material, one.items, *cells])
    return out.getvalue()


def _beginnings(world: World) -> Iterator[tuple[str, bytes]]:
    """The world file and the openings: what a ledger of these areas begins with."""
    states = sorted({facility.area.state for facility in world.facilities})
    parts = [
        "# Made by `slt generate`: README.md beside this file says how, and summary.json what came of it.\n",
        f'origin = "{ORIGIN}/{world.plan.seed}"\n\n[parameters]\n',
        *(_area_toml(world, facility) for facility in world.facilities),
        *(_authority_toml(world, state) for state in states),
        '\n[[member]]\nname = "generated"\n',
    ]
    yield WORLD, "".join(parts).encode("ascii")
    for facility in world.facilities:
        yield f"openings/{facility.area.mba}.csv", opening_csv(world.opening(facility)).encode("ascii")


def _area_toml(world: World, facility: Facility) -> str:
    area = facility.area
    return f"""
[[mba]]
state = "{area.state}"
mba = "{area.mba}"
facility = "{area.mba}"
type = "{area.type}"
kind = "{area.kind}"
flow_kmps = {json.dumps(area.flow_kmps)}
inventory_kmps = {json.dumps(area.inventory_kmps)}
opened = "18000101"
closed = ""
profile = "iaea"
endorsement = "none"
unified = false
last_report_number = 0
last_pit = "{world.last_pit}"
opening = "openings/{area.mba}.csv"

[[identity]]
name = "{area.mba.lower()}"
role = "reporter"
state = "{area.state}"
mbas = ["{area.mba}"]
"""


def _authority_toml(world: World, state: str) -> str:
    areas = [facility.area.mba for facility in world.facilities if facility.area.state == state]
    return f"""
[[identity]]
name = "{state.lower()}-authority"
role = "authority"
state = "{state}"
mbas = {json.dumps(areas)}
"""


def _unaccounted(report: Report) -> Iterator[dict[str, str]]:
    for entry in report.entries:
        if report.kind == "M" and entry.code == "MF" and any(mg for _, mg in entry.weights):
            weights = {str(label): format_quantity(mg, label) for label, mg in entry.weights}
            yield {"area": f"{report.state}/{report.mba}", "date": report.period_to, **weights}


def _readme(summary: Summary) -> str:
    plan, transits = summary.plan, summary.transits
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in plan.items())
    counts = "\n".join(
        f"| {kind} | {summary.reports.get(kind, 0)} | {summary.entries.get(kind, 0)} |" for kind in ("I", "P", "M")
    )
    return f"""# A synthetic world of nuclear material accounting

Nothing here is about a real facility. Made by

    slt generate DIR {options}

which makes the same bytes again (digest {summary.digest[:16]}).

| 010 | reports | entries |
|---|---|---|
{counts}

Balances of reactors and stores close without difference. Those of fuel plants have the material unaccounted for that
summary.json lists. Shipments within the ledger: {transits["domestic"]} within a State and {transits["foreign"]} between
States have both sides; {transits["on_the_way"]} had not arrived at the end. {transits["imported"]} receipts from and
{transits["exported"]} shipments to State XZ, which takes no part, have one.

    slt init my-ledger --from {WORLD}
    slt up my-ledger
    xargs -n 50 slt submit --dir my-ledger < {ORDER}      # in the order in which they were written
"""


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
