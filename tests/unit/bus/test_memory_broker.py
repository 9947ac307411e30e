"""What only the broker in memory can do: fail on demand, and let time pass."""

from collections.abc import AsyncGenerator

import pytest

from slt.bus import BusClosed, BusDown, Delivery, NoReply
from slt.bus.memory import ManualClock, MemoryBroker, Operation, When
from slt.bus.streams import ACK_WAIT_S, DUPLICATE_WINDOW_S

SUBMIT = "slt.submit.XL.XLR1"


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(clock=ManualClock())


def readers(broker: MemoryBroker) -> AsyncGenerator[Delivery, None]:
    return broker.bus("reader").deliveries("authentication", in_flight=8)


async def test_a_publish_that_fails_before_has_stored_nothing(broker: MemoryBroker) -> None:
    bus = broker.bus()
    broker.fail("publish", when="before")
    with pytest.raises(BusDown):
        await bus.publish(SUBMIT, b"one", id="one")
    assert broker.messages("SUBMISSIONS") == []
    assert await bus.publish(SUBMIT, b"one", id="one") == 1


async def test_a_publish_that_fails_after_has_stored_and_its_retry_stores_no_second(broker: MemoryBroker) -> None:
    bus = broker.bus()
    broker.fail("publish", when="after")
    with pytest.raises(BusDown):
        await bus.publish(SUBMIT, b"one", id="one")
    assert await bus.publish(SUBMIT, b"one", id="one") == 1
    assert len(broker.messages("SUBMISSIONS")) == 1


async def test_faults_are_bound_to_their_subject_and_number(broker: MemoryBroker) -> None:
    bus = broker.bus()
    broker.fail("publish", when="before", subject="slt.refused.>", times=2)
    await bus.publish(SUBMIT, b"one")
    for _ in range(2):
        with pytest.raises(BusDown):
            await bus.publish("slt.refused.XL.XLR1", b"no")
    await bus.publish("slt.refused.XL.XLR1", b"no")


async def test_a_lost_done_brings_the_message_again(broker: MemoryBroker) -> None:
    messages = readers(broker)
    await broker.bus().publish(SUBMIT, b"one")
    broker.fail("done", when="before")
    await (await anext(messages)).done()
    broker.advance(ACK_WAIT_S + 1)
    again = await anext(messages)
    assert again.attempts == 2
    await again.done()
    assert broker.messages("SUBMISSIONS") == []


@pytest.mark.parametrize(("operation", "when"), [("request", "before"), ("request", "after")])
async def test_a_request_can_fail_before_or_after_it_was_served(
    broker: MemoryBroker, operation: Operation, when: When
) -> None:
    bus, served = broker.bus(), []

    async def serve(data: bytes) -> bytes:
        served.append(data)
        return data

    broker.fail(operation, when=when)
    async with bus.serving("slt.again", serve, concurrency=1):
        with pytest.raises(NoReply):
            await bus.request("slt.again", b"x", timeout_s=5.0)
        assert served == ([] if when == "before" else [b"x"])
        assert await bus.request("slt.again", b"y", timeout_s=5.0) == b"y"


async def test_time_stands_still_until_it_is_told(broker: MemoryBroker) -> None:
    messages, bus = readers(broker), broker.bus()
    first = await bus.publish(SUBMIT, b"one", id="same")
    await anext(messages)
    broker.advance(ACK_WAIT_S - 1)
    assert broker.take("authentication") is None
    broker.advance(2)
    assert (await anext(messages)).attempts == 2
    assert await bus.publish(SUBMIT, b"one", id="same") == first
    broker.advance(DUPLICATE_WINDOW_S)
    assert await bus.publish(SUBMIT, b"one", id="same") > first


async def test_a_crashed_client_says_nothing_more(broker: MemoryBroker) -> None:
    doomed = broker.bus("doomed")
    messages = doomed.deliveries("authentication", in_flight=8)
    await broker.bus().publish(SUBMIT, b"one")
    held = await anext(messages)
    broker.crash(doomed)
    await held.done()
    with pytest.raises(BusClosed):
        await doomed.publish(SUBMIT, b"two")
    with pytest.raises(BusClosed):
        await anext(messages)
    assert len(broker.messages("SUBMISSIONS")) == 1
