"""Governance statements in a block: checked, stored, answered and proved like reports, without bodies."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from services.ledger.core import BadBlock, examine
from services.ledger.rows import entry_of, item_of, keys_of, tables_of
from services.ledger.vetting import vet_some
from slt.bus.messages import Block, Item
from slt.consensus.receipts import verify_receipt
from slt.statements.governance import SetParameter
from slt.statements.verdicts import Code
from tests.support.blocks import Chain, Decision, World, accepted, make_world, rejected
from tests.support.receipts import examined, genesis_head, receipts_of
from tests.unit.ledger.test_block_rows import joined

CHANGE = SetParameter(name="skew_s", value=60)
WORLD = make_world()


def chain_of(*decisions: Decision) -> tuple[Chain, Block]:
    chain = Chain(WORLD)
    return chain, chain.add(list(decisions))


def bare(item: Item, code: Code) -> Decision:
    return replace(rejected(item, code), findings=[])


def test_a_change_and_a_report_of_one_block_are_stored_and_come_back_as_they_were() -> None:
    items = [WORLD.change(CHANGE), WORLD.item(1)]
    _, block = chain_of(*map(accepted, items))
    found = examine(block, genesis_head(WORLD), WORLD.genesis)
    kept = vet_some(found, 0, 2)
    assert (kept[0].body_z, kept[0].facts_z, kept[0].findings_salt) == (b"", b"", b"")
    entries = [entry_of(row) for row in joined(dict(tables_of(found, kept, first_entry=1)))]
    assert [item_of(entry, keys_of(found.ordered)) for entry in entries] == items


@pytest.mark.parametrize("approved", [True, False])
def test_a_receipt_proves_what_a_change_says_and_who_approved_it(approved: bool) -> None:
    item = WORLD.change(CHANGE, approved=approved)
    chain, block = chain_of(accepted(item))
    proof = verify_receipt(receipts_of(WORLD, chain, block)[item.statement_id], WORLD.genesis, body=b"")
    assert proof.accepted and proof.announced is not None and proof.announced.change == CHANGE
    assert [one.kid for one in proof.endorsers] == ([WORLD.authority.kid] if approved else [])
    text = " ".join(proof.lines)
    assert "changes the ledger from block 9 on: parameter skew_s = 60" in text
    assert ("approved by" in text) is approved


def test_a_rejected_change_has_a_receipt_without_findings_and_no_place_in_the_log() -> None:
    item = WORLD.change(CHANGE)
    chain, block = chain_of(bare(item, Code.CHANGE_TOO_LATE))
    proof = verify_receipt(receipts_of(WORLD, chain, block)[item.statement_id], WORLD.genesis)
    assert (proof.accepted, proof.code, proof.log_index, proof.findings) == (False, Code.CHANGE_TOO_LATE, None, ())
    assert any("Name a later effective height" in line for line in proof.lines)


def with_item(block: Block, **changes: object) -> Block:
    batch = block.batches[0]
    item = msgspec.structs.replace(batch.items[0], **changes)
    return msgspec.structs.replace(block, batches=[msgspec.structs.replace(batch, items=[item])])


WRONG: dict[str, tuple[str, Callable[[Block, World], Block]]] = {
    "another change beside it": ("item", lambda block, _: with_item(block, change=b"another")),
    "no change beside it": ("item", lambda block, _: with_item(block, change=b"")),
    "a body": ("body", lambda block, _: with_item(block, body_z=b"body")),
    "facts": ("body", lambda block, _: with_item(block, facts_z=b"facts")),
    "another key": ("key", lambda block, world: with_item(block, spki=world.reporter.spki)),
    "an approver who has not approved": (
        "endorsement",
        lambda block, world: with_item(block, endorsers=[world.reporter.kid], endorser_spkis=[world.reporter.spki]),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_change_does_not_pass_with(name: str) -> None:
    fault, make = WRONG[name]
    chain, block = chain_of(accepted(WORLD.change(CHANGE)))
    with pytest.raises(BadBlock) as raised:
        vet_some(examined(WORLD, chain, make(block, WORLD)), 0, 1)
    assert raised.value.fault == fault


def test_a_report_does_not_pass_as_a_change() -> None:
    chain, block = chain_of(accepted(WORLD.item(1)))
    with pytest.raises(BadBlock, match="is not the one that it announces"):
        examined(WORLD, chain, with_item(block, change=b"a change"))
