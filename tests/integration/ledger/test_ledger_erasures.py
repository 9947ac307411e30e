"""Bodies can be erased, and nothing else: what stays verifies, and nobody can lose a body without saying so."""

import sqlite3
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.ledger.checks import crc_of
from services.ledger.config import Config
from services.ledger.erase.flow import Unknown
from services.ledger.store import Store
from slt.bus.memory import MemoryBroker
from slt.consensus.receipts import verify_receipt
from slt.runtime.database import open_engine
from slt.statements.cbor import decode, encode
from slt.statements.erasures import BadErasure, parse_erasure, verify_erasure
from slt.statements.shapes import array
from slt.statements.verdicts import Code
from tests.integration.ledger.erasing import ERASED_MS, REASON, erased
from tests.integration.ledger.harness import everything, stored
from tests.integration.ledger.test_ledger_fsck import change, fsck
from tests.support.blocks import BEGIN_MS, World, accepted, make_world, rejected

FINDING = ("V55", "warning", "OI/2", "469", "x", "a measurement basis", "The basis is missing.")


async def test_an_erased_report_keeps_statement_receipt_proof_and_timeline(config: Config, world: World) -> None:
    item = world.item(1, endorsed=True, findings=[FINDING])
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(item), rejected(world.item(2), Code.C01)])
        await stored(running, sequencing, 1)
        before = (await running.get(f"/v1/receipts/{item.statement_id.hex()}")).content
        assert await erased(config.data_dir, world, [item.statement_id]) == 1
        after = (await running.get(f"/v1/receipts/{item.statement_id.hex()}")).content
        assert after == before
        verify_receipt(after, world.genesis)
        record = await running.get(f"/v1/erasures/{item.statement_id.hex()}")
        assert (record.status_code, record.headers["content-type"]) == (200, "application/cbor")
        erasure = verify_erasure(record.content, world.genesis)
        assert (erasure.statement_id, erasure.reason, erasure.time_ms) == (item.statement_id, REASON, ERASED_MS)
        report = (await running.get(f"/v1/reports/{item.statement_id.hex()}")).json()
        assert report["erased"] == {"time_ms": ERASED_MS, "reason": REASON}
        missing = await running.get(f"/v1/erasures/{world.item(2).statement_id.hex()}")
        assert missing.status_code == 404
    assert (await fsck(config.data_dir, world)).faults == []


async def test_no_byte_of_an_erased_body_is_left_in_the_files(config: Config, world: World) -> None:
    item = world.item(1)
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(item), accepted(world.item(2))])
        await stored(running, sequencing, 1)
    assert await erased(config.data_dir, world, [item.statement_id]) == 1
    for path in config.data_dir.glob("ledger.sqlite*"):
        assert item.body_z not in path.read_bytes(), path
        assert item.body_z[20:-20] not in path.read_bytes(), path


async def test_bodies_past_a_period_are_erased_and_younger_ones_stay(config: Config, world: World) -> None:
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        for number in (1, 2, 3):  # blocks of one second after another
            await sequencing.order([accepted(world.item(number))])
        await stored(running, sequencing, 3)
    assert await erased(config.data_dir, world, [], before_ms=BEGIN_MS + 2_500) == 2
    assert await erased(config.data_dir, world, [], before_ms=BEGIN_MS + 2_500) == 0, "they are gone already"
    with sqlite3.connect(config.data_dir / "ledger.sqlite") as connection:
        assert connection.execute("SELECT entry FROM bodies").fetchall() == [(2,)]
    assert (await fsck(config.data_dir, world)).faults == []


async def test_a_body_is_not_let_go_without_its_record_and_does_not_come_back(config: Config, world: World) -> None:
    item = world.item(1)
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(item)])
        await stored(running, sequencing, 1)
    engine = open_engine(config.data_dir, "ledger")
    try:
        with pytest.raises(IntegrityError, match="only an erasure lets a body go"):
            async with engine.begin() as connection:
                await connection.execute(text("DELETE FROM bodies"))
        await erased(config.data_dir, world, [item.statement_id])
        with pytest.raises(IntegrityError, match="this body was erased"):
            async with engine.begin() as connection:
                await connection.execute(
                    text("INSERT INTO bodies (entry, body_z, crc) VALUES (0, :body, 0)"), {"body": item.body_z}
                )
    finally:
        await engine.dispose()


async def test_nothing_is_erased_when_one_of_the_statements_is_unknown(config: Config, world: World) -> None:
    item = world.item(1)
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(item)])
        await stored(running, sequencing, 1)
    with pytest.raises(Unknown, match="nothing was erased"):
        await erased(config.data_dir, world, [item.statement_id, b"?" * 32])
    engine = open_engine(config.data_dir, "ledger")
    try:
        (entry,) = await Store(engine).by_statement(item.statement_id)
        assert entry.body_z == item.body_z
    finally:
        await engine.dispose()


async def test_a_record_of_another_hand_ledger_or_body_does_not_hold(config: Config, world: World) -> None:
    item = world.item(1)
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(item)])
        await stored(running, sequencing, 1)
        await erased(config.data_dir, world, [item.statement_id])
        record = (await running.get(f"/v1/erasures/{item.statement_id.hex()}")).content
    verify_erasure(record, world.genesis)
    with pytest.raises(BadErasure):
        verify_erasure(record, make_world("another ledger").genesis)
    for at in range(0, len(record), 7):
        changed = record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]
        with pytest.raises(BadErasure):
            verify_erasure(changed, world.genesis)
    changed_reason = replace(parse_erasure(record), reason="ANOTHER REASON").encoded
    _, signature, certificate = array(decode(record), "erasure", 3)
    with pytest.raises(BadErasure, match="does not hold"):
        verify_erasure(encode([changed_reason, signature, certificate]), world.genesis)
    assert parse_erasure(record).member == 0


async def test_a_stored_record_about_another_body_is_a_fault(config: Config, world: World) -> None:
    """The checksum may agree, the signature may hold: the record must still be of this statement's body."""
    async with everything(config, world, MemoryBroker().bus("ledger")) as (running, sequencing, _):
        await sequencing.order([accepted(world.item(1)), accepted(world.item(2))])
        await stored(running, sequencing, 1)
    await erased(config.data_dir, world, [world.item(1).statement_id, world.item(2).statement_id])
    with sqlite3.connect(config.data_dir / "ledger.sqlite") as connection:
        (other,) = connection.execute("SELECT erasure FROM erasures WHERE entry = 1").fetchone()
    row = {"entry": 0, "erasure": other}
    change(config.data_dir, "UPDATE erasures SET erasure = ?, crc = ? WHERE entry = 0", other, crc_of(row))
    assert (await fsck(config.data_dir, world)).faults
