"""Euratom: what comes back, for any report; and that everything else is named."""

from collections.abc import Mapping
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from slt.reports import write_report
from slt.reports.euratom import (
    Area,
    Declaration,
    judge_as,
    read_declaration,
    read_labelled,
    read_xml,
    write_declaration,
    write_labelled,
    write_xml,
)
from slt.reports.euratom.comparison import meaning
from slt.statements.statement import EURATOM, EURATOM_XML
from tests.unit.reports.euratom_strategies import declarations, reports
from tests.unit.reports.euratom_vectors import EURATOM_FOLDER
from tests.unit.reports.samples import REFERENCE

AREA = Area.of(REFERENCE, "XLR1")
assert AREA is not None
LINES = {(4, entry): (entry * 2 - 1, entry * 2) for entry in range(1, 9)}
FILES = sorted(path for path in EURATOM_FOLDER.iterdir() if ".euratom" in path.name)

Report = list[dict[str, str]]


@given(declarations())
def test_both_forms_give_back_every_declaration(declaration: Declaration) -> None:
    assert read_labelled(write_labelled(declaration)) == declaration
    assert read_xml(write_xml(declaration)) == declaration


@given(declarations())
def test_any_declaration_is_read_and_judged_without_a_crash(declaration: Declaration) -> None:
    assert AREA is not None
    write_report(read_declaration(declaration, AREA).entries)
    judgement = judge_as(write_xml(declaration), EURATOM_XML, REFERENCE)
    assert (judgement.facts is None) == (judgement.verdict == "reject")


@given(reports())
@settings(max_examples=150)
def test_a_report_comes_back_as_it_was_but_for_what_is_named(report: Report) -> None:
    assert AREA is not None
    written = write_declaration(report, AREA, earlier=LINES)
    back = read_declaration(read_xml(write_xml(written.declaration)), AREA)
    if not written.findings:
        assert [_meant(entry) for entry in back.entries] == [_meant(entry) for entry in report]
    assert [finding for finding in back.findings if finding.severity == "error"] == []


@given(reports())
@settings(max_examples=150)
def test_what_came_back_once_comes_back_again_without_loss(report: Report) -> None:
    """Projecting onto what both forms express loses nothing the second time: the list of losses is complete."""
    assert AREA is not None
    back = read_declaration(write_declaration(report, AREA, earlier=LINES).declaration, AREA).entries
    if not back:
        return
    again = write_declaration(back, AREA, earlier=LINES)
    assert again.findings == ()
    assert read_declaration(again.declaration, AREA).entries == back


def _meant(entry: Mapping[str, str]) -> dict[str, object]:
    return {
        label: meaning(label, content) if label != "002" else content.partition("/")[0]
        for label, content in entry.items()
    }


@given(st.sampled_from(FILES), st.data())
@settings(max_examples=150)
def test_no_small_damage_to_a_document_crashes_the_judge(path: Path, data: st.DataObject) -> None:
    text = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "insert"])):
            case "flip":
                text[at] = data.draw(st.integers(0, 255))
            case "cut":
                del text[at : at + data.draw(st.integers(1, 20))]
            case _:
                text[at:at] = data.draw(
                    st.sampled_from([b"#", b":", b"<line>", b"\n", b"<", b"&x;", b"LINE NUMBER:1#"])
                )
        if not text:
            break
    for media_type in (EURATOM, EURATOM_XML):
        judgement = judge_as(bytes(text), media_type, REFERENCE)
        assert (judgement.facts is None) == (judgement.verdict == "reject")


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_judge_of_either_form(data: bytes) -> None:
    for media_type in (EURATOM, EURATOM_XML):
        assert judge_as(data, media_type, REFERENCE).verdict == "reject"
