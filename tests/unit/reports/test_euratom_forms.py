"""The labelled and the XML form: what is refused, and that the schema is the table."""

import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

import slt.reports.euratom
from slt.reports.euratom import Malformed, convert, form_of, judge_as, read_labelled, read_xml
from slt.reports.euratom.declaration import FAULTS_MAX
from slt.reports.euratom.fields import ANNEXES, ICR, MBR, PIL
from slt.reports.euratom.markup import NAMESPACE
from slt.reports.euratom.schema import FILE, xsd
from slt.statements.statement import CODE10, EURATOM, EURATOM_XML
from tests.support.hostile import calls_of
from tests.unit.reports.euratom_vectors import EURATOM_FOLDER
from tests.unit.reports.samples import REFERENCE, document

LABELLED = (EURATOM_FOLDER / "XLR1-42.euratom").read_text(encoding="ascii")
XML = (EURATOM_FOLDER / "XLR1-42.euratom.xml").read_text(encoding="ascii")
BOMB = '<!DOCTYPE x [<!ENTITY a "AAAAAAAAAA"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x SYSTEM "http://example.org/x.dtd">'


def rules(data: str | bytes, media_type: str) -> set[str]:
    raw = data if isinstance(data, bytes) else data.encode("latin-1")
    judgement = judge_as(raw, media_type, REFERENCE)
    assert judgement.verdict == "reject" and judgement.facts is None
    return {finding.rule for finding in judgement.findings if finding.severity == "error"}


def after_declaration(text: str) -> str:
    head, _, rest = XML.partition("\n")
    return f"{head}\n{text}{rest}"


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("IC CODE:RD#", "IC CODE:RD", "V07"),
        ("IC CODE:RD#", "junk IC CODE:RD#", "V01"),
        ("IC CODE:RD#", "IC CODE:R\nD#", "V01"),
        ("IC CODE:RD#", "IC CODE:RD#IC CODE:RD#", "V02"),
        ("IC CODE:RD#", "IC CODE:RD#COLOUR:RED#", "V03"),
        ("IC CODE:RD#", "IC CODE:RD#REPORTING PERSON:X#", "V03"),
        ("MBA:XLR1#", "MBA:XLR1#IC CODE:RD#", "V12"),
        ("MBA:XLR1#", "", "V04"),
        ("REPORT NUMBER:42#", "", "V04"),
        ("MBA:XLR1#", "MBA:XLR9#", "V15"),
        ("REPORT TYPE:I#", "REPORT TYPE:T#", "V12"),
        ("REPORTING PERSON:DOE,J#", "REPORTING PERSON:Doe,J#", "V06"),
        ("REPORTING PERSON:DOE,J#", "REPORTING PERSON:D\xd6E,J#", "V06"),
        ("REPORTING PERSON:DOE,J#", "REPORTING PERSON:" + "D" * 31 + "#", "V07"),
        ("BATCH:FB25-01#", "BATCH:" + "B" * 21 + "#", "V07"),
        ("BATCH:FB25-01#", "BATCH:#", "V07"),
        ("BATCH:FB25-01#", "BATCH:" + "B" * 17 + "#", "V07"),  # 20 for Euratom, 16 for Code 10
        ("REPORT DATE:07112025#", "REPORT DATE:20251107#", "V08"),
        ("ACCOUNTING DATE:06102025#", "ACCOUNTING DATE:31022025#", "V08"),
        ("ITEMS:1#", "ITEMS:1.5#", "V09"),
        ("ELEMENT WEIGHT:460120#", "ELEMENT WEIGHT:460120.1234#", "V10"),
        ("ELEMENT WEIGHT:460120#", "ELEMENT WEIGHT:460,120#", "V10"),
        ("ELEMENT WEIGHT:460120#", "ELEMENT WEIGHT:460120G#", "V10"),
        ("ELEMENT WEIGHT:460120#", "ELEMENT WEIGHT:" + "9" * 21 + "#", "V10"),
        ("ELEMENT CATEGORY:L#", "ELEMENT CATEGORY:E#", "V12"),
        ("MATERIAL FORM:EA#", "MATERIAL FORM:XX#", "V12"),
        ("MEASUREMENT:N#", "MEASUREMENT:X#", "V12"),
        ("IC CODE:RD#", "IC CODE:NM#", "V12"),
        ("IC CODE:RD#", "IC CODE:LN#", "V12"),
        ("LINE COUNT:4#", "LINE COUNT:5#", "V62"),
        ("LINE NUMBER:2#", "LINE NUMBER:3#", "V62"),
    ],
)
def test_a_labelled_report_that_breaks_its_form_is_refused(old: str, new: str, rule: str) -> None:
    assert old in LABELLED
    assert rule in rules(LABELLED.replace(old, new, 1), EURATOM)


