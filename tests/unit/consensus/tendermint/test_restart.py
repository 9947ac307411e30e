"""What was logged, fed again, gives the same state and effects; nothing is signed twice in two ways."""

from dataclasses import fields, replace

import pytest

from slt.consensus.tendermint.driver import Tendermint
from slt.consensus.tendermint.events import (
    Build,
    Check,
    Effects,
    Event,
    Signed,
    SigningRefused,
    Started,
    Step,
    Ticked,
    Timer,
    TimerFired,
    TimerKind,
)
from slt.consensus.tendermint.proposals import Proposal
from slt.consensus.tendermint.votes import Kind
from tests.unit.consensus.tendermint.consortium import MEMBERS, NOW_MS, key, make_ballot, prevote, propose, signer
from tests.unit.consensus.tendermint.driver_bench import P0, P1, P2, WAIT, Bench
from tests.unit.consensus.tendermint.situations import FRESH, A, B, locked_on_a, precommits, prevotes

LATE = TimerFired(now_ms=NOW_MS, timer=Timer(kind=TimerKind.PROPOSE, height=1, round=0, at_ms=NOW_MS + 10**9))


def replayed(bench: Bench) -> tuple[Tendermint, list[Effects]]:
    """A new driver, fed what the old one logged."""
    again = Tendermint(head=bench.head, member_id=bench.me, timeouts=WAIT)
    log: list[Event] = bench.all_of("save")
    return again, [again.step(event) for event in log]


def a_life() -> Bench:
    """Two heights, three rounds, a lock, an early vote, a duplicate, a fetched block and much that does not count."""
    bench = locked_on_a()
    bench.take(prevote(None, P0), prevote(None, P2, height=2), prevote(None, P0, height=99))
    bench.to_round(1)
    bench.take(propose(B, round=1))
    bench.judge(B)
    bench.take(*prevotes(None, round=1), *precommits(None, round=1))
    bench.fire(TimerKind.PREVOTE)
    bench.fire(TimerKind.PRECOMMIT, round_=0)
    bench.fire(TimerKind.PRECOMMIT)
    bench.take(*precommits(A.block_id, round=0))
    bench.applied()
    bench.take(prevote(None, P1, height=2))
    bench.feed(Ticked(now_ms=NOW_MS))
    return bench


def test_what_was_logged_gives_the_same_state_and_the_same_effects() -> None:
    bench = a_life()
    again, effects = replayed(bench)
    old, new = bench.driver.machine, again.machine
    assert new.at == old.at and new.head == old.head and new.recent == old.recent
    for one in fields(Effects):
        if one.name in ("commit", "halt"):
            continue
        made = [x for each in effects for x in getattr(each, one.name)]
        kept = [x for each in bench.effects if each.save for x in getattr(each, one.name)]
        assert made == kept, one.name
    assert [each.commit for each in effects if each.commit] == [each.commit for each in bench.effects if each.commit]


@pytest.mark.parametrize("cut", range(30))
def test_a_log_that_ends_anywhere_signs_nothing_else_when_it_goes_on(cut: int) -> None:
    bench = a_life()
    log: list[Event] = bench.all_of("save")[:cut]
    again = Bench(started=False)
    for event in log:
        again.driver.step(event)
    again.feed(Started(now_ms=NOW_MS))
    before = {(one.kind, one.height, one.round): one for one in bench.signed}
    for ballot in again.signed:
        assert before.get((ballot.kind, ballot.height, ballot.round), ballot) == ballot
    assert again.at.locked_round == -1 or again.at.locked_id == A.block_id


def test_a_restart_says_again_what_was_signed_and_asks_again_for_what_was_not_answered() -> None:
    bench = Bench()
    bench.take(FRESH)
    again, _ = replayed(bench)
    effects = again.step(Started(now_ms=NOW_MS))
    assert [one.content for one in effects.ask if isinstance(one, Check)] == [A]
    bench.judge(A)
    again, _ = replayed(bench)
    effects = again.step(Started(now_ms=NOW_MS))
    assert list(effects.send) == bench.all_of("send") and not effects.sign


def test_a_signature_that_was_asked_for_and_not_answered_is_asked_for_again() -> None:
    driver = Bench()
    effects = driver.driver.step(LATE)
    assert [one.kind for one in effects.sign] == [Kind.PREVOTE]
    again = Bench(started=False)
    for event in [*driver.all_of("save"), *effects.save]:
        again.driver.step(event)
    assert again.driver.step(Started(now_ms=NOW_MS, signed=effects.sign[0])).sign == effects.sign


