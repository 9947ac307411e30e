"""What slt.bus.Bus promises, asked of the bus in memory and of JetStream alike."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from slt.bus import Bus, BusDown, Delivery, NoReply, StreamFull, TooLarge
from slt.bus.streams import MAX_PAYLOAD_BYTES, TABLE
from tests.support.buses import ACK_WAIT_S, DEADLINE_S, DUPLICATE_WINDOW_S, JetStreamWorld, World, small_table, world_of

SUBMIT = "slt.submit.XL.XLR1"


@pytest.fixture(params=["memory", "jetstream"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(request.param, tmp_path, small_table()) as opened:
        yield opened


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(2 * DEADLINE_S):
        yield


async def soon(messages: AsyncGenerator[Delivery, None]) -> Delivery:
    async with asyncio.timeout(DEADLINE_S):
        return await anext(messages)


async def nothing_comes(messages: AsyncGenerator[Delivery, None], *, within_s: float) -> bool:
    """Whether the next message is not there after `within_s`. The reader is of no use afterwards."""
    try:
        async with asyncio.timeout(within_s):
            await anext(messages)
    except TimeoutError:
        return True
    return False


async def takes(bus: Bus, subject: str, data: bytes, *, id: str | None = None) -> bool:  # noqa: A002 - as the bus says it
    """Whether the stream had room."""
    try:
        await bus.publish(subject, data, id=id)
    except StreamFull:
        return False
    return True


async def test_a_published_message_is_delivered_as_it_was(world: World) -> None:
    bus = await world.bus()
    sequence = await bus.publish(SUBMIT, b"body", id="one", traceparent="00-tr-sp-01")
    async with aclosing(bus.deliveries("authentication", in_flight=8)) as messages:
        delivery = await soon(messages)
        await delivery.done()
    assert (delivery.data, delivery.subject, delivery.traceparent) == (b"body", SUBMIT, "00-tr-sp-01")
    assert (delivery.sequence, delivery.attempts) == (sequence, 1)


async def test_what_is_done_does_not_come_again(world: World) -> None:
    bus = await world.bus()
    await bus.publish(SUBMIT, b"one")
    async with aclosing(bus.deliveries("authentication", in_flight=8)) as messages:
        await (await soon(messages)).done()
        await bus.flush()
        assert await nothing_comes(messages, within_s=3 * ACK_WAIT_S)


async def test_what_is_not_done_comes_again(world: World) -> None:
    bus = await world.bus()
    sequence = await bus.publish(SUBMIT, b"one")
    async with aclosing(bus.deliveries("authentication", in_flight=8)) as messages:
        await soon(messages)
        delivery = await soon(messages)
        await delivery.done()
    assert (delivery.sequence, delivery.attempts) == (sequence, 2)


@pytest.mark.parametrize("kind", ["memory", "jetstream"])
async def test_what_is_extended_does_not_come_again_meanwhile(kind: str, tmp_path: Path) -> None:
    ack_wait_s = 4 * ACK_WAIT_S  # a machine that stands still for longer than this is late with its word
    async with world_of(kind, tmp_path, small_table(ack_wait_s=ack_wait_s)) as world:
        bus = await world.bus()
        await bus.publish(SUBMIT, b"one")
        async with aclosing(bus.deliveries("authentication", in_flight=8)) as messages:
            delivery = await soon(messages)
            waiting = asyncio.create_task(nothing_comes(messages, within_s=1.5 * ack_wait_s))
            while not waiting.done():
                await delivery.extend()
                await asyncio.wait({waiting}, timeout=ack_wait_s / 16)
            assert waiting.result()


async def test_what_is_given_back_comes_again_after_its_delay(world: World) -> None:
    bus = await world.bus()
    await bus.publish(SUBMIT, b"one")
    async with aclosing(bus.deliveries("authentication", in_flight=8)) as messages:
        began = asyncio.get_running_loop().time()
        await (await soon(messages)).again(1.0)
        delivery = await soon(messages)
        await delivery.done()
    assert delivery.attempts == 2
    assert asyncio.get_running_loop().time() - began >= 0.9


async def test_no_more_than_in_flight_is_delivered_before_something_is_done(world: World) -> None:
    bus = await world.bus()
    for number in range(12):
        await bus.publish(SUBMIT, b"%d" % number)
    async with aclosing(bus.deliveries("authentication", in_flight=4)) as messages:
        held = [await soon(messages) for _ in range(4)]
        waiting = asyncio.create_task(soon(messages))
        await asyncio.wait({waiting}, timeout=ACK_WAIT_S / 4)
        assert not waiting.done()
        for delivery in held:
            await delivery.done()
        await (await waiting).done()


async def test_two_readers_share_the_messages(world: World) -> None:
    first, second = await world.bus("a"), await world.bus("b")
    seen: set[bytes] = set()

    async def read(messages: AsyncGenerator[Delivery, None]) -> None:
        async with aclosing(messages):
            async for delivery in messages:
                seen.add(delivery.data)
                await delivery.done()
                if len(seen) == 50:
                    return

    readers = [asyncio.create_task(read(bus.deliveries("authentication", in_flight=4))) for bus in (first, second)]
    for number in range(50):
        await first.publish(SUBMIT, b"%d" % number)
    await asyncio.wait(readers, return_when=asyncio.FIRST_COMPLETED, timeout=DEADLINE_S)
    for reader in readers:
        reader.cancel()
    await asyncio.wait(readers)
    assert seen == {b"%d" % number for number in range(50)}


async def test_a_repeated_id_is_stored_once_and_after_the_window_again(world: World) -> None:
    bus = await world.bus()
    first = await bus.publish(SUBMIT, b"one", id="same")
    assert await bus.publish(SUBMIT, b"one", id="same") == first
    await asyncio.sleep(2 * DUPLICATE_WINDOW_S)  # the window passes; nothing else tells
    assert await bus.publish(SUBMIT, b"one", id="same") > first


async def test_an_id_is_remembered_after_its_message_was_consumed(world: World) -> None:
    bus = await world.bus()
    first = await bus.publish(SUBMIT, b"one", id="same")
    async with aclosing(bus.deliveries("authentication", in_flight=8)) as messages:
        await (await soon(messages)).done()
    await bus.flush()
    assert await bus.publish(SUBMIT, b"one", id="same") == first


async def test_a_message_that_is_too_large_is_named_and_not_sent(world: World) -> None:
    bus = await world.bus()
    with pytest.raises(TooLarge) as caught:
        await bus.publish(SUBMIT, bytes(MAX_PAYLOAD_BYTES))
    assert caught.value.size == MAX_PAYLOAD_BYTES
    assert caught.value.limit < MAX_PAYLOAD_BYTES


@pytest.mark.parametrize("kind", ["memory", "jetstream"])
@pytest.mark.parametrize("limits", [{"bytes_max": 64 * 1024}, {"messages_max": 20}], ids=["by bytes", "by count"])
async def test_a_stream_filled_drained_and_filled_again_still_takes_messages(
    kind: str, limits: dict[str, int], tmp_path: Path
) -> None:
    async with world_of(kind, tmp_path, small_table(ack_wait_s=30.0, **limits)) as world:
        bus = await world.bus()
        messages = bus.deliveries("authentication", in_flight=1000)
        async with aclosing(messages):
            number = 0
            for _ in range(4):
                stored = 0
                while await takes(bus, SUBMIT, bytes(3000), id=f"{number}"):
                    stored += 1
                    number += 1
                assert 19 <= stored <= 21
                held = [await soon(messages) for _ in range(stored)]
                # One stays behind while those around it go: a hole in the stream must not count as fullness.
                for delivery in held[:3] + held[4:]:
                    await delivery.done()
                await until_stored(world, 1)
                # What was refused is not remembered as a duplicate.
                assert await bus.publish(SUBMIT, b"refused before", id=f"{number}") > held[-1].sequence
                number += 1
                await (await soon(messages)).done()
                await held[3].done()
                await until_stored(world, 0)


async def until_stored(world: World, count: int) -> None:
    """The broker has a message of ours and deals with it in its own time."""
    async with asyncio.timeout(DEADLINE_S):
        while await world.stored("SUBMISSIONS") != count:  # noqa: ASYNC110 - another process tells no event
            await asyncio.sleep(0.01)


async def test_one_full_hand_over_does_not_stop_the_next(tmp_path: Path) -> None:
    """Authenticated fills up; validated must still take messages, or nothing could ever move again."""
    for kind in ("memory", "jetstream"):
        async with world_of(kind, tmp_path, small_table(messages_max=5)) as world:
            bus = await world.bus()
            while await takes(bus, "slt.authenticated", b"x"):
                pass
            assert await bus.publish("slt.validated", b"x") == 1


async def test_requests_are_answered(world: World) -> None:
    server, client = await world.bus("server"), await world.bus("client")

    async def double(data: bytes) -> bytes:
        return data + data

    async with server.serving("slt.state.get", double, concurrency=2):
        answers = await asyncio.gather(
            *(client.request("slt.state.get", b"%d" % n, timeout_s=DEADLINE_S) for n in range(10))
        )
    assert answers == [b"%d%d" % (n, n) for n in range(10)]


async def test_a_request_that_nobody_serves_has_no_reply(world: World) -> None:
    bus = await world.bus()
    with pytest.raises(NoReply):
        await bus.request("slt.state.get", b"", timeout_s=1.0)


async def test_no_more_requests_are_in_work_than_allowed(world: World) -> None:
    bus = await world.bus()
    working, most, let_go = 0, 0, asyncio.Event()

    async def count(data: bytes) -> bytes:
        nonlocal working, most
        working += 1
        most = max(most, working)
        if working == 2:
            let_go.set()
        await let_go.wait()
        working -= 1
        return data

    async with bus.serving("slt.evaluate", count, concurrency=2):
        await asyncio.gather(*(bus.request("slt.evaluate", b"", timeout_s=DEADLINE_S) for _ in range(6)))
    assert most == 2


async def test_an_error_of_a_handler_leaves_through_the_context(world: World) -> None:
    bus = await world.bus()

    async def fail(_: bytes) -> bytes:
        raise ZeroDivisionError

    async def serve() -> None:
        async with bus.serving("slt.evaluate", fail, concurrency=1):
            await bus.request("slt.evaluate", b"", timeout_s=DEADLINE_S)

    with pytest.raises(ZeroDivisionError):
        await serve()


async def test_an_error_of_the_body_leaves_the_serving_context_as_it_is(world: World) -> None:
    bus = await world.bus()

    async def answer(data: bytes) -> bytes:
        return data

    with pytest.raises(KeyError):
        async with bus.serving("slt.evaluate", answer, concurrency=1):
            raise KeyError("x")


async def test_notifications_reach_who_listens(world: World) -> None:
    speaker, listener = await world.bus("speaker"), await world.bus("listener")
    await speaker.notify("slt.state.changed", b"nobody listens yet")
    await speaker.flush()
    async with listener.hints("slt.state.changed") as hints:
        await listener.flush()
        await speaker.notify("slt.state.changed", b"7")
        async with asyncio.timeout(DEADLINE_S):
            assert await anext(hints) == b"7"


async def test_answers_come_in_order_after_a_sequence_and_by_subject(world: World) -> None:
    bus = await world.bus()
    first = await bus.publish("slt.receipt.XL.XLR1", b"1")
    await bus.publish("slt.receipt.XL.XLF1", b"of another area")
    await bus.publish("slt.refused.XL.XLR1", b"2")
    async with bus.answers(["slt.receipt.XL.XLR1", "slt.refused.XL.XLR1"], after=first) as answers:
        async with asyncio.timeout(DEADLINE_S):
            second = await anext(answers)
            await second.done()
            await bus.publish("slt.receipt.XL.XLR1", b"3")
            third = await anext(answers)
    assert (second.data, third.data) == (b"2", b"3")
    assert first < second.sequence < third.sequence


async def test_answers_begin_anew_when_the_stream_is_shorter_than_remembered(world: World) -> None:
    bus = await world.bus()
    await bus.publish("slt.receipt.XL.XLR1", b"1")
    async with bus.answers(["slt.receipt.XL.XLR1"], after=1000) as answers, asyncio.timeout(DEADLINE_S):
        assert (await anext(answers)).data == b"1"


async def test_answers_go_on_after_the_broker_was_killed(world: World) -> None:
    bus = await world.bus()
    async with bus.answers(["slt.receipt.XL.XLR1"], after=0) as answers, asyncio.timeout(DEADLINE_S):
        for number in range(3):
            await bus.publish("slt.receipt.XL.XLR1", b"%d" % number)
            assert (await anext(answers)).data == b"%d" % number
            await world.away()
            await world.back()


async def test_what_a_killed_client_held_goes_to_another(world: World) -> None:
    doomed, survivor = await world.bus("doomed"), await world.bus("survivor")
    await doomed.publish(SUBMIT, b"one")
    messages = doomed.deliveries("authentication", in_flight=8)
    await soon(messages)
    await world.crash(doomed)
    async with aclosing(survivor.deliveries("authentication", in_flight=8)) as others:
        delivery = await soon(others)
        await delivery.done()
    assert (delivery.data, delivery.attempts) == (b"one", 2)


async def test_what_a_closed_reader_had_queued_comes_again_at_once(tmp_path: Path) -> None:
    for kind in ("memory", "jetstream"):
        async with world_of(kind, tmp_path, small_table(ack_wait_s=30.0)) as world:
            bus = await world.bus()
            for number in range(4):
                await bus.publish(SUBMIT, b"%d" % number)
            async with aclosing(bus.deliveries("authentication", in_flight=4)) as messages:
                held = await soon(messages)
            async with aclosing(bus.deliveries("authentication", in_flight=4)) as messages:
                rest = {(await soon(messages)).data for _ in range(3)}
            assert rest | {held.data} == {b"0", b"1", b"2", b"3"}
            await held.done()  # What was yielded can still be done.


async def test_publishing_goes_on_when_the_broker_comes_back(world: World) -> None:
    bus = await world.bus(patience_s=DEADLINE_S)
    await world.away()
    publishing = asyncio.create_task(bus.publish(SUBMIT, b"one", id="one"))
    await asyncio.wait({publishing}, timeout=0.2)
    assert not publishing.done()
    await world.back()
    async with asyncio.timeout(DEADLINE_S):
        assert await publishing == 1


async def test_publishing_gives_up_after_its_patience(world: World) -> None:
    bus = await world.bus(patience_s=0.5)
    await world.away()
    with pytest.raises(BusDown):
        await bus.publish(SUBMIT, b"one")
    with pytest.raises(BusDown):
        await bus.declare()
    assert not bus.connected


async def test_a_request_while_the_broker_is_away_has_no_reply(world: World) -> None:
    bus = await world.bus()
    await world.away()
    with pytest.raises(NoReply):
        await bus.request("slt.state.get", b"", timeout_s=0.5)
    await bus.notify("slt.state.changed", b"said to nobody")


async def test_nothing_is_lost_when_the_broker_is_killed_under_load(world: World) -> None:
    writer, reader = await world.bus("writer", patience_s=DEADLINE_S), await world.bus("reader")
    expected = {b"%d" % number for number in range(3000)}
    seen: set[bytes] = set()

    async def read() -> None:
        async with aclosing(reader.deliveries("authentication", in_flight=64)) as messages:
            async for delivery in messages:
                seen.add(delivery.data)
                await delivery.done()
                if seen == expected:
                    return

    async def write(first: int) -> None:
        for number in range(first, 3000, 30):
            await writer.publish(SUBMIT, b"%d" % number, id=f"{number}")

    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read())
        for first in range(30):
            tasks.create_task(write(first))
        for killed_at in (400, 1200, 2000):
            while len(seen) < killed_at:
                await asyncio.wait({reading}, timeout=0.005)
            await world.away()
            await world.back()
    assert seen == expected


async def test_declaring_twice_changes_nothing(world: World) -> None:
    bus = await world.bus()
    await bus.publish(SUBMIT, b"one")
    await bus.declare()
    async with aclosing(bus.deliveries("authentication", in_flight=8)) as messages:
        assert (await soon(messages)).data == b"one"


async def test_an_unknown_consumer_is_named(world: World) -> None:
    bus = await world.bus()
    with pytest.raises(KeyError, match="there are authentication"):
        await anext(bus.deliveries("nobody", in_flight=1))


# Only the real broker can lose its own things.


async def test_a_deleted_consumer_is_declared_again(tmp_path: Path) -> None:
    async with world_of("jetstream", tmp_path, small_table()) as world:
        assert isinstance(world, JetStreamWorld)
        bus, admin = await world.bus(), await world.bus("admin")
        async with aclosing(bus.deliveries("authentication", in_flight=8)) as messages:
            await bus.publish(SUBMIT, b"one")
            await (await soon(messages)).done()
            await admin._client.jetstream().delete_consumer("SUBMISSIONS", "authentication")  # type: ignore[attr-defined]
            await bus.publish(SUBMIT, b"two")
            while (await soon(messages)).data != b"two":
                pass  # The word that `one` was done may be lost with what was deleted.


async def test_a_deleted_stream_is_declared_again(tmp_path: Path) -> None:
    async with world_of("jetstream", tmp_path, small_table()) as world:
        assert isinstance(world, JetStreamWorld)
        bus, admin = await world.bus(), await world.bus("admin")
        async with aclosing(bus.deliveries("authentication", in_flight=8)) as messages:
            await bus.publish(SUBMIT, b"one")
            await (await soon(messages)).done()
            await admin._client.jetstream().delete_stream("SUBMISSIONS")  # type: ignore[attr-defined]
            await bus.publish(SUBMIT, b"two")
            while (await soon(messages)).data != b"two":
                pass  # The word that `one` was done may be lost with what was deleted.


async def test_messages_of_the_largest_size_flow_and_are_bounded_in_memory(tmp_path: Path) -> None:
    """A reader that may hold many messages does not hold many large ones: it asks for no more than fits."""
    table = replace(TABLE, consumers=small_table(ack_wait_s=30.0).consumers)
    async with world_of("jetstream", tmp_path, table) as world:
        bus = await world.bus()
        body = bytes(7 * 1024 * 1024)
        for _ in range(14):
            await bus.publish(SUBMIT, body)
        async with aclosing(bus.deliveries("authentication", in_flight=1000)) as messages:
            held = [await soon(messages) for _ in range(8)]
            waiting = asyncio.create_task(soon(messages))
            await asyncio.wait({waiting}, timeout=0.5)
            while waiting.done():
                held.append(waiting.result())
                assert len(held) <= 13, "the reader takes whatever there is"
                waiting = asyncio.create_task(soon(messages))
                await asyncio.wait({waiting}, timeout=0.5)
            for delivery in held:
                await delivery.done()
            count = len(held) + 1
            await (await waiting).done()
            while count < 14:
                await (await soon(messages)).done()
                count += 1


async def test_a_changed_table_updates_the_streams_that_are_there(tmp_path: Path) -> None:
    async with world_of("jetstream", tmp_path, small_table(messages_max=1)) as world:
        assert isinstance(world, JetStreamWorld)
        bus = await world.bus()
        await bus.publish(SUBMIT, b"one")
        with pytest.raises(StreamFull):
            await bus.publish(SUBMIT, b"two")
        world.table = small_table(messages_max=2)
        wider = await world.bus("wider")
        await wider.publish(SUBMIT, b"two")
