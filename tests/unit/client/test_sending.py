"""Reports are sent until they are answered, and only answers that verify count."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from slt.bus.memory import MemoryBroker
from slt.bus.subjects import receipt as receipt_subject
from slt.bus.subjects import refused as refused_subject
from slt.client.client import Client, Patience, open_client
from slt.client.folder import Folder
from slt.client.outbox import Answered, Entry, Outbox
from slt.client.submission import Signed, submission_of
from slt.client.tasks import beside
from slt.consensus.receipts import verify_receipt
from slt.statements.answers import encode_receipts, encode_refusals
from slt.statements.receipts import Receipt, encode_receipt, parse_receipt
from slt.statements.submission import Submission
from slt.statements.verdicts import Code
from tests.unit.client.member import Member, Will

Sign = Callable[..., Signed]
SOON_S = 60.0
QUICK = Patience(first_s=0.05, last_s=0.2, down_s=0.02, reread_s=0.2, outbox_poll_s=0.05)
PATIENT = replace(QUICK, first_s=3600.0, last_s=3600.0, reread_s=3600.0)


@asynccontextmanager
async def at_work(
    folder: Folder,
    broker: MemoryBroker,
    *,
    will: Callable[[Submission, int], Will] = lambda *_: "accept",
    patience: Patience = QUICK,
    troubles: list[str] | None = None,
) -> AsyncIterator[tuple[Client, Member]]:
    member = Member(folder, broker.bus("member"), will)
    trouble = troubles.append if troubles is not None else (lambda _text: None)
    async with (
        beside(member.serve()),
        open_client(folder, broker.bus("facility"), patience=patience, trouble=trouble) as client,
    ):
        yield client, member


def silent(_one: Submission, _times: int) -> Will:
    return "silent"


async def submit(client: Client, *signed: Signed) -> list[Entry]:
    await client.submit(signed)
    return await client.answers([one.entry.statement_id for one in signed], within_s=SOON_S)


async def test_an_accepted_report_leaves_a_receipt_that_verifies_with_its_body(folder: Folder, signed: Sign) -> None:
    async with at_work(folder, MemoryBroker()) as (client, _member):
        (row,) = await submit(client, signed("XLR1-41"))
    assert (row.standing, row.code, row.log_index) == ("accepted", 0, 1)
    receipt = folder.receipt_file(row.statement_id).read_bytes()
    body = folder.body_file(row.statement_id).read_bytes()
    assert verify_receipt(receipt, folder.genesis(), body=body).accepted


async def test_a_rejection_is_an_answer_with_a_receipt(folder: Folder, signed: Sign) -> None:
    async with at_work(folder, MemoryBroker(), will=lambda *_: "reject") as (client, _member):
        (row,) = await submit(client, signed("XLR1-41"))
    assert (row.standing, row.code, row.log_index) == ("rejected", Code.C05, None)
    assert not verify_receipt(folder.receipt_file(row.statement_id).read_bytes(), folder.genesis()).accepted


async def test_the_same_bytes_are_sent_again_until_an_answer_comes(folder: Folder, signed: Sign) -> None:
    def third_time(_one: Submission, times: int) -> Will:
        return "accept" if times >= 3 else "silent"

    async with at_work(folder, MemoryBroker(), will=third_time) as (client, member):
        (row,) = await submit(client, signed("XLR1-41"))
    assert row.standing == "accepted"
    assert member.seen[:3] == [row.submission_id] * 3
    assert row.attempts >= 3


async def test_a_broker_that_is_away_loses_nothing(folder: Folder, signed: Sign) -> None:
    broker = MemoryBroker()
    broker.away()
    one = signed("XLR1-41")
    async with at_work(folder, broker) as (client, _member):
        await client.submit([one])
        (row,) = await client.answers([one.entry.statement_id], within_s=0.2)
        assert row.standing == "waiting"
        broker.back()
        (row,) = await client.answers([one.entry.statement_id], within_s=SOON_S)
    assert row.standing == "accepted"


async def test_a_publish_that_failed_after_taking_effect_is_repeated_without_harm(folder: Folder, signed: Sign) -> None:
    broker = MemoryBroker()
    broker.fail("publish", when="after", subject="slt.submit.>", times=2)
    async with at_work(folder, broker) as (client, member):
        (row,) = await submit(client, signed("XLR1-41"))
    assert row.standing == "accepted"
    assert len(member.receipts) == 1


async def test_a_new_process_goes_on_with_what_the_outbox_holds(folder: Folder, signed: Sign) -> None:
    one = signed("XLR1-41")
    broker = MemoryBroker()
    async with open_client(folder, broker.bus("killed"), patience=PATIENT) as client:
        await client.submit([one])  # nobody answers: the process ends before
    async with at_work(folder, broker) as (client, _member):
        (row,) = await client.answers([one.entry.statement_id], within_s=SOON_S)
    assert row.standing == "accepted"


async def test_an_answer_given_while_nobody_listened_is_read_from_the_remembered_position(
    folder: Folder, signed: Sign
) -> None:
    broker = MemoryBroker()
    first, second = signed("XLR1-41"), signed("XLR1-42")
    async with at_work(folder, broker) as (client, member):
        await submit(client, first)
    position = _position(folder)
    assert position == 1
    async with open_client(folder, broker.bus("killed"), patience=PATIENT) as client:
        await client.submit([second])
        assert await client.all_sent(within_s=SOON_S)
    submission = submission_of(second.entry)
    answer = encode_receipts(member.genesis.chain_id, 2, [member.receipt(submission, Code.ACCEPTED)])
    await broker.bus("member").publish(receipt_subject("XL", "XLR1"), answer)
    async with open_client(folder, broker.bus("facility"), patience=PATIENT) as client:
        (row,) = await client.answers([second.entry.statement_id], within_s=SOON_S)
    assert row.standing == "accepted"
    assert _position(folder) == 2


async def test_answers_are_found_after_the_broker_lost_the_end_of_its_stream(folder: Folder, signed: Sign) -> None:
    """After a loss sequences are given out again: an answer may stand before the position that we remember."""
    one = signed("XLR1-41")
    broker = MemoryBroker()
    async with at_work(folder, broker, patience=PATIENT) as (client, _member):
        await submit(client, one)
    for file in folder.root.glob("outbox.sqlite*"):
        file.unlink()
    for _ in range(3):
        await broker.bus("other").publish(receipt_subject("XL", "XLR1"), b"another answer")
    before_the_loss = Outbox(folder.outbox_file)
    before_the_loss.answer([], [], positions=[("XL", "XLR1", 3)])
    before_the_loss.close()
    async with open_client(folder, broker.bus("facility"), patience=QUICK) as client:
        (row,) = await submit(client, one)
    assert row.standing == "accepted"


async def test_a_refusal_ends_the_waiting_and_says_why(folder: Folder, signed: Sign) -> None:
    async with at_work(folder, MemoryBroker(), will=lambda *_: "refuse", patience=PATIENT) as (client, _member):
        (row,) = await submit(client, signed("XLR1-43"))
        (refusal,) = client.outbox.refusals(row.submission_id)
    assert (row.standing, row.code) == ("refused", None)
    assert b"C02" in refusal.refusal


async def test_a_receipt_supersedes_a_refusal_and_nothing_supersedes_a_receipt(folder: Folder, signed: Sign) -> None:
    broker = MemoryBroker()
    one = signed("XLR1-41")
    submission = submission_of(one.entry)
    async with at_work(folder, broker, will=lambda *_: "refuse", patience=PATIENT) as (client, member):
        (row,) = await submit(client, one)
        assert row.standing == "refused"
        bus = broker.bus("member")
        answer = encode_receipts(member.genesis.chain_id, 1, [member.receipt(submission, Code.ACCEPTED)])
        await bus.publish(receipt_subject("XL", "XLR1"), answer)
        await bus.publish(refused_subject("XL", "XLR1"), encode_refusals([member.refusal(submission)]))
        await _until_position(client, 3)
        (row,) = client.outbox.get([one.entry.statement_id])
    assert row.standing == "accepted"


async def test_a_report_sent_again_is_not_refused_by_the_old_refusal(folder: Folder, signed: Sign) -> None:
    broker = MemoryBroker()
    one = signed("XLR1-43")
    async with at_work(folder, broker, will=lambda *_: "refuse", patience=PATIENT) as (client, _member):
        (row,) = await submit(client, one)
        assert row.standing == "refused"
        (old,) = [data for _, subject, data in broker.messages("ANSWERS") if subject.startswith("slt.refused")]
    async with open_client(folder, broker.bus("facility"), patience=PATIENT) as client:
        await client.send_again([one.entry.statement_id])
        await broker.bus("member").publish(refused_subject("XL", "XLR1"), old)
        await _until_position(client, 2)
        (row,) = client.outbox.get([one.entry.statement_id])
        assert row.standing == "waiting"


async def test_a_receipt_that_does_not_verify_changes_nothing_and_is_told(folder: Folder, signed: Sign) -> None:
    broker = MemoryBroker()
    one = signed("XLR1-41")
    submission = submission_of(one.entry)
    troubles: list[str] = []
    async with at_work(folder, broker, will=lambda *_: "silent", patience=PATIENT, troubles=troubles) as (
        client,
        member,
    ):
        await client.submit([one])
        good = parse_receipt(member.receipt(submission, Code.ACCEPTED))
        forged = replace(good, header=replace(good.header, time_ms=good.header.time_ms + 1))
        bus = broker.bus("attacker")
        for data in (b"\x00garbage", _receipts(member, forged)):
            await bus.publish(receipt_subject("XL", "XLR1"), data)
        await _until(lambda: len(troubles) == 2)
        (row,) = client.outbox.get([one.entry.statement_id])
        assert row.standing == "waiting"
        assert not folder.receipt_file(row.statement_id).exists()
        await bus.publish(receipt_subject("XL", "XLR1"), _receipts(member, good))
        (row,) = await client.answers([one.entry.statement_id], within_s=SOON_S)
    assert row.standing == "accepted"
    assert "does not verify" in troubles[1]


async def test_a_forged_refusal_changes_nothing(folder: Folder, signed: Sign) -> None:
    broker = MemoryBroker()
    one = signed("XLR1-41")
    troubles: list[str] = []
    async with at_work(folder, broker, will=lambda *_: "silent", patience=PATIENT, troubles=troubles) as (
        client,
        member,
    ):
        await client.submit([one])
        refusal, signature, certificate = member.refusal(submission_of(one.entry))
        forged = (refusal, bytes([signature[0] ^ 1]) + signature[1:], certificate)
        await broker.bus("attacker").publish(refused_subject("XL", "XLR1"), encode_refusals([forged]))
        await _until(lambda: len(troubles) == 1)
        (row,) = client.outbox.get([one.entry.statement_id])
    assert row.standing == "waiting"


async def test_two_receipts_that_disagree_are_both_kept_and_told(folder: Folder, signed: Sign) -> None:
    broker = MemoryBroker()
    one = signed("XLR1-41")
    troubles: list[str] = []
    async with at_work(folder, broker, troubles=troubles, patience=PATIENT) as (client, member):
        (row,) = await submit(client, one)
        other = member.receipt(submission_of(one.entry), Code.C05)  # the member equivocates
        answer = encode_receipts(member.genesis.chain_id, 2, [other])
        await broker.bus("member").publish(receipt_subject("XL", "XLR1"), answer)
        await _until(lambda: len(troubles) == 1)
        (after,) = client.outbox.get([row.statement_id])
    assert (after.standing, after.height) == ("accepted", row.height)
    assert "must never happen" in troubles[0]
    assert len(list(folder.receipts.glob(f"{row.statement_id.hex()}.conflict-*.receipt"))) == 1


async def test_reports_of_an_mba_travel_together_and_in_order(folder: Folder, signed: Sign) -> None:
    names = ("XLR1-43", "XLR1-41", "XLS1-21", "XLR1-42")
    made = {name: signed(name) for name in names}
    async with at_work(folder, MemoryBroker()) as (client, member):
        await submit(client, *made.values())
    expected = [made[name].entry.submission_id for name in ("XLR1-41", "XLR1-42", "XLR1-43")]
    assert expected in member.messages


async def test_another_process_may_take_our_answer(folder: Folder, signed: Sign) -> None:
    broker = MemoryBroker()
    one = signed("XLR1-41")
    async with open_client(folder, broker.bus("first"), patience=PATIENT) as waiting:
        await waiting.submit([one])
        outbox = Outbox(folder.outbox_file)
        await asyncio.to_thread(outbox.answer, [_answered(one)], [], positions=[])
        outbox.close()
        # Its own reader never hears of it: only the outbox has it. `PATIENT` keeps the quick look at the outbox.
        (row,) = await waiting.answers([one.entry.statement_id], within_s=SOON_S)
    assert row.standing == "accepted"


def _answered(one: Signed) -> Answered:
    return Answered(
        statement_id=one.entry.statement_id, standing="accepted", code=0, height=1, log_index=1, answered_ms=1
    )


def _receipts(member: Member, receipt: Receipt) -> bytes:
    return encode_receipts(member.genesis.chain_id, 1, [encode_receipt(receipt)])


def _position(folder: Folder) -> int:
    outbox = Outbox(folder.outbox_file)
    try:
        return outbox.position("XL", "XLR1")
    finally:
        outbox.close()


async def _until_position(client: Client, sequence: int) -> None:
    await _until(lambda: client.outbox.position("XL", "XLR1") >= sequence)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not holds():  # noqa: ASYNC110 - what another thread writes into a database sets no event
            await asyncio.sleep(0.01)


def test_a_large_report_is_given_more_time_before_a_copy_of_it_goes_out() -> None:
    patience = Patience()
    assert patience.after(1, size=1_000) < 1.1 * patience.first_s
    listing = [patience.after(attempts, size=3 * 2**20) for attempts in (1, 2, 9)]
    assert listing == [patience.first_s + 3 * patience.mib_s, patience.last_s, patience.last_s]
