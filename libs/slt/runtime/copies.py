"""The read copy of registry, reference data and parameters that a stage works with; uniqueness has the original.

copy = RegistryCopy(runtime, poll_s=config.state_poll_s)
await runtime.run(run_stage(runtime, ..., ready=copy.missing), background=[copy.run()])
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from slt.bus import NoReply
from slt.bus.messages import Malformed, StateGet, StateReply
from slt.bus.subjects import STATE_CHANGED, STATE_GET
from slt.reports.reference import Reference
from slt.statements.cbor import DecodeError
from slt.statements.cbor import decode as decode_cbor
from slt.statements.governance import Announcement, parse_announcement
from slt.statements.registry import Identity, Mba, Member

if TYPE_CHECKING:
    from slt.runtime.run import Runtime

ASK_WITHIN_S: Final = 3.0
FIRST_PAUSE_S: Final = 0.2  # until there is a copy at all, ask more often than every poll_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """One state's registry: whole, and never changed; a newer one replaces it."""

    height: int
    block_id: bytes
    identities: Mapping[bytes, Identity]  # by kid
    reference: Reference
    members: tuple[Member, ...]
    parameters: Mapping[str, int | str]
    rules_version: int
    reference_version: int
    announced: tuple[Announcement, ...] = ()  # changes that wait for their height, in the order in which they count


class RegistryCopy:
    """Keeps `current` up to date: at start, on slt.state.changed, and every `poll_s` in case that was lost."""

    def __init__(
        self, runtime: "Runtime", *, poll_s: float, taken: Callable[[Registry], None] = lambda _registry: None
    ) -> None:
        """`taken` is told of every copy, also of one that says what the last one did."""
        self._runtime = runtime
        self._log = runtime.log
        self._poll_s = poll_s
        self._taken = taken
        self._current: Registry | None = None
        self._last: StateReply | None = None
        self._changed = asyncio.Event()
        self._arrived = asyncio.Event()

    @property
    def ready(self) -> bool:
        return self._current is not None

    def missing(self) -> str | None:
        """For run_stage(ready=...): why the stage has to wait."""
        return None if self._current is not None else "no copy of the registry yet"

    @property
    def current(self) -> Registry:
        """The newest copy. Take it once for each batch. Requires `ready`."""
        assert self._current is not None, "the registry copy is used before it is ready"
        return self._current

    @property
    def identities(self) -> Mapping[bytes, Identity]:
        return self.current.identities

    @property
    def reference(self) -> Reference:
        return self.current.reference

    @property
    def parameters(self) -> Mapping[str, int | str]:
        return self.current.parameters

    @property
    def members(self) -> tuple[Member, ...]:
        return self.current.members

    @property
    def height(self) -> int:
        return self._current.height if self._current is not None else 0

    async def wait_ready(self) -> None:
        """Return once there is a copy. `run` must be under way."""
        await self._arrived.wait()

    def look(self) -> None:
        """Ask again now: somebody has heard of a newer state."""
        self._changed.set()

    async def run(self) -> None:
        """Keep the copy; runs until cancelled."""
        async with self._runtime.bus.hints(STATE_CHANGED) as hints, asyncio.TaskGroup() as group:
            group.create_task(self._listen(hints))
            while True:
                self._changed.clear()
                await self.refresh()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_s if self.ready else min(FIRST_PAUSE_S, self._poll_s)):
                        await self._changed.wait()

    async def refresh(self) -> None:
        """Ask once. When uniqueness is silent or answers nonsense the copy stays as it was."""
        try:
            self._take(await self._runtime.ask(STATE_GET, StateGet(), StateReply, timeout_s=ASK_WITHIN_S))
        except NoReply as silence:
            self._log.debug("registry copy", text=str(silence), height=self.height)
        except (Malformed, DecodeError) as error:
            self._log.error("registry copy", text=f"the reply of uniqueness cannot be read: {error}")

    async def _listen(self, hints: AsyncIterator[bytes]) -> None:
        async for _ in hints:
            self._changed.set()

    def _take(self, reply: StateReply) -> None:
        """Raises DecodeError. Lists that are the same as before are not read again."""
        last, current = self._last, self._current
        if current is not None and reply.height < current.height:
            return  # An answer that was overtaken.
        if current is not None and last is not None and reply.identities == last.identities:
            identities = current.identities
        else:
            identities = {i.kid: i for i in (Identity.from_value(decode_cbor(data)) for data in reply.identities)}
        if (
            current is not None
            and last is not None
            and (reply.mbas, reply.reference_version) == (last.mbas, last.reference_version)
        ):
            reference = current.reference
        else:
            mbas = [Mba.from_value(decode_cbor(data)) for data in reply.mbas]
            reference = Reference.of(mbas, reply.reference_version)
        self._current = Registry(
            height=reply.height,
            block_id=reply.block_id,
            identities=identities,
            reference=reference,
            members=tuple(Member.from_value(decode_cbor(data)) for data in reply.members),
            parameters=reply.parameters,
            rules_version=reply.rules_version,
            reference_version=reply.reference_version,
            announced=tuple(parse_announcement(data) for data in reply.announced),
        )
        self._last = reply
        self._taken(self._current)
        if not self._arrived.is_set():
            self._log.info("registry copy", height=reply.height, identities=len(identities))
            self._arrived.set()
