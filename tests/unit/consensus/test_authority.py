"""The private driver: the life of a block, and each guard that can hold one up."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from slt.consensus.authority import Authority, genesis_head
from slt.consensus.certificates import verify_certificate
from slt.consensus.effects import NOTHING, Claim, Effects, Timer
from slt.consensus.events import (
    Admitted,
    ChangeScheduled,
    EvaluationFailed,
    SigningRefused,
    Started,
    Stored,
    TimerFired,
    VettedAgain,
    Watermark,
)
from slt.consensus.records import BatchFormed, Certified, Proposed, Recovered
from slt.merkle.hashing import leaf_hash, tree_root
from slt.statements.cbor import decode, encode
from slt.statements.headers import genesis_log_entry, parse_header
from slt.statements.tags import list_root
from slt.statements.verdicts import Code, Verdict
from tests.unit.consensus.world import (
    GENESIS,
    LIMITS,
    NOW_MS,
    evaluated,
    fresh,
    make_admission,
    make_driver,
    make_item,
    make_term,
    signed,
    signer,
    verdicts_for,
)

DIGEST = sha256(b"some").digest()


def admit(driver: Authority, *names: str, now_ms: int = NOW_MS, **size: int) -> Effects:
    return driver.step(Admitted(now_ms=now_ms, batches=(make_admission(*names, **size),)))


def make_blocks(driver: Authority, count: int) -> list[Effects]:
    """Let `driver` make `count` blocks, all stored at once. Returns the effects that committed them."""
    commits = []
    for _ in range(count):
        question = admit(driver, f"report {driver.head.height}", now_ms=driver.head.time_ms + NOW_MS)
        commits.append(driver.step(signed(driver.step(evaluated(driver, question)))))
        driver.step(Stored(now_ms=NOW_MS, height=driver.head.height))
    return commits


# The life of a block


def test_admitted_submissions_are_saved_as_the_next_batches_of_the_chain() -> None:
    driver = make_driver()
    effects = driver.step(Admitted(now_ms=NOW_MS, batches=(make_admission("a", "b"), make_admission("c"))))
    first, second = (record for record in effects.save if isinstance(record, BatchFormed))
    assert (first.batch.author, first.batch.seq, first.batch.previous) == (0, 1, GENESIS.chain_id)
    assert (second.batch.seq, second.batch.previous) == (2, first.digest)
    assert first.statement_ids == (make_item("a").statement_id, make_item("b").statement_id)


def test_batches_are_saved_before_they_are_put_to_the_question() -> None:
    effects = admit(make_driver(), "a")
    assert effects.save and effects.send
    assert list(Effects.__dataclass_fields__)[:6] == ["save", "note", "claim", "sign", "send", "timer"]


def test_a_block_is_saved_claimed_and_signed_in_one_effect() -> None:
    driver = make_driver()
    effects = driver.step(evaluated(driver, admit(driver, "a", "b")))
    (proposed,) = effects.save
    assert isinstance(proposed, Proposed) and effects.claim is not None and effects.sign is not None
    assert effects.claim == Claim(term=1, height=1, block_id=proposed.block_id, header=proposed.header)
    assert (effects.sign.height, effects.sign.block_id) == (1, proposed.block_id)
    assert not effects.commit


def test_the_header_commits_to_batches_verdicts_state_and_log() -> None:
    driver = make_driver()
    question = driver.step(Admitted(now_ms=NOW_MS, batches=(make_admission("a", "b"), make_admission("c"))))
    void = make_item("b").statement_id
    verdicts = verdicts_for(question, log_size=1, void=(void,))
    effects = driver.step(evaluated(driver, question, verdicts=verdicts, state_root=DIGEST))
    assert effects.claim is not None
    header = parse_header(effects.claim.header)
    batches = [formed.digest for formed in question.send[0].batches]
    entries = [genesis_log_entry(GENESIS.origin, GENESIS.chain_id), make_item("a").statement, make_item("c").statement]
    assert (header.chain_id, header.height, header.parent_id) == (GENESIS.chain_id, 1, GENESIS.chain_id)
    assert (header.epoch, header.proposer, header.time_ms) == (0, 0, question.send[0].time_ms)
    assert header.batches_root == list_root("batches", [encode(digest) for digest in batches])
    assert header.verdicts_root == list_root("verdicts", verdicts)
    assert header.state_root == DIGEST
    assert (header.log_size, header.log_root) == (3, tree_root(entries))
    assert (header.members_root, header.next_members_root) == (GENESIS.members_root, GENESIS.members_root)
    assert header.parameters_root == GENESIS.parameters_root
    assert header.evidence_root == list_root("evidence", [])


def test_a_signed_block_is_committed_with_a_certificate_that_holds() -> None:
    driver = make_driver()
    effects = driver.step(signed(driver.step(evaluated(driver, admit(driver, "a")))))
    (commit,) = effects.commit
    assert isinstance(effects.note[0], Certified) and not effects.save
    verify_certificate(parse_header(commit.proposed.header), decode(commit.certified.certificate), GENESIS)
    assert driver.head.height == 1 and driver.head.block_id == commit.proposed.block_id
    assert driver.pending == ()


def test_heights_logs_and_chains_go_on_over_many_blocks() -> None:
    driver = make_driver()
    commits = make_blocks(driver, 20)
    headers = [parse_header(effects.commit[0].proposed.header) for effects in commits]
    assert [header.height for header in headers] == list(range(1, 21))
    assert [header.parent_id for header in headers[1:]] == [header.block_id for header in headers[:-1]]
    assert [header.log_size for header in headers] == list(range(2, 22))
    leaves = [leaf_hash(genesis_log_entry(GENESIS.origin, GENESIS.chain_id))]
    leaves += [leaf_hash(make_item(f"report {height}").statement) for height in range(20)]
    assert driver.head.log == genesis_head(GENESIS).log.extended(leaves[1:])


def test_the_same_events_give_the_same_effects() -> None:
    one, other = make_driver(), make_driver()
    assert make_blocks(one, 3) == make_blocks(other, 3)


# P: when the next block is asked for


def test_p1_one_block_is_in_flight_at_a_time() -> None:
    driver = make_driver()
    first = admit(driver, "a")
    assert first.send
    assert not admit(driver, "b").send
    proposed = driver.step(evaluated(driver, first))
    assert not admit(driver, "c").send
    after = driver.step(signed(proposed))
    assert [formed.batch.seq for formed in after.send[0].batches] == [2, 3]


def test_p2_nothing_is_ordered_before_the_ledger_has_spoken() -> None:
    driver = make_driver(speaks=False)
    assert not admit(driver, "a").send
    assert driver.step(Stored(now_ms=NOW_MS, height=0)).send


def test_p2_a_ledger_that_is_ahead_of_our_log_ends_signing() -> None:
    driver = make_driver(speaks=False)
    effects = driver.step(Stored(now_ms=NOW_MS, height=7))
    assert "the ledger has block 7 and our log ends at 0" in effects.halt
    assert driver.step(Stored(now_ms=NOW_MS, height=0)) == NOTHING
    assert admit(driver, "a") == NOTHING


def test_p3_no_block_is_made_while_the_ledger_is_too_far_behind() -> None:
    driver = make_driver(limits=replace(LIMITS, unstored_max=2))
    question = admit(driver, "report 0")
    for height in (1, 2):
        admit(driver, f"report {height}")
        question = driver.step(signed(driver.step(evaluated(driver, question))))
    assert driver.head.height == 2 and not question.send
    assert driver.step(Stored(now_ms=NOW_MS, height=1)).send


def test_p4_a_block_lingers_for_more_batches() -> None:
    driver = make_driver(limits=replace(LIMITS, linger_ms=50))
    effects = admit(driver, "a")
    assert not effects.send and effects.timer == (Timer(height=1, at_ms=NOW_MS + 50),)
    assert not admit(driver, "b", now_ms=NOW_MS + 49).send
    asked = driver.step(TimerFired(now_ms=NOW_MS + 50, timer=effects.timer[0]))
    assert len(asked.send[0].batches) == 2


def test_p4_a_full_block_does_not_linger() -> None:
    driver = make_driver(limits=replace(LIMITS, linger_ms=50))
    assert not admit(driver, "a", size_bytes=9_000).send
    assert admit(driver, "b", size_bytes=1_000).send


def test_p4_a_stale_timer_does_nothing() -> None:
    driver = make_driver()
    make_blocks(driver, 1)
    assert not driver.step(TimerFired(now_ms=NOW_MS + 1, timer=Timer(height=1, at_ms=NOW_MS))).send


def test_p4_without_batches_a_block_is_made_after_the_heartbeat() -> None:
    driver = make_driver(limits=replace(LIMITS, heartbeat_ms=1000))
    early = driver.step(TimerFired(now_ms=NOW_MS + 999, timer=Timer(height=1, at_ms=0)))
    assert not early.send and early.timer[0].at_ms == NOW_MS + 1000
    question = driver.step(TimerFired(now_ms=NOW_MS + 1000, timer=early.timer[0]))
    effects = driver.step(signed(driver.step(evaluated(driver, question))))
    assert effects.commit[0].proposed.batch_digests == ()
    assert driver.head.log.size == 1
    assert effects.timer[0].at_ms == question.send[0].time_ms + 1000


def test_p4_while_a_change_waits_for_its_height_empty_blocks_come_sooner() -> None:
    driver = make_driver(limits=replace(LIMITS, heartbeat_ms=10**9, idle_ms=100))
    effects = driver.step(ChangeScheduled(now_ms=NOW_MS, height=2))
    for _ in range(2):
        (timer,) = effects.timer
        effects = driver.step(TimerFired(now_ms=timer.at_ms, timer=timer))
        effects = driver.step(signed(driver.step(evaluated(driver, effects)), now_ms=timer.at_ms))
    assert driver.head.height == 2
    assert effects.timer[0].at_ms > driver.head.time_ms + 10**8


def test_p5_the_time_of_a_block_is_greater_than_its_parents_even_if_the_clock_goes_back() -> None:
    driver = make_driver()
    make_blocks(driver, 1)
    question = admit(driver, "late", now_ms=NOW_MS - 5_000)
    assert question.send[0].time_ms == driver.head.time_ms + 1


def test_p5_a_clock_that_was_put_back_does_not_hold_up_what_lingers() -> None:
    driver = make_driver(limits=replace(LIMITS, linger_ms=50))
    admit(driver, "a")
    hour_ago = NOW_MS - 3_600_000
    (timer,) = driver.step(TimerFired(now_ms=hour_ago, timer=Timer(height=1, at_ms=NOW_MS + 50))).timer
    assert timer.at_ms == hour_ago + 50
    assert driver.step(TimerFired(now_ms=timer.at_ms, timer=timer)).send


def test_p5_a_clock_that_was_put_back_does_not_hold_up_a_retry() -> None:
    driver = make_driver(limits=replace(LIMITS, retry_ms=500))
    question = admit(driver, "a")
    driver.step(evaluated(driver, question, verdicts=()))
    hour_ago = NOW_MS - 3_600_000
    (timer,) = admit(driver, "b", now_ms=hour_ago).timer
    assert timer.at_ms == hour_ago + 500
    assert driver.step(TimerFired(now_ms=timer.at_ms, timer=timer)).send


def test_p6_nothing_is_asked_after_the_end_of_the_term_and_a_person_is_called_once() -> None:
    driver = make_driver(term=make_term(not_after=NOW_MS + 5))
    effects = admit(driver, "a", now_ms=NOW_MS + 6)
    assert not effects.send and "renew" in effects.alarm[0]
    assert admit(driver, "b", now_ms=NOW_MS + 7).alarm == ()
    assert (
        make_driver(term=make_term(not_after=NOW_MS + 5))
        .step(Admitted(now_ms=NOW_MS + 5, batches=(make_admission("a"),)))
        .send
    )


# What goes into a block


def test_a_block_takes_the_oldest_batches_that_fit_by_bytes() -> None:
    driver = make_driver(speaks=False)
    for name, size in (("a", 4_000), ("b", 5_000), ("c", 2_000), ("d", 100)):
        admit(driver, name, size_bytes=size)
    assert driver.step(Stored(now_ms=NOW_MS, height=0)).send[0].seqs == (1, 2)


def test_a_block_takes_the_oldest_batches_that_fit_by_entries() -> None:
    driver = make_driver(speaks=False)
    for name, entries in (("a", 60), ("b", 40), ("c", 1)):
        admit(driver, name, report_entries=entries)
    assert driver.step(Stored(now_ms=NOW_MS, height=0)).send[0].seqs == (1, 2)


@pytest.mark.parametrize("size", [{"size_bytes": 50_000}, {"report_entries": 5_000}])
def test_an_oversize_report_travels_alone(size: dict[str, int]) -> None:
    driver = make_driver(speaks=False)
    admit(driver, "big", **size)
    admit(driver, "small")
    assert driver.step(Stored(now_ms=NOW_MS, height=0)).send[0].seqs == (1,)


def test_after_an_evaluation_that_failed_the_oldest_batch_goes_alone_until_a_block_is_made() -> None:
    """Limits may be lower by now: of two batches the ledger takes none, and of one it takes any."""
    driver = make_driver(speaks=False, limits=replace(LIMITS, retry_ms=500))
    for name in ("a", "b"):
        admit(driver, name)
    question = driver.step(Stored(now_ms=NOW_MS, height=0)).send[0]
    assert question.seqs == (1, 2)
    failed = EvaluationFailed(
        now_ms=NOW_MS, height=question.height, time_ms=question.time_ms, seqs=question.seqs, reason="too many entries"
    )
    (timer,) = driver.step(failed).timer
    assert driver.step(TimerFired(now_ms=timer.at_ms, timer=timer)).send[0].seqs == (1,)


# E: what is accepted as an evaluation


@pytest.mark.parametrize("change", [{"height": 2}, {"time_ms": NOW_MS + 77}, {"seqs": (1, 2)}, {"seqs": ()}])
def test_e1_an_answer_to_another_question_is_ignored(change: dict[str, Any]) -> None:
    driver = make_driver()
    question = admit(driver, "a")
    assert driver.step(evaluated(driver, question, **change)) == NOTHING
    assert driver.step(evaluated(driver, question)).sign


def test_e1_a_second_answer_is_ignored() -> None:
    driver = make_driver()
    question = admit(driver, "a")
    assert driver.step(evaluated(driver, question)).sign
    assert driver.step(evaluated(driver, question)) == NOTHING


def bad_evaluation(**changes: Any) -> Effects:
    """What a driver does with a wrong answer about statements a and b."""
    driver = make_driver(limits=replace(LIMITS, retry_ms=500))
    question = admit(driver, "a", "b")
    effects = driver.step(evaluated(driver, question, **changes))
    assert not effects.save and effects.sign is None and effects.claim is None
    (timer,) = effects.timer
    assert not driver.step(TimerFired(now_ms=timer.at_ms - 1, timer=timer)).send
    again = driver.step(TimerFired(now_ms=timer.at_ms, timer=timer)).send[0]
    assert again.time_ms >= timer.at_ms and again.seqs == question.send[0].seqs
    return effects


def make_verdict(name: str, log_index: int | None) -> bytes:
    return Verdict(
        statement_id=make_admission(name).statement_ids[0],  # type: ignore[arg-type]  # a digest, typed as bytes there
        code=Code.ACCEPTED if log_index is not None else Code.DUPLICATE,
        log_index=log_index,
        rules_version=1,
    ).encoded


def test_e2_a_state_root_of_another_length_is_asked_again() -> None:
    assert "state root of 31 bytes" in bad_evaluation(state_root=bytes(31)).alarm[0]


def test_e3_missing_verdicts_are_asked_again() -> None:
    assert "1 verdicts for 2 statements" in bad_evaluation(verdicts=(make_verdict("a", 1),)).alarm[0]


def test_e3_verdicts_in_another_order_are_asked_again() -> None:
    verdicts = (make_verdict("b", 1), make_verdict("a", 2))
    assert "in the place of" in bad_evaluation(verdicts=verdicts).alarm[0]


@pytest.mark.parametrize("indices", [(1, 3), (0, 1), (2, 1), (2, 3)])
def test_e4_a_gap_in_the_log_is_asked_again(indices: tuple[int, int]) -> None:
    verdicts = (make_verdict("a", indices[0]), make_verdict("b", indices[1]))
    assert "log index" in bad_evaluation(verdicts=verdicts).alarm[0]


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x80", make_verdict("a", 1) + b"\0"])
def test_bytes_that_are_no_verdict_are_asked_again(data: bytes) -> None:
    assert bad_evaluation(verdicts=(data, make_verdict("b", 2))).alarm


def test_a_verdict_that_is_not_canonical_is_asked_again() -> None:
    canonical = make_verdict("a", 1)
    longer = canonical.replace(b"\x00\x01\xf6", b"\x00\x18\x01\xf6", 1)
    assert longer != canonical
    assert "canonical" in bad_evaluation(verdicts=(longer, make_verdict("b", 2))).alarm[0]


def test_an_evaluation_that_failed_is_asked_again() -> None:
    driver = make_driver()
    ask = admit(driver, "a").send[0]
    effects = driver.step(
        EvaluationFailed(now_ms=NOW_MS, height=ask.height, time_ms=ask.time_ms, seqs=ask.seqs, reason="no disk")
    )
    assert "no disk" in effects.alarm[0] and effects.timer[0].at_ms == NOW_MS + LIMITS.retry_ms


def failed(effects: Effects) -> EvaluationFailed:
    ask = effects.send[0]
    return EvaluationFailed(
        now_ms=ask.time_ms, height=ask.height, time_ms=ask.time_ms, seqs=ask.seqs, reason="always the same"
    )


def vetted_again(effects: Effects) -> VettedAgain:
    ask = effects.send[0]
    return VettedAgain(now_ms=ask.time_ms, height=ask.height, time_ms=ask.time_ms, seqs=ask.seqs)


def test_an_evaluation_that_fails_for_ever_is_asked_less_and_less_often_and_says_so_until_it_succeeds() -> None:
    driver = make_driver(limits=replace(LIMITS, retry_ms=500, retry_max_ms=3_000))
    question = admit(driver, "a")
    pauses = []
    for _ in range(6):
        (timer,) = driver.step(failed(question)).timer
        pauses.append(timer.at_ms - question.send[0].time_ms)
        assert not driver.step(TimerFired(now_ms=timer.at_ms - 1, timer=timer)).send
        question = driver.step(TimerFired(now_ms=timer.at_ms, timer=timer))
    assert pauses == [500, 1_000, 2_000, 3_000, 3_000, 3_000]
    assert "always the same (attempt 6)" in driver.trouble
    assert driver.step(evaluated(driver, question)).sign is not None
    assert driver.trouble == ""


def test_what_was_vetted_again_is_asked_again_at_once_and_without_an_alarm() -> None:
    driver = make_driver()
    question = admit(driver, "a")
    again = driver.step(vetted_again(question))
    assert again.send[0].seqs == question.send[0].seqs and not again.alarm
    assert driver.step(vetted_again(replace(question, send=(replace(question.send[0], time_ms=1),)))) == NOTHING
    assert driver.step(evaluated(driver, again)).sign is not None


def test_vetting_that_never_suffices_is_a_failure_after_some_times() -> None:
    driver = make_driver(limits=replace(LIMITS, vetted_again_max=3))
    question = admit(driver, "a")
    for _ in range(3):
        question = driver.step(vetted_again(question))
    effects = driver.step(vetted_again(question))
    assert not effects.send and effects.timer and "vetted again 3 times" in effects.alarm[0]
    assert "vetted again 3 times" in driver.trouble


def test_a_block_commits_to_the_parameters_that_the_evaluation_left() -> None:
    driver = make_driver()
    effects = driver.step(evaluated(driver, admit(driver, "a"), parameters_root=DIGEST))
    (proposed,) = effects.save
    assert isinstance(proposed, Proposed) and parse_header(proposed.header).parameters_root == DIGEST
    assert "parameters root of 3 bytes" in bad_evaluation(parameters_root=b"abc").alarm[0]


# Signed, stored, refused


def test_a_signature_for_another_block_is_ignored() -> None:
    driver = make_driver()
    effects = driver.step(evaluated(driver, admit(driver, "a")))
    assert driver.step(replace(signed(effects), block_id=DIGEST)) == NOTHING
    assert driver.step(replace(signed(effects), height=2)) == NOTHING
    assert driver.step(signed(effects)).commit


def test_a_signature_that_no_reader_would_accept_ends_signing() -> None:
    driver = make_driver()
    effects = driver.step(evaluated(driver, admit(driver, "a")))
    halted = driver.step(replace(signed(effects), signature=bytes(64)))
    assert "our own certificate does not hold" in halted.halt and not halted.commit
    assert driver.head.height == 0


def test_a_refusal_of_register_or_signer_ends_signing() -> None:
    driver = make_driver()
    question = admit(driver, "a")
    driver.step(evaluated(driver, question))
    assert driver.step(SigningRefused(now_ms=NOW_MS, reason="height 1 is taken")).halt == "height 1 is taken"
    assert driver.step_name == "halted"
    assert admit(driver, "b") == NOTHING


def test_what_is_stored_never_becomes_less() -> None:
    driver = make_driver()
    make_blocks(driver, 3)
    driver.step(Stored(now_ms=NOW_MS, height=1))
    assert driver.stored == 3


# After a restart


def interrupted() -> tuple[Proposed, Recovered]:
    """A ledger at height 1 whose block 2 was saved, and not known to be certified."""
    driver = make_driver()
    make_blocks(driver, 1)
    head = driver.head
    effects = driver.step(evaluated(driver, admit(driver, "second")))
    (block,) = effects.save
    assert isinstance(block, Proposed)
    return block, Recovered(head=head, stored=0, pending=driver.pending, proposed=block)


def restart(
    recovered: Recovered, *, claim: Claim | None, mark: Watermark | None, **options: Any
) -> tuple[Authority, Effects]:
    driver = Authority(
        genesis=GENESIS,
        proposer=0,
        term=options.get("term") or make_term(),
        limits=LIMITS,
        recovered=recovered,
    )
    return driver, driver.step(Started(now_ms=NOW_MS + 10**6, last_claim=claim, watermark=mark))


def claim_of(block: Proposed) -> Claim:
    return Claim(term=1, height=block.height, block_id=block.block_id, header=block.header)


def head_claim(recovered: Recovered) -> Claim:
    return Claim(term=1, height=recovered.head.height, block_id=recovered.head.block_id, header=b"")


def mark_at(recovered: Recovered, **changes: Any) -> Watermark:
    return replace(Watermark(term=1, height=recovered.head.height, block_id=recovered.head.block_id), **changes)


def test_a_saved_block_is_claimed_and_signed_without_a_new_evaluation() -> None:
    block, recovered = interrupted()
    driver, effects = restart(recovered, claim=head_claim(recovered), mark=mark_at(recovered))
    assert effects.claim == claim_of(block) and effects.sign and effects.sign.block_id == block.block_id
    assert not effects.send and not effects.save
    assert driver.step(signed(effects)).commit[0].proposed == block


def test_a_claimed_block_is_signed_again_with_exactly_its_bytes() -> None:
    block, recovered = interrupted()
    mark = mark_at(recovered, height=2, block_id=block.block_id)
    for watermark in (mark_at(recovered), mark):
        driver, effects = restart(recovered, claim=claim_of(block), mark=watermark)
        assert effects.claim is None and effects.sign and effects.sign.block_id == block.block_id
        assert driver.step(signed(effects)).commit[0].proposed.header == block.header


def test_what_is_saved_and_not_in_a_block_is_proposed() -> None:
    _, recovered = interrupted()
    driver, effects = restart(replace(recovered, proposed=None), claim=head_claim(recovered), mark=mark_at(recovered))
    assert not effects.send
    assert driver.step(Stored(now_ms=NOW_MS + 10**6, height=1)).send[0].seqs == (2,)


def test_the_batch_chain_goes_on_after_what_was_saved() -> None:
    _, recovered = interrupted()
    driver, effects = restart(recovered, claim=head_claim(recovered), mark=mark_at(recovered))
    driver.step(signed(effects))
    (formed,) = admit(driver, "third").save
    assert isinstance(formed, BatchFormed)
    assert (formed.batch.seq, formed.batch.previous) == (3, recovered.pending[-1].digest)


def other_claim(recovered: Recovered, height: int) -> Claim:
    return Claim(term=1, height=height, block_id=DIGEST, header=b"other")


def test_stores_that_contradict_each_other_end_signing() -> None:
    block, recovered = interrupted()
    here, mark = head_claim(recovered), mark_at(recovered)
    ahead = replace(recovered, proposed=None)
    cases: list[tuple[Recovered, Claim | None, Watermark | None, str]] = [
        (recovered, None, mark, "register is empty"),
        (recovered, other_claim(recovered, 2), mark, "claimed for another block"),
        (recovered, other_claim(recovered, 1), mark, "claimed for another block"),
        (recovered, other_claim(recovered, 3), mark, "register ends at height 3"),
        (ahead, claim_of(block), mark, "register ends at height 2"),
        (recovered, here, None, "watermark is gone"),
        (recovered, here, replace(mark, term=2), "under term 2"),
        (recovered, here, replace(mark, height=2, block_id=block.block_id), "does not hold"),
        (recovered, claim_of(block), replace(mark, height=2, block_id=DIGEST), "another block"),
        (recovered, here, replace(mark, block_id=DIGEST), "another block"),
        (recovered, here, replace(mark, height=0), "was put back"),
        (fresh(), None, Watermark(term=1, height=4, block_id=DIGEST), "signed height 4"),
    ]
    for state, claim, watermark, sentence in cases:
        driver, effects = restart(state, claim=claim, mark=watermark)
        assert sentence in effects.halt
        assert effects.sign is None and effects.claim is None and driver.step_name == "halted"


@pytest.mark.parametrize(
    ("term", "sentence"),
    [
        ({"term": 2, "start_height": 5}, "starts at height 5"),
        ({"term": 2, "start_height": 2, "parent_id": DIGEST}, "starts on another block"),
    ],
)
def test_a_term_that_does_not_cover_the_next_height_ends_signing(term: dict[str, Any], sentence: str) -> None:
    _, recovered = interrupted()
    _, effects = restart(recovered, claim=head_claim(recovered), mark=mark_at(recovered), term=make_term(**term))
    assert sentence in effects.halt


def test_a_later_term_finishes_the_claimed_block_of_the_one_before() -> None:
    block, recovered = interrupted()
    term = make_term(term=2, start_height=2, parent_id=recovered.head.block_id)
    driver, effects = restart(recovered, claim=claim_of(block), mark=mark_at(recovered), term=term)
    assert effects.sign and (effects.sign.term, effects.sign.block_id) == (2, block.block_id)
    commit = driver.step(signed(effects)).commit[0]
    verify_certificate(parse_header(commit.proposed.header), decode(commit.certified.certificate), GENESIS)


def test_a_wrong_key_shows_at_the_first_block() -> None:
    driver = make_driver(term=make_term(sequencer_key=signer("another").public))
    effects = driver.step(evaluated(driver, admit(driver, "a")))
    assert driver.step(signed(effects)).halt
