"""Feeding a synthetic world to the books of several databases at once, a process for each step.

    generate and encode  ->  make rows (once)  ->  store, one process for each database

Each step is the code of the project: slt.client.generate, slt.reports.facts, and what the books service does with a
final block (services.uniqueness.books.loading). The steps are processes because each takes about as long as the others.
"""

import asyncio
import multiprocessing as mp
import pickle
import queue
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, TypeAlias

from services.uniqueness.books.first import first_books
from services.uniqueness.books.loading import gather_encoded, loading
from services.uniqueness.books.store import Head
from slt.client.folder import Folder
from slt.client.generate import Plan, Report, World
from slt.client.generate.area import Listed
from slt.client.generate.chance import Chance
from slt.client.generate.writing import write_beginnings
from slt.client.local.init import init
from slt.merkle.hashing import Digest
from slt.reports.facts import Facts
from slt.statements.genesis import Genesis, parse_genesis
from slt.statements.openings import Opening, OpeningEntry, parse_opening

ENTRIES_AT_ONCE: Final = 40_000  # of one transaction; some 10 MB of rows
WAITING_MAX: Final = 3  # such parts before each step: one that is slower holds the others back
LOOK_EVERY_S: Final = 5.0  # whether the next step still lives
TOLD_EVERY_S: Final = 60.0

Block: TypeAlias = tuple[int, list[bytes]]  # time_ms, encoded facts
Line: TypeAlias = "mp.Queue[Any]"


@dataclass(slots=True)
class Loaded:
    """What went in. `stored_s` is the time that each database's writer was busy."""

    entries: int = 0
    reports: int = 0
    seconds: float = 0.0
    stored_s: list[float] = field(default_factory=list)
    batches: list[tuple[str, str]] = field(default_factory=list)
    """(area, batch) of some that were shipped, from all years."""


def begin(plan: Plan, folder: Path) -> tuple[Genesis, list[Opening]]:
    """Genesis as `slt init` makes it, with the opening inventories of the generated world."""
    small = World(replace(plan, entries_per_year=1))  # the same areas; init reads their openings as tables
    write_beginnings(small, folder / "world")
    ledger = Folder(folder / "ledger")
    file = folder / "world" / "world.toml"
    genesis = init(ledger.root, world_file=file, model="private", members=1, now=datetime.now(UTC))
    world = World(plan)
    openings = {
        (one.area.state, one.area.mba): Opening(
            mba=one.area.mba, pit=world.last_pit, entries=tuple(map(_opened, world.opening(one)))
        )
        for one in world.facilities
    }
    mbas = tuple(replace(mba, opening=openings[mba.state, mba.mba].digest) for mba in genesis.mbas)
    return replace(genesis, mbas=mbas), list(openings.values())


def load(plan: Plan, places: Sequence[str | Path], genesis: Genesis, openings: Sequence[Opening]) -> Loaded:
    """Load the world of `plan` into the databases at `places`. Raises RuntimeError when a step ends too early."""
    spawn = mp.get_context("spawn")
    first = first_books(genesis, openings)
    areas = {(mba.state, mba.mba): number for number, mba in first.areas.items()}
    to_rows: Line = spawn.Queue(WAITING_MAX)
    to_stores: list[Line] = [spawn.Queue(WAITING_MAX) for _ in places]
    done: Line = spawn.Queue()
    encoded = [opening.encoded for opening in openings]
    steps: list[BaseProcess] = [spawn.Process(target=_make_rows, args=(to_rows, to_stores, first.head, areas))]
    for line, place in zip(to_stores, places, strict=True):
        steps.append(spawn.Process(target=_store, args=(line, done, place, genesis.encoded, encoded)))
    started = time.monotonic()
    for step in steps:
        step.start()
    try:
        loaded = Loaded()
        for part in _parts(plan, loaded):
            _put(to_rows, part, steps)
        _put(to_rows, None, steps)
        busy = dict(_get(done, steps) for _ in places)
        for step in steps:
            step.join()
    finally:
        for step in steps:
            step.terminate()
    loaded.stored_s = [round(busy[str(place)], 1) for place in places]
    loaded.seconds = round(time.monotonic() - started, 1)
    return loaded


def _parts(plan: Plan, loaded: Loaded) -> Iterator[list[Block]]:
    """Every report in a block of its own, as many together as one transaction takes."""
    chance = Chance(plan.seed, "asked")
    told = time.monotonic()
    part: list[Block] = []
    size = 0
    for report in World(plan).reports():
        part.append((_time_ms(report, len(part)), [_facts(report).encoded]))
        size += len(report.entries)
        loaded.reports += 1
        loaded.entries += len(report.entries)
        shipped = [one.batch for one in report.entries if one.batch and one.code in ("SD", "SF")]
        if shipped:
            loaded.batches.append((f"{report.state}/{report.mba}", shipped[chance.between(0, len(shipped) - 1)]))
        if size >= ENTRIES_AT_ONCE:
            yield part
            part, size = [], 0
        if time.monotonic() - told > TOLD_EVERY_S:
            told = time.monotonic()
            print(f"{report.date}: {loaded.entries:,} entries", flush=True)
    if part:
        yield part


def _make_rows(coming: Line, stores: Sequence[Line], head: Head, areas: Mapping[tuple[str, str], int]) -> None:
    while (part := coming.get()) is not None:
        head, gathered = gather_encoded(head, part, areas)
        rows = pickle.dumps((head, gathered), pickle.HIGHEST_PROTOCOL)
        for line in stores:
            line.put(rows)
    for line in stores:
        line.put(None)


def _store(coming: Line, done: Line, place: str | Path, genesis: bytes, openings: Iterable[bytes]) -> None:
    done.put((str(place), asyncio.run(_stored(coming, place, genesis, openings))))


async def _stored(coming: Line, place: str | Path, genesis: bytes, openings: Iterable[bytes]) -> float:
    busy = 0.0
    async with loading(place, parse_genesis(genesis), map(parse_opening, openings)) as loader:
        while (rows := coming.get()) is not None:  # nothing else runs on this loop
            head, gathered = pickle.loads(rows)  # from our own process
            begun = time.monotonic()
            await loader.gathered(head, gathered)
            busy += time.monotonic() - begun
    return busy


def _put(line: Line, part: object, steps: Sequence[BaseProcess]) -> None:
    while True:
        try:
            line.put(part, timeout=LOOK_EVERY_S)
            return
        except queue.Full:
            _check(steps)


def _get(line: Line, steps: Sequence[BaseProcess]) -> Any:
    while True:
        try:
            return line.get(timeout=LOOK_EVERY_S)
        except queue.Empty:
            _check(steps)


def _check(steps: Sequence[BaseProcess]) -> None:
    if broken := [step for step in steps if step.exitcode]:
        raise RuntimeError(f"a step of loading ended with {broken[0].exitcode}; its error stands above")


def _opened(one: Listed) -> OpeningEntry:
    return OpeningEntry(batch=one.batch, kmp=one.kmp, material=one.material, items=one.items, weights=one.weights)


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
