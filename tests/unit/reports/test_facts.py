"""Facts: canonical bytes, strict and bounded reading, and the digests (formats.md, "Facts, findings, verdicts")."""

import contextlib
import hashlib
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.reports import BadFacts, Facts, judge, parse_facts
from slt.reports.facts import NUMBER_MAX, OBLIGATIONS_MAX
from slt.reports.quantities import MG_MAX, WEIGHT_LABELS
from tests.unit.reports.samples import REFERENCE, changed, document, everywhere


def _facts(data: bytes) -> Facts:
    facts = judge(data, REFERENCE).facts
    assert facts is not None
    return facts


def _hash(name: bytes, data: bytes) -> bytes:
    """H(name, data) as formats.md states it, without our own code."""
    return hashlib.sha256((b"slt/" + name + b"/v1").ljust(32, b"\0") + data).digest()


def test_the_array_is_the_one_that_the_format_states() -> None:
    facts = _facts(document("XLR1-42"))
    assert cbor2.loads(facts.encoded) == [
        1,
        1,
        "XL",
        "XLR1",
        42,
        "I",
        ["20251001", "20251031"],
        "20251107",
        facts.document_digest,
        facts.content_digest,
        [
            [number, "N", None, "RD", "20251006", "1", "B/Q/2/F", batch, batch, "XL/XLF1", "", "N", 1, weights, []]
            for number, batch, weights in (
                (1, "FB25-01", [[630, 460_120_000], [670, 20_245_000]]),
                (2, "FB25-02", [[630, 459_880_000], [670, 20_235_000]]),
                (3, "FB25-03", [[630, 460_050_000], [670, 20_242_000]]),
                (4, "FB25-04", [[630, 459_960_000], [670, 20_238_000]]),
            )
        ],
        facts.notes_digest,
    ]


def test_a_correction_names_its_target() -> None:
    assert _facts(document("XLR1-46")).entries[0].target == (42, 3)
    assert _facts(document("XLF1-110")).entries[0].status == "D"


def test_the_document_digest_is_that_of_area_and_document() -> None:
    data = document("XLR1-41")
    assert _facts(data).document_digest == _hash(b"document", b"XLR1\0" + data)


def test_the_content_digest_is_that_of_the_document_without_number_and_date() -> None:
    data = document("XLR1-41")
    rest = data.replace(b"001:OI/XL;41#", b"").replace(b"003:20250408#", b"")
    assert _facts(data).content_digest == _hash(b"content", b"XLR1\0" + rest)


def test_the_same_content_under_another_number_and_date_has_the_same_content_digest() -> None:
    data = document("XLR1-41")
    again = everywhere("XLR1-41", _001="OI/XL;42", _003="20250409")
    assert _facts(again).content_digest == _facts(data).content_digest
    assert _facts(again).document_digest != _facts(data).document_digest


def test_line_ends_change_the_document_and_not_the_content() -> None:
    data = document("XLR1-41")
    other = data.replace(b"\n", b"\r\n")
    assert _facts(other).content_digest == _facts(data).content_digest
    assert _facts(other).document_digest != _facts(data).document_digest


def test_another_weight_is_another_content() -> None:
    other = changed("XLR1-41", 0, _630="432311G")
    assert _facts(other).content_digest != _facts(document("XLR1-41")).content_digest


def test_another_text_of_a_note_is_another_notes_digest() -> None:
    other = changed("XLR1-43", 8, _391="RC01 DISCHARGED")
    assert _facts(other).notes_digest != _facts(document("XLR1-43")).notes_digest


def test_a_listing_with_one_date_has_it_as_its_period() -> None:
    facts = _facts(document("XLR1-44"))
    assert (facts.period_from, facts.period_to) == ("20251215", "20251215")


def test_a_textual_report_has_no_entries_and_no_period() -> None:
    facts = _facts(document("XLT1-10"))
    assert (facts.kind, facts.entries, facts.period_from, facts.period_to) == ("T", (), "", "")


def test_dates_of_six_digits_become_eight() -> None:
    data = document("XLR1-41").replace(b":2025", b":25").replace(b"/2025", b"/25")
    facts = _facts(data)
    assert (facts.date, facts.period_from, facts.entries[0].date) == ("20250408", "20250301", "20250310")


VALID: list[Any] = cbor2.loads(_facts(document("XLR1-46")).encoded)


def _with(*path: int, value: Any) -> bytes:
    copy = cbor2.loads(cbor2.dumps(VALID))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return cbor2.dumps(copy)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        cbor2.dumps(VALID) + b"\0",
        cbor2.dumps(VALID[:-1]),
        cbor2.dumps([*VALID, 1]),
        _with(0, value=2),
        _with(0, value=True),
        _with(1, value=-1),
        _with(2, value="XLL"),
        _with(3, value=""),
        _with(4, value=0),
        _with(4, value=NUMBER_MAX + 1),
        _with(5, value="X"),
        _with(6, value=["20250101"]),
        _with(7, value="2025-01-01"),
        _with(8, value=b"short"),
        _with(10, 0, 0, value=0),
        _with(10, 0, 0, value=True),
        _with(10, 0, 1, value="Z"),
        _with(10, 0, 2, value=[42]),
        _with(10, 0, 2, value=[0, 1]),
        _with(10, 0, 7, value="B" * 17),
        _with(10, 0, 12, value=-1),
        _with(10, 0, 13, value=[[631, 1]]),
        _with(10, 0, 13, value=[[670, 1], [630, 1]]),
        _with(10, 0, 13, value=[[630, MG_MAX + 1]]),
        _with(10, 0, 13, value=[[630, 1.5]]),
        _with(10, 0, 14, value=[["P"]]),
        _with(10, 0, 14, value=[["PSS", "", []]]),
        _with(10, 0, 14, value=[["", "", []]]),
        _with(10, 0, 14, value=[["S", "", []], ["P", "", []]]),
        _with(10, 0, 14, value=[["P", "", [[631, 1]]]]),
        _with(10, 0, 14, value=[[f"{place:02}", "", []] for place in range(OBLIGATIONS_MAX + 1)]),
        _with(10, 0, value=[]),
        _with(10, value=None),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(BadFacts):
        parse_facts(data)


def test_the_unchanged_value_is_read() -> None:
    assert parse_facts(cbor2.dumps(VALID)).number == 46


def test_obligations_are_read_as_they_were_written() -> None:
    data = _with(10, 0, 14, value=[["P", "", [[630, 1]]], ["S", "P", []]])
    assert parse_facts(data).encoded == data


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reading_of_facts(data: bytes) -> None:
    with contextlib.suppress(BadFacts):
        parse_facts(data)


@given(st.integers(0, len(cbor2.dumps(VALID)) - 1), st.integers(1, 255))
def test_what_is_read_after_a_flip_encodes_to_what_was_read(at: int, flip: int) -> None:
    data = bytearray(cbor2.dumps(VALID))
    data[at] ^= flip
    try:
        facts = parse_facts(bytes(data))
    except BadFacts:
        return
    assert facts.encoded == bytes(data)


def test_weights_are_by_label() -> None:
    labels = [label for label, _ in _facts(document("XLR1-41")).entries[0].weights]
    assert labels == sorted(labels) and set(labels) <= set(WEIGHT_LABELS)