@pytest.mark.parametrize(
    "text",
    [
        after_declaration(BOMB),
        after_declaration(OUTSIDE),
        after_declaration(BOMB).replace("DOE,J", "&b;"),
        XML.replace("DOE,J", "&a;"),
        XML.replace("<line>", "<!-- a comment --><line>", 1),
        XML.replace("<line>", "<?go there?><line>", 1),
        XML.replace("DOE,J", "<![CDATA[DOE,J]]>"),
        XML.replace("<line>", '<line id="1">', 1),
        XML.replace(NAMESPACE, "urn:other"),
        XML.replace(f' xmlns="{NAMESPACE}"', ""),
        XML.replace("inventoryChangeReport", "report"),
        XML.replace("inventoryChangeReport", "materialBalanceReport"),
        XML.replace("<line>", "text<line>", 1),
        XML.replace("<kmp>1</kmp>", "<kmp><b>1</b></kmp>", 1),
        XML.replace("<kmp>1</kmp>", "<colour>1</colour>", 1),
        XML.replace("<batch>FB25-01</batch><kmp>1</kmp>", "<kmp>1</kmp><batch>FB25-01</batch>", 1),
        XML.replace("</line>\n</inv", "</line><mba>XLR1</mba></inv"),
        XML.replace('encoding="UTF-8"', 'encoding="ISO-8859-1"'),
        XML[: len(XML) // 2],
        XML + XML,
        "<" * 10_000,
        "<a>" * 10_000,
    ],
)
def test_xml_that_is_not_strictly_of_the_form_is_refused(text: str) -> None:
    assert "V01" in rules(text, EURATOM_XML)


def test_sixteen_bit_xml_is_refused() -> None:
    assert rules(XML.encode("utf-16"), EURATOM_XML) == {"V01"}


def test_a_long_text_is_not_kept() -> None:
    data = XML.replace("DOE,J", "A" * 5_000_000)
    with pytest.raises(Malformed) as caught:
        read_xml(data.encode())
    assert caught.value.findings[0].rule == "V07"


def test_xml_values_keep_the_rules_of_the_fields() -> None:
    assert rules(XML.replace("<items>1</items>", "<items>1.5</items>"), EURATOM_XML) == {"V09"}
    assert rules(XML.replace("<items>1</items>", "<items>1</items><items>1</items>", 1), EURATOM_XML) == {"V02"}


def test_faults_are_bounded() -> None:
    lines = "".join(f"LINE NUMBER:{number}#KMP:##KMP:x#\n".replace("##", "#") for number in range(1, 5_000))
    with pytest.raises(Malformed) as caught:
        read_labelled((LABELLED.partition("\n")[0] + lines).encode())
    assert len(caught.value.findings) <= FAULTS_MAX


def test_every_fault_names_line_and_field() -> None:
    with pytest.raises(Malformed) as caught:
        read_labelled(LABELLED.replace("ITEMS:1#", "ITEMS:X#").encode())
    assert {(finding.entry, finding.label) for finding in caught.value.findings} == {
        (f"L/{place}", "III.24") for place in range(1, 5)
    }


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (document("XLR1-42"), CODE10),
        (LABELLED.encode(), EURATOM),
        (b"\r\n  " + LABELLED.encode(), EURATOM),
        (XML.encode(), EURATOM_XML),
        (b"\xef\xbb\xbf" + XML.encode(), EURATOM_XML),
        (b"", CODE10),
        (b"MBA", CODE10),
        (b"hello", CODE10),
    ],
)
def test_a_form_is_known_by_how_it_begins(data: bytes, media_type: str) -> None:
    assert form_of(data) == media_type


