"""Questions and answers of stand-ins: bytes in, bytes out as on a `Bus`, signed as a service of the member."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from slt.bus import Bus
from slt.bus.requests import NONCE_BYTES, Dialogue
from tests.support.blocks import World, signer
from tests.support.services import certificate_of


def dialogue(world: World, service: str, *, member: int = 0) -> Dialogue:
    """As `service` of `member` speaks with the key that tests/support/services.py gives it."""
    return Dialogue(
        world.genesis,
        member=member,
        service=service,
        signer=signer(f"service {service}"),
        certificate=certificate_of(world, service, member=member),
    )


class Signed:
    """A bus for one service's questions and answers. What is forged raises: a stand-in believes nobody else."""

    def __init__(self, bus: Bus, speaker: Dialogue) -> None:
        self.bus = bus
        self.speaker = speaker
        self.askers: list[str] = []  # who asked, by certificate, in order

    async def request(self, subject: str, data: bytes, *, timeout_s: float) -> bytes:
        """The payload of the answer. Raises NoReply, Declined, Forged."""
        ask = self.speaker.ask(subject, data, nonce=secrets.token_bytes(NONCE_BYTES))
        return self.speaker.open_answer(subject, ask, await self.bus.request(subject, ask, timeout_s=timeout_s))

    @asynccontextmanager
    async def serving(
        self, subject: str, handler: Callable[[bytes], Awaitable[bytes]], *, concurrency: int
    ) -> AsyncIterator[None]:
        async def answered(data: bytes) -> bytes:
            asked = self.speaker.open_ask(subject, data)
            self.askers.append(asked.asker)
            return self.speaker.answer(subject, data, await handler(asked.payload))

        async with self.bus.serving(subject, answered, concurrency=concurrency):
            yield


def signed(bus: Bus, world: World, service: str) -> Signed:
    return Signed(bus, dialogue(world, service))
