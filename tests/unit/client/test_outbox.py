"""The outbox keeps what it was given, through crashes and repeats."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from slt.client.errors import WrongUse
from slt.client.outbox import Answered, Outbox, Refused
from slt.client.submission import MESSAGE_BYTES_MAX, MESSAGE_REPORTS_MAX, Signed, pack, submission_of
from slt.statements.submission import decode_submissions, message_id

Sign = Callable[..., Signed]
DIGEST = b"d" * 32


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with closing(Outbox(tmp_path / "outbox.sqlite")) as made:
        yield made


def test_a_row_survives_the_process(tmp_path: Path, signed: Sign) -> None:
    entry = signed("XLR1-41").entry
    with closing(Outbox(tmp_path / "outbox.sqlite")) as first:
        first.add([entry])
    with closing(Outbox(tmp_path / "outbox.sqlite")) as second:
        assert second.waiting() == [entry]


def test_adding_a_row_twice_keeps_the_first(outbox: Outbox, signed: Sign) -> None:
    entry = signed("XLR1-41").entry
    outbox.add([entry])
    outbox.sent([entry.submission_id])
    outbox.add([entry])
    assert [row.attempts for row in outbox.entries()] == [1]


def test_a_retry_has_the_same_submission_id_and_another_message_id(outbox: Outbox, signed: Sign) -> None:
    entry = signed("XLR1-41").entry
    outbox.add([entry])
    (first,) = pack(outbox.waiting())
    outbox.sent(first.submission_ids)
    (second,) = pack(outbox.waiting())
    assert first.data == second.data
    assert first.id != second.id
    assert first.id == message_id([entry.submission_id], 0)
    assert submission_of(entry).id == entry.submission_id


def test_positions_never_go_back(outbox: Outbox) -> None:
    outbox.answer([], [], positions=[("XL", "XLR1", 7)])
    outbox.answer([], [], positions=[("XL", "XLR1", 3), ("XL", "XLF1", 2)])
    assert (outbox.position("XL", "XLR1"), outbox.position("XL", "XLF1"), outbox.position("XL", "XLS1")) == (7, 2, 0)


def test_one_refusal_counts_once(outbox: Outbox, signed: Sign) -> None:
    entry = signed("XLR1-41").entry
    outbox.add([entry])
    refusal = Refused(
        digest=DIGEST, submission_id=entry.submission_id, refusal=b"r", signature=b"s", certificate=b"c", received_ms=5
    )
    outbox.answer([], [refusal], positions=[])
    assert [row.standing for row in outbox.entries()] == ["refused"]
    outbox.send_again([entry.statement_id])
    outbox.answer([], [refusal], positions=[])
    assert [row.standing for row in outbox.entries()] == ["waiting"]
    assert outbox.refusals(entry.submission_id) == [refusal]


def test_a_receipt_is_not_sent_again(outbox: Outbox, signed: Sign) -> None:
    entry = signed("XLR1-41").entry
    outbox.add([entry])
    outbox.answer(
        [
            Answered(
                statement_id=entry.statement_id, standing="rejected", code=205, height=2, log_index=None, answered_ms=9
            )
        ],
        [],
        positions=[],
    )
    outbox.send_again([entry.statement_id])
    assert [(row.standing, row.code) for row in outbox.entries()] == [("rejected", 205)]


def test_rows_are_found_by_the_beginning_of_their_id(outbox: Outbox, signed: Sign) -> None:
    entry = signed("XLR1-41").entry
    outbox.add([entry])
    assert outbox.by_statement(entry.statement_id.hex()[:9].upper()) == [entry]
    assert outbox.by_statement("zz") == []


def test_an_outbox_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    with closing(Outbox(path)) as outbox:
        outbox._db.execute("PRAGMA user_version = 99")
    with pytest.raises(WrongUse, match="newer slt"):
        Outbox(path)


def test_messages_hold_one_mba_in_report_order_and_within_the_limits(signed: Sign) -> None:
    rows = [signed(name).entry for name in ("XLF1-103", "XLR1-42", "XLF1-101", "XLR1-41", "XLF1-102")]
    messages = list(pack(rows))
    assert [(message.mba, len(message.submission_ids)) for message in messages] == [("XLF1", 3), ("XLR1", 2)]
    for message in messages:
        assert tuple(one.id for one in decode_submissions(message.data)) == message.submission_ids
    many = [signed("XLR1-41", salt=number).entry for number in range(1, 200)]
    sizes = [len(message.submission_ids) for message in pack(many)]
    assert sum(sizes) == len(many)
    assert max(sizes) == MESSAGE_REPORTS_MAX
    assert all(len(message.data) <= MESSAGE_BYTES_MAX for message in pack(many))
