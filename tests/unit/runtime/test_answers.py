"""Refusals as this service signs and packs them; receipts as the ledger has them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slt.bus import BusDown, NoReply
from slt.bus.memory import MemoryBroker
from slt.bus.messages import Again, AgainReply, ReceiptGet, ReceiptReply, WireFinding, decode, encode
from slt.bus.streams import MAX_PAYLOAD_BYTES
from slt.runtime.answers import ANSWER_BYTES_MAX, RefusalPublisher, Refused, ask_receipts, issue_again
from slt.runtime.run import Runtime, start
from slt.runtime.stage import Waiting
from slt.statements.answers import decode_refusals
from slt.statements.refusals import Refusal, verify_refusal
from tests.support.blocks import make_world
from tests.support.services import service_config
from tests.support.signed import signed

WORLD = make_world()
FINDING: WireFinding = ("A05", "error", "", "", "XLF1", "XLR1", "Submit it as the operator of XLF1.")


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
async def runtime(tmp_path: Path, broker: MemoryBroker) -> AsyncIterator[Runtime]:
    config = service_config(tmp_path, WORLD, "authentication", SLT_LOG_LEVEL="error")
    async with start(config, service="authentication", bus=broker.bus()) as running:
        yield running


def refused(number: int, *, mba: str = "XLR1", findings: list[WireFinding] | None = None) -> Refused:
    item = WORLD.item(number)
    found = findings or [FINDING]
    return Refused(state="XL", mba=mba, submission_id=item.submission_id, statement_id=None, findings=found, height=7)


def refusals_on(broker: MemoryBroker) -> list[tuple[str, list[Refusal], int]]:
    """Subject, verified refusals and size of each message."""
    return [
        (subject, [verify_refusal(*signed, WORLD.genesis) for signed in decode_refusals(data)], len(data))
        for _, subject, data in broker.messages("ANSWERS")
    ]


async def test_a_refusal_verifies_against_genesis(runtime: Runtime, broker: MemoryBroker) -> None:
    await RefusalPublisher(runtime).publish([refused(1)])
    ((subject, (refusal,), _),) = refusals_on(broker)
    assert subject == "slt.refused.XL.XLR1"
    assert (refusal.submission_id, refusal.statement_id) == (WORLD.item(1).submission_id, None)
    assert (refusal.stage, refusal.member, refusal.height, refusal.findings) == ("authentication", 0, 7, (FINDING,))


async def test_refusals_are_packed_by_area(runtime: Runtime, broker: MemoryBroker) -> None:
    await RefusalPublisher(runtime).publish([refused(1), refused(2, mba="XLF1"), refused(3)])
    packed = {subject: len(found) for subject, found, _ in refusals_on(broker)}
    assert packed == {"slt.refused.XL.XLR1": 2, "slt.refused.XL.XLF1": 1}
    assert 'slt_reports_total{outcome="refused",stage="authentication"} 3.0' in runtime.telemetry.exposition().decode()


async def test_a_message_of_refusals_is_cut_and_an_oversize_one_travels_alone(
    runtime: Runtime, broker: MemoryBroker
) -> None:
    large = [(*FINDING[:6], "x" * 4000)] * 20  # 80 KB
    larger = [(*FINDING[:6], "y" * 4000)] * 150  # 600 KB
    await RefusalPublisher(runtime).publish(
        [*(refused(n, findings=large) for n in range(1, 9)), refused(9, findings=larger), refused(10)]
    )
    messages = refusals_on(broker)
    assert sum(len(found) for _, found, _ in messages) == 10
    assert all(len(found) == 1 or size <= ANSWER_BYTES_MAX for _, found, size in messages)


async def test_a_refusal_with_more_findings_than_fit_says_how_many_are_left(
    runtime: Runtime, broker: MemoryBroker
) -> None:
    await RefusalPublisher(runtime).publish([refused(1, findings=[(*FINDING[:6], "é" * 4000)] * 9000)])
    ((_, (refusal,), size),) = refusals_on(broker)
    assert size < MAX_PAYLOAD_BYTES // 4
    shown = len(refusal.findings) - 1
    assert refusal.findings[-1][6] == f"{9000 - shown} more findings are not shown; correct these first."


async def test_a_refusal_that_could_not_be_stored_is_tried_again_by_the_caller(
    runtime: Runtime, broker: MemoryBroker
) -> None:
    broker.fail("publish", when="before", subject="slt.refused.>")
    with pytest.raises(BusDown):
        await RefusalPublisher(runtime).publish([refused(1)])
    assert broker.messages("ANSWERS") == []


async def test_receipts_are_asked_for_in_parts_and_come_in_order(runtime: Runtime, broker: MemoryBroker) -> None:
    asked: list[int] = []

    async def ledger(data: bytes) -> bytes:
        ids = decode(ReceiptGet, data).statement_ids
        asked.append(len(ids))
        return encode(ReceiptReply(receipts=[b"receipt of " + i if i[0] % 2 else None for i in ids]))

    ids = [bytes([n]) * 32 for n in range(150)]
    async with signed(broker.bus("ledger"), WORLD, "ledger").serving("slt.receipt.get", ledger, concurrency=1):
        receipts = await ask_receipts(runtime, ids)
    assert asked == [64, 64, 22]
    assert receipts == [b"receipt of " + i if i[0] % 2 else None for i in ids]


async def test_receipts_are_issued_again(runtime: Runtime, broker: MemoryBroker) -> None:
    async def ledger(data: bytes) -> bytes:
        return encode(AgainReply(issued=[mba == "XLR1" for _, _, mba in decode(Again, data).items]))

    async with signed(broker.bus("ledger"), WORLD, "ledger").serving("slt.again", ledger, concurrency=1):
        issued = await issue_again(runtime, [(b"1" * 32, "XL", "XLR1"), (b"2" * 32, "XL", "XLF1")])
    assert issued == [True, False]


async def test_a_silent_ledger_is_waited_for(runtime: Runtime) -> None:
    with pytest.raises(NoReply):
        await ask_receipts(runtime, [b"1" * 32], timeout_s=0.1)


@pytest.mark.parametrize("reply", [b"nonsense", encode(ReceiptReply(receipts=[]))], ids=["unreadable", "too few"])
async def test_a_reply_that_makes_no_sense_is_waited_for_and_never_taken_for_no(
    runtime: Runtime, broker: MemoryBroker, reply: bytes
) -> None:
    async def ledger(_: bytes) -> bytes:
        return reply

    async with (
        signed(broker.bus("ledger"), WORLD, "ledger").serving("slt.receipt.get", ledger, concurrency=1),
        asyncio.timeout(10),
    ):
        with pytest.raises(Waiting):
            await ask_receipts(runtime, [b"1" * 32])


async def test_nothing_asked_is_nothing_sent(runtime: Runtime) -> None:
    assert await ask_receipts(runtime, []) == []
    assert await issue_again(runtime, []) == []
