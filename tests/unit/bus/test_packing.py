import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.bus.messages import Item, encode
from slt.bus.packing import BATCH_BYTES_MAX, REPORTS_MAX, Linger, item_size, pack
from tests.support.blocks import make_world

ITEM = Item(submission_id=b"s" * 32, statement_id=b"i" * 32, statement=b"", state="XL", mba="XLR1")


@given(st.lists(st.integers(0, 300_000), max_size=100))
def test_packing_keeps_order_and_limits(sizes: list[int]) -> None:
    items = [msgspec.structs.replace(ITEM, body_z=bytes(size)) for size in sizes]
    packed = pack(items)
    assert [item for part in packed for item in part] == items
    for part in packed:
        assert 1 <= len(part) <= REPORTS_MAX
        assert len(part) == 1 or sum(map(item_size, part)) <= BATCH_BYTES_MAX


def test_small_reports_fill_a_message_and_nothing_needs_none() -> None:
    assert [len(part) for part in pack([ITEM] * 130)] == [64, 64, 2]
    assert pack([]) == []


def test_the_size_of_an_item_is_never_underestimated() -> None:
    finding = ("V07", "error", "OI/1", "411", "value", "expected", "Text with an accent: é" * 30)
    for item in (ITEM, make_world().item(1, findings=[finding] * 50, endorsed=True)):
        assert len(encode([item])) <= item_size(item) <= len(encode([item])) * 4 + 1024


async def test_a_batch_is_full_at_once() -> None:
    linger: Linger[int] = Linger(count_max=3, linger_s=3600.0)
    for number in range(3):
        await linger.put(number)
    async with asyncio.timeout(5):
        assert await linger.batch() == [0, 1, 2]


async def test_a_batch_that_does_not_fill_leaves_after_its_linger() -> None:
    linger: Linger[int] = Linger(count_max=3, linger_s=0.01)
    await linger.put(1)
    async with asyncio.timeout(5):
        assert await anext(linger.batches()) == [1]


async def test_a_cancelled_wait_loses_nothing() -> None:
    linger: Linger[int] = Linger(count_max=3, linger_s=3600.0)
    await linger.put(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await linger.batch()
    await linger.put(2)
    await linger.put(3)
    async with asyncio.timeout(5):
        assert await linger.batch() == [1, 2, 3]