def test_a_document_of_another_form_is_refused_as_the_one_stated() -> None:
    for data in (document("XLR1-42"), XML.encode()):
        assert rules(data, EURATOM) <= {"V01", "V04"}
    for data in (document("XLR1-42"), LABELLED.encode()):
        assert rules(data, EURATOM_XML) == {"V01"}


def test_blanks_between_elements_mean_nothing() -> None:
    assert read_labelled(LABELLED.replace("#", "# \r\n ").encode()) == read_labelled(LABELLED.encode())
    assert convert(XML.replace("><", ">\n<").encode(), EURATOM_XML, REFERENCE).document == XML.encode()


def test_the_annexes_have_the_fields_of_the_regulation() -> None:
    for annex, count in ((ICR, 47), (MBR, 21), (PIL, 29)):
        numbers = sorted(field.number for field in (*annex.header.values(), *annex.line.values()))
        assert numbers == list(range(count + 1))


# The schema


def test_the_published_schema_is_the_table() -> None:
    assert (Path(slt.reports.euratom.__file__).parent / FILE).read_text(encoding="ascii") == xsd()


def test_the_schema_is_xml_and_names_every_element() -> None:
    tree = ElementTree.fromstring(xsd())
    names = {element.get("name") for element in tree.iter("{http://www.w3.org/2001/XMLSchema}element")}
    for annex in ANNEXES.values():
        assert {annex.root, "line"} <= names
        assert {field.element for field in (*annex.header.values(), *annex.line.values())} <= names


def test_the_schema_is_in_the_package() -> None:
    wheel = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    target = wheel["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert target["packages"] == ["libs/slt"]  # hatchling takes every file of it that is not ignored
    assert "exclude" not in target


# Bounds


def large(lines: int, line: str) -> bytes:
    head = LABELLED.partition("\n")[0].replace("LINE COUNT:4#", f"LINE COUNT:{lines}#")
    return (head + "".join(line.format(number=number) for number in range(1, lines + 1))).encode()


@pytest.mark.parametrize(
    "line",
    [
        "LINE NUMBER:{number}#TRANSACTION ID:1#IC CODE:RB#BATCH:{number}#PREVIOUS BATCH:{number}#OBLIGATION:P#\n",
        "LINE NUMBER:{number}#TRANSACTION ID:{number}#IC CODE:BR#BATCH:{number}#OBLIGATION:P#COMMENT:A/B#\n",
        "LINE NUMBER:{number}#CORRECTION:D#PREVIOUS REPORT:1#PREVIOUS ENTRY:1#\n",
        "LINE NUMBER:{number}#TRANSACTION ID:1#IC CODE:LA#ELEMENT CATEGORY:L#\n",
    ],
)
def test_many_lines_are_read_in_linear_work(line: str) -> None:
    def steps(lines: int) -> int:
        return calls_of(lambda one: judge_as(one, EURATOM, REFERENCE), large(lines, line))

    assert steps(1_600) < 1.2 * 8 * steps(200)


@pytest.mark.parametrize("data", [b"<a>" * 500_000, b"<" + b"a" * 2_000_000, b"<a " + b"b='1' " * 300_000])
def test_two_megabytes_of_markup_are_refused_in_few_steps(data: bytes) -> None:
    assert judge_as(data, EURATOM_XML, REFERENCE).verdict == "reject"
    assert calls_of(lambda one: judge_as(one, EURATOM_XML, REFERENCE), data[: 1 << 20]) < 10_000


def test_more_lines_than_a_report_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slt.reports.euratom.declaration.LINES_MAX", 3)
    assert rules(LABELLED, EURATOM) == {"V50"}
    assert rules(XML, EURATOM_XML) == {"V50"}
