"""The ledger service from a final block to the facility's receipt, on the bus in memory and on the real broker."""

import json

import pytest

from services.ledger.config import Config
from slt.bus import subjects
from slt.bus.messages import Again, AgainReply, Block, BlockGet, BlockReply, ReceiptGet, decode, encode
from slt.bus.requests import Declined
from slt.runtime.run import ServiceBus
from slt.statements.verdicts import Code
from tests.integration.ledger.harness import (
    DEADLINE_S,
    ask_receipts,
    everything,
    ledger,
    mailbox,
    sequencer,
    stored,
    until,
)
from tests.support.blocks import MBA, OTHER_MBA, World, accepted, rejected
from tests.support.receipts import examined
from tests.support.signed import signed


async def test_every_final_verdict_is_answered_with_a_receipt_that_verifies(
    config: Config, world: World, bus: ServiceBus
) -> None:
    items = [world.item(number) for number in range(1, 6)] + [world.item(9, mba=OTHER_MBA, endorsed=True)]
    async with everything(config, world, bus) as (running, sequencing, box):
        await sequencing.order([*map(accepted, items), rejected(world.item(7), Code.V07)], batch_reports=3)
        await stored(running, sequencing, 1)
        await until(lambda: len(box.receipts) == 7, "seven receipts")

    for item in items:
        assert box.subjects[item.statement_id] == subjects.receipt(item.state, item.mba)
        proof = box.verify(box.receipts[item.statement_id][0])
        assert (proof.accepted, proof.height) == (True, 1)
    assert [len(receipts) for receipts in box.receipts.values()] == [1] * 7


async def test_receipts_of_a_block_are_packed_by_mba(config: Config, world: World, bus: ServiceBus) -> None:
    async with everything(config, world, bus) as (_, sequencing, box):
        ours = [accepted(world.item(number)) for number in range(50)]
        theirs = [accepted(world.item(number, mba=OTHER_MBA)) for number in range(50)]
        await sequencing.order(ours + theirs)
        await until(lambda: len(box.receipts) == 100, "a hundred receipts")
        assert box.messages == 2


async def test_a_void_verdict_is_stored_and_gives_no_receipt(config: Config, world: World, bus: ServiceBus) -> None:
    early, good = world.item(43), world.item(42)
    async with everything(config, world, bus) as (running, sequencing, box):
        await sequencing.order([rejected(early, Code.C02), accepted(good)])
        await stored(running, sequencing, 1)
        await until(lambda: box.receipts, "the other receipt")
        assert set(box.receipts) == {good.statement_id}
        assert await ask_receipts(bus, early.statement_id) == [None]

        await sequencing.order([accepted(early)])  # The same statement again, once its predecessor is there.
        await until(lambda: early.statement_id in box.receipts, "the receipt of the second copy")
        assert box.verify(box.receipts[early.statement_id][0]).height == 2


async def test_blocks_that_were_never_hinted_at_are_asked_for(config: Config, world: World, bus: ServiceBus) -> None:
    async with sequencer(world, bus) as sequencing, mailbox(world, bus) as box:
        items = [world.item(number) for number in range(40)]
        for item in items:
            sequencing.chain.add([accepted(item)])
        async with ledger(config, bus) as running:
            await stored(running, sequencing, 40)
            await until(lambda: len(box.receipts) == 40, "all receipts")
        assert set(sequencing.askers) == {"ledger"}


async def test_a_gap_in_the_hints_is_filled_by_asking(config: Config, world: World, bus: ServiceBus) -> None:
    async with everything(config, world, bus) as (running, sequencing, box):
        await stored(running, sequencing, 0)
        first, second, third = (sequencing.chain.add([accepted(world.item(number))]) for number in (1, 2, 3))
        await sequencing.publish(third, second, first)
        await stored(running, sequencing, 3)
        await until(lambda: len(box.receipts) == 3, "all receipts")
        assert [block.height for block in await running.store.blocks(0, 10)] == [0, 1, 2, 3]


async def test_a_block_that_comes_again_is_the_same_and_gives_the_same_receipts(
    config: Config, world: World, bus: ServiceBus
) -> None:
    items = [world.item(number, endorsed=True) for number in (1, 2, 3)]
    ids = [item.statement_id for item in items]
    async with everything(config, world, bus) as (running, sequencing, box):
        first = await sequencing.order([accepted(items[0]), accepted(items[1]), rejected(items[2], Code.V10)])
        await until(lambda: len(box.receipts) == 3, "the receipts")
        given = await ask_receipts(bus, *ids)
        await sequencing.publish(first)
        await sequencing.publish(sequencing.chain.add([accepted(world.item(4))]))
        await stored(running, sequencing, 2)
        assert await ask_receipts(bus, *ids) == given
        assert running.runtime.health.not_ready() == {}
    assert given == [box.receipts[statement_id][0] for statement_id in ids]
    assert all(set(receipts) == {receipts[0]} for receipts in box.receipts.values())


async def test_a_late_question_gets_the_same_receipt_after_a_restart(
    config: Config, world: World, bus: ServiceBus
) -> None:
    warning = ("V55", "warning", "OI/2", "469", "x", "a measurement basis", "The basis is missing.")
    items = [world.item(number, findings=[warning] * (number % 2), endorsed=True) for number in range(20)]
    async with everything(config, world, bus) as (_, sequencing, box):
        await sequencing.order([accepted(item) for item in items[:15]], batch_reports=4)
        await sequencing.order([rejected(item, Code.C03, evidence=items[0].statement_id) for item in items[15:]])
        await until(lambda: len(box.receipts) == 20, "the receipts")
    async with ledger(config, bus):
        again = await ask_receipts(bus, *(item.statement_id for item in items), b"\0" * 32)
    assert again == [*(box.receipts[item.statement_id][0] for item in items), None]


