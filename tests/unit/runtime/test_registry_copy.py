import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from slt.bus.memory import MemoryBroker
from slt.bus.messages import StateChanged, StateGet, StateReply, decode, encode
from slt.runtime.copies import RegistryCopy
from slt.runtime.run import start
from slt.statements.cbor import encode as encode_cbor
from tests.support.blocks import make_world
from tests.support.services import service_config
from tests.support.signed import signed

WORLD = make_world()
GENESIS = WORLD.genesis
REPLY = StateReply(
    height=3,
    block_id=b"b" * 32,
    identities=[encode_cbor(identity.to_value()) for identity in GENESIS.identities],
    mbas=[encode_cbor(mba.to_value()) for mba in GENESIS.mbas],
    members=[encode_cbor(member.to_value()) for member in GENESIS.members],
    parameters={"skew_s": 300},
    rules_version=1,
    reference_version=1,
)


class Uniqueness:
    """Answers slt.state.get with `reply`, and counts."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.reply: bytes = encode(REPLY)
        self.asked = 0
        self.bus = broker.bus()
        self._signed = signed(self.bus, WORLD, "uniqueness")

    @property
    def askers(self) -> list[str]:
        return self._signed.askers

    def serving(self) -> AbstractAsyncContextManager[None]:
        return self._signed.serving("slt.state.get", self._answer, concurrency=1)

    async def _answer(self, data: bytes) -> bytes:
        decode(StateGet, data)
        self.asked += 1
        return self.reply


@asynccontextmanager
async def running(folder: Path, broker: MemoryBroker, *, poll_s: float = 3600.0) -> AsyncIterator[RegistryCopy]:
    config = service_config(folder, WORLD, "validation", SLT_LOG_LEVEL="error")
    async with start(config, service="validation", bus=broker.bus("validation")) as runtime:
        copy = RegistryCopy(runtime, poll_s=poll_s)
        task = asyncio.create_task(copy.run())
        try:
            async with asyncio.timeout(10):
                yield copy
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until_height(copy: RegistryCopy, height: int) -> None:
    while copy.height != height:  # noqa: ASYNC110 - the copy tells nobody when it changes
        await asyncio.sleep(0)


async def test_the_copy_is_what_genesis_says(tmp_path: Path) -> None:
    uniqueness = Uniqueness(broker := MemoryBroker())
    async with uniqueness.serving(), running(tmp_path, broker) as copy:
        await copy.wait_ready()
        assert copy.missing() is None
        assert copy.identities == {identity.kid: identity for identity in GENESIS.identities}
        assert copy.reference.mba("XL", "XLR1") == GENESIS.mbas[1]
        assert (copy.members, copy.parameters, copy.height) == (GENESIS.members, {"skew_s": 300}, 3)
    assert uniqueness.askers[0] == "validation"


async def test_it_is_missing_until_uniqueness_answers(tmp_path: Path) -> None:
    uniqueness = Uniqueness(broker := MemoryBroker())
    broker.fail("request", when="before", times=3)
    async with (
        uniqueness.serving(),
        running(tmp_path, broker, poll_s=0.02) as copy,
    ):
        assert not copy.ready
        assert copy.missing() == "no copy of the registry yet"
        await copy.wait_ready()
        assert copy.ready


async def test_a_change_is_fetched_when_it_is_told(tmp_path: Path) -> None:
    uniqueness = Uniqueness(broker := MemoryBroker())
    async with uniqueness.serving(), running(tmp_path, broker) as copy:
        await copy.wait_ready()
        before = copy.current
        uniqueness.reply = encode(msgspec.structs.replace(REPLY, height=4, identities=REPLY.identities[:1]))
        await uniqueness.bus.notify("slt.state.changed", encode(StateChanged(height=4)))
        await until_height(copy, 4)
        assert len(copy.identities) == 1
        assert copy.reference is before.reference, "what did not change is not read again"
        assert len(before.identities) == 2, "a copy that was taken does not change"


async def test_a_change_that_nobody_told_is_found_by_the_poll(tmp_path: Path) -> None:
    uniqueness = Uniqueness(broker := MemoryBroker())
    async with (
        uniqueness.serving(),
        running(tmp_path, broker, poll_s=0.02) as copy,
    ):
        await copy.wait_ready()
        uniqueness.reply = encode(msgspec.structs.replace(REPLY, height=9))
        await until_height(copy, 9)


@pytest.mark.parametrize(
    "reply", [b"nonsense", encode(msgspec.structs.replace(REPLY, height=8, identities=[b"\x00"])),
              encode(msgspec.structs.replace(REPLY, height=2))],
    ids=["unreadable", "bad identity", "older"],
)  # fmt: skip
async def test_an_answer_that_is_bad_or_older_changes_nothing(tmp_path: Path, reply: bytes) -> None:
    uniqueness = Uniqueness(broker := MemoryBroker())
    async with (
        uniqueness.serving(),
        running(tmp_path, broker, poll_s=0.01) as copy,
    ):
        await copy.wait_ready()
        asked = uniqueness.asked
        uniqueness.reply = reply
        while uniqueness.asked < asked + 3:  # noqa: ASYNC110 - the copy tells nobody that it stayed as it was
            await asyncio.sleep(0.001)
        assert (copy.height, len(copy.identities)) == (3, 2)
