"""Signs, units, codes, corrections: what Euratom says otherwise, case by case."""

import pytest

from slt.reports import codes as code10
from slt.reports import judge, read_report
from slt.reports.euratom import Area, Declaration, NotExpressible, convert, judge_as, read_labelled, write_declaration
from slt.reports.euratom.materials import CONTAINERS, FORMS, STATES, Material, from_euratom, to_euratom
from slt.reports.signs import book_changes
from slt.statements.statement import CODE10, EURATOM
from tests.unit.reports.samples import REFERENCE, changed, document

HEAD = (
    "MBA:XLF1#REPORT TYPE:I#REPORT DATE:04042025#REPORT NUMBER:102#LINE COUNT:{}#"
    "START REPORT:01032025#END REPORT:31032025#REPORTING PERSON:DOE,J#\n"
)
COMMON = "BATCH:B1#KMP:1#MEASUREMENT:M#MATERIAL FORM:PH#MATERIAL CONTAINER:D#MATERIAL STATE:F#ACCOUNTING DATE:05032025#"


def euratom(*lines: str) -> bytes:
    """An ICR of XLF1 with these lines, to which what they all need is added."""
    rows = [f"LINE NUMBER:{place}#{line}\n" for place, line in enumerate(lines, start=1)]
    return (HEAD.format(len(lines)) + "".join(rows)).encode()


def line(code: str, *, transaction: int = 1, category: str = "L", weight: str = "1000", **fields: str) -> str:
    others = "".join(f"{tag.replace('_', ' ').upper()}:{text}#" for tag, text in fields.items())
    head = f"TRANSACTION ID:{transaction}#IC CODE:{code}#"
    return f"{head}{COMMON}ELEMENT CATEGORY:{category}#ELEMENT WEIGHT:{weight}#{others}"


def entries(data: bytes) -> list[dict[str, str]]:
    return [dict(entry) for entry in read_report(convert(data, CODE10, REFERENCE).document)]


def lost(data: bytes) -> dict[str, str]:
    return {finding.label: finding.value for finding in convert(data, CODE10, REFERENCE).findings}


def written(name: str, **changes: str | None) -> Declaration:
    return read_labelled(convert(changed(name, 0, **changes), EURATOM, REFERENCE).document)


def test_a_shipper_receiver_difference_has_the_other_sign() -> None:
    assert written("XLF1-102").lines[0]["ELEMENT WEIGHT"] == "-550"
    [entry] = entries(euratom(line("DI", weight="-550", isotope="G", fissile_weight="-24")))
    assert (entry["630"], entry["670"]) == ("550G", "24G")
    assert (630, 630, -550_000) in book_changes("DI", [(630, 550_000)])


def test_material_unaccounted_for_has_the_other_sign() -> None:
    lines = {row["IC CODE"]: row for row in written("XLF1-109").lines}
    assert (lines["MF"]["ELEMENT WEIGHT"], lines["MF"]["FISSILE WEIGHT"]) == ("-418", "-18")
    assert int(lines["PE"]["ELEMENT WEIGHT"]) - int(lines["BA"]["ELEMENT WEIGHT"]) == -418


def test_a_difference_of_nothing_has_no_sign() -> None:
    assert [row["ELEMENT WEIGHT"] for row in written("XLR1-45").lines if row["IC CODE"] == "MF"] == ["0", "0"]


def test_rounding_of_the_balance_is_what_reaches_it() -> None:
    """RABA = PB + changes - BA is added to the reported value; Euratom's RA is added to the lines above BA."""
    report = written("XLF1-109", _411="RABA", _630="-1G", _670="-1G")
    assert (report.lines[0]["IC CODE"], report.lines[0]["ELEMENT WEIGHT"]) == ("RA", "1")


