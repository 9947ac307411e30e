"""The negative cases of reports.md 8.5, all of them, by the samples that they are derived from."""

import pytest

from slt.reports import Reference, judge
from slt.reports.facts import Facts
from slt.statements.verdicts import Code
from tests.unit.inventory.sample_world import world
from tests.unit.inventory.test_genesis_state import Chain
from tests.unit.reports.samples import changed, edited, errors, everywhere, only, replaced

NOTE = "U-235 WEIGHT MISTYPED, SHIPPER DOCUMENT SHOWS 20244"


@pytest.mark.parametrize(
    ("case", "document", "rule"),
    [
        ("447 dropped in an RD", changed("XLR1-42", 0, _447=None), "V20"),
        ("unit K on 630", changed("XLR1-42", 0, _630="460120K"), "V11"),
        ("4 decimals with G", changed("XLR1-42", 0, _630="460120.0000G"), "V10"),
        ("zero instead of letter O in 430", changed("XLF1-101", 0, _430="0/G/R/B"), "V06"),
        ("002 with a gap", changed("XLR1-42", 2, _002="5"), "V50"),
        ("a wrong total", changed("XLR1-42", 0, _002="1/5"), "V50"),
        ("412 outside 015", changed("XLR1-42", 0, _412="20251101"), "V31"),
        ("670 above 630", changed("XLR1-42", 0, _670="460200G"), "V24"),
        ("RM without RP", only("XLF1-102", 1), "V53"),
        ("MF with the Euratom sign", changed("XLF1-109", 10, _630="-418G", _670="-18G"), "V57"),
        ("309 C without reference", changed("XLR1-46", 0, _309="C"), "V22"),
        ("# inside a note", replaced("XLR1-46", "MISTYPED", "MIS#TYPED"), "V01"),
        ("2001 characters in 391", replaced("XLR1-46", NOTE, "A" * 2001), "V07"),
        ("a batch of 17 characters", changed("XLR1-43", 0, _446="A" * 17), "V07"),
        ("a note on an entry that is not there", replaced("XLR1-46", "099:E/1", "099:E/2"), "V55"),
    ],
)
def test_a_document_that_is_wrong_in_itself_is_refused(case: str, document: bytes, rule: str) -> None:
    assert rule in errors(document), case


def evaluated(document: bytes, *before: str) -> tuple[Code, list[tuple[str, str]]]:
    """Verdict and (rule, label) of the findings of a document after these samples. It is right in itself."""
    chain = Chain()
    assert {verdict.code for verdict in chain.block(before).verdicts} == {Code.ACCEPTED}
    evaluation = chain.block_of({"the document": _facts(document)})
    return Code(evaluation.verdicts[0].code), [(found[0], found[3]) for found in evaluation.findings[0]]


def _facts(document: bytes) -> Facts:
    judged = judge(document, Reference.of(world()[0], 1))
    assert judged.facts is not None, judged.findings
    return judged.facts


LISTED = ("XLF1-101", "XLF1-102", "XLF1-103", "XLF1-104", "XLF1-105", "XLR1-41", "XLR1-42", "XLR1-43")


def test_a_beginning_that_is_off_by_one_gram_is_rejected() -> None:
    off: dict[int, dict[str, str | None]] = {0: {"_630": "5409501G"}, 4: {"_630": "5409661G"}, 6: {"_630": "1G"}}
    code, findings = evaluated(edited("XLR1-45", off), *LISTED, "XLR1-44")
    assert code == Code.C09
    assert ("C09", "630") in findings


def test_a_listing_whose_sum_is_off_by_one_gram_is_rejected_by_the_balance() -> None:
    chain = Chain()
    chain.block(LISTED)
    chain.block_of({"listing": _facts(changed("XLR1-44", 0, _630="460001G"))})
    evaluation = chain.block(("XLR1-45",))
    assert evaluation.verdicts[0].code == Code.C12


def test_a_reference_to_a_deleted_entry_is_rejected() -> None:
    year = tuple(f"XLF1-{number}" for number in range(101, 111))  # 110 deletes entry 2 of 103
    again = everywhere("XLF1-110", _001="OI/XL;111", _003="20260211")
    assert evaluated(again, *year)[0] == Code.C06


def test_a_report_number_that_comes_again_is_rejected() -> None:
    assert evaluated(everywhere("XLR1-42", _001="OI/XL;41"), "XLR1-41")[0] == Code.C01


def test_sp01_is_not_shipped_twice() -> None:
    again = only("XLR1-41", 0, _001="OI/XL;42", _412="20250311")
    assert evaluated(again, "XLR1-41")[0] == Code.C18


def test_sp01_is_not_received_before_it_was_shipped() -> None:
    code, findings = evaluated(changed("XLS1-21", 0, _412="20250309"), "XLR1-41")
    assert (code, findings) == (Code.ACCEPTED, [("C27", "412")])


def test_a_description_that_changes_in_transit_is_flagged() -> None:
    code, findings = evaluated(changed("XLS1-21", 0, _430="B/Q/2/G"), "XLR1-41")
    assert (code, findings) == (Code.ACCEPTED, [("C27", "430")])
