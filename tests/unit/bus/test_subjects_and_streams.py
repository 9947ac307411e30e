import pytest

from slt.bus import subjects
from slt.bus.streams import ACK_WAIT_S, TABLE, matches
from slt.bus.subjects import BadSubject

GIB = 1024**3


def test_subjects_have_state_and_mba_and_come_back() -> None:
    assert subjects.submit("XL", "XLR1") == "slt.submit.XL.XLR1"
    assert subjects.parse_submit(subjects.submit("XL", "XLR1")) == ("XL", "XLR1")
    assert subjects.parse_answer_subject(subjects.receipt("XL", "XLR1")) == ("XL", "XLR1")
    assert subjects.parse_answer_subject(subjects.refused("XL", "XLR1")) == ("XL", "XLR1")
    assert subjects.parked("validation") == "slt.parked.validation"


@pytest.mark.parametrize("text", ["", "xl", "X.L", "*", ">", "X L", "XL\r\n", "X" * 65, "Ü"])
def test_a_state_or_mba_that_would_change_the_subject_is_refused(text: str) -> None:
    for make in (subjects.submit, subjects.receipt, subjects.refused):
        with pytest.raises(BadSubject):
            make(text, "XLR1")
        with pytest.raises(BadSubject):
            make("XL", text)


@pytest.mark.parametrize(
    "subject", ["slt.submit.Governance", "slt.submit.XL", "slt.submit.XL.XLR1.x", "slt.submit.xl.a", ""]
)
def test_other_subjects_are_no_submissions(subject: str) -> None:
    with pytest.raises(BadSubject):
        subjects.parse_submit(subject)
    with pytest.raises(BadSubject):
        subjects.parse_answer_subject(subject)


def test_governance_has_subjects_of_its_own_that_no_area_can_have() -> None:
    assert subjects.submit(*subjects.GOVERNANCE) == "slt.submit.governance"
    assert subjects.parse_submit("slt.submit.governance") == subjects.GOVERNANCE
    for make, subject in (
        (subjects.receipt, "slt.receipt.governance"),
        (subjects.refused, "slt.refused.governance"),
    ):
        assert make(*subjects.GOVERNANCE) == subject
        assert subjects.parse_answer_subject(subject) == subjects.GOVERNANCE
        assert [s.name for s in TABLE.streams if any(matches(p, subject) for p in s.subjects)] == ["ANSWERS"]


def test_requests_and_notifications_are_stored_nowhere() -> None:
    for subject in (
        subjects.BLOCK_GET, subjects.BLOCK_YOUNG, subjects.EVALUATE, subjects.STATE_GET, subjects.STATE_CHANGED,
        subjects.RECEIPT_GET, subjects.AGAIN, subjects.VET_AUTHENTICATION, subjects.VET_VALIDATION,
    ):  # fmt: skip
        assert TABLE.stream_of(subject) is None


def test_every_subject_of_a_stream_is_in_that_stream_only() -> None:
    for subject, stream in {
        subjects.submit("XL", "XLR1"): "SUBMISSIONS",
        subjects.SUBMIT_GOVERNANCE: "SUBMISSIONS",
        subjects.AUTHENTICATED: "PIPELINE-AUTHENTICATED",
        subjects.VALIDATED: "PIPELINE-VALIDATED",
        subjects.ADMITTED: "PIPELINE-ADMITTED",
        subjects.BLOCK: "BLOCKS",
        subjects.receipt("XL", "XLR1"): "ANSWERS",
        subjects.refused("XL", "XLR1"): "ANSWERS",
        subjects.parked("validation"): "PARKED",
    }.items():
        assert [s.name for s in TABLE.streams if any(matches(p, subject) for p in s.subjects)] == [stream]


def test_every_consumer_reads_a_stream_that_is_there() -> None:
    for consumer in TABLE.consumers:
        stream = TABLE.stream(consumer.stream)
        assert any(matches(pattern, consumer.filter) or pattern == consumer.filter for pattern in stream.subjects)
        assert consumer.ack_wait_s == ACK_WAIT_S


def test_a_work_queue_refuses_and_keeps_what_it_has() -> None:
    for stream in TABLE.streams:
        if stream.retention == "workqueue":
            assert (stream.discard, stream.age_max_s) == ("new", 0)


def test_all_streams_fit_the_embedded_store() -> None:
    """The server reserves max_bytes; tests and `slt up` give it 4 GB."""
    assert sum(stream.bytes_max for stream in TABLE.streams) < 3 * GIB


@pytest.mark.parametrize(
    ("pattern", "subject", "fits"),
    [
        ("a.b", "a.b", True), ("a.b", "a.c", False), ("a.*", "a.b", True), ("a.*", "a", False), ("a.*", "a.b.c", False),
        ("a.>", "a.b.c", True), ("a.>", "a", False), (">", "a.b", True), ("*.b", "a.b", True),
    ],
)  # fmt: skip
def test_patterns(pattern: str, subject: str, fits: bool) -> None:
    assert matches(pattern, subject) is fits
