"""A copy of a block: what is read of it before anything is evaluated, and what only then."""

import msgspec
import pytest

from services.uniqueness.blocks import BadBlock, check_facts, read_block, read_verdicts
from slt.bus.messages import Block
from slt.inventory.state import StateHead
from slt.statements.headers import parse_header
from slt.statements.tags import list_root
from tests.support.blocks import Chain, World, accepted, make_world, with_header

WORLD: World = make_world("blocks read")
FINAL = StateHead(height=0, block_id=WORLD.genesis.chain_id, lanes=bytes(2048), log_size=1, time_ms=0)


def _block() -> Block:
    return Chain(WORLD).add([accepted(WORLD.item(1)), accepted(WORLD.item(2))])


def _with_verdicts(block: Block, verdicts: list[bytes]) -> Block:
    """`block` with other verdicts, certified."""
    other = msgspec.structs.replace(block, verdicts=verdicts)
    return with_header(other, WORLD, verdicts_root=list_root("verdicts", verdicts))


def test_a_good_block_is_read() -> None:
    block = _block()
    header, key, batches = read_block(block, FINAL, WORLD.genesis)
    assert (key.height, key.parent_id, header) == (1, WORLD.genesis.chain_id, parse_header(block.header))
    assert [item.statement_id for batch in batches for item in batch.items] == [
        item.statement_id for batch in block.batches for item in batch.items
    ]
    check_facts(block)


def test_verdicts_that_nobody_can_read_are_a_bad_block_before_anything_is_evaluated() -> None:
    """They are certified all the same: whoever has evaluated the block compares every byte of them with its own."""
    block = _with_verdicts(_block(), [b"\x80", b"\xff"])
    read_block(block, FINAL, WORLD.genesis)
    with pytest.raises(BadBlock, match="block 1"):
        check_facts(block)
    with pytest.raises(BadBlock):
        read_verdicts(block, height=1, parent_id=FINAL.block_id, genesis=WORLD.genesis)


def test_verdicts_that_are_not_those_of_the_header_are_a_bad_block() -> None:
    block = _block()
    other = msgspec.structs.replace(block, verdicts=[*reversed(block.verdicts)])
    with pytest.raises(BadBlock, match="its verdicts are not those of its header"):
        read_block(other, FINAL, WORLD.genesis)


def test_each_item_has_one_verdict() -> None:
    block = _block()
    with pytest.raises(BadBlock, match="it has other numbers of items and verdicts"):
        read_block(_with_verdicts(block, block.verdicts[:1]), FINAL, WORLD.genesis)
