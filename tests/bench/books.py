"""Twenty years of books, and what questions of them cost: a batch's history, and an area's book inventory.

    .venv/bin/python -m tests.bench.books --entries 200000                     a quick look, both databases
    .venv/bin/python -m tests.bench.books --entries 20000000 --database sqlite

A synthetic world (slt.client.generate) of so many entries is fed through the writer of the books
(services.uniqueness.books.loading), each report in a block of its own, on the day on which it was written. Then the
routes are asked as over HTTP, without a socket: *cold*, with a new connection and the database's files out of the
page cache (on PostgreSQL after a restart of the server), and *warm*, the same question again. See README.md.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import httpx
from fastapi import FastAPI

from services.uniqueness.books.api import make_router
from services.uniqueness.books.documents import Documents
from services.uniqueness.books.loading import loading
from slt.client.folder import Folder
from slt.client.generate import Plan, Report, World
from slt.client.generate.chance import Chance
from slt.client.generate.writing import write_beginnings
from slt.client.local.init import init
from slt.merkle.hashing import Digest
from slt.reports.facts import Facts
from slt.runtime.database import open_engine
from slt.statements.genesis import Genesis
from slt.statements.openings import Opening, parse_opening
from tests.bench import machine
from tests.support.postgres import PostgresServer

YEARS: Final = 20
AREAS: Final = {"reactors": 40, "plants": 4, "stores": 8}
SAMPLE: Final = 5  # questions of one kind: other batches and areas each time
ENTRIES_AT_ONCE: Final = 40_000  # of one transaction while loading
TOLD_EVERY_S: Final = 30.0
POSTGRES_SETTINGS: Final = ("shared_buffers=512MB", "max_wal_size=4GB", "checkpoint_timeout=30min")


@dataclass(slots=True, kw_only=True)
class Result:
    """Times in seconds, of each question: the slowest of SAMPLE cold, and the slowest of the same again."""

    database: str
    entries: int = 0
    reports: int = 0
    load_s: float = 0.0
    disk_gib: float = 0.0
    cold_s: dict[str, float] = field(default_factory=dict)
    warm_s: dict[str, float] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    """Lines of the largest answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """`where` is a folder or a URL; `cool` puts it out of every cache; `size` is its bytes on disk."""

    name: str
    where: str | Path
    cool: Callable[[], None]
    size: Callable[[], int]


class NoDocuments(Documents):
    """The questions that are asked here need none."""

    def __init__(self) -> None:
        pass