def test_everything_is_in_grams() -> None:
    row = written("XLT1-9", _610="100.250K", _620="100.250K").lines[0]
    assert row["ELEMENT WEIGHT"] == "100250"
    [entry] = entries(euratom(line("LA", category="D", weight="100250.5")))
    assert entry["620"] == "100.2505K"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("LN", "NL"), ("LD", "TE"), ("RS", "MP"), ("TW", "TW"), ("FW", "FW"), ("TU", "TU"), ("NP", "NP"), ("GA", "GA")],
)
def test_codes_that_both_have_are_exact(ours: str, theirs: str) -> None:
    row = written("XLF1-104", _411=ours).lines[0]
    assert row["IC CODE"] == theirs
    [entry] = entries(euratom(line(theirs)))
    assert entry["411"] == ours


@pytest.mark.parametrize(("theirs", "ours"), [("TC", "TW"), ("FC", "FW")])
def test_conditioned_waste_becomes_retained_waste_and_is_named(theirs: str, ours: str) -> None:
    data = euratom(line(theirs))
    assert entries(data)[0]["411"] == ours
    assert lost(data)["III.10"] == theirs


@pytest.mark.parametrize("code", ["BR", "PR", "SR", "CR", "BA", "MF"])
def test_a_line_that_moves_no_book_keeps_its_number_and_is_named(code: str) -> None:
    data = euratom(line(code), line("LA", transaction=2, isotope="G", fissile_weight="10"))
    first, second = entries(data)
    assert first["309"] == "U" and "630" not in first
    assert (second["002"], second["411"]) == ("2", "LA")
    assert lost(data)["III.10"] == code


@pytest.mark.parametrize("code", ["NM", "BJ", "RA", "R5", "XX"])
def test_a_code_that_would_move_the_book_unseen_is_refused(code: str) -> None:
    judgement = judge_as(euratom(line(code)), EURATOM, REFERENCE)
    assert judgement.verdict == "reject"
    assert "V12" in {finding.rule for finding in judgement.findings}


@pytest.mark.parametrize("code", ["DU", "DQ", "EU", "EQ"])
def test_exemption_has_no_euratom_code(code: str) -> None:
    made = convert(changed("XLF1-104", 0, _411=code), EURATOM, REFERENCE)
    assert [(finding.label, finding.value) for finding in made.findings] == [("411", code)]
    assert b"LINE COUNT:0#" in made.document


@pytest.mark.parametrize(
    ("before", "after", "ours"),
    [("L", "N", "EN"), ("H", "D", "ED"), ("N", "L", "NE"), ("N", "D", "ND"), ("D", "L", "DE"), ("D", "N", "DN")],
)
def test_a_category_change_is_one_line(before: str, after: str, ours: str) -> None:
    fissile = "ISOTOPE:G#FISSILE WEIGHT:300#" if {before, after} & {"L", "H"} else ""
    data = euratom(line("CC", category=after, previous_category=before) + fissile)
    [entry] = entries(data)
    assert entry["411"] == ours
    masses = {label: entry[label] for label in ("610", "620", "630") if label in entry}
    assert sorted(masses.values()) == sorted("1000G" if label == "630" else "1.000K" for label in masses)
    assert ("670" in entry) == bool(fissile)
    assert len(masses) == 2


def test_masses_that_differ_in_a_category_change_are_named() -> None:
    made = convert(changed("XLT1-9", 0, _430="G/Q/K/B", _610="90.000K"), EURATOM, REFERENCE)
    assert [(one.label, one.value, one.expected) for one in made.findings] == [("610", "90.000K", "100.000K")]


def test_high_and_low_enriched_uranium_are_one_category_in_code_10() -> None:
    data = euratom(line("CB", category="L", previous_category="H"))
    assert entries(data)[0]["309"] == "U"
    assert written("XLF1-104", _630="100G", _670="93G").lines[0]["ELEMENT CATEGORY"] == "H"
    assert written("XLF1-104", _630="100G", _670="20G").lines[0]["ELEMENT CATEGORY"] == "H"
    assert written("XLF1-104", _630="100G", _670="19.999G").lines[0]["ELEMENT CATEGORY"] == "L"


def test_one_entry_of_two_elements_is_two_lines_with_the_items_on_the_first() -> None:
    first, second, *_ = written("XLR1-41").lines
    assert (first["ELEMENT CATEGORY"], first["ITEMS"]) == ("P", "1")
    assert second["ELEMENT CATEGORY"] == "L" and "ITEMS" not in second
    assert first["TRANSACTION ID"] == second["TRANSACTION ID"]


