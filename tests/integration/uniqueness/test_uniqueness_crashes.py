"""The service dies before or after each of its durable steps, and at random moments as a real process.

Whatever the moment: every submission gets its answer in the end, no statement two final verdicts, nothing stays held,
and the stored state is the one that its root says.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from services.uniqueness.store import Certified, Store
from slt.bus import NoReply
from slt.bus.messages import EvaluateRequest, Item, StateGet, StateReply, decode, encode
from slt.bus.subjects import STATE_GET
from slt.inventory.keys import Kind, prefix
from slt.inventory.lthash import EMPTY_LANES, state_root, updated
from slt.inventory.state import Changes, StateHead
from slt.runtime.database import open_engine
from slt.runtime.run import Runtime
from slt.statements.headers import parse_header
from slt.statements.verdicts import Code, is_final, parse_verdict
from tests.integration.uniqueness.member import LEDGER, Member, item, member, until
from tests.support.buses import small_table, world_of
from tests.support.postgres import PostgresServer
from tests.support.services import service_env
from tests.support.signed import signed
from tests.unit.inventory.building import entry, report

RETRY_S = 0.05  # the facility's outbox, and consensus asking again
HOLD_S = 0.5  # long enough for the predecessor to come, in every life
STEPS_MAX = 60  # more durable steps than the scenario has


class Killed(BaseException):
    """The process is gone. No handler of ours catches it."""


class Moment:
    """Kills the service at one durable step, before or after it has taken effect."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.at = -1
        self.after = False
        self.dead = False

    def arm(self, at: int, *, after: bool) -> None:
        self.steps, self.at, self.after, self.dead = [], at, after, False

    def step(self, name: str) -> Callable[[], None]:
        """Call it before the step; call what it returns after it."""
        place = len(self.steps)
        self.steps.append(name)

        def die() -> None:
            self.dead = True
            raise Killed(name)

        if self.dead or (place == self.at and not self.after):
            die()

        def done() -> None:
            if self.dead or (place == self.at and self.after):
                die()

        return done


MOMENT = Moment()


