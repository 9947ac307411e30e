"""A block becomes rows, and rows become the block again; receipts are the same from either."""

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.core import examine
from services.ledger.receipts import (
    MESSAGE_BYTES_MAX,
    MESSAGE_FIXED_BYTES,
    cut,
    decided_of_examined,
    decided_of_stored,
    proofs_of_examined,
)
from services.ledger.rows import StoredBlock, entry_of, item_of, keys_of, lookup_key, tables_of, timings_of
from services.ledger.vetting import vet_some
from slt.bus.messages import Timing
from slt.statements.answers import encode_receipts
from slt.statements.verdicts import Code
from tests.support.blocks import Chain, accepted, make_world, rejected, seed
from tests.support.receipts import genesis_head


def joined(tables: dict[str, list[dict[str, object]]]) -> list[dict[str, object]]:
    """The rows of `entries` with what stands beside them, as the store joins them."""
    rows = [dict(row) for row in tables["entries"]]
    for name in ("bodies", "facts", "findings"):
        for beside in tables[name]:
            next(row for row in rows if row["entry"] == beside["entry"]).update(beside)
    return rows


def test_items_and_receipts_out_of_rows_are_those_of_the_block() -> None:
    world = make_world()
    chain = Chain(world)
    finding = ("V55", "warning", "OI/2", "469", "x", "a measurement basis", "The basis is missing.")
    block = chain.add(
        [
            accepted(world.item(1, endorsed=True, findings=[finding])),
            rejected(world.item(2), Code.C01),
            rejected(world.item(3, facts=b""), Code.V07),
            rejected(world.item(5), Code.C02),
        ]
    )
    examined = examine(block, genesis_head(world), world.genesis)
    kept = vet_some(examined, 0, 4)
    keys = keys_of(examined.ordered)
    entries = [entry_of(row) for row in joined(dict(tables_of(examined, kept, first_entry=10)))]

    items = [item for batch in block.batches for item in batch.items]
    assert [item_of(entry, keys) for entry in entries] == items
    assert [entry.findings.all for entry in entries] == block.findings
    assert [entry.entry for entry in entries] == [10, 11, 12, 13]

    stored = StoredBlock(
        height=1,
        block_id=examined.head.block_id,
        time_ms=0,
        first_entry=10,
        entries=4,
        before=examined.before,
        after=examined.head.frontier,
        header=block.header,
        certificate=block.certificate,
        checkpoint="",
        received_ms=0,
        stored_ms=0,
    )
    proofs = proofs_of_examined(examined, "note\n")
    at_once = [proofs.receipt(one, keys) for one in decided_of_examined(examined, kept)]
    later = [proofs.receipt(decided_of_stored(stored, entry), keys) for entry in entries if entry.verdict.final]
    assert at_once == later
    assert len(at_once) == 3


def test_timings_of_stages_nobody_knows_survive_too() -> None:
    world = make_world()
    timings = [Timing(stage=stage, received_ms=5000, done_ms=4000) for stage in ("ledger", "vetting")]
    item = msgspec.structs.replace(world.item(1), timings=timings)
    examined = examine(Chain(world).add([accepted(item)]), genesis_head(world), world.genesis)
    (entry,) = (entry_of(row) for row in joined(dict(tables_of(examined, vet_some(examined, 0, 1), first_entry=0))))
    assert timings_of(entry.beside) == timings


def test_lookup_keys_fit_a_signed_column() -> None:
    assert lookup_key(b"\xff" * 32) == -1
    assert lookup_key(b"\x80" + bytes(31)) == -(2**63)
    assert lookup_key(b"\x7f" + b"\xff" * 31) == 2**63 - 1


@given(st.lists(st.integers(min_value=1, max_value=150_000), max_size=40))
def test_answers_are_cut_at_256_kib_and_an_oversize_one_is_alone(sizes: list[int]) -> None:
    receipts = [bytes(size) for size in sizes]
    messages = cut(receipts)
    assert [receipt for message in messages for receipt in message] == receipts
    for message in messages:
        assert message
        assert len(message) == 1 or len(encode_receipts(seed("chain"), 2**62, message)) <= MESSAGE_BYTES_MAX
    for one, following in pairwise(messages):
        assert sum(map(len, one)) + len(following[0]) > MESSAGE_BYTES_MAX - MESSAGE_FIXED_BYTES - 5 * len(receipts)
