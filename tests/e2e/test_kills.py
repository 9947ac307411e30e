"""SIGKILL of services, of several at once and of the broker, at seeded random moments of a running load.

Afterwards every submission has its answer, every statement one final verdict, all receipts of a statement say the same,
no report is in the log twice, heights are contiguous and the ledger verifies from genesis.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from slt.bus import Bus
from slt.bus.jetstream import connect
from slt.bus.subjects import RECEIPT_ALL
from slt.client.client import Client, Patience, open_client
from slt.client.commands.asking import ask_books
from slt.client.folder import PROGRAMS, Folder
from slt.client.local.init import init, now_utc
from slt.client.local.network import NATS, Network, running
from slt.client.outbox import Entry
from slt.client.submission import Signed, check, choose_identity, sign
from slt.client.tasks import beside
from slt.consensus.receipts import VerifierCache, verify_receipt
from slt.statements.answers import decode_receipts
from slt.statements.receipts import parse_receipt
from tests.e2e.audit import audit_folder, fetch_blocks
from tests.e2e.workload import documents, mba_codes, write_world

SEED = int(os.environ.get("SLT_KILLS_SEED", "1"))  # printed when it fails; another one is another schedule
MBAS = 6
REPORTS_OF_MBA = 60
WAVE = 12  # reports submitted at a time
LOAD_S = 60.0  # the load is spread over so long, and something dies every few seconds of it
ANSWERED_WITHIN_S = 120.0
QUIET_WITHIN_S = 20.0
PATIENCE = Patience(first_s=3.0, last_s=10.0, reread_s=5.0)


@pytest.mark.timeout(300)
async def test_every_submission_is_answered_once_whatever_is_killed(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    folder = _ledger(tmp_path)
    reports = _signed(folder)
    ids = [one.entry.statement_id for one in reports]
    killed: Counter[str] = Counter()
    troubles: list[str] = []
    async with (
        running(folder, extra={"SLT_STATE_POLL_S": "1"}) as network,
        connect(network.addresses.nats, name="kills") as bus,
        open_client(folder, bus, patience=PATIENCE, trouble=troubles.append) as client,
    ):
        async with _killing(network, chance, killed):
            await _load(client, reports, chance)
        rows = await client.answers(ids, within_s=ANSWERED_WITHIN_S)
        await _settled(network)
        blocks = await fetch_blocks(bus, folder)
        receipts = await _all_receipts(bus)
        books = await _books(network, height=max(block.height for block in blocks))
    print(f"killed {dict(killed)}; {len(blocks)} blocks; {sum(row.attempts for row in rows)} sendings of {len(rows)}")

    assert sum(killed.values()) >= 15
    assert set(killed) == {NATS, *PROGRAMS}
    assert Counter(row.standing for row in rows) == {"accepted": len(reports)}
    assert [text for text in troubles if "verify" in text or "never" in text] == []
    found = audit_folder(folder, blocks)
    assert set(ids) <= set(found.final)
    assert found.log_size == 1 + len(reports), "every report is in the log once"
    for row in rows:
        verdict, header = found.final[row.statement_id]
        assert (row.code, row.height, row.log_index) == (verdict.code, header.height, verdict.log_index)
    _check_receipts(folder, receipts, rows)
    assert sorted(one["statement_id"] for one in books) == sorted(one.hex() for one in ids)


async def _books(network: Network, *, height: int) -> list[dict[str, Any]]:
    """The accepted reports that the books hold, once they stand at `height`."""
    async with asyncio.timeout(ANSWERED_WITHIN_S):
        while True:
            said = await asyncio.to_thread(ask_books, network.addresses, "/v1/reports", limit=1000)
            if said.height >= height:
                return list(said.result)
            await asyncio.sleep(0.1)  # the books are behind the ledger, which tells nobody when it has stored


def _ledger(place: Path) -> Folder:
    folder = Folder(place / "ledger")
    init(folder.root, world_file=write_world(place / "world.toml", MBAS), model="private", members=1, now=now_utc())
    return folder


def _signed(folder: Folder) -> list[Signed]:
    """The reports of all areas: those of one area in order, the areas taking turns."""
    genesis = folder.genesis()
    made: list[Signed] = []
    streams = [documents(mba, REPORTS_OF_MBA) for mba in mba_codes(MBAS)]
    for turn in zip(*streams, strict=True):
        for name, document in turn:
            checked = check(name, document, genesis)
            now_ms = time.time_ns() // 1_000_000
            identity, signer = choose_identity(
                genesis, folder, state="XL", mba=checked.mba, called="", now_s=now_ms // 1000
            )
            made.append(
                sign(
                    checked,
                    signer,
                    identity=identity.name,
                    genesis=genesis,
                    salt=os.urandom(16),
                    now_ms=now_ms,
                )
            )
    return made


async def _load(client: Client, reports: Sequence[Signed], chance: random.Random) -> None:
    waves = [reports[begin : begin + WAVE] for begin in range(0, len(reports), WAVE)]
    for wave in waves:
        await client.submit(wave)
        await asyncio.sleep(
            chance.uniform(0.0, 2 * LOAD_S / len(waves))
        )  # the load's own pace, not a wait for anything


@asynccontextmanager
async def _killing(network: Network, chance: random.Random, killed: Counter[str]) -> AsyncIterator[None]:
    """While the block runs: every program at least once, then whatever chance says, often two or three at once."""

    async def kill() -> None:
        order = [NATS, *PROGRAMS]
        chance.shuffle(order)
        while True:
            await asyncio.sleep(chance.uniform(0.5, 5.0))  # the moment of the kill is the random part of this test
            count = chance.choice((1, 1, 1, 2, 3))
            victims = [order.pop()] if order else chance.sample([NATS, *PROGRAMS], count)
            for name in victims:
                if network.keepers[name].pid is not None:
                    network.kill(name)
                    killed[name] += 1

    async with beside(kill()):
        yield


async def _settled(network: Network) -> None:
    """Everything is up and ready again."""
    await network.ready(within_s=QUIET_WITHIN_S)


async def _all_receipts(bus: Bus) -> list[bytes]:
    """Every receipt that was ever published, repeats included. ANSWERS is read until it has nothing more."""
    receipts: list[bytes] = []
    async with bus.answers([RECEIPT_ALL], after=0) as messages:
        try:
            while True:
                message = await asyncio.wait_for(anext(messages), 2.0)
                receipts += decode_receipts(message.data)[2]
        except TimeoutError:
            return receipts


def _check_receipts(folder: Folder, receipts: Sequence[bytes], rows: Sequence[Entry]) -> None:
    """All receipts of a statement verify and name the same verdict, header and index; the kept one is among them."""
    genesis = folder.genesis()
    cache = VerifierCache()
    said: dict[bytes, set[tuple[bytes, bytes, int | None]]] = {}
    for receipt in {*receipts, *(folder.receipt_file(row.statement_id).read_bytes() for row in rows)}:
        proof = verify_receipt(receipt, genesis, cache=cache)
        parsed = parse_receipt(receipt)
        answer = (parsed.verdict.encoded, parsed.header.encoded, proof.log_index)
        said.setdefault(proof.statement_id, set()).add(answer)
    assert {len(answers) for answers in said.values()} == {1}
    assert set(said) == {row.statement_id for row in rows}
    for row in rows:
        body = folder.body_file(row.statement_id).read_bytes()
        assert verify_receipt(
            folder.receipt_file(row.statement_id).read_bytes(), genesis, body=body, cache=cache
        ).accepted