class MortalStore(Store):
    """The real store, with a moment of death around each transaction."""

    async def begin(
        self, chain_id: bytes, make: Callable[[], tuple[StateHead, Mapping[bytes, bytes]]]
    ) -> tuple[StateHead, bool]:
        done = MOMENT.step("begin")
        made = await super().begin(chain_id, make)
        done()
        return made

    async def commit(self, head: StateHead, changes: Changes, *, certified: Certified) -> None:
        done = MOMENT.step("commit")
        await super().commit(head, changes, certified=certified)
        done()

    async def hold(self, held: Any) -> None:
        held = list(held)
        done = MOMENT.step("hold") if held else lambda: None
        await super().hold(held)
        done()

    async def let_go(self, submission_ids: Sequence[bytes]) -> None:
        done = MOMENT.step("let go") if submission_ids else lambda: None
        await super().let_go(submission_ids)
        done()


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishing admitted items is a step like those of the store."""
    real = Runtime.publish_items

    async def publish_items(self: Runtime, stage: str, items: Sequence[Item]) -> None:
        done = MOMENT.step(f"publish {stage}")
        await real(self, stage, items)
        done()

    monkeypatch.setattr(Runtime, "publish_items", publish_items)


class Facility:
    """An outbox that repeats what has no answer, and a sequencer that orders what is admitted."""

    def __init__(self, here: Member, items: Sequence[Item]) -> None:
        self.here = here
        self.items = list(items)
        self.codes: dict[bytes, list[int]] = {}  # statement id -> its final verdicts
        self._waiting: tuple[EvaluateRequest, list[Any]] | None = None

    def unanswered(self) -> list[Item]:
        refused = {one.submission_id for one in self.here.refusals}
        return [one for one in self.items if one.statement_id not in self.codes and one.submission_id not in refused]

    async def run(self, *, ahead: int = 0) -> None:
        """Until everything is answered. The first `ahead` items are sent some time before the others."""
        for one in self.items[:ahead]:
            await self.here.validated(one)
        await asyncio.sleep(RETRY_S if ahead else 0)
        while self.unanswered():
            for one in self.unanswered():
                await self.here.validated(one)
            await asyncio.sleep(RETRY_S)
            await self._order()

    async def _order(self) -> None:
        """One block of what is admitted and undecided, as consensus would: a proposal is kept until it is answered."""
        if self._waiting is None:
            undecided = {
                one.statement_id: one for one in self.here.admitted_items if one.statement_id not in self.codes
            }
            if not undecided:
                return
            self._waiting = self.here.sequencer.propose(list(undecided.values()))
        request, batches = self._waiting
        with suppress(NoReply):
            reply = await self.here.sequencer.evaluate(request, timeout_s=1.0)
            if reply.kind == "need_parent":
                return
            block = self.here.sequencer.finish(request, batches, reply)
            self._waiting = None
            for verdict in map(parse_verdict, reply.verdicts):
                if is_final(verdict.code):
                    self.codes.setdefault(verdict.statement_id, []).append(verdict.code)
            self.here.ledger.receipts.update(self.codes)
            await self.here.sequencer.hint(block)


async def _lives(here: Member, facility: "asyncio.Task[None]", *, hold_s: float) -> bool:
    """One life of the service. Whether it was killed; otherwise the facility has all its answers."""
    killed = False
    try:
        async with here.service(store=MortalStore, hold_s=hold_s, stays=False) as running:
            await asyncio.wait({facility, running.serving}, return_when=asyncio.FIRST_COMPLETED)
            if running.serving.done():
                running.serving.result()
    except* Killed:
        killed = True
    return killed


def _scenario() -> list[Item]:
    """Reports in the wrong order, one that conflicts, one whose predecessor never comes."""
    return [
        item(3),
        item(2),
        item(1),
        item(1, facts=report(1, entry(weights={630: 7})), salt=b"x" * 16),
        item(1, mba="XLF1"),
        item(5, mba="XLF1"),
    ]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_death_at_any_durable_step_loses_and_doubles_nothing(
    tmp_path: Path, mortal: None, *, after: bool
) -> None:
    for step in range(STEPS_MAX):
        folder = tmp_path / f"{step}"
        async with world_of("memory", folder, small_table(bytes_max=1 << 25)) as broker, member(broker, folder) as here:
            facility = Facility(here, _scenario())
            running = asyncio.create_task(facility.run(ahead=2))
            MOMENT.arm(step, after=after)
            killed = await _lives(here, running, hold_s=HOLD_S)
            if killed:
                MOMENT.arm(-1, after=False)
                assert not await _lives(here, running, hold_s=HOLD_S)
            await asyncio.wait_for(running, 60.0)
            await _check(here, facility)
        if not killed:
            assert {"begin", "hold", "publish admitted", "let go", "commit"} <= set(MOMENT.steps)
            return
    pytest.fail(f"more than {STEPS_MAX} durable steps")


async def _check(here: Member, facility: Facility) -> None:
    by_name = {place: facility.codes.get(one.statement_id, []) for place, one in enumerate(facility.items)}
    assert by_name[0] == by_name[1] == [Code.ACCEPTED]
    assert by_name[4] == [Code.ACCEPTED]
    # Two statements want number 1: one of them is accepted, the other rejected in the block or refused before it.
    assert sorted(code for place in (2, 3) for code in by_name[place]) in ([0], [0, Code.C01])
    assert by_name[5] == []
    assert "C02" in {row[0] for refusal in here.refusals for row in refusal.findings}
    engine = open_engine(here.database, "uniqueness")
    try:
        store = Store(engine)
        head, is_new = await store.begin(LEDGER.genesis.chain_id, _never)
        assert not is_new
        assert await store.held() == [] or all(one.number[2] == 5 for one in await store.held())
        records = [record for kind in Kind for record in await store.under(prefix(kind))]
        assert updated(EMPTY_LANES, added=records) == head.lanes
        headers = [parse_header(block.header) for block in here.sequencer.young]
        if head.height:
            assert state_root(head.lanes) == headers[head.height - 1].state_root
    finally:
        await engine.dispose()


def _never() -> tuple[StateHead, Mapping[bytes, bytes]]:
    raise AssertionError("the database was there before")


class Process:
    """python -m services.uniqueness, killable."""

    def __init__(self, here: Member, nats_url: str) -> None:
        settings = {"SLT_HOLD_S": "2", "SLT_BLOCK_POLL_S": "0.05", "SLT_NATS_URL": nats_url}
        settings |= {} if here.database_url is None else {"SLT_DATABASE_URL": here.database_url}
        env = service_env(here.folder, LEDGER, "uniqueness", **settings)
        self._address = Path(env["SLT_ADDRESS_FILE"])
        self._env = {**os.environ, **env}
        self._log = here.folder / "uniqueness.log"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._address.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "services.uniqueness"]
            self._process = subprocess.Popen(command, env=self._env, stdout=log, stderr=log)
        await until(lambda: self._address.exists() or self.ended() is not None)
        assert self.ended() is None, self._log.read_text()[-2000:]

    def ended(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(60)

    def terminate(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)


@asynccontextmanager
async def _process(here: Member, nats_url: str) -> AsyncIterator[Process]:
    process = Process(here, nats_url)
    await process.start()
    try:
        yield process
    finally:
        if process.ended() is None:
            process.kill()


@pytest.mark.timeout(300)
async def test_a_process_killed_at_seeded_moments_comes_to_the_same_state(
    tmp_path: Path, database_url: str | None
) -> None:
    seeded = random.Random(20251122)
    items = [item(number, mba=mba) for number in range(1, 31) for mba in ("XLR1", "XLF1")]
    seeded.shuffle(items)
    async with world_of("nats", tmp_path / "nats", small_table(bytes_max=1 << 26)) as broker:
        url = broker.server.url  # type: ignore[attr-defined]  # of the real broker's world
        async with (
            member(broker, tmp_path, database_url=database_url) as here,
            _process(here, url) as process,
        ):
            facility = Facility(here, items)
            running = asyncio.create_task(facility.run())
            for _ in range(6):
                await asyncio.sleep(seeded.uniform(0.1, 0.9))
                process.kill()
                await process.start()
            await asyncio.wait_for(running, 120.0)
            await _until_height(here, here.sequencer.height)
            assert process.terminate() == 0
            accepted = [one for one in items if facility.codes.get(one.statement_id) == [Code.ACCEPTED]]
            refused = {one.submission_id for one in here.refusals}
            assert all(one in accepted or one.submission_id in refused for one in items)
            assert all(len(codes) == 1 for codes in facility.codes.values())
            engine = open_engine(here.database, "uniqueness")
            head, _ = await Store(engine).begin(LEDGER.genesis.chain_id, _never)
            await engine.dispose()
            assert head.height == here.sequencer.height
            assert state_root(head.lanes) == parse_header(here.sequencer.young[-1].header).state_root


async def test_a_second_process_on_another_folder_and_the_same_postgresql_stops_with_a_clear_error(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    database_url = postgres_server.new_database()
    async with world_of("nats", tmp_path / "nats", small_table(bytes_max=1 << 26)) as broker:
        url = broker.server.url  # type: ignore[attr-defined]  # of the real broker's world
        async with member(broker, tmp_path, database_url=database_url) as here, _process(here, url):
            second = Process(here, url)
            second._address = tmp_path / "other.json"
            second._env |= {"SLT_ADDRESS_FILE": str(second._address), "SLT_DATA_DIR": str(tmp_path / "other")}
            with pytest.raises(AssertionError, match=r"uniqueness: another process .slt uniqueness, pid"):
                await second.start()
            assert second.ended() == 1


async def test_a_second_process_on_the_same_folder_stops_with_a_clear_error(tmp_path: Path) -> None:
    async with world_of("nats", tmp_path / "nats", small_table(bytes_max=1 << 26)) as broker:
        url = broker.server.url  # type: ignore[attr-defined]  # of the real broker's world
        async with member(broker, tmp_path) as here, _process(here, url):
            second = Process(here, url)
            second._address = tmp_path / "other.json"
            second._env["SLT_ADDRESS_FILE"] = str(second._address)
            with pytest.raises(AssertionError, match="uniqueness: another process"):
                await second.start()
            assert second.ended() == 1


async def _until_height(here: Member, height: int) -> None:
    deadline, asking = time.monotonic() + 60, signed(here.bus, LEDGER, "validation")
    while time.monotonic() < deadline:
        with suppress(NoReply):
            reply = decode(StateReply, await asking.request(STATE_GET, encode(StateGet()), timeout_s=2.0))
            if reply.height >= height:
                return
        await asyncio.sleep(0.05)
    raise AssertionError(f"height {height} was not reached")
