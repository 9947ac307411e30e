"""The loop that every stage shares, against the bus in memory: nothing lost, nobody parked who is innocent."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from slt.bus.memory import MemoryBroker
from slt.bus.messages import Item, Parked, decode
from slt.bus.stage import StageOpener
from slt.bus.streams import TABLE, Table
from slt.runtime.run import Runtime, start
from slt.runtime.stage import Batch, Waiting, run_stage
from tests.support.blocks import make_world
from tests.support.services import service_config, stage_signer

WORLD = make_world()
DOOR = stage_signer(WORLD, "authentication")
DEADLINE_S = 60.0


def table(*, messages_max: int = -1, ack_wait_s: float = 10.0) -> Table:
    return Table(
        streams=tuple(
            replace(s, messages_max=messages_max if s.retention == "workqueue" else -1) for s in TABLE.streams
        ),
        consumers=tuple(replace(c, ack_wait_s=ack_wait_s) for c in TABLE.consumers),
    )


@asynccontextmanager
async def service(
    folder: Path, broker: MemoryBroker, handle: Callable[[Batch], Awaitable[None]], **options: object
) -> AsyncIterator[Runtime]:
    """A validation service in this process; stopped cleanly at the end."""
    config = service_config(folder, WORLD, "validation", SLT_DELIVERIES_MAX="2", SLT_LOG_LEVEL="error")
    async with start(config, service="validation", bus=broker.bus("validation")) as runtime:
        stage = run_stage(runtime, consumer="validation", handle=handle, opens="authenticated", **options)  # type: ignore[arg-type]  # a test's options
        running = asyncio.create_task(runtime.run(stage))
        try:
            yield runtime
        finally:
            runtime.stopping.set()
            async with asyncio.timeout(DEADLINE_S):
                await running


async def authenticated(broker: MemoryBroker, *numbers: int) -> None:
    """One message for each report."""
    for number in numbers:
        await broker.bus("door").publish("slt.authenticated", DOOR.seal("authenticated", [WORLD.item(number)]))


def waiting_messages(broker: MemoryBroker) -> int:
    return len(broker.messages("PIPELINE-AUTHENTICATED"))


def passed(broker: MemoryBroker) -> list[bytes]:
    opener = StageOpener(WORLD.genesis)
    return [
        i.statement_id for _, _, data in broker.messages("PIPELINE-VALIDATED") for i in opener.open("validated", data)
    ]


def parked(broker: MemoryBroker) -> list[Parked]:
    return [decode(Parked, data) for _, _, data in broker.messages("PARKED")]


async def until(broker: MemoryBroker, holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():
            await broker.changed(0.05)


async def test_what_is_handled_is_published_and_then_done(tmp_path: Path) -> None:
    broker = MemoryBroker()
    seen: list[Item] = []

    async def handle(batch: Batch) -> None:
        seen.extend(batch.items)
        assert waiting_messages(broker) == 3, "done before its effect"
        await runtime.publish_items("validated", batch.items)

    await authenticated(broker, 1, 2, 3)
    async with service(tmp_path, broker, handle, gather=8) as runtime:
        await until(broker, lambda: waiting_messages(broker) == 0)
    assert [item.statement_id for item in seen] == passed(broker) == [WORLD.item(n).statement_id for n in (1, 2, 3)]


async def test_batches_are_gathered_up_to_their_limit(tmp_path: Path) -> None:
    broker, sizes = MemoryBroker(), []

    async def handle(batch: Batch) -> None:
        sizes.append(len(batch.deliveries))

    await authenticated(broker, *range(1, 8))
    async with service(tmp_path, broker, handle, gather=3, linger_s=0.05):
        await until(broker, lambda: waiting_messages(broker) == 0)
    assert max(sizes) <= 3
    assert sum(sizes) == 7
    assert len(sizes) <= 4


async def test_bytes_that_are_unreadable_or_forged_are_parked_with_the_reason(tmp_path: Path) -> None:
    broker, handled = MemoryBroker(), []

    async def handle(batch: Batch) -> None:
        handled.extend(batch.items)

    door = broker.bus("door")
    await door.publish("slt.authenticated", b"garbage")
    await door.publish("slt.authenticated", stage_signer(WORLD, "ledger").seal("authenticated", [WORLD.item(1)]))
    await authenticated(broker, 2)
    async with service(tmp_path, broker, handle) as runtime:
        await until(broker, lambda: waiting_messages(broker) == 0)
        metrics = runtime.telemetry.exposition().decode()
    assert [item.statement_id for item in handled] == [WORLD.item(2).statement_id]
    first, second = parked(broker)
    assert (first.stage, first.data, first.subject, first.size) == ("validation", b"garbage", "slt.authenticated", 7)
    assert "not a Envelope" in first.reason
    assert "'ledger' has no say" in second.reason
    assert 'slt_parked_total{reason="malformed",stage="validation"} 1.0' in metrics
    assert 'slt_parked_total{reason="forged",stage="validation"} 1.0' in metrics


async def test_a_stage_may_park_what_it_cannot_read_itself(tmp_path: Path) -> None:
    broker = MemoryBroker()

    async def handle(batch: Batch) -> None:
        batch.park(batch.deliveries[0], "no sense in it")

    await authenticated(broker, 1)
    async with service(tmp_path, broker, handle):
        await until(broker, lambda: waiting_messages(broker) == 0)
    assert [message.reason for message in parked(broker)] == ["no sense in it"]


async def test_waiting_is_no_failed_delivery(tmp_path: Path) -> None:
    """Longer than ack_wait, more often than deliveries_max: still one delivery, extended and offered again."""
    broker = MemoryBroker(table=table(ack_wait_s=0.3))
    tries, attempts = 0, set()

    async def handle(batch: Batch) -> None:
        nonlocal tries
        tries += 1
        attempts.add(batch.deliveries[0].attempts)
        if tries < 6:
            raise Waiting("the ledger is silent")

    await authenticated(broker, 1)
    async with service(tmp_path, broker, handle) as runtime:
        await until(broker, lambda: runtime.health.waiting == {"validation": "the ledger is silent"})
        assert runtime.health.not_ready() == {}
        await until(broker, lambda: waiting_messages(broker) == 0)
        await until(broker, lambda: runtime.health.waiting == {})
    assert (tries, attempts, parked(broker)) == (6, {1}, [])


async def test_a_full_next_stream_is_waited_for(tmp_path: Path) -> None:
    broker = MemoryBroker(table=table(messages_max=2))

    async def handle(batch: Batch) -> None:
        await runtime.publish_items("validated", batch.items)

    door = broker.bus("door")
    for number in (101, 102):
        await door.publish("slt.validated", stage_signer(WORLD, "validation").seal("validated", [WORLD.item(number)]))
    await authenticated(broker, 1, 2)
    async with service(tmp_path, broker, handle) as runtime:
        await until(broker, lambda: "validation" in runtime.health.waiting)
        assert waiting_messages(broker) == 2
        reader = broker.bus("uniqueness").deliveries("uniqueness", in_flight=8)
        for _ in range(4):
            async with asyncio.timeout(DEADLINE_S):
                await (await anext(reader)).done()
        await until(broker, lambda: waiting_messages(broker) == 0)
    assert parked(broker) == []


async def test_a_broker_that_went_away_before_or_after_storing_is_waited_for(tmp_path: Path) -> None:
    broker = MemoryBroker()

    async def handle(batch: Batch) -> None:
        await runtime.publish_items("validated", batch.items)

    broker.fail("publish", when="before", subject="slt.validated")
    broker.fail("publish", when="after", subject="slt.validated")
    await authenticated(broker, 1)
    async with service(tmp_path, broker, handle) as runtime:
        await until(broker, lambda: waiting_messages(broker) == 0)
    # Stored twice, once by the try that was told it had failed: the next stage bears that. Never not at all.
    assert set(passed(broker)) == {WORLD.item(1).statement_id}


async def test_nothing_is_fetched_before_the_stage_is_ready(tmp_path: Path) -> None:
    broker, handled = MemoryBroker(), []
    missing: list[str | None] = ["no copy of the registry yet"]

    async def handle(batch: Batch) -> None:
        handled.extend(batch.items)

    await authenticated(broker, 1)
    async with service(tmp_path, broker, handle, ready=lambda: missing[0]) as runtime:
        await until(broker, lambda: runtime.health.waiting == {"validation": "no copy of the registry yet"})
        taken = broker.take("validation")
        assert taken is not None and taken[1] == 1, "nobody had fetched it"
        broker.postpone("validation", taken[0].sequence, 0.0)
        missing[0] = None
        await until(broker, lambda: waiting_messages(broker) == 0)
    assert len(handled) == 1


async def test_what_is_kept_is_offered_again_and_the_rest_is_done(tmp_path: Path) -> None:
    broker, seen = MemoryBroker(), []

    async def handle(batch: Batch) -> None:
        for delivery, items in batch.opened:
            seen.append(items[0].statement_id)
            if items[0].statement_id == WORLD.item(1).statement_id and seen.count(items[0].statement_id) < 3:
                batch.keep(delivery, "its predecessor is not there")

    await authenticated(broker, 1, 2, 3)
    async with service(tmp_path, broker, handle, gather=8) as runtime:
        await until(broker, lambda: waiting_messages(broker) == 0)
        await until(broker, lambda: runtime.health.waiting == {})
    assert seen.count(WORLD.item(1).statement_id) == 3
    assert seen.count(WORLD.item(2).statement_id) == seen.count(WORLD.item(3).statement_id) == 1


async def test_what_is_kept_does_not_hold_up_the_others(tmp_path: Path) -> None:
    broker, passing = MemoryBroker(), []

    async def handle(batch: Batch) -> None:
        for delivery, items in batch.opened:
            if items[0].statement_id == WORLD.item(1).statement_id:
                batch.keep(delivery, "the ledger is silent")
            else:
                passing.append(items[0].statement_id)

    await authenticated(broker, 1)
    async with service(tmp_path, broker, handle) as runtime:
        await until(broker, lambda: runtime.health.waiting == {"validation": "the ledger is silent"})
        for number in range(2, 30):
            await authenticated(broker, number)
        await until(broker, lambda: len(passing) == 28)
        assert waiting_messages(broker) == 1
        assert runtime.health.waiting == {"validation": "the ledger is silent"}
    assert broker.take("validation") is not None, "what is kept is given back when the service stops"


async def test_a_stage_that_became_ready_waits_for_nothing(tmp_path: Path) -> None:
    broker = MemoryBroker()
    missing: list[str | None] = ["no copy of the registry yet"]

    async def handle(batch: Batch) -> None:
        pass

    async with service(tmp_path, broker, handle, ready=lambda: missing[0]) as runtime:
        await until(broker, lambda: runtime.health.waiting != {})
        missing[0] = None
        await until(broker, lambda: runtime.health.waiting == {})


async def test_the_batch_in_hand_is_finished_when_asked_to_stop(tmp_path: Path) -> None:
    broker, entered, go_on = MemoryBroker(), asyncio.Event(), asyncio.Event()

    async def handle(batch: Batch) -> None:
        entered.set()
        await go_on.wait()
        await runtime.publish_items("validated", batch.items)

    await authenticated(broker, 1, 2)
    async with service(tmp_path, broker, handle) as runtime:
        await entered.wait()
        runtime.stopping.set()
        go_on.set()
    assert passed(broker) == [WORLD.item(1).statement_id]
    assert waiting_messages(broker) == 1
    taken = broker.take("validation")
    assert taken is not None, "what was fetched and not begun is given back at once"


async def test_a_stage_that_waits_stops_when_asked(tmp_path: Path) -> None:
    broker = MemoryBroker()

    async def handle(batch: Batch) -> None:
        raise Waiting("for ever")

    await authenticated(broker, 1)
    async with service(tmp_path, broker, handle) as runtime:
        await until(broker, lambda: "validation" in runtime.health.waiting)
    assert broker.take("validation") is not None


async def test_a_bug_leaves_the_stage_and_its_message_comes_again(tmp_path: Path) -> None:
    broker = MemoryBroker()

    async def handle(batch: Batch) -> None:
        raise ZeroDivisionError

    async def once() -> None:
        async with service(tmp_path, broker, handle) as runtime:
            await asyncio.wait_for(runtime.stopping.wait(), DEADLINE_S)

    await authenticated(broker, 1)
    config = service_config(tmp_path, WORLD, "validation", SLT_LOG_LEVEL="error")
    async with start(config, service="validation", bus=broker.bus("validation")) as runtime:
        with pytest.raises(ZeroDivisionError):
            await runtime.run(run_stage(runtime, consumer="validation", handle=handle, opens="authenticated"))
    assert waiting_messages(broker) == 1


async def run_until_it_dies(folder: Path, broker: MemoryBroker, poisoned: bytes) -> bool:
    """One life of a process that an item kills. Whether it died; False: there was nothing left to do."""
    bus = broker.bus("validation")
    config = service_config(folder, WORLD, "validation", SLT_DELIVERIES_MAX="2", SLT_LOG_LEVEL="error")

    async def handle(batch: Batch) -> None:
        for item in batch.items:
            if item.statement_id == poisoned:
                raise RecursionError("secret content")
        await runtime.publish_items("validated", batch.items)

    died = False
    async with start(config, service="validation", bus=bus) as runtime:
        stage = run_stage(runtime, consumer="validation", handle=handle, opens="authenticated", gather=8)
        running = asyncio.create_task(runtime.run(stage))
        idle = asyncio.create_task(until(broker, lambda: waiting_messages(broker) == 0))
        await asyncio.wait({running, idle}, return_when=asyncio.FIRST_COMPLETED, timeout=DEADLINE_S)
        died = running.done()
        runtime.stopping.set()
        idle.cancel()
        await asyncio.wait({running})
        if died:
            with pytest.raises(RecursionError):
                running.result()
            broker.crash(bus)
    return died


async def test_only_the_message_that_ends_the_process_is_parked(tmp_path: Path) -> None:
    """Fifteen innocents are fetched with it each time, and are delivered as often; none of them may be parked."""
    broker = MemoryBroker(table=table(ack_wait_s=0.05))
    poisoned = WORLD.item(5)
    await authenticated(broker, *range(1, 17))
    lives = 0
    while await run_until_it_dies(tmp_path, broker, poisoned.statement_id):
        lives += 1
        assert lives < 12, "the poisoned message is never found"
    (guilty,) = parked(broker)
    assert StageOpener(WORLD.genesis).open("authenticated", guilty.data) == [poisoned]
    assert "handled alone, it ended the process 2 times (RecursionError)" in guilty.reason
    assert "secret content" not in guilty.reason
    assert set(passed(broker)) == {WORLD.item(n).statement_id for n in range(1, 17)} - {poisoned.statement_id}
    assert not list((tmp_path / "validation/data").glob("suspect.*"))


async def test_a_note_that_is_not_whole_convicts_nobody(tmp_path: Path) -> None:
    broker, handled = MemoryBroker(table=table(ack_wait_s=0.05)), []
    data = tmp_path / "validation/data"
    data.mkdir(parents=True)
    (data / "suspect.validation").write_bytes(b'{"sequ')

    async def handle(batch: Batch) -> None:
        handled.extend(batch.items)

    await authenticated(broker, 1)
    for _ in range(3):
        assert await _taken_and_dropped(broker)
    async with service(tmp_path, broker, handle):
        await until(broker, lambda: waiting_messages(broker) == 0)
    assert len(handled) == 1
    assert parked(broker) == []


async def _taken_and_dropped(broker: MemoryBroker) -> bool:
    """One delivery that a killed process never settled."""
    async with asyncio.timeout(DEADLINE_S):
        while broker.take("validation") is None:
            await broker.changed(0.05)
    return True


async def test_the_note_names_the_suspect_while_it_is_alone_in_hand(tmp_path: Path) -> None:
    broker, notes = MemoryBroker(table=table(ack_wait_s=0.05)), []

    async def handle(batch: Batch) -> None:
        path = tmp_path / "validation/data/suspect.validation"
        notes.append(json.loads(path.read_bytes()) if path.exists() else None)
        assert len(batch.deliveries) == 1

    await authenticated(broker, 1, 2)
    for _ in range(6):
        await _taken_and_dropped(broker)
    async with service(tmp_path, broker, handle, gather=8):
        await until(broker, lambda: waiting_messages(broker) == 0)
    assert notes == [{"deaths": {"1": 1}, "errors": {}}, {"deaths": {"2": 1}, "errors": {}}]
    assert not (tmp_path / "validation/data/suspect.validation").exists()
    assert parked(broker) == []


async def test_a_message_that_came_again_while_held_is_handled_once(tmp_path: Path) -> None:
    broker, entered, go_on, handled = MemoryBroker(table=table(ack_wait_s=0.2)), asyncio.Event(), asyncio.Event(), []

    async def handle(batch: Batch) -> None:
        handled.extend(batch.items)
        entered.set()
        await go_on.wait()

    await authenticated(broker, 1)
    broker.fail("extend", when="before", times=1000)
    async with service(tmp_path, broker, handle) as runtime:
        await entered.wait()
        await until(broker, lambda: 'redelivered_total{stage="validation"}' in runtime.telemetry.exposition().decode())
        go_on.set()
        await until(broker, lambda: waiting_messages(broker) == 0)
    assert len(handled) == 1


def test_items_are_values() -> None:
    assert msgspec.structs.replace(WORLD.item(1), mba="OTHER") != WORLD.item(1)
