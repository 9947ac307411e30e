"""Blocks that do not verify: nothing of them is stored, the service says so, and a good copy heals what was damaged."""

from dataclasses import replace

import msgspec

from services.ledger.config import Config
from slt.bus.messages import Block, decode
from slt.runtime.run import ServiceBus
from slt.statements.headers import Header, parse_header
from tests.integration.ledger.harness import ask_receipts, everything, ledger, stored, until
from tests.support.blocks import Chain, World, accepted, with_header


def damaged(block: Block) -> Block:
    """The same certified block, with a body that was hurt on its way."""
    (batch,) = block.batches
    item = batch.items[0]
    hurt = msgspec.structs.replace(item, body_z=item.body_z[:-1] + bytes([item.body_z[-1] ^ 1]))
    return msgspec.structs.replace(block, batches=[msgspec.structs.replace(batch, items=[hurt, *batch.items[1:]])])


async def test_a_damaged_copy_is_an_alarm_and_a_good_one_ends_it(config: Config, world: World, bus: ServiceBus) -> None:
    async with everything(config, world, bus) as (running, sequencing, box):
        await stored(running, sequencing, 0)
        sequencing.silent = True
        good = sequencing.chain.add([accepted(world.item(1)), accepted(world.item(2))])
        await sequencing.publish(damaged(good))
        await until(lambda: "chain" in running.runtime.health.not_ready(), "the alarm")
        assert [block.height for block in await running.store.blocks(0, 5)] == [0]
        assert await ask_receipts(bus, world.item(1).statement_id) == [None]
        assert (await running.get("/readyz")).status_code == 503
        assert 'slt_ledger_refused_blocks_total{fault="body"} 1.0' in (await running.get("/metrics")).text

        sequencing.silent = False  # Asked for the height again, consensus has the block as it was.
        await until(lambda: len(box.receipts) == 2, "the receipts")
        assert running.runtime.health.not_ready() == {}


async def test_a_block_whose_certificate_does_not_hold_is_never_stored(
    config: Config, world: World, bus: ServiceBus
) -> None:
    async with everything(config, world, bus) as (running, sequencing, box):
        await stored(running, sequencing, 0)
        block = sequencing.chain.add([accepted(world.item(1))])
        sequencing.chain.blocks[0] = msgspec.structs.replace(block, certificate=block.certificate[:-1] + b"\0")
        await until(lambda: "chain" in running.runtime.health.not_ready(), "the alarm")
        sequencing.chain.blocks[0] = block
        await until(lambda: box.receipts, "the receipt")


async def test_an_old_block_that_nobody_certified_is_an_alarm_and_no_split(
    config: Config, world: World, bus: ServiceBus
) -> None:
    async with everything(config, world, bus) as (running, sequencing, _):
        block = await sequencing.order([accepted(world.item(1))])
        await stored(running, sequencing, 1)
        other = replace(_header(block), time_ms=_header(block).time_ms + 1)
        await sequencing.publish(msgspec.structs.replace(block, header=other.encoded))
        await until(lambda: "chain" in running.runtime.health.not_ready(), "the alarm")
        await sequencing.order([accepted(world.item(2))])
        await stored(running, sequencing, 2)
        assert not (config.data_dir / "evidence").exists()


async def test_two_certified_blocks_for_one_height_halt_the_ledger_and_both_are_kept(
    config: Config, world: World, bus: ServiceBus
) -> None:
    async with everything(config, world, bus) as (running, sequencing, _):
        block = await sequencing.order([accepted(world.item(1))])
        await stored(running, sequencing, 1)
        other = with_header(block, world, time_ms=_header(block).time_ms + 1)
        await sequencing.publish(other)
        await until(lambda: "chain" in running.runtime.health.not_ready(), "the alarm")
        kept = sorted(path.name for path in (config.data_dir / "evidence").iterdir())
        assert kept == sorted(f"1-{_header(one).block_id.hex()}.block" for one in (block, other))
        assert {
            _header(decode(Block, path.read_bytes())).block_id for path in (config.data_dir / "evidence").iterdir()
        } == {
            _header(block).block_id,
            _header(other).block_id,
        }

        await sequencing.order([accepted(world.item(2))])
        assert await ask_receipts(bus, world.item(1).statement_id) != [None]  # It still answers for what it holds.

    async with ledger(config, bus) as again:  # A restart does not make it forget.
        assert "two certified blocks" in again.runtime.health.not_ready()["chain"]
        assert [stored_block.height for stored_block in await again.store.blocks(0, 5)] == [0, 1]


def _header(block: Block) -> Header:
    return parse_header(block.header)


def test_the_helper_makes_blocks_that_differ(world: World) -> None:
    block = Chain(world).add([accepted(world.item(1))])
    assert _header(with_header(block, world, time_ms=1)).block_id != _header(block).block_id