def test_lines_of_one_transaction_belong_together_wherever_they_stand() -> None:
    data = euratom(
        line("LA", category="P", items="1"),
        line("LA", category="P", items="2").replace("BATCH:B1#", "BATCH:B2#"),
        line("LA", isotope="G", fissile_weight="9"),
        line("LA", isotope="G", fissile_weight="8").replace("BATCH:B1#", "BATCH:B2#"),
    )
    assert [(entry["446"], entry["470"], entry["670"], entry["700"]) for entry in entries(data)] == [
        ("B1", "1", "9G", "1000G"),
        ("B2", "2", "8G", "1000G"),
    ]


def test_lines_of_several_obligations_are_one_entry_with_the_weights_added() -> None:
    some = "ISOTOPE:G#FISSILE WEIGHT:9.5#"
    data = euratom(line("LA", items="1", obligation="P") + some, line("LA", items="2", obligation="S") + some)
    [entry] = entries(data)
    assert (entry["470"], entry["630"], entry["670"]) == ("3", "2000G", "19G")
    assert lost(data)["III.30"] == "P"
    assert judge_as(data, EURATOM, REFERENCE).verdict == "ok"


def test_the_same_line_twice_is_two_entries() -> None:
    """Not added: rule V52 then says that one of them is too many."""
    twice = line("LA", items="1", isotope="G", fissile_weight="9")
    assert len(entries(euratom(twice, twice))) == 2
    assert "V52" in {finding.rule for finding in judge_as(euratom(twice, twice), EURATOM, REFERENCE).findings}


def test_balances_of_high_and_low_enriched_uranium_are_one_in_code_10() -> None:
    """Annex IV has a balance for each category and obligation; Code 10 one for enriched uranium."""
    text = convert(document("XLF1-109"), EURATOM, REFERENCE).document.decode()
    head, *rows = text.splitlines()
    high = [row.replace("CATEGORY:L", "CATEGORY:H") for row in rows]
    both = [row.partition("#")[2] for row in (*rows, *high)]
    doubled = "\n".join(f"LINE NUMBER:{place}#{row}" for place, row in enumerate(both, start=1))
    data = (head.replace(f"COUNT:{len(rows)}#", f"COUNT:{2 * len(rows)}#") + doubled).encode()
    made = {entry["411"]: entry for entry in entries(data)}
    assert len(made) == len(rows)
    assert (made["PB"]["630"], made["MF"]["670"]) == ("3710800G", "36G")
    assert judge_as(data, EURATOM, REFERENCE).facts is not None
    assert lost(data)["IV.7"] == "H and L"


def test_unified_uranium_is_exact_where_the_area_keeps_it_so() -> None:
    area = Area(country="XL", facility="XLF-", unified=True)
    [entry] = read_report(changed("XLF1-104", 0, _600="625G", _630=None))
    assert write_declaration([entry], area).findings == ()
    plain = write_declaration([entry], Area(country="XL", facility="XLF-"))
    assert {(one.label, one.expected) for one in plain.findings} == {("600", ""), ("630", "625G")}


def test_items_on_a_line_of_lower_value_are_refused() -> None:
    good = euratom(line("LA", category="P", items="1"), line("LA", isotope="G", fissile_weight="9"))
    assert len(entries(good)) == 1
    bad = euratom(line("LA", category="P"), line("LA", isotope="G", fissile_weight="9", items="1"))
    assert "V62" in {finding.rule for finding in judge_as(bad, EURATOM, REFERENCE).findings}


def test_isotopes_beyond_the_fissile_one_are_in_the_composition() -> None:
    row = written("XLR1-41", _680="12.5G", _720="2400G", _740="800G").lines
    assert row[0]["ISOTOPIC COMPOSITION"] == ";2400;;800;"
    assert row[1]["ISOTOPIC COMPOSITION"] == ";;3440;12.5;"