def main() -> None:
    """Load and ask, print a table each, write DIR/books.json."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.books", description=__doc__)
    parser.add_argument("--entries", type=int, default=20_000_000, help="of all years, about (default 20000000)")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(".bench"), help="folder of the JSON (default .bench)")
    asked = parser.parse_args()
    plan = Plan(seed=asked.seed, years=YEARS, entries_per_year=max(1, asked.entries // YEARS), **AREAS)
    results = []
    for name in ("sqlite", "postgresql") if asked.database == "both" else (asked.database,):
        results.append(_measure(plan, name))
        print(_table(results[-1]), flush=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    written = asked.out / f"books-{asked.database}.json"
    written.write_text(json.dumps({"plan": asdict(plan), "runs": [asdict(one) for one in results]}, indent=2) + "\n")
    print(f"written: {written}")


def _measure(plan: Plan, name: str) -> Result:
    with tempfile.TemporaryDirectory(prefix="slt-bench-") as folder:
        if name == "sqlite":
            return _run(plan, _sqlite(Path(folder) / "books"), Path(folder))
        with PostgresServer(*POSTGRES_SETTINGS) as server:
            return _run(plan, _postgresql(server), Path(folder))


def _run(plan: Plan, database: Database, folder: Path) -> Result:
    result = Result(database=database.name)
    genesis, openings = _begin(World(plan), folder)
    begin = time.monotonic()
    batches = asyncio.run(_load(plan, database, genesis, openings, result))
    result.load_s = round(time.monotonic() - begin, 1)
    result.disk_gib = round(database.size() / 2**30, 2)
    for question, paths in _questions(plan, batches).items():
        cold: list[float] = []
        warm: list[float] = []
        for path in paths:
            database.cool()
            times, rows = asyncio.run(_ask(database, path))
            cold.append(times[0])
            warm.append(max(times[1:]))
            result.rows[question] = max(rows, result.rows.get(question, 0))
        result.cold_s[question] = round(max(cold), 3)
        result.warm_s[question] = round(max(warm), 3)
    return result


def _begin(world: World, folder: Path) -> tuple[Genesis, list[Opening]]:
    """Genesis and openings as `slt init` makes them of the generated world."""
    write_beginnings(world, folder / "world")
    ledger = Folder(folder / "ledger")
    genesis = init(
        ledger.root, world_file=folder / "world" / "world.toml", model="private", members=1, now=datetime.now(UTC)
    )
    return genesis, [parse_opening(file.read_bytes()) for file in sorted(ledger.openings.glob("*.cbor"))]


async def _load(
    plan: Plan, database: Database, genesis: Genesis, openings: list[Opening], result: Result
) -> list[tuple[str, str]]:
    """Feed every report. Returns (area, batch) of some that were shipped, from all years."""
    batches: list[tuple[str, str]] = []
    chance = Chance(plan.seed, "asked")
    told = time.monotonic()
    async with loading(database.where, genesis, openings) as loader:
        waiting: list[tuple[int, tuple[Facts]]] = []
        size = 0
        for report in World(plan).reports():
            waiting.append((_time_ms(report, len(waiting)), (_facts(report),)))
            size += len(report.entries)
            result.reports += 1
            result.entries += len(report.entries)
            shipped = [one.batch for one in report.entries if one.batch and one.code in ("SD", "SF")]
            if shipped:
                batches.append((f"{report.state}/{report.mba}", shipped[chance.between(0, len(shipped) - 1)]))
            if size >= ENTRIES_AT_ONCE:
                await loader.blocks(waiting)
                waiting, size = [], 0
            if time.monotonic() - told > TOLD_EVERY_S:
                told = time.monotonic()
                print(f"{database.name}: {report.date}, {result.entries:,} entries", flush=True)
        if waiting:
            await loader.blocks(waiting)
    return batches


def _questions(plan: Plan, batches: list[tuple[str, str]]) -> dict[str, list[str]]:
    """What is asked, and the paths of SAMPLE different ones."""
    chance = Chance(plan.seed, "questions")
    some = [batches[chance.between(0, len(batches) - 1)] for _ in range(SAMPLE)]
    state = "XABCDEFGH"
    areas = [f"X{state[1 + number % plan.states]}/R{number + 1:03d}" for number in range(plan.reactors)]
    areas = [areas[chance.between(0, len(areas) - 1)] for _ in range(SAMPLE)]
    store, plant = "XA/S001", "XA/P001"
    middle = f"{plan.first_year + plan.years // 2}0620"
    return {
        "a batch's history": [f"/v1/batches/{batch}" for _, batch in some],
        "a reactor's book": [f"/v1/inventory?mba={area}" for area in areas],
        "a reactor's book on a day ten years ago": [f"/v1/inventory?mba={area}&date={middle}" for area in areas],
        "a plant's book": [f"/v1/inventory?mba={plant}"],
        "a store's book": [f"/v1/inventory?mba={store}"],
        "every area's book": ["/v1/inventory?limit=1000"],
        "one batch of an area": [f"/v1/inventory?mba={area}&by=batch&batch={batch}" for area, batch in some],
        "a reactor's book by batch": [f"/v1/inventory?mba={area}&by=batch" for area in areas[:2]],
        "a balance with its listing": [f"/v1/balances?mba={area}" for area in areas[:2]],
    }


async def _ask(database: Database, path: str) -> tuple[list[float], int]:
    """Seconds of the first answer on a new engine and of two more, and the lines of the answer."""
    times = []
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(_client(database))
        for _ in range(3):
            begin = time.monotonic()
            answer = await client.get(path)
            times.append(time.monotonic() - begin)
            answer.raise_for_status()
        result = answer.json()["result"]
    return times, _lines(result)


def _lines(result: object) -> int:
    if isinstance(result, list):
        return sum(map(_lines, result))
    assert isinstance(result, dict)
    return max((len(value) for value in result.values() if isinstance(value, list)), default=0)


@asynccontextmanager
async def _client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    engine = open_engine(database.where, "books")
    app = FastAPI()
    app.include_router(make_router(engine, NoDocuments(), lambda: f"{datetime.now(UTC):%Y%m%d}"))
    transport = httpx.ASGITransport(app=app)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://books", timeout=600) as client:
            yield client
    finally:
        await engine.dispose()


def _sqlite(folder: Path) -> Database:
    return Database(
        name="SQLite",
        where=folder,
        cool=lambda: _forget(folder),
        size=lambda: machine.disk_bytes({"": folder})[""],
    )


def _postgresql(server: PostgresServer) -> Database:
    def cool() -> None:
        server.stop()
        _forget(server.folder)
        server.start()

    return Database(
        name="PostgreSQL",
        where=server.new_database(),
        cool=cool,
        size=lambda: machine.disk_bytes({"": server.folder / "data" / "base"})[""],
    )


def _forget(folder: Path) -> None:
    """Have the kernel drop what it remembers of these files. Written pages must be on the disk before."""
    os.sync()
    for file in _files(folder):
        handle = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file())


def _facts(report: Report) -> Facts:
    """What validation would read out of the report's document; the digests name it by its number."""
    digest = Digest(sha256(f"{report.mba}/{report.number}".encode()).digest())
    return Facts(
        rules_version=1,
        reference_version=1,
        country=report.state,
        mba=report.mba,
        number=report.number,
        kind=report.kind,
        period_from=report.period_from,
        period_to=report.period_to,
        date=report.date,
        document_digest=digest,
        content_digest=digest,
        entries=report.entries,
        notes_digest=digest,
    )


def _time_ms(report: Report, place: int) -> int:
    day = datetime(int(report.date[:4]), int(report.date[4:6]), int(report.date[6:]), tzinfo=UTC)
    return int(day.timestamp() * 1000) + place


def _table(result: Result) -> str:
    size = f"{result.entries:,} entries of {result.reports:,} reports over {YEARS} years"
    lines = [
        f"\n{result.database}: {size}; loaded in {result.load_s:.0f} s, {result.disk_gib:.1f} GiB",
        f"  {'question':<42}{'rows':>9}{'cold s':>9}{'warm s':>9}",
    ]
    for question, cold in result.cold_s.items():
        lines.append(f"  {question:<42}{result.rows[question]:>9}{cold:>9.3f}{result.warm_s[question]:>9.3f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
