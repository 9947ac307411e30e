"""Reader and writer: round trips, and any bytes at all."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slt.reports import Unreadable, judge, read_entries, read_report, write_report
from slt.reports.labels import NAMES
from slt.reports.reader import ELEMENTS_MAX, first_entry, read_raw, text_of
from tests.unit.reports.samples import NAMES as SAMPLES
from tests.unit.reports.samples import REFERENCE, document

CONTENTS = st.text([character for character in map(chr, range(32, 127)) if character != "#"], max_size=30)
ENTRIES = st.lists(
    st.dictionaries(st.sampled_from(sorted(NAMES)), CONTENTS, max_size=12).map(
        lambda labels: dict(sorted({"001": "OI/XL;1", **labels}.items()))
    ),
    min_size=1,
    max_size=8,
)


@given(ENTRIES)
def test_reading_what_was_written_gives_the_entries(report: list[dict[str, str]]) -> None:
    assert read_report(write_report(report)) == tuple(report)


@given(ENTRIES)
def test_writing_what_was_read_gives_the_bytes(report: list[dict[str, str]]) -> None:
    data = write_report(report)
    assert write_report(read_entries(data)) == data


@given(ENTRIES, st.lists(st.sampled_from(["\r\n", "\n", " ", "", "   \n"]), min_size=1, max_size=5))
def test_blanks_between_elements_mean_nothing(report: list[dict[str, str]], blanks: list[str]) -> None:
    text = write_report(report).decode()
    pieces = text.replace("\n", "").split("#")
    spread = "".join(piece + "#" + blanks[at % len(blanks)] for at, piece in enumerate(pieces[:-1]))
    assert read_report(spread.encode()) == tuple(report)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no entry"),
        (b"hello", "no element"),
        (b"001:OI/XL;1#630:1G", "not closed"),
        (b"001:OI/XL;1#630:1G#630:1G#", "twice"),
        (b"002:1#001:OI/XL;1#", "001"),
        (b"001:OI/XL;1#" + b"002:1#" * ELEMENTS_MAX, "more elements"),
    ],
)
def test_what_is_no_report_is_unreadable(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read_report(data)


@pytest.mark.parametrize(
    "labels",
    [{"002": "1"}, {"001": "A#B"}, {"001": "A\nB"}, {"001": "Ä"}, {"001": "A", "6": "1"}, {"001": "A", "": "1"}],
)
def test_what_no_document_can_carry_is_not_written(labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"label|001"):
        write_report([labels])


def test_the_first_accounting_entry_is_found_behind_notes() -> None:
    notes, entry = b"001:NC/XL;1#391:A 001:OI/ B#\n", b"001:OI/XL;1#002:1/1#\n"
    raw = first_entry(text_of(notes + entry), "OI")
    assert raw is not None
    assert dict(raw.elements)["002"] == "1/1"
    assert first_entry(text_of(notes), "OI") is None


WORDS = b"""001: OI/XL;1# NC/XL;1# 010:I# 010:T# # : / ; 002:1/1# 309:U# 015: 630:1G# 391:X# 099:E/1# 20250101 0 \xff
307:XLR1# 411:SD# -1G C/XL;42/3# 446:"""
PIECES = st.sampled_from([*WORDS.split(), b"\n", b" ", b"\0", b"9" * 5000, b"x" * 300])


@given(st.lists(PIECES, max_size=60).map(b"".join) | st.binary(max_size=300))
@settings(max_examples=400)
def test_no_bytes_crash_the_judge(data: bytes) -> None:
    judgement = judge(data, REFERENCE)
    assert (judgement.facts is None) == (judgement.verdict == "reject")
    assert judgement == judge(data, REFERENCE)
    for finding in judgement.findings:
        assert all(item.isprintable() for item in finding.to_wire())


@given(st.sampled_from(SAMPLES), st.data())
@settings(max_examples=200)
def test_no_small_damage_to_a_report_crashes_the_judge(name: str, data: st.DataObject) -> None:
    text = bytearray(document(name))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "insert"])):
            case "flip":
                text[at] = data.draw(st.integers(0, 255))
            case "cut":
                del text[at : at + data.draw(st.integers(1, 20))]
            case _:
                text[at:at] = data.draw(st.sampled_from([b"#", b":", b"001:", b"\n", b"0", b"G#"]))
        if not text:
            break
    judgement = judge(bytes(text), REFERENCE)
    assert (judgement.facts is None) == (judgement.verdict == "reject")


@given(st.binary(max_size=400))
def test_the_reader_loses_nothing_but_blanks(data: bytes) -> None:
    text = text_of(data)
    if text.count("#") > ELEMENTS_MAX:
        return
    kept = "".join(
        "".join(label + content for label, content in raw.elements) + "".join(raw.leftovers) for raw in read_raw(text)
    )
    drop = str.maketrans("", "", "#:" + string.whitespace)
    assert sorted(kept.translate(drop)) == sorted(text.translate(drop))