def test_estimated_bases_are_put_as_measured_and_named() -> None:
    data = euratom(line("LA").replace("MEASUREMENT:M#", "MEASUREMENT:E#"))
    assert entries(data)[0]["469"] == "M"
    assert lost(data)["III.13"] == "E"


@pytest.mark.parametrize("tag", ["OBLIGATION:PS", "CRC:123", "CONTAINER ID:C1", "BURN-UP:45000", "DOCUMENT:D/1"])
def test_fields_that_code_10_lacks_are_named_once(tag: str) -> None:
    data = euratom(*(line("LA", transaction=number) + f"{tag}#" for number in (1, 2, 3)))
    [finding] = [one for one in convert(data, CODE10, REFERENCE).findings if one.value == tag.partition(":")[2]]
    assert "3 lines" in finding.text and finding.entry == "L/1"


# Partners and batches


def test_an_import_names_its_country_and_the_area_in_the_comment() -> None:
    row = written("XLF1-101").lines[0]
    assert (row["MBA FROM"], row["COMMENT"]) == ("XF", "XF/XFE1")


def test_a_receipt_states_the_batch_as_the_shipper_calls_it() -> None:
    data = changed("XLR1-42", 0, _446="OWN-1")
    made = convert(data, EURATOM, REFERENCE)
    assert b"BATCH:FB25-01#" in made.document
    assert [(one.entry, one.label, one.value, one.expected) for one in made.findings] == [
        ("OI/1", "446", "OWN-1", "FB25-01")
    ]


def test_a_transfer_inside_the_community_is_foreign_in_code_10() -> None:
    area = Area(country="DE", facility="XLF-", states={"FABC": ("FR",), "XLF1": ("DE",)})
    [entry] = read_report(document("XLF1-104"))
    shipment = dict(entry) | {"001": "OI/DE;104", "411": "SF", "372": "FR/FABC"}
    made = write_declaration([shipment], area)
    assert (made.declaration.lines[0]["IC CODE"], made.declaration.lines[0]["MBA TO"]) == ("SD", "FABC")
    assert made.findings == ()
    abroad = write_declaration([shipment | {"372": "US/FABC"}], area)
    assert (abroad.declaration.lines[0]["IC CODE"], abroad.declaration.lines[0]["MBA TO"]) == ("SF", "US")


def test_rebatching_is_one_line_for_each_batch_that_goes_in() -> None:
    report = read_labelled(convert(document("XLS1-22"), EURATOM, REFERENCE).document)
    pairs = {(row["PREVIOUS BATCH"], row["BATCH"], row["IC CODE"]) for row in report.lines}
    assert pairs == {(f"SP0{number}", "CN-0001", "RB") for number in range(1, 5)}


def test_rebatching_that_cannot_be_paired_is_named() -> None:
    made = convert(changed("XLF1-102", 1, _630="170000G"), EURATOM, REFERENCE)
    assert [(one.entry, one.label, one.value) for one in made.findings][:2] == [
        ("OI/2", "411", "RM"),
        ("OI/3", "411", "RP"),
    ]


# Corrections


def test_a_correction_is_a_deletion_and_an_addition() -> None:
    earlier = convert(document("XLR1-42"), EURATOM, REFERENCE).numbering
    made = convert(document("XLR1-46"), EURATOM, REFERENCE, earlier=earlier)
    deletion, addition = read_labelled(made.document).lines
    assert (deletion["CORRECTION"], deletion["PREVIOUS REPORT"], deletion["PREVIOUS LINE"]) == ("D", "42", "3")
    assert (addition["CORRECTION"], addition["PREVIOUS LINE"], addition["ORIGINAL DATE"]) == ("A", "3", "06102025")
    assert made.findings == ()


def test_without_the_earlier_report_the_line_is_not_guessed() -> None:
    made = convert(document("XLF1-110"), EURATOM, REFERENCE)
    assert b"PREVIOUS LINE" not in made.document
    assert [finding.label for finding in made.findings] == ["309"]


