"""slt.vet.authentication: whose signatures are good on statements that consensus has in hand, by the registry of now.

The pipeline has nothing to do with it: threads of its own, and a bounded number of questions at once.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import Protocol

from services.authentication.core import Door
from services.authentication.signatures import authenticity
from slt.bus.messages import Authenticity, Item, VetAuthentication, VetAuthenticationReply
from slt.bus.requests import Declined
from slt.bus.subjects import VET_AUTHENTICATION
from slt.runtime.copies import RegistryCopy
from slt.runtime.run import Runtime


class MakesDoors(Protocol):
    """Gives what the door knows now."""

    def __call__(self) -> Door: ...


class AuthenticatingAgain:
    """Answers; owns nothing."""

    def __init__(self, runtime: Runtime, copy: RegistryCopy, door: MakesDoors, pool: Executor) -> None:
        self._runtime = runtime
        self._copy = copy
        self._door = door
        self._pool = pool

    @asynccontextmanager
    async def answering(self, *, at_once: int) -> AsyncIterator[None]:
        """Answer while the context is open."""
        asking = self._runtime.answering(VET_AUTHENTICATION, VetAuthentication, self.look, concurrency=at_once)
        async with asking:
            yield

    async def look(self, question: VetAuthentication, _asker: str) -> VetAuthenticationReply:
        """Raises Declined while there is no copy of the registry. A key that it lacks has the copy asked for anew."""
        if (missing := self._copy.missing()) is not None:
            raise Declined(VET_AUTHENTICATION, missing)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._pool, look_at_all, question.items, self._door())
        if any(one.signature == "no key" or one.unknown_endorsers for one in found):
            self._copy.look()
        return VetAuthenticationReply(found=found)


def look_at_all(items: Sequence[Item], door: Door) -> list[Authenticity]:
    """Runs on a thread."""
    return [authenticity(item.statement, item.endorsements, door) for item in items]
