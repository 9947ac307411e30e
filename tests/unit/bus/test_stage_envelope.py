"""Nobody forges a stage: not the broker, not a neighbour, not another ledger, not yesterday's key."""

from dataclasses import replace
from hashlib import sha256

import msgspec
import pytest

from slt.bus.messages import Envelope, Item, Malformed, decode, encode
from slt.bus.stage import SPEAKERS, Forged, StageOpener, StageSigner, sign_bytes
from slt.statements.refusals import make_service_certificate
from tests.support.blocks import World, make_world, signer
from tests.support.services import YEAR_MS, certificate_of, stage_signer

WORLD = make_world()
ITEMS = [WORLD.item(1), WORLD.item(2)]
SEALED = stage_signer(WORLD, "authentication").seal("authenticated", ITEMS)


def opener(world: World = WORLD, *, member: int | None = 0) -> StageOpener:
    return StageOpener(world.genesis, member=member)


def altered(**changes: object) -> bytes:
    return encode(msgspec.structs.replace(decode(Envelope, SEALED), **changes))


def test_what_one_stage_seals_the_next_opens() -> None:
    assert opener().open("authenticated", SEALED) == ITEMS


def test_every_stage_has_one_service_that_may_speak() -> None:
    for stage, service in SPEAKERS.items():
        sealed = stage_signer(WORLD, service).seal(stage, ITEMS)
        assert opener().open(stage, sealed) == ITEMS


def test_a_block_travels_in_the_same_envelope() -> None:
    sealed = stage_signer(WORLD, "consensus").seal_bytes("block", b"any payload")
    assert opener().open_bytes("block", sealed) == b"any payload"


@pytest.mark.parametrize("stage", ["validated", "admitted", "block"])
def test_a_batch_replayed_to_another_stage_is_refused(stage: str) -> None:
    with pytest.raises(Forged, match="sealed for stage 'authenticated'"):
        opener().open(stage, SEALED)


@pytest.mark.parametrize("stage", ["validated", "admitted", "block"])
def test_a_batch_renamed_to_another_stage_is_refused(stage: str) -> None:
    with pytest.raises(Forged):
        opener().open(stage, altered(stage=stage))
    with pytest.raises(Forged, match="certificate is that of"):
        opener().open(stage, altered(stage=stage, service=SPEAKERS[stage]))


@pytest.mark.parametrize("service", ["validation", "uniqueness", "consensus", "ledger"])
def test_a_taken_over_neighbour_cannot_speak_for_the_door(service: str) -> None:
    sealed = stage_signer(WORLD, service).seal("authenticated", ITEMS)
    with pytest.raises(Forged, match="has no say"):
        opener().open("authenticated", sealed)


def test_a_neighbours_certificate_under_the_doors_name_is_refused() -> None:
    neighbour = StageSigner(
        WORLD.genesis.chain_id, 0, "authentication", signer("service validation"), certificate_of(WORLD, "validation")
    )
    with pytest.raises(Forged, match="certificate is that of 'validation'"):
        opener().open("authenticated", neighbour.seal("authenticated", ITEMS))


def test_every_flipped_byte_is_refused() -> None:
    sealed = stage_signer(WORLD, "authentication").seal_bytes("authenticated", b"small payload")
    checked = opener()
    for position in range(len(sealed)):
        broken = bytearray(sealed)
        broken[position] ^= 1
        with pytest.raises((Forged, Malformed)):
            checked.open_bytes("authenticated", bytes(broken))


def test_a_batch_of_another_ledger_is_refused() -> None:
    with pytest.raises(Forged, match="certificate does not hold"):
        opener(make_world("another")).open("authenticated", SEALED)


def test_a_batch_of_another_member_is_refused_on_this_bus() -> None:
    with pytest.raises(Forged, match="member 0"):
        opener(member=1).open("authenticated", SEALED)
    assert opener(member=None).open("authenticated", SEALED) == ITEMS


def test_a_certificate_that_nobody_in_genesis_signed_is_refused() -> None:
    forged = make_service_certificate(
        signer("somebody"),
        chain_id=WORLD.genesis.chain_id,
        member=0,
        service="authentication",
        key=signer("service authentication").public,
        not_before=0,
        not_after=4_000_000_000_000,
    ).encoded
    by = StageSigner(WORLD.genesis.chain_id, 0, "authentication", signer("service authentication"), forged)
    with pytest.raises(Forged, match="certificate does not hold"):
        opener().open("authenticated", by.seal("authenticated", ITEMS))


def test_a_certificate_out_of_date_is_refused_even_when_it_is_known() -> None:
    now_ms = 2_000_000_000_000
    certificate = certificate_of(WORLD, "authentication", now_ms=now_ms)
    by = StageSigner(WORLD.genesis.chain_id, 0, "authentication", signer("service authentication"), certificate)
    sealed = by.seal("authenticated", ITEMS)
    now = [now_ms]
    checked = StageOpener(WORLD.genesis, now_ms=lambda: now[0])
    assert checked.open("authenticated", sealed) == ITEMS
    now[0] += 2 * YEAR_MS
    with pytest.raises(Forged, match="not valid now"):
        checked.open("authenticated", sealed)


def test_many_foreign_certificates_do_not_fill_the_memory() -> None:
    checked = opener()
    for number in range(200):
        other = certificate_of(WORLD, "authentication", now_ms=1_700_000_000_000 + number * 1000)
        by = StageSigner(WORLD.genesis.chain_id, 0, "authentication", signer("service authentication"), other)
        sealed = by.seal("authenticated", ITEMS[:1])
        with pytest.raises(Forged):
            checked.open("validated", sealed)
        StageOpener.open_bytes(checked, "authenticated", SEALED)
    assert len(checked._certificates._known) <= 64


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x97", b"garbage" * 100, SEALED[:-1], SEALED + b"\x00"])
def test_bytes_that_are_no_envelope_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        opener().open("authenticated", data)


def test_a_signed_payload_that_holds_no_items_is_malformed() -> None:
    sealed = stage_signer(WORLD, "authentication").seal_bytes("authenticated", b"\x93\x01\x02\x03")
    with pytest.raises(Malformed):
        opener().open("authenticated", sealed)


def test_the_signature_covers_what_the_readme_says() -> None:
    """Byte by byte, so that a service in another language can be written from the docstring."""
    payload = sha256(b"payload").digest()
    expected = (
        b"slt/STAGE/v1".ljust(32, b"\0")
        + WORLD.genesis.chain_id
        + bytes([0, 0, 0, 5])
        + b"block"
        + bytes([0, 0, 0, 9])
        + b"consensus"
        + bytes([0, 0, 0, 0, 0, 0, 0, 3])
        + payload
    )
    assert sign_bytes(WORLD.genesis.chain_id, "block", "consensus", 3, payload) == expected


def test_an_item_with_one_field_more_is_malformed() -> None:
    item = msgspec.msgpack.decode(encode(ITEMS[:1]))
    item[0].append("more")
    with pytest.raises(Malformed):
        decode(list[Item], msgspec.msgpack.encode(item))


def test_worlds_differ() -> None:
    assert replace(WORLD).genesis.chain_id != make_world("another").genesis.chain_id
