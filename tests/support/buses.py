"""Both buses behind one face, so that one set of tests holds them to one contract."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from slt.bus.jetstream import JetStreamBus, connect
from slt.bus.jsapi import ask
from slt.bus.memory import MemoryBroker, MemoryBus
from slt.bus.streams import TABLE, Table
from slt.runtime.run import ServiceBus
from tests.support.nats import NatsServer, nats_server

ACK_WAIT_S: Final = 0.5
DUPLICATE_WINDOW_S: Final = 1.0
DEADLINE_S: Final = 60.0


def small_table(*, bytes_max: int = 1024 * 1024, messages_max: int = -1, ack_wait_s: float = ACK_WAIT_S) -> Table:
    """The real table with limits that a test can reach."""
    return Table(
        streams=tuple(
            replace(
                stream,
                bytes_max=bytes_max,
                messages_max=messages_max if stream.retention == "workqueue" else -1,
                duplicate_window_s=DUPLICATE_WINDOW_S,
            )
            for stream in TABLE.streams
        ),
        consumers=tuple(replace(consumer, ack_wait_s=ack_wait_s) for consumer in TABLE.consumers),
    )


class World(Protocol):
    """A broker and the clients that a test opens on it."""

    async def bus(self, name: str = "test", *, patience_s: float = 10.0) -> ServiceBus:
        """Another client, connected and declared; closed with the world."""

    async def away(self) -> None:
        """Kill the broker."""

    async def back(self) -> None: ...

    async def crash(self, bus: ServiceBus) -> None:
        """Kill the client behind `bus`."""

    async def stored(self, stream: str) -> int:
        """How many messages the stream holds now."""


class MemoryWorld:
    def __init__(self, table: Table) -> None:
        self.broker = MemoryBroker(table=table)

    async def bus(self, name: str = "test", *, patience_s: float = 10.0) -> ServiceBus:
        return self.broker.bus(name, patience_s=patience_s)

    async def away(self) -> None:
        self.broker.away()

    async def back(self) -> None:
        self.broker.back()

    async def crash(self, bus: ServiceBus) -> None:
        assert isinstance(bus, MemoryBus)
        self.broker.crash(bus)

    async def stored(self, stream: str) -> int:
        return len(self.broker.messages(stream))


class JetStreamWorld:
    def __init__(self, table: Table, server: NatsServer, stack: AsyncExitStack) -> None:
        self.table = table
        self.server = server
        self._stack = stack

    async def bus(self, name: str = "test", *, patience_s: float = 10.0) -> ServiceBus:
        connecting = connect(self.server.url, name=name, table=self.table, patience_s=patience_s)
        bus = await self._stack.enter_async_context(connecting)
        await bus.declare()
        return bus

    async def away(self) -> None:
        await asyncio.to_thread(self.server.kill)

    async def back(self) -> None:
        await self.server.start()

    async def crash(self, bus: ServiceBus) -> None:
        assert isinstance(bus, JetStreamBus)
        bus._closing = True  # Nothing is flushed and nothing given back: the socket is simply gone.
        bus._up.clear()
        await bus._client.close()

    async def stored(self, stream: str) -> int:
        async with connect(self.server.url, name="count", table=self.table) as bus:
            await bus._up.wait()
            return int((await ask(bus._client, f"STREAM.INFO.{stream}", {}))["state"]["messages"])


@asynccontextmanager
async def world_of(kind: str, folder: Path, table: Table) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        if kind == "memory":
            yield MemoryWorld(table)
        else:
            server = await stack.enter_async_context(nats_server(folder))
            yield JetStreamWorld(table, server, stack)