async def test_a_receipt_that_was_lost_is_published_again_where_it_was_asked_for(
    config: Config, world: World, bus: ServiceBus
) -> None:
    item, unknown = world.item(1), world.item(2)
    async with everything(config, world, bus) as (_, sequencing, box):
        await sequencing.order([accepted(item)])
        await until(lambda: box.receipts, "the receipt")
        question = Again(items=[(item.statement_id, "XL", MBA), (unknown.statement_id, "XL", MBA)])
        reply = await signed(bus, world, "uniqueness").request(subjects.AGAIN, encode(question), timeout_s=DEADLINE_S)
        assert decode(AgainReply, reply).issued == [True, False]
        await until(lambda: len(box.receipts[item.statement_id]) == 2, "the receipt again")
    assert box.receipts[item.statement_id][0] == box.receipts[item.statement_id][1]


async def test_stored_blocks_are_given_again_and_verify_from_genesis(
    config: Config, world: World, bus: ServiceBus
) -> None:
    async with everything(config, world, bus) as (running, sequencing, _):
        chain = sequencing.chain
        await sequencing.order([accepted(world.item(1, endorsed=True)), rejected(world.item(2), Code.C02)])
        await sequencing.order([])
        await sequencing.order([accepted(world.item(number)) for number in (2, 3)], batch_reports=1)
        await stored(running, sequencing, 3)
        question, asking = BlockGet(from_height=1, count=10), signed(bus, world, "uniqueness")
        reply = decode(BlockReply, await asking.request(subjects.BLOCK_GET, encode(question), timeout_s=DEADLINE_S))
    assert (len(reply.blocks), reply.lowest, reply.highest) == (3, 1, 3)
    given = [decode(Block, block) for block in reply.blocks]
    assert given == chain.blocks  # To the last field: the items too.
    chain.blocks = given
    assert examined(world, chain, given[2]).head.frontier == chain.frontier


async def test_questions_that_cannot_be_read_get_no_answer_that_could_be_taken_for_a_no(
    config: Config, world: World, bus: ServiceBus
) -> None:
    asking = signed(bus, world, "uniqueness")
    async with everything(config, world, bus):
        for subject in (subjects.BLOCK_GET, subjects.RECEIPT_GET, subjects.AGAIN):
            with pytest.raises(Declined, match="not a "):
                await asking.request(subject, b"junk", timeout_s=DEADLINE_S)
        astray = Again(items=[(b"\0" * 32, "XL", "a.b")])
        with pytest.raises(Declined, match=r"a\.b"):
            await asking.request(subjects.AGAIN, encode(astray), timeout_s=DEADLINE_S)
        many = ReceiptGet(statement_ids=[b"\0" * 32] * 65)
        with pytest.raises(Declined, match="65 statements"):
            await asking.request(subjects.RECEIPT_GET, encode(many), timeout_s=DEADLINE_S)


async def test_bytes_that_consensus_did_not_seal_are_parked(config: Config, world: World, bus: ServiceBus) -> None:
    async with everything(config, world, bus) as (running, sequencing, _):
        forged = encode(sequencing.chain.add([accepted(world.item(1))]))
        sequencing.silent = True
        await bus.publish(subjects.BLOCK, forged)
        await bus.publish(subjects.BLOCK, b"junk")
        await until(lambda: _count(running.runtime.telemetry.exposition(), "slt_parked_total") == 2, "both parked")
        assert [block.height for block in await running.store.blocks(0, 5)] == [0]
        assert running.runtime.health.not_ready() == {}


@pytest.mark.parametrize("buses", ["memory"], indirect=True)
async def test_a_bus_that_fails_while_publishing_delays_receipts_and_loses_none(
    config: Config, world: World, bus: ServiceBus
) -> None:
    from slt.bus.memory import MemoryBus

    assert isinstance(bus, MemoryBus)
    async with everything(config, world, bus) as (running, sequencing, box):
        bus.broker.fail("publish", when="before", subject=subjects.RECEIPT_ALL)
        await sequencing.order([accepted(world.item(1))])
        await until(lambda: len(box.receipts) == 1, "the first receipt")
        bus.broker.fail("publish", when="after", subject=subjects.RECEIPT_ALL)
        await sequencing.order([accepted(world.item(2))])
        await stored(running, sequencing, 2)
        await until(lambda: len(box.receipts) == 2, "the second receipt")
        await until(lambda: bus.broker.messages("ANSWERS"), "answers")
    assert [len(set(receipts)) for receipts in box.receipts.values()] == [1, 1]


def _count(exposition: bytes, name: str) -> float:
    return sum(
        float(line.rpartition(" ")[2]) for line in exposition.decode().splitlines() if line.startswith(f"{name}{{")
    )


@pytest.mark.parametrize("buses", ["memory"], indirect=True)
async def test_a_traced_report_has_its_span_under_the_stage_before(
    config: Config, world: World, bus: ServiceBus
) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with everything(config, world, bus) as (running, sequencing, _):
        await sequencing.order([accepted(world.item(1, traceparent=traceparent)), accepted(world.item(2))])
        await stored(running, sequencing, 1)
    assert config.spans_file is not None
    spans = [json.loads(line) for line in config.spans_file.read_text(encoding="utf-8").splitlines()]
    (of_report,) = [span for span in spans if span["name"] == "ledger"]
    assert (of_report["trace_id"], of_report["parent_id"]) == (traceparent[3:35], traceparent[36:52])
    assert of_report["attributes"]["slt.height"] == 1
    assert of_report["attributes"]["slt.statement_id"] == world.item(1).statement_id.hex()
    (of_batch,) = [span for span in spans if span["name"] == "process ledger"]
    assert of_batch["links"]