def test_a_proposer_that_restarts_builds_again_only_if_it_signed_nothing() -> None:
    bench = Bench(me=P0)
    again, _ = replayed(bench)
    assert any(isinstance(one, Build) for one in again.step(Started(now_ms=NOW_MS)).ask)
    bench.build()
    again, _ = replayed(bench)
    effects = again.step(Started(now_ms=NOW_MS))
    assert not any(isinstance(one, Build) for one in effects.ask)
    assert isinstance(effects.send[0], Proposal)


def test_a_restart_after_the_decision_commits_the_same_block_again() -> None:
    bench = Bench()
    bench.take(FRESH)
    bench.judge(A)
    bench.take(*precommits(A.block_id))
    again, _ = replayed(bench)
    commit = again.step(Started(now_ms=NOW_MS)).commit
    assert commit is not None and commit.content == A


@pytest.mark.parametrize("height", [1, 2])
def test_w5_a_signer_that_knows_more_than_the_log_is_watched_until_that_height_is_decided(height: int) -> None:
    bench = Bench(started=False)
    mark = make_ballot(Kind.PREVOTE, A.block_id, height=height, round=4)
    bench.feed(Started(now_ms=NOW_MS, signed=mark))
    assert "watching until then" in bench.last.alarm[0]
    for number in range(1, 4):
        bench.fire(TimerKind.PROPOSE)
        assert bool(bench.signed) == (number > height)
        bench.take(*precommits(None, height=bench.at.height))
        content = A if number == 1 else None
        if content is None:
            break
        bench.take(FRESH, *precommits(A.block_id, round=1))
        bench.judge(A)
        bench.applied()


def test_w3_a_signer_that_refuses_silences_us_for_this_height_only() -> None:
    bench = Bench()
    effects = bench.driver.step(LATE)
    (ballot,) = effects.sign
    bench.feed(SigningRefused(now_ms=NOW_MS, ballot=ballot, reason="another is signed"))
    assert "refuses to sign" in bench.last.alarm[0]
    bench.fire(TimerKind.PREVOTE)
    bench.to_round(1)
    assert not bench.signed
    bench.take(FRESH)
    bench.judge(A)
    bench.take(*precommits(A.block_id))
    bench.applied()
    bench.fire(TimerKind.PROPOSE)
    assert [one.height for one in bench.signed] == [2]


def test_a_signature_by_another_key_halts() -> None:
    bench = Bench()
    (ballot,) = bench.driver.step(LATE).sign
    wrong = signer("somebody").sign(ballot.sign_bytes)
    bench.feed(Signed(now_ms=NOW_MS, ballot=ballot, signature=wrong))
    assert "another key" in bench.driver.halted and not bench.last.send


def test_an_answer_of_the_signer_that_was_not_asked_for_changes_nothing() -> None:
    bench = Bench()
    ballot = make_ballot(Kind.PREVOTE, None)
    assert not bench.feed(Signed(now_ms=NOW_MS, ballot=ballot, signature=bytes(64))).save
    assert not bench.feed(SigningRefused(now_ms=NOW_MS, ballot=ballot, reason="x")).save


def test_a_late_signature_is_sent_and_counts_in_its_own_round() -> None:
    bench = Bench()
    (ballot,) = bench.driver.step(LATE).sign
    bench.fire(TimerKind.PRECOMMIT)
    bench.feed(Signed(now_ms=NOW_MS, ballot=ballot, signature=key(bench.me or 0).sign(ballot.sign_bytes)))
    assert bench.last.send and bench.at.round == 1 and bench.me in bench.at.rounds[0].prevotes.first


def test_own_votes_are_said_again_every_tick_until_the_height_is_decided() -> None:
    bench = locked_on_a()
    said = bench.feed(Ticked(now_ms=NOW_MS)).send
    assert list(said) == bench.all_of("send")[: len(said)] and len(said) == 2
    bench.to_round(1)
    assert len(bench.feed(Ticked(now_ms=NOW_MS)).send) == 2, "of the round before too"
    bench.take(*precommits(A.block_id))
    assert bench.at.step == Step.DECIDED
    assert not bench.feed(Ticked(now_ms=NOW_MS)).send
    assert replace(bench.head, members=MEMBERS) == bench.head