def test_an_addition_is_a_late_line() -> None:
    [row] = written("XLF1-111").lines
    assert (row["CORRECTION"], row["PREVIOUS REPORT"], row["PREVIOUS ENTRY"]) == ("L", "101", "3")


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        (["CORRECTION:D#PREVIOUS REPORT:101#PREVIOUS LINE:2#"], "V22"),
        (["CORRECTION:D#PREVIOUS ENTRY:2#"], "V22"),
        ([line("LA", correction="A", previous_report="101", previous_entry="2")], "V62"),
        ([line("LA", correction="L", previous_report="101")], "V22"),
    ],
)
def test_a_correction_that_does_not_say_of_what_is_refused(lines: list[str], rule: str) -> None:
    judgement = judge_as(euratom(*lines), EURATOM, REFERENCE)
    assert judgement.verdict == "reject"
    assert rule in {finding.rule for finding in judgement.findings}


def test_a_deletion_is_judged_as_code_10_judges_it() -> None:
    data = euratom("CORRECTION:D#PREVIOUS REPORT:101#PREVIOUS LINE:2#PREVIOUS ENTRY:2#")
    facts = judge_as(data, EURATOM, REFERENCE).facts
    assert facts is not None
    assert [(entry.status, entry.target) for entry in facts.entries] == [("D", (101, 2))]


# Rules


def test_the_same_rules_judge_a_report_in_either_form() -> None:
    data = changed("XLR1-42", 0, _670="999999G")
    ours = {(one.rule, one.entry) for one in judge(data, REFERENCE).findings}
    theirs = judge_as(convert(data, EURATOM, REFERENCE).document, EURATOM, REFERENCE)
    assert ours == {(one.rule, one.entry) for one in theirs.findings}


def test_a_finding_says_which_line_and_field_it_is_about() -> None:
    data = changed("XLR1-42", 2, _670="999999G", _446="S" * 17, _447="S" * 17)
    findings = judge_as(convert(data, EURATOM, REFERENCE).document, EURATOM, REFERENCE).findings
    texts = {(one.rule, one.label): one.text for one in findings}
    assert texts["V07", "446"].endswith("[line 3, BATCH]")
    assert texts["V24", "670"].endswith("[line 3, FISSILE WEIGHT or ISOTOPIC COMPOSITION]")


def test_a_report_without_lines_is_none_in_code_10() -> None:
    with pytest.raises(NotExpressible, match="without lines"):
        convert(euratom(), CODE10, REFERENCE)
    assert judge_as(euratom(), EURATOM, REFERENCE).verdict == "reject"


# Materials


def descriptions() -> list[str]:
    return [
        f"{a}/{b}/{c}/{d}"
        for a in sorted(code10.PHYSICAL_FORMS)
        for b in [*sorted(code10.CHEMICAL_FORMS), *(["S"] if a == "Q" else [])]
        for c in sorted(code10.CONTAINMENTS)
        for d in sorted(code10.QUALITIES)
    ]


def test_every_description_has_codes_and_they_come_back_to_themselves() -> None:
    for description in descriptions():
        material = to_euratom(description)
        assert material is not None
        back = from_euratom(material)
        assert back is not None and to_euratom(back) == material


def test_378_descriptions_are_exact() -> None:
    exact = [one for one in descriptions() if (material := to_euratom(one)) and from_euratom(material) == one]
    assert len(exact) == 378
    assert {"B/Q/2/F", "B/Q/3/G", "B/Q/1/G", "O/G/R/B", "G/Q/K/B", "J/Q/7/B", "R/Q/K/D", "U/J/N/E"} <= set(exact)


def test_every_material_of_the_regulation_has_a_description_of_the_lists() -> None:
    known = set(descriptions())
    for form in FORMS:
        for container in CONTAINERS:
            for state in STATES:
                assert from_euratom(Material(form, container, state)) in known


@pytest.mark.parametrize("description", ["", "B/Q/2", "X/Q/2/F", "B/S/2/F", "B/Q/9/F", "B/Q/2/Z"])
def test_what_is_no_description_has_no_codes(description: str) -> None:
    assert to_euratom(description) is None


def test_what_is_no_material_has_no_description() -> None:
    assert from_euratom(Material("XX", "C", "F")) is None
