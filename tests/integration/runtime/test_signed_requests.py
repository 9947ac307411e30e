"""What a broker or a taken-over neighbour can do to questions and answers, on both buses: nothing but silence."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from slt.bus import NoReply
from slt.bus.messages import BlockGet, BlockReply, Malformed, Message, Said, StateGet, decode, encode
from slt.bus.requests import SAID_BYTES_MAX, Declined, ForgedReply
from slt.bus.stage import PARTIES
from slt.bus.subjects import BLOCK_GET, BLOCK_YOUNG, STATE_GET
from slt.runtime.run import Runtime, start
from tests.support.blocks import make_world
from tests.support.buses import World as Broker
from tests.support.buses import small_table, world_of
from tests.support.services import service_config
from tests.support.signed import dialogue, signed

WORLD = make_world()
DEADLINE_S = 60.0
QUESTION = BlockGet(from_height=8, count=1)
REPLY = BlockReply(blocks=[b"block"], lowest=1, highest=9)


@pytest.fixture(params=["memory", "jetstream"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    async with world_of(request.param, tmp_path / "nats", small_table()) as opened, asyncio.timeout(DEADLINE_S):
        yield opened


@asynccontextmanager
async def service(name: str, broker: Broker, folder: Path) -> AsyncIterator[Runtime]:
    """The runtime of a service, as its __main__ has it."""
    config = service_config(folder, WORLD, name)
    async with start(config, service=name, bus=await broker.bus(name)) as runtime:
        yield runtime


@dataclass(kw_only=True)
class Member:
    """A ledger that asks and a consensus that answers, and what consensus was asked."""

    ledger: Runtime
    consensus: Runtime
    heard: list[tuple[BlockGet, str]] = field(default_factory=list)
    reply: BlockReply = REPLY

    async def answer(self, question: BlockGet, asker: str) -> BlockReply:
        self.heard.append((question, asker))
        return self.reply

    async def ask(self) -> BlockReply:
        return await self.ledger.ask(BLOCK_YOUNG, QUESTION, BlockReply, timeout_s=5.0)


@pytest.fixture
async def member(broker: Broker, tmp_path: Path) -> AsyncIterator[Member]:
    async with AsyncExitStack() as stack:
        ledger, consensus = [
            await stack.enter_async_context(service(name, broker, tmp_path)) for name in ("ledger", "consensus")
        ]
        yield Member(ledger=ledger, consensus=consensus)


def count(runtime: Runtime, subject: str, kind: str) -> float:
    found = f'slt_forged_total{{kind="{kind}",subject="{subject}"}} '
    lines = [line for line in runtime.telemetry.exposition().decode().splitlines() if line.startswith(found)]
    return float(lines[0].removeprefix(found)) if lines else 0.0


def altered(data: bytes, **changes: object) -> bytes:
    return encode(msgspec.structs.replace(decode(Said, data), **changes))


def ask_of(who: str, subject: str = BLOCK_YOUNG, question: Message = QUESTION) -> bytes:
    return dialogue(WORLD, who).ask(subject, encode(question), nonce=secrets.token_bytes(32))


async def test_the_answer_comes_back_and_the_asker_is_known_by_its_certificate(member: Member) -> None:
    async with member.consensus.answering(BLOCK_YOUNG, BlockGet, member.answer, concurrency=1):
        assert await member.ask() == REPLY
    assert member.heard == [(QUESTION, "ledger")]
    assert count(member.ledger, BLOCK_YOUNG, "answer") == count(member.consensus, BLOCK_YOUNG, "ask") == 0


@pytest.mark.parametrize(
    ("forged", "fault"),
    [
        (encode(QUESTION), "not a Said"),
        (b"", "not a Said"),
        (ask_of("validation"), "may not ask on"),
        (altered(ask_of("validation"), service="ledger"), "certificate is that of 'validation'"),
        (altered(ask_of("ledger"), payload=encode(BlockGet(from_height=9, count=1))), "does not fit"),
        (altered(ask_of("ledger"), signature=bytes(64)), "does not fit"),
        (ask_of("uniqueness", BLOCK_GET), "found on"),
        (dialogue(WORLD, "consensus").answer(BLOCK_YOUNG, b"", encode(QUESTION)), "no question"),
        (dialogue(make_world("another"), "ledger").ask(BLOCK_YOUNG, encode(QUESTION), nonce=bytes(32)), "not hold"),
    ],
    ids=["unsigned", "empty", "may not ask", "another's name", "altered", "no signature", "another subject",
         "an answer", "another ledger"],
)  # fmt: skip
async def test_a_forged_question_is_not_heard_and_is_counted_and_logged(
    member: Member, broker: Broker, capfd: pytest.CaptureFixture[str], forged: bytes, fault: str
) -> None:
    stranger = await broker.bus("stranger")
    async with member.consensus.answering(BLOCK_YOUNG, BlockGet, member.answer, concurrency=1):
        assert await stranger.request(BLOCK_YOUNG, forged, timeout_s=5.0) == b""
        assert member.heard == []
        assert count(member.consensus, BLOCK_YOUNG, "ask") == 1
        assert await member.ask() == REPLY, "the others are still answered"
    assert any('"event":"forged"' in line and fault in line for line in capfd.readouterr().out.splitlines())


@pytest.mark.parametrize(
    "how", ["unsigned", "empty", "may not answer", "another's name", "altered", "replayed", "to another question",
            "to another asker", "the question", "another subject"],
)  # fmt: skip
async def test_a_forged_reply_is_worth_no_more_than_silence_and_is_counted_and_logged(
    member: Member, broker: Broker, capfd: pytest.CaptureFixture[str], how: str
) -> None:
    middle = await broker.bus("middle")
    consensus, uniqueness = dialogue(WORLD, "consensus"), dialogue(WORLD, "uniqueness")
    earlier = consensus.answer(BLOCK_YOUNG, ask_of("ledger"), encode(REPLY))  # Of the same question, asked before.

    async def forge(ask: bytes) -> bytes:
        good = consensus.answer(BLOCK_YOUNG, ask, encode(REPLY))
        others = ask_of("ledger", question=BlockGet(from_height=1, count=1))
        return {
            "unsigned": encode(REPLY),
            "empty": b"",
            "may not answer": uniqueness.answer(BLOCK_YOUNG, ask, encode(REPLY)),
            "another's name": altered(uniqueness.answer(BLOCK_YOUNG, ask, encode(REPLY)), service="consensus"),
            "altered": altered(good, payload=encode(BlockReply(highest=1))),
            "replayed": earlier,
            "to another question": consensus.answer(BLOCK_YOUNG, others, encode(REPLY)),
            "to another asker": consensus.answer(BLOCK_YOUNG, ask_of("uniqueness"), encode(REPLY)),
            "the question": ask,
            "another subject": consensus.answer(BLOCK_GET, ask, encode(REPLY)),
        }[how]

    async with middle.serving(BLOCK_YOUNG, forge, concurrency=1):
        with pytest.raises(ForgedReply) as caught:
            await member.ask()
    assert isinstance(caught.value, NoReply), "who waits for an answer goes on waiting"
    assert count(member.ledger, BLOCK_YOUNG, "answer") == 1
    assert any('"event":"forged"' in line and BLOCK_YOUNG in line for line in capfd.readouterr().out.splitlines())


async def test_an_answer_that_was_recorded_answers_only_the_question_it_was_given_to(
    member: Member, broker: Broker
) -> None:
    """A broker that records every exchange and plays old answers to new questions."""
    recorded: list[bytes] = []
    middle = await broker.bus("middle")
    consensus = dialogue(WORLD, "consensus")

    async def record(ask: bytes) -> bytes:
        recorded.append(consensus.answer(BLOCK_YOUNG, ask, encode(REPLY)))
        return recorded[0]

    async with middle.serving(BLOCK_YOUNG, record, concurrency=1):
        assert await member.ask() == REPLY
        for turn in (1, 2, 3):
            with pytest.raises(ForgedReply, match="another question"):
                await member.ask()
            assert count(member.ledger, BLOCK_YOUNG, "answer") == turn


async def test_a_service_that_may_not_ask_is_not_answered(member: Member, broker: Broker, tmp_path: Path) -> None:
    assert "validation" not in PARTIES[BLOCK_YOUNG].askers
    async with (
        service("validation", broker, tmp_path) as validation,
        member.consensus.answering(BLOCK_YOUNG, BlockGet, member.answer, concurrency=1),
    ):
        with pytest.raises(NoReply):
            await validation.ask(BLOCK_YOUNG, QUESTION, BlockReply, timeout_s=5.0)
    assert member.heard == []


async def test_a_service_that_may_not_answer_is_not_believed(member: Member, broker: Broker, tmp_path: Path) -> None:
    async with (
        service("uniqueness", broker, tmp_path) as uniqueness,
        uniqueness.answering(BLOCK_YOUNG, BlockGet, member.answer, concurrency=1),
    ):
        with pytest.raises(ForgedReply, match="'uniqueness' does not answer"):
            await member.ask()


async def test_a_question_that_cannot_be_read_is_declined_and_its_asker_is_told_why(
    member: Member, broker: Broker
) -> None:
    asking = signed(await broker.bus("ledger"), WORLD, "ledger")
    async with member.consensus.answering(BLOCK_YOUNG, BlockGet, member.answer, concurrency=1):
        with pytest.raises(Declined, match="not a BlockGet"):
            await asking.request(BLOCK_YOUNG, b"junk", timeout_s=5.0)
        with pytest.raises(Declined, match="version 2"):
            await asking.request(BLOCK_YOUNG, encode(msgspec.structs.replace(QUESTION, v=2)), timeout_s=5.0)
    assert member.heard == []


async def test_an_answer_of_the_right_service_that_cannot_be_read_is_malformed(member: Member, broker: Broker) -> None:
    async def nonsense(_: bytes) -> bytes:
        return b"nonsense"

    async with signed(await broker.bus("consensus"), WORLD, "consensus").serving(BLOCK_YOUNG, nonsense, concurrency=1):
        with pytest.raises(Malformed):
            await member.ask()


async def test_megabytes_travel_and_what_fits_no_message_is_declined(member: Member) -> None:
    room = SAID_BYTES_MAX - len(encode(BlockReply(blocks=[b"x" * 70_000]))) + 70_000
    member.reply = BlockReply(blocks=[secrets.token_bytes(room - 2)])
    async with member.consensus.answering(BLOCK_YOUNG, BlockGet, member.answer, concurrency=1):
        assert await member.ask() == member.reply
        member.reply = BlockReply(blocks=[bytes(room + 100)])
        with pytest.raises(Declined, match="ask for less"):
            await member.ask()


async def test_an_exception_of_a_handler_is_a_bug_and_leaves_through_the_context(member: Member) -> None:
    async def fail(_question: BlockGet, _asker: str) -> BlockReply:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with member.consensus.answering(BLOCK_YOUNG, BlockGet, fail, concurrency=1):
            await member.ask()


async def test_nobody_there_is_no_reply(member: Member) -> None:
    with pytest.raises(NoReply):
        await member.ledger.ask(STATE_GET, StateGet(), BlockReply, timeout_s=0.2)
