"""Each thing that an outsider can check about a block, and a block that is wrong in just that."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from services.ledger.core import BadBlock, Examined, examine, one_final_verdict_each
from services.ledger.vetting import Kept, vet_some
from slt.bus.compression import compress
from slt.bus.messages import Block, Item
from slt.merkle.hashing import Digest
from slt.statements.batches import parse_batch, sign_batch
from slt.statements.cbor import encode
from slt.statements.headers import parse_header
from slt.statements.tags import list_root
from slt.statements.verdicts import Code, Verdict, parse_verdict
from tests.support.blocks import (
    Chain,
    World,
    accepted,
    certify,
    make_term,
    make_world,
    rejected,
    seed,
    signer,
    with_header,
)
from tests.support.receipts import genesis_head

Wrong = Callable[[Block, World], Block]
FAULTS: dict[str, tuple[str, str, Wrong]] = {}


def wrong(fault: str, words: str) -> Callable[[Wrong], Wrong]:
    """A way to be wrong, the fault that it is counted under, and words of the alarm."""

    def keep(make: Wrong) -> Wrong:
        FAULTS[make.__name__.replace("_", " ")] = (fault, words, make)
        return make

    return keep


def good_block() -> tuple[World, Chain, Block]:
    """Block 2 of a small chain: two accepted (one endorsed), one rejected, one void, in two batches."""
    world = make_world()
    chain = Chain(world)
    chain.add([accepted(world.item(1))])
    finding = ("V55", "warning", "OI/2", "469", "x", "a measurement basis", "The basis is missing.")
    block = chain.add(
        [
            accepted(world.item(2, endorsed=True, findings=[finding])),
            accepted(world.item(3)),
            rejected(world.item(4), Code.C01),
            rejected(world.item(6), Code.C02),
        ],
        batch_reports=2,
    )
    return world, chain, block


def check(block: Block, world: World, chain: Chain) -> tuple[Examined, list[Kept]]:
    head = genesis_head(world)
    for before in chain.blocks[:-1]:
        head = examine(before, head, world.genesis).head
    examined = examine(block, head, world.genesis)
    one_final_verdict_each(examined, ())
    return examined, vet_some(examined, 0, len(examined.ordered))


# Helpers that make a wrong block whose seals are otherwise right, as a sequencer that lies would.


def with_item(block: Block, position: int, **changes: Any) -> Block:
    """The block with one of its items changed; no digest covers an item."""
    batches = []
    for batch in block.batches:
        items = list(batch.items)
        if 0 <= position < len(items):
            items[position] = msgspec.structs.replace(items[position], **changes)
        position -= len(items)
        batches.append(msgspec.structs.replace(batch, items=items))
    return msgspec.structs.replace(block, batches=batches)


def item(block: Block, position: int) -> Item:
    return [one for batch in block.batches for one in batch.items][position]


def with_verdict(block: Block, world: World, position: int, **changes: Any) -> Block:
    """The block with one verdict changed, and a header that commits to it."""
    verdicts = [parse_verdict(verdict) for verdict in block.verdicts]
    old = verdicts[position]
    fields = {name: getattr(old, name) for name in Verdict.__dataclass_fields__} | changes
    verdicts[position] = Verdict(**fields)
    encoded = [verdict.encoded for verdict in verdicts]
    changed = msgspec.structs.replace(block, verdicts=encoded)
    return with_header(changed, world, verdicts_root=list_root("verdicts", encoded))


def with_batch(block: Block, world: World, position: int = 0, *, by: str = "world consensus", **changes: Any) -> Block:
    """The block with one batch changed, signed anew, and a header that commits to it."""
    batches = list(block.batches)
    batch = replace(parse_batch(batches[position].batch), **changes)
    signature = sign_batch(batch, world.genesis.chain_id, signer(by))
    batches[position] = msgspec.structs.replace(batches[position], batch=batch.encoded, signature=signature)
    root = list_root("batches", [encode(parse_batch(one.batch).digest) for one in batches])
    return with_header(msgspec.structs.replace(block, batches=batches), world, batches_root=root)


def certified_by(block: Block, world: World, sequencer: str, **how: Any) -> Block:
    header = parse_header(block.header)
    key = signer(sequencer)
    term = make_term(world.genesis, world.term_authority, key, **how)
    return msgspec.structs.replace(block, certificate=certify(header, key, term))


# The block as a whole


@wrong("header", "cannot be read")
def a_header_that_is_none(block: Block, world: World) -> Block:
    return msgspec.structs.replace(block, header=b"\x80")


@wrong("header", "its header says 2")
def a_header_of_another_height_than_it_came_as(block: Block, world: World) -> Block:
    return msgspec.structs.replace(block, height=3)


@wrong("ledger", "it belongs to ledger")
def a_block_of_another_ledger(block: Block, world: World) -> Block:
    return with_header(block, world, chain_id=seed("other"))


@wrong("height", "the chain ends at height 1")
def a_block_that_leaves_a_gap(block: Block, world: World) -> Block:
    return with_header(block, world, height=3)


@wrong("parent", "its parent is")
def a_block_on_another_parent(block: Block, world: World) -> Block:
    return with_header(block, world, parent_id=seed("other"))


@wrong("time", "is not after its parent's")
def a_block_that_is_not_later_than_its_parent(block: Block, world: World) -> Block:
    return with_header(block, world, time_ms=parse_header(block.header).time_ms - 1000)


@wrong("members", "member set")
def a_block_with_another_member_set(block: Block, world: World) -> Block:
    return with_header(block, world, members_root=seed("other"))


@wrong("members", "never changes")
def a_block_that_changes_the_member_set(block: Block, world: World) -> Block:
    return with_header(block, world, next_members_root=seed("other"))


@wrong("parameters", "its parameters")
def a_block_with_other_parameters(block: Block, world: World) -> Block:
    return with_header(block, world, parameters_root=seed("other"))


@wrong("evidence", "evidence")
def a_block_with_evidence(block: Block, world: World) -> Block:
    return with_header(block, world, evidence_root=seed("other"))


@wrong("certificate", "did not sign block 2")
def a_header_that_nobody_signed(block: Block, world: World) -> Block:
    changed = replace(parse_header(block.header), state_root=seed("other"))
    return msgspec.structs.replace(block, header=changed.encoded)


@wrong("certificate", "does not hold")
def a_certificate_that_is_none(block: Block, world: World) -> Block:
    return msgspec.structs.replace(block, certificate=b"\xff")


@wrong("certificate", "does not hold")
def a_sequencer_whom_nobody_appointed(block: Block, world: World) -> Block:
    impostor = signer("impostor")
    term = make_term(world.genesis, [impostor], impostor)
    return msgspec.structs.replace(block, certificate=certify(parse_header(block.header), impostor, term))


@wrong("certificate", "two certificates for term 1")
def a_second_sequencer_in_the_same_term(block: Block, world: World) -> Block:
    return certified_by(block, world, "second sequencer")


@wrong("certificate", "which starts at 7")
def a_term_that_has_not_begun(block: Block, world: World) -> Block:
    return certified_by(block, world, "second sequencer", term=2, start_height=7)


# Batches


@wrong("batch", "cannot be read")
def a_batch_that_is_none(block: Block, world: World) -> Block:
    (first, *rest) = block.batches
    return msgspec.structs.replace(block, batches=[msgspec.structs.replace(first, batch=b"\x80"), *rest])


@wrong("batch author", "not in the member list")
def a_batch_by_a_stranger(block: Block, world: World) -> Block:
    return with_batch(block, world, author=7)


@wrong("batch chain", "comes next")
def a_batch_out_of_order(block: Block, world: World) -> Block:
    return with_batch(block, world, seq=4)


@wrong("batch chain", "comes next")
def a_batch_on_another_batch(block: Block, world: World) -> Block:
    return with_batch(block, world, previous=seed("other"))


@wrong("batch signature", "does not hold")
def a_batch_that_its_author_did_not_sign(block: Block, world: World) -> Block:
    return with_batch(block, world, by="impostor")


@wrong("batches root", "not that of the batches")
def a_header_over_other_batches(block: Block, world: World) -> Block:
    return with_header(block, world, batches_root=seed("other"))


@wrong("items", "entries and 1 items")
def a_batch_with_an_item_missing(block: Block, world: World) -> Block:
    (first, *rest) = block.batches
    return msgspec.structs.replace(block, batches=[msgspec.structs.replace(first, items=first.items[:1]), *rest])


# Statements and verdicts


@wrong("item", "of another statement")
def an_item_of_another_statement(block: Block, world: World) -> Block:
    return with_item(block, 1, statement=world.item(9).statement)


@wrong("item", "of another statement")
def an_item_with_other_endorsements(block: Block, world: World) -> Block:
    return with_item(block, 0, endorsements=[])


@wrong("verdicts", "3 verdicts")
def a_block_with_a_verdict_missing(block: Block, world: World) -> Block:
    return msgspec.structs.replace(block, verdicts=block.verdicts[:-1])


@wrong("verdicts", "lists of findings")
def a_block_with_findings_missing(block: Block, world: World) -> Block:
    return msgspec.structs.replace(block, findings=block.findings[:-1])


@wrong("verdicts root", "not that of the verdicts")
def a_header_over_other_verdicts(block: Block, world: World) -> Block:
    return with_header(block, world, verdicts_root=seed("other"))


@wrong("verdict", "is about")
def a_verdict_on_another_statement(block: Block, world: World) -> Block:
    return with_verdict(block, world, 2, statement_id=seed("other"))


@wrong("verdict", "without digests")
def an_acceptance_without_facts(block: Block, world: World) -> Block:
    return with_verdict(block, world, 1, facts_digest=None)


@wrong("log index", "where 2 comes next")
def a_verdict_that_names_another_place_in_the_log(block: Block, world: World) -> Block:
    return with_verdict(block, world, 0, log_index=3)


@wrong("log size", "5 log entries")
def a_header_with_another_log_size(block: Block, world: World) -> Block:
    return with_header(block, world, log_size=5)


@wrong("log root", "log root")
def a_header_with_another_log_root(block: Block, world: World) -> Block:
    return with_header(block, world, log_root=seed("other"))


# One statement


@wrong("item", "nobody can be answered")
def an_item_that_came_on_no_subject(block: Block, world: World) -> Block:
    return with_item(block, 0, mba="xlr1.*")


@wrong("key", "is not the one that it names")
def another_key_beside_a_statement(block: Block, world: World) -> Block:
    return with_item(block, 1, spki=signer("mallory").spki)


@wrong("key", "is not the one that it names")
def no_key_beside_a_rejected_statement(block: Block, world: World) -> Block:
    return with_item(block, 2, spki=b"")


@wrong("endorsement", "do not go together")
def an_endorser_without_a_key(block: Block, world: World) -> Block:
    return with_item(block, 0, endorser_spkis=[])


@wrong("endorsement", "has no endorsement by")
def an_endorser_who_did_not_endorse(block: Block, world: World) -> Block:
    return with_item(block, 1, endorsers=[world.authority.kid], endorser_spkis=[world.authority.spki])


@wrong("endorsement", "has no endorsement by")
def an_endorser_with_another_key(block: Block, world: World) -> Block:
    return with_item(block, 0, endorser_spkis=[signer("mallory").spki])


@wrong("body", "cannot be inflated")
def a_body_that_is_no_zstd(block: Block, world: World) -> Block:
    return with_item(block, 1, body_z=b"junk")


@wrong("body", "is not the one that it names")
def the_body_of_another_statement(block: Block, world: World) -> Block:
    return with_item(block, 1, body_z=item(block, 2).body_z)


@wrong("body", "cannot be inflated")
def a_body_that_grows_beyond_its_length(block: Block, world: World) -> Block:
    return with_item(block, 1, body_z=compress(bytes(2**24)))


@wrong("body", "cannot be inflated")
def no_body_where_the_verdict_has_findings(block: Block, world: World) -> Block:
    return with_item(block, 2, body_z=compress(b""))


@wrong("facts", "cannot be inflated")
def facts_that_are_no_zstd(block: Block, world: World) -> Block:
    return with_item(block, 1, facts_z=b"")


@wrong("facts", "are not those")
def the_facts_of_another_statement(block: Block, world: World) -> Block:
    return with_item(block, 1, facts_z=item(block, 2).facts_z)


@wrong("facts", "are not those")
def other_facts_beside_a_void_verdict(block: Block, world: World) -> Block:
    return with_item(block, 3, facts_z=item(block, 2).facts_z)


@wrong("findings", "are not those")
def a_finding_left_out(block: Block, world: World) -> Block:
    return msgspec.structs.replace(block, findings=[[], *block.findings[1:]])


@wrong("findings", "are not those")
def a_finding_about_another_label(block: Block, world: World) -> Block:
    rule, severity, entry, _, *rest = block.findings[2][0]
    changed = (rule, severity, entry, "412", *rest)
    return msgspec.structs.replace(block, findings=[*block.findings[:2], [changed], block.findings[3]])


@pytest.mark.parametrize("name", FAULTS)
def test_a_block_does_not_pass_with(name: str) -> None:
    fault, words, make = FAULTS[name]
    world, chain, block = good_block()
    with pytest.raises(BadBlock) as raised:
        check(make(block, world), world, chain)
    assert raised.value.fault == fault
    assert words in str(raised.value)


def test_a_good_block_passes_and_says_what_is_kept() -> None:
    world, chain, block = good_block()
    examined, kept = check(block, world, chain)
    assert examined.head.height == 2
    assert (examined.before.size, examined.head.frontier) == (2, chain.frontier)
    assert [one.body_z for one in kept] == [item(block, position).body_z for position in range(4)]
    assert [one.facts_z for one in kept] == [item(block, position).facts_z for position in range(4)]


def test_a_bad_signature_under_a_final_verdict_stops_the_block() -> None:
    world, chain = make_world(), Chain(make_world())
    genuine = world.item(1)
    forged = msgspec.structs.replace(genuine, statement=genuine.statement[:-1] + bytes([genuine.statement[-1] ^ 1]))
    block = chain.add([accepted(forged)])
    with pytest.raises(BadBlock) as raised:
        check(block, world, chain)
    assert raised.value.fault == "signature"


def test_a_bad_signature_under_a_void_verdict_is_ordered_and_says_nothing() -> None:
    world, chain = make_world(), Chain(make_world())
    genuine = world.item(1)
    forged = msgspec.structs.replace(genuine, statement=genuine.statement[:-1] + bytes([genuine.statement[-1] ^ 1]))
    check(chain.add([rejected(forged, Code.BAD_SIGNATURE), accepted(genuine)]), world, chain)


def test_a_statement_gets_no_second_final_verdict_in_one_block() -> None:
    world, chain = make_world(), Chain(make_world())
    block = chain.add([accepted(world.item(1)), rejected(world.item(1), Code.C01)])
    with pytest.raises(BadBlock) as raised:
        check(block, world, chain)
    assert raised.value.fault == "second verdict"


def test_a_statement_gets_no_second_final_verdict_in_a_later_block() -> None:
    world, chain = make_world(), Chain(make_world())
    block = chain.add([accepted(world.item(1))])
    examined = examine(block, genesis_head(world), world.genesis)
    with pytest.raises(BadBlock) as raised:
        one_final_verdict_each(examined, {world.item(1).statement_id})
    assert raised.value.fault == "second verdict"


def test_a_void_copy_beside_a_final_one_is_no_second_verdict() -> None:
    world, chain = make_world(), Chain(make_world())
    block = chain.add([accepted(world.item(1)), rejected(world.item(1), Code.DUPLICATE)])
    check(block, world, chain)


def test_a_body_that_is_not_the_statements_is_not_kept_when_nothing_needs_it() -> None:
    world, chain = make_world(), Chain(make_world())
    wrong_body = msgspec.structs.replace(world.item(1), body_z=world.item(2).body_z)
    block = chain.add([rejected(wrong_body, Code.BODY_WRONG, with_body=False)])
    _, (kept,) = check(block, world, chain)
    assert kept == Kept(body_z=b"", facts_z=b"", findings_salt=b"")


def test_a_good_endorsement_is_found_among_bad_ones() -> None:
    """A rejection for a reason that is checked before endorsements may have any endorsement beside it."""
    world, chain = make_world(), Chain(make_world())
    genuine = world.item(1, endorsed=True)
    bad = genuine.endorsements[0][:-1] + bytes([genuine.endorsements[0][-1] ^ 1])
    mixed = msgspec.structs.replace(genuine, endorsements=[b"junk", bad, *genuine.endorsements])
    check(chain.add([rejected(mixed, Code.MAY_NOT_REPORT)]), world, chain)


def test_a_later_term_takes_over_and_the_deposed_sequencer_is_refused() -> None:
    world, chain = make_world(), Chain(make_world())
    first = chain.add([accepted(world.item(1))])
    taken_over = certified_by(
        chain.add([accepted(world.item(2))]),
        world,
        "second sequencer",
        term=2,
        start_height=2,
        parent_id=parse_header(first.header).block_id,
    )
    head = examine(taken_over, examine(first, genesis_head(world), world.genesis).head, world.genesis).head
    by_the_deposed = chain.add([accepted(world.item(3))])
    with pytest.raises(BadBlock) as raised:
        examine(by_the_deposed, head, world.genesis)
    assert "its height belongs to term 2" in str(raised.value)


def test_an_empty_block_passes() -> None:
    world, chain = make_world(), Chain(make_world())
    examined, kept = check(chain.add([]), world, chain)
    assert (examined.head.frontier.size, kept) == (1, [])


def test_statement_ids_are_digests_everywhere() -> None:
    """The ids that items carry are not trusted: those of the statements are used."""
    world, chain = make_world(), Chain(make_world())
    block = with_item(chain.add([accepted(world.item(1))]), 0, statement_id=Digest(seed("a lie")))
    examined, _ = check(block, world, chain)
    assert examined.ordered[0].statement.id == world.item(1).statement_id
