"""The load: signed submissions published on the bus as a facility's system would, and the answers counted.

A plain publisher, not the client: no outbox and no checks before sending, so that the generator's own cost on the
same two cores stays small. It measures from the call of publish to the arrival of the answer.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from slt.bus import Bus, BusDown, StreamFull, subjects
from slt.bus.compression import compress
from slt.statements.answers import decode_receipts, decode_refusals
from slt.statements.genesis import Genesis
from slt.statements.signatures import Signer, signer_from_pem
from slt.statements.statement import (
    CODE10,
    body_digest,
    make_body,
    make_statement,
    subject_of,
)
from slt.statements.submission import Submission, encode_submissions, message_id
from tests.bench.world import STATE, reports_of

SUBMISSION_S_MAX = 30.0  # after the last publish: how long the stragglers may take before the run is called broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One message ready to publish."""

    subject: str
    id: str
    data: bytes
    statements: tuple[bytes, ...]
    document_bytes: int


def prepare(genesis: Genesis, folder: Path, mbas: Sequence[str], count: int, per_message: int) -> list[Prepared]:
    """Sign `count` reports, spread evenly over `mbas`, `per_message` of one MBA to a message, numbers ascending."""

    def signer(mba: str) -> Signer:
        return signer_from_pem((folder / "keys" / f"{mba.lower()}.pem").read_bytes())

    sources = [(mba, signer(mba), reports_of(mba)) for mba in mbas]
    numbers = dict.fromkeys(mbas, 0)
    prepared: list[Prepared] = []
    left = count
    for mba, key, documents in cycle(sources):
        if left <= 0:
            return prepared
        take = min(per_message, left)
        left -= take
        prepared.append(_message(genesis, mba, key, documents, numbers, take))
    return prepared


def _message(
    genesis: Genesis, mba: str, signer: Signer, documents: Iterator[bytes], numbers: dict[str, int], take: int
) -> Prepared:
    submissions: list[Submission] = []
    size = 0
    for _ in range(take):
        numbers[mba] += 1
        document = next(documents)
        size += len(document)
        body = make_body(os.urandom(16), document)
        statement = make_statement(
            signer,
            iss=mba.lower(),
            sub=subject_of(body[:16], f"{STATE}/{mba}/{numbers[mba]}"),
            aud=genesis.audience,
            iat=int(time.time()),
            media_type=CODE10,
            digest=body_digest(body),
        )
        submissions.append(Submission(statement=statement, endorsements=(), body_z=compress(body)))
    return Prepared(
        subject=subjects.submit(STATE, mba),
        id=message_id([one.id for one in submissions], 0),
        data=encode_submissions(submissions),
        statements=tuple(one.statement for one in submissions),
        document_bytes=size,
    )


@dataclass(slots=True)
class Tally:
    """What came back. Times are time.monotonic() seconds."""

    sent_at: dict[bytes, float] = field(default_factory=dict)  # statement bytes -> publish time
    answered_at: dict[bytes, float] = field(default_factory=dict)
    receipts: dict[bytes, bytes] = field(default_factory=dict)  # a sample: every 500th
    refusals: int = 0
    duplicates: int = 0

    @property
    def open(self) -> int:
        return len(self.sent_at) - len(self.answered_at)


async def listen(bus: Bus, tally: Tally, woken: asyncio.Event) -> None:
    """Read every answer of the State as it comes, until cancelled."""
    wanted = [f"slt.receipt.{STATE}.*", f"slt.refused.{STATE}.*"]
    async with bus.answers(wanted, after=0) as answers:
        async for delivery in answers:
            now = time.monotonic()
            if delivery.subject.startswith("slt.refused."):
                tally.refusals += len(decode_refusals(delivery.data))
                continue
            _chain_id, _height, receipts = decode_receipts(delivery.data)
            for receipt in receipts:
                statement = statement_of(receipt)
                if statement in tally.answered_at:
                    tally.duplicates += 1
                    continue
                tally.answered_at[statement] = now
                if len(tally.answered_at) % 500 == 0:
                    tally.receipts[statement] = receipt
            woken.set()


def statement_of(receipt: bytes) -> bytes:
    """The statement inside a receipt, by its place: [1, chain_id (32), statement, ...] (formats.md, receipt v1)."""
    assert receipt[1] == 1 and receipt[2:4] == b"\x58\x20", "a receipt begins with its version and the chain id"
    head = receipt[36]
    if head == 0x58:
        start, length = 38, receipt[37]
    else:
        assert head == 0x59, "a statement is between 24 and 65,535 bytes"
        start, length = 39, int.from_bytes(receipt[37:39], "big")
    return receipt[start : start + length]


async def flood(
    bus: Bus, messages: Sequence[Prepared], tally: Tally, *, window: int, stop_at: float, woken: asyncio.Event
) -> int:
    """Publish as fast as answers come: at most `window` reports unanswered. Returns how many messages were sent."""
    sent = 0
    async with asyncio.TaskGroup() as group:
        for message in messages:
            while tally.open >= window and time.monotonic() < stop_at:
                woken.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), 0.2)
            if time.monotonic() >= stop_at:
                break
            _send(group, bus, message, tally)
            sent += 1
            if sent % 16 == 0:
                await asyncio.sleep(0)
    return sent


async def pace(bus: Bus, messages: Sequence[Prepared], tally: Tally, *, per_s: float, stop_at: float) -> int:
    """Publish `per_s` reports a second, whatever comes back (an open loop: waiting is measured, not avoided)."""
    begin, sent, number = time.monotonic(), 0, 0
    async with asyncio.TaskGroup() as group:
        for message in messages:
            due = begin + number / per_s
            if due >= stop_at:
                break
            if (ahead := due - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            _send(group, bus, message, tally)
            sent += 1
            number += len(message.statements)
    return sent


def _send(group: asyncio.TaskGroup, bus: Bus, message: Prepared, tally: Tally) -> None:
    now = time.monotonic()
    for statement in message.statements:
        tally.sent_at[statement] = now
    group.create_task(_publish(bus, message))


async def _publish(bus: Bus, message: Prepared) -> None:
    while True:
        try:
            await bus.publish(message.subject, message.data, id=message.id)
            return
        except (StreamFull, BusDown):
            await asyncio.sleep(0.05)  # the door pushes back; the report waits at its sender, and its clock runs


async def settle(tally: Tally, woken: asyncio.Event) -> None:
    """Wait until everything sent has its answer. Raises TimeoutError after SUBMISSION_S_MAX."""
    async with asyncio.timeout(SUBMISSION_S_MAX):
        while tally.open > 0:
            woken.clear()
            await woken.wait()


def latencies_ms(tally: Tally, *, since: float) -> list[float]:
    """Milliseconds from publish to answer of every statement sent at `since` (time.monotonic()) or later, ascending."""
    return sorted(
        1000 * (tally.answered_at[statement] - at)
        for statement, at in tally.sent_at.items()
        if at >= since and statement in tally.answered_at
    )
