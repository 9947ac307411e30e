"""STATUS, relays and catch-up: what a peer lacks is sent, what it claims is a hint and never a target."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slt.consensus.tendermint.catchup import PATIENCE_MS, WINDOW, Catchup
from slt.consensus.tendermint.events import Answer, Effects, Fetch, StatusHeard, TimerKind
from slt.consensus.tendermint.relays import RELAY_AFTER_MS, RELAYS_MAX
from slt.consensus.tendermint.status import Status, bitmap_of, has_bit, parse_status, verify_status
from slt.merkle.ed25519 import BadSignature, verify_ed25519
from slt.statements.cbor import DecodeError
from tests.unit.consensus.tendermint.consortium import MEMBERS, key, make_genesis, precommit, prevote
from tests.unit.consensus.tendermint.driver_bench import P0, P1, P2, Bench
from tests.unit.consensus.tendermint.situations import FRESH, A, locked_on_a, precommits


def says(sender: int, **changes: object) -> Status:
    fields: dict[str, object] = {
        "chain_id": MEMBERS.chain_id,
        "epoch": 0,
        "height": 1,
        "round": 0,
        "step": 1,
        "proposals": 0,
        "last_id": MEMBERS.chain_id,
        "prevotes": b"\0",
        "precommits": b"\0",
        "sender": sender,
    }
    status = Status(**(fields | changes))  # type: ignore[arg-type]  # fields of a status
    return replace(status, signature=key(sender).sign(status.sign_bytes))


def hear(bench: Bench, status: Status) -> Effects:
    return bench.feed(StatusHeard(now_ms=bench.now_ms, status=status))


# Bytes


def test_a_status_reads_back_and_every_flipped_bit_is_refused() -> None:
    status = says(P1, round=7, prevotes=bitmap_of({0, 3}, 4), precommits=bitmap_of({1}, 4), proposals=2)
    data = status.encoded
    assert parse_status(data, 4) == status and has_bit(status.prevotes, 3) and not has_bit(status.prevotes, 1)
    verify_status(status, MEMBERS, verify_ed25519)
    for index in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[index // 8] ^= 1 << index % 8
        with pytest.raises((DecodeError, BadSignature)):
            verify_status(parse_status(bytes(flipped), 4), MEMBERS, verify_ed25519)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0), st.integers(0, 255))))
def test_a_decoder_of_status_raises_nothing_else(data: bytes, changes: list[tuple[int, int]]) -> None:
    for start in (data, says(P1).encoded):
        fuzzed = bytearray(start)
        for place, value in changes:
            if fuzzed:
                fuzzed[place % len(fuzzed)] = value
        try:
            assert parse_status(bytes(fuzzed), 4).encoded == bytes(fuzzed)
        except DecodeError:
            continue


def test_a_driver_says_where_it_stands() -> None:
    bench = locked_on_a()
    bench.take(precommit(None, P2))
    status = bench.driver.status()
    assert (status.height, status.round, status.step, status.proposals) == (1, 0, 3, 1)
    assert status.prevotes == bitmap_of({P0, P1, bench.me or 0}, 4)
    assert status.precommits == bitmap_of({P2, bench.me or 0}, 4)


# Relays


def test_what_a_peer_lacks_is_relayed_as_it_came_after_it_had_time_to_come_by_itself() -> None:
    bench = locked_on_a()
    assert not hear(bench, says(P2)).relay
    bench.now_ms += RELAY_AFTER_MS
    relayed = hear(bench, says(P2, prevotes=bitmap_of({P0}, 4))).relay
    assert {to for to, _ in relayed} == {P2}
    messages = [message for _, message in relayed]
    assert messages[0] == FRESH and prevote(A.block_id, P1) in messages and prevote(A.block_id, P0) not in messages
    assert len(messages) == 4 <= RELAYS_MAX  # the proposal, two prevotes, our precommit
    assert not hear(bench, says(P2, proposals=1, prevotes=b"\xf0", precommits=b"\xf0")).relay


def test_a_peer_in_an_earlier_round_gets_the_votes_of_that_round() -> None:
    bench = Bench()
    bench.take(*precommits(None))
    bench.fire(TimerKind.PRECOMMIT)
    bench.now_ms += RELAY_AFTER_MS
    relayed = hear(bench, says(P2, round=0)).relay
    assert [message for _, message in relayed] == precommits(None)
    assert not hear(bench, says(P2, round=9)).relay


def test_a_status_that_is_not_the_peers_own_does_nothing() -> None:
    bench = locked_on_a()
    bench.now_ms += RELAY_AFTER_MS
    for bad in (
        replace(says(P2), sender=P1),
        replace(says(P2), sender=99),
        replace(says(P2), height=10**12),
        replace(says(P2), chain_id=make_genesis(origin="ledger.test/other").chain_id),
        replace(says(P2), signature=bytes(64)),
    ):
        effects = hear(bench, bad)
        assert not effects.relay and not effects.ask and not effects.save


# Catch-up


def test_a_peer_that_is_behind_is_answered_and_one_that_is_ahead_is_asked() -> None:
    bench = Bench()
    (asked, *_) = hear(bench, says(P1, height=3)).ask
    assert asked == Fetch(height=1, peers=(P1,))
    assert hear(bench, says(P2, height=1)).ask == ()
    decided = Bench()
    decided.take(FRESH)
    decided.judge(A)
    decided.take(*precommits(A.block_id))
    decided.applied()
    assert hear(decided, says(P1)).ask == (Answer(height=1, to=P1),)


def test_scenario_41_a_claim_of_any_height_is_a_hint_whom_to_ask_and_nothing_waits_for_it() -> None:
    bench = Bench()
    effects = hear(bench, says(P1, height=10**12))
    assert [one.height for one in effects.ask if isinstance(one, Fetch)] == list(range(1, 1 + WINDOW))
    bench.take(FRESH)
    bench.judge(A)
    bench.take(*precommits(A.block_id))
    assert bench.last.commit is not None, "live votes go on counting"


def test_scenario_39_each_height_is_asked_of_two_peers_and_after_a_while_of_others() -> None:
    catchup = Catchup()
    for peer in (0, 1, 2, 3):
        catchup.heard(peer, 501)
    first = catchup.requests(1, 0)
    assert [one.height for one in first] == list(range(1, 1 + WINDOW))
    assert all(len(one.peers) == 2 for one in first)
    assert catchup.requests(1, PATIENCE_MS - 1) == []
    again = catchup.requests(1, PATIENCE_MS)
    assert again[0].peers != first[0].peers
    assert [one.height for one in catchup.requests(4, PATIENCE_MS + 1)] == [17, 18, 19]


def test_nobody_is_asked_for_what_nobody_says_to_have() -> None:
    catchup = Catchup()
    catchup.heard(1, 5)
    assert [one.height for one in catchup.requests(3, 0)] == [3, 4]
    assert catchup.requests(5, 10**6) == []
    catchup.heard(1, 2)
    assert catchup.claimed == {1: 5}, "an old status may come late"
