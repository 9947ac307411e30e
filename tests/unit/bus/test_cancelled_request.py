"""A task that is cancelled while it asks ends, whatever the client library makes of the cancellation."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from slt.bus.jetstream import JetStreamBus
from slt.bus.jsapi import ask
from slt.bus.streams import TABLE


class Swallowing:
    """A client whose answer comes in the turn in which it is cancelled: as asyncio.wait_for does before Python 3.12."""

    max_payload = 1024 * 1024

    def __init__(self, outcome: Any) -> None:
        self.asked = asyncio.Event()
        self._outcome = outcome

    async def request(self, *_: object, **__: object) -> Any:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if isinstance(self._outcome, Exception):
                raise self._outcome from None
        return self._outcome


@pytest.mark.parametrize("outcome", [SimpleNamespace(data=b"answer"), OSError("gone")])
async def test_a_cancellation_that_the_client_swallows_is_raised_all_the_same(outcome: Any) -> None:
    bus = JetStreamBus(name="test", table=TABLE, patience_s=1.0)
    client = Swallowing(outcome)
    bus._client = client  # type: ignore[assignment]  # a stand-in for the one method that is called
    bus._up.set()
    asking = asyncio.create_task(bus.request("slt.evaluate", b"", timeout_s=30))
    await client.asked.wait()
    asking.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await asking


@pytest.mark.parametrize("outcome", [SimpleNamespace(data=b"{}"), OSError("gone")])
async def test_a_stage_that_is_stopped_while_it_declares_its_consumer_ends_too(outcome: Any) -> None:
    client = Swallowing(outcome)
    asking = asyncio.create_task(ask(client, "STREAM.INFO.BLOCKS", {}))  # type: ignore[arg-type]  # as above
    await client.asked.wait()
    asking.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await asking
