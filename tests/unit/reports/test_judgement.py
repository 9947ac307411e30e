"""The judgement as a whole: bounds, order, what is known of a rejected report, the one answer of check."""

import json

import pytest

from slt.reports import FINDINGS_MAX, judge, parse_facts
from slt.reports.answer import answer
from slt.reports.facts import ENTRIES_MAX
from slt.reports.judgement import FINDINGS_PER_RULE_MAX
from slt.reports.reader import ELEMENTS_MAX
from tests.support.hostile import calls_of
from tests.unit.reports.samples import REFERENCE, changed, document, everywhere


def listing(entries: int, line_end: str = "\n") -> bytes:
    """A PIL of that many rods."""
    head = "001:OI/XL;108#002:{}#003:20260128#006:DOE,J#010:P#015:20251231#207:XLF-#307:XLF1#309:N#407:C#430:D/Q/2/A#"
    body = "446:RD{:07}#469:M#470:1#630:{}.{:03}G#670:{}.5G#" + line_end
    return "".join(
        head.format(f"1/{entries}" if number == 1 else number)
        + body.format(number, 1700 + number % 97, number % 1000, 70 + number % 7)
        for number in range(1, entries + 1)
    ).encode()


def test_findings_are_bounded_and_say_how_many_more_there_are() -> None:
    judgement = judge(listing(500).replace(b"469:M", b"469:X"), REFERENCE)
    assert len(judgement.findings) == FINDINGS_PER_RULE_MAX + 1
    assert judgement.findings[-1].value == str(500 - FINDINGS_PER_RULE_MAX)
    assert judgement.findings[-1].rule == "V12"


def test_one_mistake_everywhere_does_not_hide_another() -> None:
    data = listing(500).replace(b"469:M", b"469:X").replace(b"002:400#", b"002:401#")
    assert {finding.rule for finding in judge(data, REFERENCE).findings} == {"V12", "V50"}


def test_no_document_has_more_findings_than_the_bound() -> None:
    junk = b"".join(b"001:%d#junk%d#471:#630:x#630:y#003:z#" % (number, number) for number in range(3000))
    assert len(judge(junk, REFERENCE).findings) <= FINDINGS_MAX


def test_findings_come_in_the_order_of_the_document() -> None:
    data = document("XLR1-41").replace(b"630:4324", b"630:x4324").replace(b"006:DOE,J", b"006:doe,j")
    entries = [finding.entry for finding in judge(data, REFERENCE).findings]
    assert entries == sorted(entries)


def test_findings_of_an_entry_come_in_the_order_of_its_labels() -> None:
    data = changed("XLR1-41", 0, _407="333", _446="S" * 17, _630="X")
    labels = [finding.label for finding in judge(data, REFERENCE).findings]
    assert labels == ["407", "446", "630"]


def test_of_a_label_that_stands_twice_the_first_counts() -> None:
    data = document("XLR1-41").replace(b"#411:SD#", b"#411:SD#411:XX#", 1)
    assert [finding.rule for finding in judge(data, REFERENCE).findings] == ["V02"]


def test_what_can_be_read_of_a_rejected_report_is_known() -> None:
    judgement = judge(changed("XLR1-41", 0, _630="x"), REFERENCE)
    assert (judgement.country, judgement.mba, judgement.number) == ("XL", "XLR1", 41)
    assert judgement.facts is None


def test_what_cannot_be_read_is_none() -> None:
    judgement = judge(b"\x00\x01\x02", REFERENCE)
    assert (judgement.verdict, judgement.country, judgement.mba, judgement.number) == ("reject", None, None, None)


def test_an_area_that_is_no_code_is_none() -> None:
    assert judge(everywhere("XLR1-41", _307="X" * 100), REFERENCE).mba is None


def test_more_entries_than_a_block_holds_are_refused_by_name() -> None:
    data = b"001:OI/XL;1#\n" * (ENTRIES_MAX + 1)
    findings = judge(data, REFERENCE).findings
    assert any(finding.rule == "V50" and str(ENTRIES_MAX) in finding.text for finding in findings)


def test_an_entry_of_a_million_elements_is_refused() -> None:
    judgement = judge(b"001:OI/XL;1#" + b"630:1G#" * 1_000_000, REFERENCE)
    assert any(str(ELEMENTS_MAX) in finding.text for finding in judgement.findings if finding.rule == "V02")


def test_notes_may_stand_before_the_entries() -> None:
    lines = document("XLR1-43").splitlines(keepends=True)
    judgement = judge(b"".join(lines[8:] + lines[:8]), REFERENCE)
    assert judgement.findings == ()
    assert judgement.facts is not None and judgement.facts.kind == "I"


@pytest.mark.parametrize(
    "data", [b"#" * 2_000_000, b"001:" * 500_000, b"123:" + b" " * 2_000_000, b"370:" + b"/" * 2_000_000]
)
def test_two_megabytes_of_junk_are_judged_in_few_steps(data: bytes) -> None:
    assert judge(data, REFERENCE).verdict == "reject"
    assert calls_of(lambda one: judge(one, REFERENCE), data[: 1 << 20]) < 10_000


def test_a_large_listing_is_judged_in_linear_work() -> None:
    def steps(entries: int) -> int:
        return calls_of(lambda one: judge(one, REFERENCE), listing(entries))

    assert steps(1_600) < 1.2 * 8 * steps(200)


def test_the_facts_of_a_large_listing_round_trip() -> None:
    facts = judge(listing(2_000), REFERENCE).facts
    assert facts is not None and len(facts.entries) == 2_000
    assert parse_facts(facts.encoded) == facts


def test_the_answer_of_check_is_the_object_that_the_interface_states() -> None:
    judgement = judge(changed("XLR1-42", 0, _447=None), REFERENCE)
    [finding] = judgement.findings
    assert json.loads(json.dumps(answer("a.code10", judgement))) == {
        "file": "a.code10",
        "verdict": "reject",
        "findings": [
            {
                "rule": "V20",
                "severity": "error",
                "entry": "OI/1",
                "label": "447",
                "value": "",
                "expected": "the shipper's batch name, or UNKNOWN",
                "text": finding.text,
            }
        ],
    }
    assert finding.to_wire() == [
        "V20", "error", "OI/1", "447", "", "the shipper's batch name, or UNKNOWN", finding.text,
    ]  # fmt: skip
    assert finding.row() == ["V20", "error", "OI/1", "447"]


def test_a_report_without_findings_is_ok() -> None:
    assert dict(answer("", judge(document("XLR1-41"), REFERENCE))) == {"file": "", "verdict": "ok", "findings": []}
