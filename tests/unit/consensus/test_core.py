"""What the service decides by itself: copies, batches, what is let in, questions, blocks."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.consensus import core
from slt.bus.compression import compress
from slt.bus.messages import Item, Timing
from slt.consensus.events import Admitted
from slt.merkle.hashing import Digest
from slt.statements.batches import parse_batch
from slt.statements.verdicts import Code, Verdict
from tests.unit.consensus.world import NOW_MS, evaluated, make_driver, make_item, signed

# Copies


def test_a_copy_is_the_same_statement_with_the_same_endorsements() -> None:
    plain = make_item("a")
    assert core.copy_key(plain) == core.copy_key(msgspec.structs.replace(plain, submission_id=bytes(32)))
    keys = {
        core.copy_key(item)
        for item in (
            plain,
            make_item("b"),
            make_item("a", endorsements=(b"x",)),
            make_item("a", endorsements=(b"x", b"y")),
            make_item("a", endorsements=(b"xy",)),
            make_item("a", endorsements=(b"", b"xy")),
        )
    }
    assert len(keys) == 6


def test_only_the_first_of_several_copies_is_fresh() -> None:
    undecided = core.Undecided()
    a, b = make_item("a"), make_item("b")
    assert undecided.fresh([a, b, a]) == [a, b]
    assert undecided.fresh([b, a]) == []
    assert undecided.fresh([make_item("a", endorsements=(b"x",))]) != []


def test_a_void_verdict_leaves_a_later_copy_free_at_once() -> None:
    undecided = core.Undecided()
    a, b = make_item("a"), make_item("b")
    undecided.fresh([a, b])
    undecided.decided(1, [a, b], [True, False])
    assert undecided.fresh([a, b]) == [b]


def test_a_final_verdict_absorbs_copies_until_the_ledger_has_stored_it() -> None:
    undecided = core.Undecided()
    a = make_item("a")
    undecided.fresh([a])
    undecided.decided(3, [a], [True])
    undecided.stored(2)
    assert undecided.fresh([a]) == []
    undecided.stored(3)
    assert undecided.fresh([a]) == [a]


def test_what_a_start_finds_counts_as_undecided() -> None:
    undecided = core.Undecided()
    undecided.restore([make_item("a")])
    assert undecided.fresh([make_item("a")]) == [] and len(undecided) == 1


def test_a_copy_that_waits_counts_on_when_an_older_one_turns_out_to_be_stored() -> None:
    undecided = core.Undecided()  # as after a start whose log has both
    a = make_item("a")
    undecided.restore([a])
    undecided.restore([a])
    undecided.decided(3, [a], [True])
    undecided.stored(3)
    assert undecided.fresh([a]) == []


# What is let in


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"statement_id": b"short"}, "32 bytes"),
        ({"body_digest": b""}, "32 bytes"),
        ({"statement": b""}, "statement of 0"),
        ({"statement": b"x" * 9000}, "statement of 9000"),
        ({"endorsements": [b"x"] * 17}, "17 endorsements"),
        ({"endorsements": [b"x", b""]}, "an endorsement"),
        ({"body_length": -1}, "-1 bytes"),
        ({"statement": b"x" * 66_000, "change": b"a change"}, "statement of 66000"),
        ({"endorsements": [b"x"] * 257, "change": b"a change"}, "257 endorsements"),
    ],
)
def test_what_no_batch_may_hold_is_not_let_in(change: dict[str, Any], sentence: str) -> None:
    assert core.unfit(make_item("a")) == ""
    assert sentence in core.unfit(msgspec.structs.replace(make_item("a"), **change))


def test_a_change_may_be_longer_than_a_report_and_have_more_approvals() -> None:
    change = make_item("a", change=b"a change", endorsements=(b"x",) * 256)
    assert core.unfit(msgspec.structs.replace(change, statement=b"x" * 60_000)) == ""


def test_a_statement_whose_key_vetting_did_not_know_may_stand_in_a_batch() -> None:
    """It is vetted again once the state has that key; what is let in is never dropped."""
    assert core.unfit(make_item("a", signature="no key")) == ""


# Batches


@given(st.lists(st.integers(0, 300_000), max_size=150))
def test_batches_keep_order_and_limits_and_lose_nothing(bodies: list[int]) -> None:
    items = [make_item(str(number), body=size) for number, size in enumerate(bodies)]
    groups = core.cut(items)
    assert [item for group in groups for item in group] == items
    for group in groups:
        assert 1 <= len(group) <= core.BATCH_REPORTS_MAX
        assert len(group) == 1 or sum(map(core.size_bytes, group)) <= core.BATCH_BYTES_MAX


def test_small_reports_share_a_batch_and_a_large_one_stands_alone() -> None:
    items = [make_item("a"), make_item("b"), make_item("large", body=300_000), make_item("c")]
    assert [len(group) for group in core.cut(items)] == [2, 1, 1]


def test_the_size_of_an_item_is_at_least_what_it_adds_to_an_encoded_block() -> None:
    finding = ("V07", "warning", "OI/1", "430", "Käse", "a category", "Ein langer Satz über Plutonium.") * 1
    item = make_item("a", endorsements=(b"e" * 200,), facts_z=b"f" * 500, findings=[finding] * 3)
    admission = core.admission([item])
    entry = msgspec.msgpack.encode([item.statement, *item.endorsements])
    assert admission.size_bytes >= len(msgspec.msgpack.encode(item)) + len(entry)


def test_entries_are_estimated_from_the_declared_size_of_the_facts() -> None:
    facts = bytes(75) * 4 + bytes(100)  # four entries, as they are written
    assert 4 <= core.report_entries(make_item("a", facts_z=compress(facts))) <= 40
    assert core.report_entries(make_item("a", facts_z=compress(bytes(8_000_000)))) > 100_000
    assert core.report_entries(make_item("a")) == 1
    assert core.report_entries(make_item("a", facts_z=b"no frame")) == 1


# Questions and blocks


def in_one_block(*names: str) -> tuple[Any, list[Item]]:
    """The commit of a block with these items, and the items as they stand in the log."""
    items = [core.received(make_item(name), now_ms=NOW_MS - 7) for name in names]
    driver = make_driver()
    question = driver.step(Admitted(now_ms=NOW_MS, batches=(core.admission(items),)))
    findings = core.findings_out([[("V07", "warning", "", "", "", "", "text")] for _ in names])
    effects = driver.step(evaluated(driver, question, beside=findings))
    return (question.send[0], driver.step(signed(effects)).commit[0]), items


def test_a_question_carries_what_vetting_found_and_no_body() -> None:
    (ask, _), items = in_one_block("a", "b")
    request = core.evaluate_request(ask, {1: items})
    (batch,) = request.batches
    assert (request.height, request.parent_id, batch.seq) == (1, ask.parent_id, 1)
    assert batch.digest == ask.batches[0].digest
    assert [item.statement_id for item in batch.items] == [item.statement_id for item in items]
    assert b"zzzz" not in msgspec.msgpack.encode(request)


def test_a_block_carries_items_in_the_order_of_its_batches_with_times_and_findings() -> None:
    (ask, commit), items = in_one_block("a", "b")
    block = core.block_message(commit, ask.batches, [items], now_ms=NOW_MS + 50)
    (batch,) = block.batches
    assert [entry.statement for entry in parse_batch(batch.batch).entries] == [item.statement for item in batch.items]
    assert batch.items[0].timings == [Timing(stage="consensus", received_ms=NOW_MS - 7, done_ms=NOW_MS + 50)]
    assert block.findings[1][0][0] == "V07" and len(block.verdicts) == 2
    assert block.header == commit.proposed.header and block.certificate == commit.certified.certificate


def test_final_and_void_verdicts_are_told_apart() -> None:
    def verdict(code: Code) -> bytes:
        index = 1 if code == Code.ACCEPTED else None
        return Verdict(statement_id=Digest(bytes(32)), code=code, log_index=index, rules_version=1).encoded

    codes = [Code.ACCEPTED, Code.DUPLICATE, Code.C01, Code.C02, Code.BAD_SIGNATURE]
    assert core.final_flags([verdict(code) for code in codes]) == [True, False, True, False, False]
