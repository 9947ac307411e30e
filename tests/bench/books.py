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
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
from fastapi import FastAPI

from services.uniqueness.books.api import make_router
from services.uniqueness.books.documents import Documents
from slt.client.generate import Plan
from slt.client.generate.chance import Chance
from slt.runtime.database import open_engine
from tests.bench import machine
from tests.bench.books_load import Loaded, begin, load
from tests.support.postgres import PostgresServer

YEARS: Final = 20
AREAS: Final = {"reactors": 40, "plants": 4, "stores": 8}
SAMPLE: Final = 5  # questions of one kind: other batches and areas each time
POSTGRES_SETTINGS: Final = ("shared_buffers=512MB", "max_wal_size=4GB", "checkpoint_timeout=30min")


@dataclass(slots=True, kw_only=True)
class Result:
    """Times in seconds, of each question: the slowest of SAMPLE cold, and the slowest of the same again."""

    database: str
    entries: int = 0
    reports: int = 0
    stored_s: float = 0.0  # that the writer was busy, while others shared the machine
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
    results = _measure(plan, ("sqlite", "postgresql") if asked.database == "both" else (asked.database,))
    asked.out.mkdir(parents=True, exist_ok=True)
    written = asked.out / f"books-{asked.database}.json"
    written.write_text(json.dumps({"plan": asdict(plan), "runs": [asdict(one) for one in results]}, indent=2) + "\n")
    print(f"written: {written}")


def _measure(plan: Plan, names: Sequence[str]) -> list[Result]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slt-bench-")))
        databases = []
        for name in names:
            if name == "sqlite":
                databases.append(_sqlite(folder / "books"))
            else:
                databases.append(_postgresql(stack.enter_context(PostgresServer(*POSTGRES_SETTINGS))))
        genesis, openings = begin(plan, folder)
        loaded = load(plan, [database.where for database in databases], genesis, openings)
        size = f"{loaded.entries:,} entries of {loaded.reports:,} reports over {plan.years} years"
        print(f"{size}, loaded in {loaded.seconds:.0f} s", flush=True)
        return [
            _ask_all(plan, database, loaded, stored_s)
            for database, stored_s in zip(databases, loaded.stored_s, strict=True)
        ]


def _ask_all(plan: Plan, database: Database, loaded: Loaded, stored_s: float) -> Result:
    result = Result(
        database=database.name,
        entries=loaded.entries,
        reports=loaded.reports,
        stored_s=stored_s,
        disk_gib=round(database.size() / 2**30, 2),
    )
    for question, paths in _questions(plan, loaded.batches).items():
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
    print(_table(result), flush=True)
    return result


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
    async with _client(database) as client:
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


def _table(result: Result) -> str:
    size = f"{result.entries:,} entries, {result.disk_gib:.1f} GiB"
    lines = [
        f"\n{result.database}: {size}, stored in {result.stored_s:.0f} s",
        f"  {'question':<42}{'rows':>9}{'cold s':>9}{'warm s':>9}",
    ]
    for question, cold in result.cold_s.items():
        lines.append(f"  {question:<42}{result.rows[question]:>9}{cold:>9.3f}{result.warm_s[question]:>9.3f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
