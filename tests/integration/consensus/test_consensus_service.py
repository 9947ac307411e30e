"""The consensus service on a bus, with stand-ins for its neighbours: what is admitted ends in a stored block."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from services.consensus.__main__ import serve
from services.consensus.config import Config
from services.consensus.service import Service
from slt.bus import Bus, NoReply
from slt.bus.messages import BlockGet, BlockReply, EvaluateReply, decode, encode
from slt.bus.stage import Forged, StageOpener
from slt.bus.subjects import BLOCK, BLOCK_YOUNG
from slt.runtime.run import ServiceBus, start
from slt.runtime.settings import load
from slt.statements.governance import Announcement, SetParameter
from tests.integration.consensus.standins import DEADLINE_S, Ledger, Neighbours, Uniqueness, consensus_env, neighbours
from tests.support.blocks import World, make_world
from tests.support.buses import World as Buses
from tests.support.buses import small_table, world_of
from tests.support.signed import dialogue, signed

WORLD = make_world()


@pytest.fixture(params=["memory", "nats"])
async def buses(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Buses]:
    table = small_table(bytes_max=64 * 1024 * 1024)
    async with world_of(request.param, tmp_path / "nats", table) as opened:
        yield opened


@asynccontextmanager
async def running(bus: ServiceBus, folder: Path, **extra: str) -> AsyncIterator[Service]:
    """The real service in this process, until the context closes: a clean stop."""
    env = consensus_env(folder, WORLD, SLT_BLOCK_LINGER_MS="2", SLT_LINGER_MS="1", **extra)
    config = load(Config, env)
    async with start(config, service="consensus", bus=bus) as runtime:
        service: asyncio.Future[Service] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(serve(runtime, config, ready=service.set_result))
        both: list[asyncio.Future[Any]] = [task, service]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield service.result()
        runtime.stopping.set()
        async with asyncio.timeout(DEADLINE_S):
            await task


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return once `holds()`."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            held = holds()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.01)


async def ask_young(bus: Bus) -> BlockReply:
    """What uniqueness gets when it asks from height 1 on, once somebody serves it."""
    asking, question = signed(bus, WORLD, "uniqueness"), encode(BlockGet(from_height=1, count=9))
    async with asyncio.timeout(DEADLINE_S):
        while True:
            with suppress(NoReply):
                return decode(BlockReply, await asking.request(BLOCK_YOUNG, question, timeout_s=1.0))
            await asyncio.sleep(0.01)


@asynccontextmanager
async def around(buses: Buses) -> AsyncIterator[Neighbours]:
    async with neighbours(WORLD, await buses.bus("neighbours")) as both:
        yield both


def items(world: World, *numbers: int) -> list[Any]:
    return [world.item(number) for number in numbers]


async def test_admitted_reports_end_in_blocks_that_the_ledger_accepts(buses: Buses, tmp_path: Path) -> None:
    reports = items(WORLD, *range(1, 41))
    async with around(buses) as both, running(await buses.bus("consensus"), tmp_path):
        await both.uniqueness.admit(*[reports[at : at + 5] for at in range(0, 40, 5)])
        await both.ledger.until([item.statement_id for item in reports])
        assert sorted(both.ledger.accepted()) == sorted(item.statement_id for item in reports)
        timings = both.ledger.messages()[0].batches[0].items[0].timings
        assert timings[-1].stage == "consensus" and 0 < timings[-1].received_ms <= timings[-1].done_ms


async def test_a_copy_of_what_is_undecided_is_ordered_once(buses: Buses, tmp_path: Path) -> None:
    first, second = items(WORLD, 1, 2)
    async with around(buses) as both, running(await buses.bus("consensus"), tmp_path):
        await both.uniqueness.admit([first, first], [first], [second, first])
        await both.ledger.until([first.statement_id, second.statement_id])
        assert both.ledger.statement_ids().count(first.statement_id) == 1


async def test_a_copy_after_the_ledger_stored_the_first_is_a_duplicate_verdict(buses: Buses, tmp_path: Path) -> None:
    (report,) = items(WORLD, 1)
    async with around(buses) as both, running(await buses.bus("consensus"), tmp_path) as service:
        await both.uniqueness.admit([report])
        await both.ledger.until_height(1)
        await until(lambda: service.standing.stored == 1)
        await both.uniqueness.admit([report])
        await both.ledger.until_height(2)
        assert both.ledger.accepted() == [report.statement_id]
        assert both.ledger.statement_ids().count(report.statement_id) == 2


async def test_after_a_restart_the_chain_goes_on(buses: Buses, tmp_path: Path) -> None:
    reports = items(WORLD, 1, 2, 3)
    async with around(buses) as both:
        for report in reports:
            bus = await buses.bus("consensus")
            async with running(bus, tmp_path):
                await both.uniqueness.admit([report])
                await both.ledger.until([report.statement_id])
            await bus.close()
        assert both.ledger.height == 3
        assert both.ledger.accepted() == [report.statement_id for report in reports]


async def test_blocks_are_kept_until_the_ledger_has_stored_them_and_served_to_whoever_asks(
    buses: Buses, tmp_path: Path
) -> None:
    reports = items(WORLD, 1, 2)
    async with around(buses) as both:
        first = await buses.bus("consensus")
        async with running(first, tmp_path) as service:
            await until(lambda: service.standing.ledger_spoke)
            both.ledger.paused = True
            await both.uniqueness.admit(reports)
            await until(lambda: service.standing.height == 1)
        await first.close()
        async with running(await buses.bus("consensus"), tmp_path) as service:
            asker = await buses.bus("asker")
            reply = await ask_young(asker)
            assert (reply.lowest, reply.highest, len(reply.blocks)) == (1, 1, 1)
            both.ledger.paused = False
            await both.ledger.until([item.statement_id for item in reports])
            await until(lambda: service.standing.stored == 1)
            reply = await ask_young(asker)
            assert (reply.lowest, reply.highest, reply.blocks) == (0, 0, [])


async def test_the_stream_carries_the_sealed_block(buses: Buses, tmp_path: Path) -> None:
    async with around(buses) as both, running(await buses.bus("consensus"), tmp_path):
        reader = await buses.bus("reader")
        await both.uniqueness.admit(items(WORLD, 1))
        async with asyncio.timeout(DEADLINE_S):
            async for delivery in reader.deliveries("ledger-blocks", in_flight=1):
                assert delivery.subject == BLOCK
                payload = StageOpener(WORLD.genesis).open_bytes("block", delivery.data)
                break
        await both.ledger.until_height(1)
        assert payload == both.ledger.blocks[0]


async def test_nothing_is_ordered_before_the_ledger_has_spoken(buses: Buses, tmp_path: Path) -> None:
    reports = items(WORLD, 1)
    bus = await buses.bus("early")
    ledger = Ledger(WORLD, bus)
    async with running(await buses.bus("consensus"), tmp_path) as service:
        await Uniqueness(WORLD, bus, ledger).admit(reports)
        await until(lambda: service.standing.pending_reports == 1)
        assert (service.standing.height, service.standing.step) == (0, "idle")
        assert "ledger" in service.runtime.health.waiting
        async with around(buses) as both:
            await both.ledger.until([item.statement_id for item in reports])


async def test_a_ledger_that_is_ahead_of_the_log_ends_signing(buses: Buses, tmp_path: Path) -> None:
    async with around(buses) as both:
        bus = await buses.bus("consensus")
        async with running(bus, tmp_path):
            await both.uniqueness.admit(items(WORLD, 1))
            await both.ledger.until_height(1)
        await bus.close()
        async with running(await buses.bus("consensus"), tmp_path / "restored from an old copy") as service:
            await until(lambda: "the ledger has block 1 and our log ends at 0" in service.standing.halted)
            assert "signing" in service.runtime.health.not_ready()
            await both.uniqueness.admit(items(WORLD, 2))
            await until(lambda: "halted" in service.runtime.health.waiting.get("consensus", ""))
            assert both.ledger.height == 1


async def test_answers_that_cannot_be_right_are_asked_again(buses: Buses, tmp_path: Path) -> None:
    wrong = EvaluateReply(
        kind="evaluated", verdicts=[b"\x80"], findings=[[]], state_root=bytes(32), parameters_root=bytes(32)
    )
    async with around(buses) as both, running(await buses.bus("consensus"), tmp_path) as service:
        await until(lambda: service.standing.ledger_spoke)
        both.uniqueness.replies += [
            EvaluateReply(kind="need_parent"),
            EvaluateReply(kind="failed", text="no room"),
            wrong,
            EvaluateReply(kind="need_vetting", kids=[bytes(32)]),
        ]
        await both.uniqueness.admit(items(WORLD, 1))
        await both.ledger.until_height(1)
        assert service.runtime.telemetry.exposition().count(b"slt_consensus_alarms_total 2.0") == 1


async def test_what_no_batch_may_hold_is_left_out_and_the_rest_goes_on(buses: Buses, tmp_path: Path) -> None:
    good, bad = items(WORLD, 1, 2)
    unfit = msgspec.structs.replace(bad, body_length=-1)
    async with around(buses) as both, running(await buses.bus("consensus"), tmp_path):
        await both.uniqueness.admit([unfit], [unfit, good])
        await both.ledger.until([good.statement_id])
        assert bad.statement_id not in both.ledger.statement_ids()


async def test_while_a_change_waits_for_its_height_blocks_are_made_without_batches_and_no_longer(
    buses: Buses, tmp_path: Path
) -> None:
    async with around(buses) as both:
        both.uniqueness.announced = [
            Announcement(change=SetParameter(name="skew_s", value=1), effective_height=3, nonce=bytes(16))
        ]
        async with running(await buses.bus("consensus"), tmp_path, SLT_BLOCK_IDLE_S="0.05") as service:
            await both.ledger.until_height(3)
            both.uniqueness.announced = []
            await both.uniqueness.admit(items(WORLD, 1))
            await both.ledger.until_height(4)
            assert [len(block.batches) for block in both.ledger.messages()] == [0, 0, 0, 1]
            assert service.standing.height == 4


async def test_while_the_ledger_is_far_behind_fetching_stops(buses: Buses, tmp_path: Path) -> None:
    async with around(buses) as both:
        limits = {"SLT_BLOCKS_UNSTORED_MAX": "1"}
        async with running(await buses.bus("consensus"), tmp_path, **limits) as service:
            await until(lambda: service.standing.ledger_spoke)
            both.ledger.paused = True
            await both.uniqueness.admit(items(WORLD, 1))
            await until(lambda: service.standing.height == 1)
            await both.uniqueness.admit(items(WORLD, 2))
            await until(lambda: "has stored 0 of 1" in service.runtime.health.waiting.get("consensus", ""))
            both.ledger.paused = False
            await both.ledger.until([item.statement_id for item in items(WORLD, 1, 2)])


async def test_http_says_where_the_chain_stands(buses: Buses, tmp_path: Path) -> None:
    report, later = items(WORLD, 1, 2)
    async with around(buses) as both, running(await buses.bus("consensus"), tmp_path) as service:
        address = json.loads((tmp_path / "consensus" / "address.json").read_bytes())
        async with httpx.AsyncClient(base_url=address["http"]) as http:
            await both.uniqueness.admit([report])
            await both.ledger.until_height(1)
            await until(lambda: service.standing.stored == 1)
            status = (await http.get("/v1/status")).json()
            assert (status["model"], status["term"]["term"], status["height"]) == ("private", 1, 1)
            assert (status["step"], status["unstored"], status["pending"]["reports"]) == ("idle", 0, 0)
            assert status["asked"]["ledger"]["behind"] == 0
            members = (await http.get("/v1/members")).json()["members"]
            assert members[0]["consensus_key"] == WORLD.consensus.public.hex()
            assert (await http.get("/v1/evidence")).json()["evidence"] == []
            assert (await http.get(f"/v1/reports/{report.statement_id.hex()}")).status_code == 404
            assert (await http.get("/v1/reports/zz")).status_code == 400
            both.ledger.paused = True
            await both.uniqueness.admit([later])
            await until(lambda: service.standing.height == 2)
            for id_ in (later.statement_id, later.submission_id):
                found = (await http.get(f"/v1/reports/{id_.hex()}")).json()
                assert (found["state"], found["height"]) == ("ordered", 2)
            assert (await http.get("/readyz")).status_code == 200
            assert b"slt_consensus_height 2.0" in (await http.get("/metrics")).content


async def test_nobody_says_stored_in_the_ledgers_name(buses: Buses, tmp_path: Path) -> None:
    async with around(buses) as both, running(await buses.bus("consensus"), tmp_path) as service:
        await until(lambda: service.standing.ledger_spoke)
        both.ledger.paused = True
        await both.uniqueness.admit(items(WORLD, 1))
        await until(lambda: service.standing.height == 1)
        stored = encode(BlockGet(from_height=2, count=0))
        stranger = await buses.bus("stranger")
        assert await stranger.request(BLOCK_YOUNG, stored, timeout_s=5.0) == b""
        with pytest.raises(Forged):
            await signed(stranger, WORLD, "validation").request(BLOCK_YOUNG, stored, timeout_s=5.0)
        await signed(stranger, WORLD, "uniqueness").request(BLOCK_YOUNG, stored, timeout_s=5.0)
        await both.uniqueness.admit(items(WORLD, 2))
        await until(lambda: service.standing.pending_reports == 1)  # What was asked before has been heard by then.
        assert (service.standing.stored, (await ask_young(stranger)).lowest) == (0, 1)
        both.ledger.paused = False
        await both.ledger.until_height(2)


async def test_a_repeated_question_of_the_ledgers_is_not_its_word_after_a_start(buses: Buses, tmp_path: Path) -> None:
    """With data put back from an old copy, a broker that repeats what the ledger asked then must not hide it."""
    bus = await buses.bus("broker")
    recorded = dialogue(WORLD, "ledger").ask(BLOCK_YOUNG, encode(BlockGet(from_height=1, count=0)), nonce=bytes(32))
    async with running(await buses.bus("consensus"), tmp_path) as service:
        await Uniqueness(WORLD, bus, Ledger(WORLD, bus)).admit(items(WORLD, 1))
        await until(lambda: service.standing.pending_reports == 1)
        for _ in range(3):
            assert await bus.request(BLOCK_YOUNG, recorded, timeout_s=5.0)
        await Uniqueness(WORLD, bus, Ledger(WORLD, bus)).admit(items(WORLD, 2))
        await until(lambda: service.standing.pending_reports == 2)
        assert (service.standing.height, service.standing.ledger_spoke) == (0, False)
        async with around(buses) as both:
            await both.ledger.until_height(1)
