"""`python -m services.ledger` over the real broker: killed at any moment, stopped cleanly, and never twice."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from slt.bus.streams import TABLE
from slt.statements.verdicts import Code
from tests.integration.ledger.harness import DEADLINE_S, ask_receipts, ledger_env, mailbox, sequencer, until
from tests.support.blocks import World, accepted, rejected
from tests.support.buses import World as Buses
from tests.support.buses import world_of

ROOT = Path(__file__).parents[3]
SEED = 20261122


@pytest.fixture
async def buses(tmp_path: Path) -> AsyncIterator[Buses]:
    async with world_of("jetstream", tmp_path / "nats", TABLE) as opened:
        yield opened


@pytest.fixture
def env(tmp_path: Path, world: World, buses: Buses) -> dict[str, str]:
    """SLT_BLOCK_POLL_S and the rest, for a process on the test's broker."""
    url = buses.server.url  # type: ignore[attr-defined]  # a JetStreamWorld
    return ledger_env(tmp_path, world, SLT_NATS_URL=url)


@asynccontextmanager
async def process(env: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A ledger process, which is gone when the context closes."""
    Path(env["SLT_ADDRESS_FILE"]).unlink(missing_ok=True)
    path = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.ledger", cwd=ROOT, env=env | path, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def url_of(env: dict[str, str]) -> str:
    address = Path(env["SLT_ADDRESS_FILE"])
    await until(address.exists, "it listens")
    return str(json.loads(address.read_bytes())["http"])


@pytest.mark.timeout(240)  # five starts of the process, each of some seconds where the machine is busy
async def test_killed_at_random_moments_it_answers_everything_once_and_leaves_no_gap(
    env: dict[str, str], world: World, buses: Buses
) -> None:
    dice, moments = random.Random(SEED), random.Random(SEED + 1)
    expected: dict[bytes, int] = {}
    async with (
        sequencer(world, await buses.bus("consensus")) as sequencing,
        mailbox(world, await buses.bus("facility")) as box,
    ):

        async def order(blocks: int) -> None:
            for height in range(sequencing.chain.height + 1, sequencing.chain.height + 1 + blocks):
                items = [world.item(100 * height + number) for number in range(dice.randint(1, 12))]
                verdicts = [accepted(item) if dice.random() < 0.8 else rejected(item, Code.V07) for item in items]
                block = await sequencing.order(verdicts)
                expected.update({item.statement_id: block.height for item in items})
                await asyncio.sleep(dice.uniform(0, 0.05))

        for _ in range(4):
            before = sequencing.stored
            await order(3)  # Each life has blocks of its own to get on with, however long its start takes.
            async with process(env) as running:
                await until(lambda before=before: sequencing.stored > before, "it gets on")  # type: ignore[misc]
                ordering = asyncio.create_task(order(4))
                await asyncio.sleep(moments.uniform(0, 0.15))  # the moment of the kill, not a wait for anything
                running.kill()
                await running.wait()
                await ordering
        await order(2)
        async with process(env) as running:
            await until(lambda: sequencing.stored >= 30, "all blocks stored")
            await until(lambda: len(box.receipts) == len(expected), f"all receipts (seed {SEED})")
            given = await ask_receipts(await buses.bus("asker"), *list(expected)[:64])
            async with httpx.AsyncClient(base_url=await url_of(env)) as client:
                blocks = (await client.get("/v1/blocks?from=0&count=100")).json()
            running.send_signal(signal.SIGTERM)
            async with asyncio.timeout(DEADLINE_S):
                assert await running.wait() == 0

    assert [block["height"] for block in blocks] == list(range(31))
    assert blocks[-1]["log_size"] == sequencing.chain.frontier.size
    for statement_id, receipt in zip(expected, given, strict=False):
        assert set(box.receipts[statement_id]) == {receipt}, f"seed {SEED}"
        assert box.verify(box.receipts[statement_id][0]).height == expected[statement_id]
    assert all(len(set(receipts)) == 1 for receipts in box.receipts.values())


async def test_a_second_process_stops_and_says_who_holds_the_ledger(
    env: dict[str, str], world: World, buses: Buses
) -> None:
    async with sequencer(world, await buses.bus("consensus")) as sequencing, process(env) as first:
        await sequencing.order([accepted(world.item(1))])
        await until(lambda: sequencing.stored >= 1, "the first block")
        async with process(env | {"SLT_ADDRESS_FILE": env["SLT_ADDRESS_FILE"] + ".second"}) as second:
            out, _ = await asyncio.wait_for(second.communicate(), DEADLINE_S)
            assert second.returncode == 1
            assert f"pid {first.pid}" in out.decode()
        await sequencing.order([accepted(world.item(2))])
        await until(lambda: sequencing.stored >= 2, "the first process goes on")


async def test_another_checkpoint_key_than_genesis_names_is_refused_at_start(env: dict[str, str]) -> None:
    async with process(env | {"SLT_CHECKPOINT_KEY": env["SLT_SERVICE_KEY"]}) as running:
        out, _ = await asyncio.wait_for(running.communicate(), DEADLINE_S)
    assert running.returncode == 2
    assert "SLT_CHECKPOINT_KEY" in out.decode()
    assert "genesis names" in out.decode()


async def test_the_broker_killed_under_it_delays_and_loses_nothing(
    env: dict[str, str], world: World, buses: Buses
) -> None:
    async with (
        sequencer(world, await buses.bus("consensus")) as sequencing,
        mailbox(world, await buses.bus("facility")) as box,
        process(env),
    ):
        await sequencing.order([accepted(world.item(1))])
        await until(lambda: box.receipts, "the first receipt")
        await buses.away()
        for number in (2, 3):
            sequencing.chain.add([accepted(world.item(number))])
        await buses.back()
        await until(lambda: len(box.receipts) == 3, "every receipt")
