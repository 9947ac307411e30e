"""The parameters of a block are those of genesis and of the accepted changes in the log, and no others."""

from hashlib import sha256

import pytest

from services.ledger.core import BadBlock, Head, examine
from slt.bus.messages import Block, Item
from slt.consensus.charter import Charter
from slt.merkle.hashing import Digest
from slt.statements.governance import (
    NO_BODY,
    Announcement,
    Enrol,
    SetParameter,
    make_governance,
    parse_governance,
)
from slt.statements.headers import parse_header
from slt.statements.verdicts import Code
from tests.support.blocks import Chain, Decision, World, make_world, with_header
from tests.support.receipts import genesis_head

AT = 3


def announced(change: SetParameter | Enrol) -> Announcement:
    return Announcement(change=change, effective_height=AT, nonce=bytes(16))


def decision(world: World, announcement: Announcement, code: Code = Code.ACCEPTED) -> Decision:
    """A change by the only member, and the verdict on it."""
    raw = make_governance(
        world.governance, iss="world", aud=world.genesis.audience, iat=1_760_000_000, announcement=announcement
    )
    statement = parse_governance(raw)
    item = Item(
        submission_id=sha256(raw).digest(),
        statement_id=statement.id,
        statement=raw,
        state="",
        mba="",
        kid=statement.kid,
        iss=statement.iss,
        iat=statement.iat,
        spki=world.governance.spki,
        body_digest=NO_BODY,
        change=statement.payload,
    )
    return Decision(item=item, code=code, with_body=False)


def chain_of(code: Code, change: SetParameter | Enrol | None = None) -> tuple[World, list[Block]]:
    """Three blocks; the first orders a change that takes effect with the third."""
    world = make_world()
    chain = Chain(world)
    chain.add([decision(world, announced(change or SetParameter(name="skew_s", value=600)), code)])
    chain.add([])
    chain.add([])
    return world, chain.blocks


def changed_root(world: World) -> Digest:
    announcement = announced(SetParameter(name="skew_s", value=600))
    return Charter.of(world.genesis).announced([announcement]).at(AT).parameters_root


def head_before_the_third(world: World, blocks: list[Block]) -> Head:
    head = genesis_head(world)
    for block in blocks[:2]:
        head = examine(block, head, world.genesis).head
    return head


def test_from_its_height_on_a_block_has_the_parameters_of_an_accepted_change() -> None:
    world, blocks = chain_of(Code.ACCEPTED)
    head = head_before_the_third(world, blocks)
    good = with_header(blocks[2], world, parameters_root=changed_root(world))
    after = examine(good, head, world.genesis).head
    assert after.charter.parameters["skew_s"] == 600
    with pytest.raises(BadBlock, match="its parameters are not those that genesis and the changes in the log give"):
        examine(blocks[2], head, world.genesis)


def test_before_its_height_it_has_the_old_ones() -> None:
    world, blocks = chain_of(Code.ACCEPTED)
    head = examine(blocks[0], genesis_head(world), world.genesis).head
    early = with_header(blocks[1], world, parameters_root=changed_root(world))
    with pytest.raises(BadBlock) as raised:
        examine(early, head, world.genesis)
    assert raised.value.fault == "parameters"


def test_a_change_that_was_not_accepted_changes_nothing() -> None:
    world, blocks = chain_of(Code.CHANGE_CONFLICT)
    head = head_before_the_third(world, blocks)
    examine(blocks[2], head, world.genesis)
    with pytest.raises(BadBlock):
        examine(with_header(blocks[2], world, parameters_root=changed_root(world)), head, world.genesis)


def test_a_change_of_keys_leaves_the_parameters() -> None:
    enrol = Enrol(identity=make_world().genesis.identities[0])
    world, blocks = chain_of(Code.ACCEPTED, enrol)
    head = head_before_the_third(world, blocks)
    examine(blocks[2], head, world.genesis)
    assert parse_header(blocks[2].header).parameters_root == world.genesis.parameters_root
