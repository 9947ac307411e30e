"""Blocks: batch chains, what evaluation reads, how blocks are cut, and evaluation on top of overlays."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.inventory.evaluate import BatchFault, Evaluation, ProposalFault, evaluate, keys_read
from slt.inventory.keys import Kind, key
from slt.inventory.overlays import Overlays
from slt.inventory.state import NeedRecords, Records, View, WholeState
from slt.inventory.vetting import Vetted, VettedBatch
from slt.statements.verdicts import Code
from tests.unit.inventory.building import (
    NOW_S,
    WINDOW_S,
    Ledger,
    area,
    codes,
    entry,
    identity,
    report,
    statement,
)

ONE_OF_EACH = (identity(mbas=("XLR1", "XLF1")),)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"seq": 2}, "last ordered batch is 0"),
        ({"previous": b"x" * 32}, "follows"),
        ({"author": 7}, "no member"),
    ],
)
def test_a_batch_that_is_not_the_next_of_its_authors_chain_makes_the_proposal_invalid(
    change: dict[str, object], why: str
) -> None:
    ledger = Ledger()
    batch = replace(ledger.batch(statement()), **change)  # type: ignore[arg-type]  # fields of a batch
    with pytest.raises(BatchFault, match=why) as fault:
        ledger.evaluate(batch)
    assert (fault.value.author, fault.value.seq) == (batch.author, batch.seq)


def test_a_batch_that_is_already_ordered_makes_the_proposal_invalid() -> None:
    ledger = Ledger()
    batch = ledger.batch(statement())
    ledger.commit(ledger.evaluate(batch))
    with pytest.raises(BatchFault, match="last ordered batch is 1"):
        ledger.evaluate(batch)
    with pytest.raises(BatchFault):
        ledger.evaluate(second := ledger.batch(statement(report(42))), second)


def test_a_header_out_of_height_or_time_makes_the_proposal_invalid() -> None:
    ledger = Ledger()
    ledger.block(statement())
    batches = (ledger.batch(statement(report(42))),)
    for height, time_ms in ((1, ledger.head.time_ms + 1), (3, ledger.head.time_ms + 1), (2, ledger.head.time_ms)):
        with pytest.raises(ProposalFault):
            evaluate(WholeState(ledger.records), ledger.head, height=height, time_ms=time_ms, batches=batches)


def test_a_block_without_batches_only_lets_spent_ids_go() -> None:
    ledger = Ledger()
    root = ledger.head.lanes
    ledger.block(statement(report(41)))
    empty = ledger.evaluate(time_ms=(NOW_S + WINDOW_S) * 1000 + 1)
    assert [value for value in empty.changes.values() if value is not None] == []
    assert len(empty.changes) == 1
    assert empty.lanes != root


def test_keys_read_names_all_that_evaluation_reads() -> None:
    ledger = Ledger(identities=ONE_OF_EACH)
    ledger.accept(report(41, *(entry(batch=f"B{n}") for n in range(70))))
    batch = ledger.batch(
        statement(report(42, entry(status="C", target=(41, 66)), entry(status="A", target=(41, 71)))),
        statement(report(43, entry(status="D", target=(42, 1), code="", weights={}))),
        statement(report(101, mba="XLF1", kind="M")),
        statement(report(44, entry(status="D", target=(42, 2), code="", weights={}))),
    )

    evaluation, loads = _loading(ledger, batch)

    assert codes(evaluation) == [Code.ACCEPTED] * 4
    assert loads == 1  # the batch of the entry that is corrected: the first load brought the entry itself


def test_reports_that_refer_to_none_are_evaluated_with_what_keys_read_names() -> None:
    ledger = Ledger(identities=ONE_OF_EACH, mbas=(area("XLR1", last_pit="20250930"), area("XLF1")))
    dated = report(44, entry(code="PE"), kind="M")
    batch = ledger.batch(
        statement(report(41, entry(code="RD", batch="B1"), entry(code="FW", batch="B2"))),
        statement(report(42, replace(entry(code="SD"), receiver="XL/XLS1"))),
        statement(report(43, entry(code="", batch="B1"), kind="P")),
        statement(dated),
    )

    evaluation, loads = _loading(ledger, batch)

    assert codes(evaluation) == [Code.ACCEPTED] * 4
    assert loads == 0


def _loading(ledger: Ledger, batch: VettedBatch) -> tuple[Evaluation, int]:
    """Evaluate `batch` on what was asked for; how often evaluation asked after keys_read."""
    known = {k: ledger.records.get(k) for k in keys_read([batch], height=ledger.head.height + 1)}
    loads = 0
    while True:
        view = Records(known, spent={}, spent_limit_s=NOW_S)
        try:
            head, time_ms = ledger.head, max(NOW_S * 1000, ledger.head.time_ms + 1)
            return evaluate(view, head, height=head.height + 1, time_ms=time_ms, batches=(batch,)), loads
        except NeedRecords as need:
            loads += 1
            known |= {k: ledger.records.get(k) for k in need.keys}


def test_targets_that_additions_put_elsewhere_are_asked_for_together() -> None:
    ledger = Ledger()
    ledger.accept(report(41), report(42, *(entry(status="A", target=(41, n), batch=f"B{n}") for n in range(2, 100))))
    batch = ledger.batch(
        statement(report(43, *(entry(status="D", target=(41, n), code="", weights={}) for n in range(2, 100))))
    )
    evaluation, loads = _loading(ledger, batch)
    assert loads == 2  # where the entries stand, and their batches
    assert codes(evaluation) == [Code.ACCEPTED]


def test_spent_ids_that_are_not_loaded_are_asked_for() -> None:
    ledger = Ledger()
    batch = ledger.batch(statement())
    known = {k: ledger.records.get(k) for k in keys_read([batch], height=ledger.head.height + 1)}
    with pytest.raises(NeedRecords) as need:
        evaluate(Records(known), ledger.head, height=1, time_ms=NOW_S * 1000, batches=(batch,))
    assert need.value.spent_limit_s == NOW_S - WINDOW_S


REPORTS = st.lists(
    st.tuples(
        st.sampled_from(["XLR1", "XLF1"]),
        st.integers(0, 4),
        st.sampled_from(["N", "C", "D", "A"]),
        st.integers(0, 4),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=10,
)


def _statements(drawn: list[tuple[str, int, str, int, int]]) -> list[Vetted]:
    """Reports with numbers and targets that are sometimes right and sometimes not."""
    first = {"XLR1": 41, "XLF1": 101}
    made = []
    for place, (mba, number, status, target, target_entry) in enumerate(drawn):
        one = entry(
            status=status,
            target=None if status == "N" else (first[mba] + target, target_entry),
            code="" if status == "D" else "RD",
            weights={} if status == "D" else {630: 1 + place},
        )
        facts = report(first[mba] + number, one, mba=mba)
        made.append(statement(facts, by=ONE_OF_EACH[0], name=f"{place} {drawn}"))
    return made


def _run(items: list[Vetted], cuts: set[int]) -> tuple[list[list[object]], Ledger]:
    """Order `items` in blocks that end before the places in `cuts`."""
    ledger = Ledger(identities=ONE_OF_EACH)
    verdicts: list[list[object]] = []
    batches: list[VettedBatch] = []

    def flush() -> None:
        evaluation = ledger.evaluate(*batches)
        ledger.commit(evaluation)
        verdicts.extend(list(verdict.to_value()) for verdict in evaluation.verdicts)
        batches.clear()

    for place, item in enumerate(items):
        if place in cuts and batches:
            flush()
        batches.append(ledger.batch(item))
    flush()
    return verdicts, ledger


@given(REPORTS, st.sets(st.integers(1, 9)))
def test_the_same_statements_in_other_block_cuts_give_the_same_verdicts_and_state(
    drawn: list[tuple[str, int, str, int, int]], cuts: set[int]
) -> None:
    items = _statements(drawn)

    whole_verdicts, whole = _run(items, set())
    cut_verdicts, cut = _run(items, cuts)

    assert cut_verdicts == whole_verdicts
    assert cut.records == whole.records
    assert cut.head.lanes == whole.head.lanes


@given(REPORTS)
def test_evaluating_on_overlays_equals_evaluating_on_the_committed_state(
    drawn: list[tuple[str, int, str, int, int]],
) -> None:
    items = _statements(drawn)
    ledger = Ledger(identities=ONE_OF_EACH)
    overlays = Overlays(ledger.head)
    base: View = WholeState(dict(ledger.records))
    parent = ledger.head
    for number, item in enumerate(items):
        batch = ledger.batch(item)
        time_ms = max(parent.time_ms + 1000, NOW_S * 1000)
        known = overlays.view(parent.block_id, base)
        over = evaluate(known, parent, height=parent.height + 1, time_ms=time_ms, batches=(batch,))
        straight = ledger.evaluate(batch, time_ms=time_ms)
        assert over == straight
        ledger.commit(straight)
        head = over.head(sha256(number.to_bytes(4, "big")).digest())
        ledger.head = replace(ledger.head, block_id=head.block_id)
        overlays.add(parent.block_id, head, over.changes)
        parent = head


def test_an_accepted_report_leaves_one_record_of_each_kind_and_books_are_written_once_for_a_block() -> None:
    ledger = Ledger()
    items = (statement(report(n, entry(batch=f"B{n}"))) for n in range(41, 51))
    evaluation: Evaluation = ledger.block(*items)
    kinds = [k[1] for k in evaluation.changes]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        Kind.CHAIN: 1,
        Kind.HEAD: 1,
        Kind.BOOK: 1,
        Kind.FLOWS: 1,
        Kind.BATCH: 10,
        Kind.SPENT: 10,
        Kind.REPORT: 10,
        Kind.CONTENT: 10,
    }
    assert key(Kind.HEAD, "XL", "XLR1") in evaluation.changes
