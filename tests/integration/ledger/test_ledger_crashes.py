"""A crash at each durable step: afterwards every statement has one receipt, and the chain no gap."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from services.ledger.answers import BLOCKS_WAITING_MAX, STOP_WITHIN_S, Answers
from services.ledger.config import Config
from services.ledger.store import Store
from slt.bus import subjects
from slt.bus.memory import MemoryBroker
from slt.statements.verdicts import Code
from tests.integration.ledger.harness import (
    Mailbox,
    Running,
    Sequencer,
    ask_receipts,
    ledger,
    ledger_config,
    mailbox,
    sequencer,
    until,
)
from tests.support.blocks import World, accepted, rejected

POINTS = (
    "before commit",
    "after commit",
    "before publishing",
    "after publishing",
    "before the mark",
    "after the mark",
)


class Crash(Exception):
    """The process is gone here."""


class Crashes:
    """Crashes once, the `nth` time that the service comes to `point`."""

    def __init__(self, point: str, nth: int) -> None:
        self.point = point
        self.left = nth

    def at(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if self.left == 0:
                raise Crash(point)


class CrashingStore(Store):
    crashes: Crashes

    async def append(
        self,
        block: dict[str, Any],
        tables: Mapping[str, list[dict[str, Any]]],
        keys: Mapping[bytes, bytes],
        *,
        published: int,
    ) -> None:
        self.crashes.at("before commit")
        await super().append(block, tables, keys, published=published)
        self.crashes.at("after commit")

    async def mark_published(self, height: int) -> None:
        self.crashes.at("before the mark")
        await super().mark_published(height)
        self.crashes.at("after the mark")


async def run_until_crash(config: Config, broker: MemoryBroker, crashes: Crashes, feed: "Feed") -> None:
    """One life of the ledger, ended by a crash or, when none comes, by being asked to stop."""
    bus = broker.bus("ledger")

    def store_of(engine: Any) -> Store:
        store = CrashingStore(engine)
        store.crashes = crashes
        return store

    original = Answers._publish_one

    async def publish_one(self: Answers, subject: str, data: bytes, *, again: bool) -> bool:
        crashes.at("before publishing")
        stored = await original(self, subject, data, again=again)
        crashes.at("after publishing")
        return stored

    Answers._publish_one = publish_one  # type: ignore[method-assign]  # a crash inside
    try:
        async with ledger(config, bus, store_of=store_of) as running:
            await feed.until_stored(running.served)
            running.runtime.stopping.set()
            await asyncio.wait({running.served})
    except* Crash:
        pass
    finally:
        Answers._publish_one = original  # type: ignore[method-assign]
        broker.crash(bus)


class Feed:
    """Publishes blocks while the ledger lives and dies."""

    def __init__(self, sequencing: Sequencer, world: World) -> None:
        self.sequencing = sequencing
        self.world = world
        self.expected: dict[bytes, int] = {}

    async def order_all(self) -> None:
        for height in range(1, 5):
            items = [self.world.item(10 * height + number) for number in range(3)]
            block = await self.sequencing.order([*map(accepted, items[:2]), rejected(items[2], Code.V07)])
            self.expected |= {item.statement_id: block.height for item in items}

    async def until_stored(self, served: "asyncio.Task[None]") -> None:
        top = self.sequencing.chain.height
        await until(lambda: served.done() or self.sequencing.stored >= top, "all stored, or a crash")


@pytest.mark.parametrize(
    ("database_url", "nth"), [("sqlite", 1), ("sqlite", 2), ("sqlite", 4), ("postgresql", 2)], indirect=["database_url"]
)
@pytest.mark.parametrize("point", POINTS)
async def test_after_a_crash_every_statement_has_one_receipt(
    either: Config, world: World, point: str, nth: int
) -> None:
    config, broker = either, MemoryBroker()
    async with AsyncExitStack() as stack:
        sequencing = await stack.enter_async_context(sequencer(world, broker.bus("consensus")))
        box: Mailbox = await stack.enter_async_context(mailbox(world, broker.bus("facility")))
        feed = Feed(sequencing, world)
        await feed.order_all()

        await run_until_crash(config, broker, Crashes(point, nth), feed)
        async with ledger(config, broker.bus("ledger")) as running:
            await feed.until_stored(running.served)
            await until(lambda: len(box.receipts) == len(feed.expected), "every receipt")
            heights = [block.height for block in await running.store.blocks(0, 10)]
            given = await ask_receipts(broker.bus("asker"), *feed.expected)

    assert heights == [0, 1, 2, 3, 4]
    for (statement_id, height), receipt in zip(feed.expected.items(), given, strict=True):
        assert receipt is not None
        assert set(box.receipts[statement_id]) == {receipt}, "every copy is the same"
        assert box.verify(receipt).height == height


async def test_receipts_above_the_mark_are_published_at_start_and_those_below_are_not(
    tmp_path: Path, world: World
) -> None:
    config, broker = ledger_config(tmp_path, world), MemoryBroker()
    async with AsyncExitStack() as stack:
        sequencing = await stack.enter_async_context(sequencer(world, broker.bus("consensus")))
        feed = Feed(sequencing, world)
        await feed.order_all()
        await run_until_crash(config, broker, Crashes("after commit", 4), feed)

        lost = MemoryBroker()  # A new broker: whatever was published is gone, and nobody hints or answers.
        box: Mailbox = await stack.enter_async_context(mailbox(world, lost.bus("facility")))
        async with ledger(config, lost.bus("ledger")) as running:
            await until(lambda: {box.verify(r[0]).height for r in box.receipts.values()} >= {4}, "block 4 answered")
            assert await running.store.published() <= 4
        heights = {box.verify(receipts[0]).height for receipts in box.receipts.values()}
        assert 1 not in heights, "the mark goes with the blocks"

        async with ledger(config, MemoryBroker().bus("ledger")) as running:
            assert await running.store.published() == 4


async def test_what_the_ledger_said_is_stored_is_never_needed_again(tmp_path: Path, world: World) -> None:
    """The ask for height h lets consensus drop what is below. A new broker each time: no hint comes a second time."""
    config = ledger_config(tmp_path, world)
    feed = None
    for point, nth in (("before commit", 2), ("after commit", 1), ("before commit", 1), ("before the mark", 99)):
        broker = MemoryBroker()
        async with sequencer(world, broker.bus("consensus")) as sequencing:
            if feed is None:
                feed = Feed(sequencing, world)
                await feed.order_all()
            else:
                sequencing.chain, sequencing.dropped = feed.sequencing.chain, feed.sequencing.dropped
                feed.sequencing = sequencing
            await run_until_crash(config, broker, Crashes(point, nth), feed)
    assert feed is not None
    assert feed.sequencing.dropped == 4
    async with ledger(config, MemoryBroker().bus("ledger")) as running:
        assert [block.height for block in await running.store.blocks(0, 10)] == [0, 1, 2, 3, 4]


async def test_a_stop_with_the_bus_away_is_clean_and_leaves_the_rest_to_the_next_start(
    tmp_path: Path, world: World
) -> None:
    """More blocks than may wait for the bus: even then a stop does not hang, and no receipt is forgotten."""
    config, broker = ledger_config(tmp_path, world), MemoryBroker()
    async with sequencer(world, broker.bus("consensus")) as sequencing, mailbox(world, broker.bus("facility")) as box:
        blocks = [sequencing.chain.add([accepted(world.item(number))]) for number in range(BLOCKS_WAITING_MAX + 4)]
        broker.fail("publish", when="before", subject=subjects.RECEIPT_ALL, times=10_000)
        async with ledger(config, broker.bus("ledger")) as running:
            heights = await _heights_once_stuck(running)
            assert len(heights) > BLOCKS_WAITING_MAX
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 2 * STOP_WITHIN_S + 1

        broker.fail("publish", when="before", subject=subjects.RECEIPT_ALL, times=0)
        broker._faults.clear()
        async with ledger(config, broker.bus("ledger")):
            await until(lambda: len(box.receipts) == len(blocks), "every receipt")


async def _heights_once_stuck(running: Running) -> list[int]:
    """The stored heights when storing has stopped, because the receipts of earlier blocks wait for the bus."""
    while True:
        before = [block.height for block in await running.store.blocks(1, 100)]
        await asyncio.sleep(0.2)
        if before and before == [block.height for block in await running.store.blocks(1, 100)]:
            return before
