"""What validation decides about one submission (rule A06, verdict codes, salts), without a bus."""

from dataclasses import replace

import msgspec
import pytest

from services.validation.core import Vetting, as_stated, refused_unread, vet
from services.validation.judging import Bench, judge_item
from services.validation.terms import RULE_SETS, unknown_now
from slt.bus.compression import inflate
from slt.bus.messages import Item
from slt.reports import RULES_VERSION, judge, parse_facts
from slt.reports.euratom import convert
from slt.runtime.copies import Registry
from slt.runtime.recent import Recent
from slt.statements.registry import PARAMETERS
from slt.statements.statement import CODE10, EURATOM, EURATOM_XML, Statement, make_statement, parse_statement
from slt.statements.verdicts import Code, facts_salt, findings_salt
from tests.support.blocks import World, make_world
from tests.unit.reports.samples import REFERENCE, changed, document, everywhere

WORLD: World = make_world()
SALT = b"salt of the test"


def registry(**parameters: int) -> Registry:
    return Registry(
        height=7,
        block_id=bytes(32),
        identities={},
        reference=REFERENCE,
        members=(),
        parameters={**{entry.name: entry.default for entry in PARAMETERS.values()}, **parameters},
        rules_version=RULES_VERSION,
        reference_version=1,
    )


def authenticated(number: int = 41, data: bytes | None = None, mba: str = "XLR1") -> Item:
    """An item as authentication passes it on: nothing of validation's part is filled in."""
    item = WORLD.item(number, mba=mba, document=document("XLR1-41") if data is None else data, salt=SALT)
    return msgspec.structs.replace(
        item, facts_z=b"", no_facts=0, findings=[], findings_salt=b"", facts_salt=b"", rules_version=0,
        reference_version=0, timings=item.timings[:1],
    )  # fmt: skip


def vetting(item: Item) -> Vetting:
    statement = parse_statement(item.statement)
    return vet(statement, WORLD.body(item), state=item.state, mba=item.mba, reference=REFERENCE)


def rules(found: Vetting) -> list[str]:
    return [finding.rule for finding in found.judgement.findings]


def test_a_good_report_has_facts_and_no_reason_against_them() -> None:
    found = vetting(authenticated())
    assert found.judgement.facts is not None
    assert found.no_facts == 0
    assert rules(found) == []


def test_the_salts_are_those_of_the_formats() -> None:
    item = authenticated()
    found = vetting(item)
    assert found.facts_salt == facts_salt(SALT, item.statement_id)
    assert found.findings_salt == findings_salt(SALT, item.statement_id)


def test_a_report_of_another_area_than_its_subject_is_not_as_stated() -> None:
    found = vetting(authenticated(41, document("XLR1-41"), mba="XLF1"))
    assert rules(found) == ["A06"]
    assert found.judgement.findings[0].value == "XL/XLR1"
    assert found.judgement.facts is None
    assert found.no_facts == Code.NOT_AS_STATED


def test_a_report_with_another_number_than_the_statement_names_is_not_as_stated() -> None:
    found = vetting(authenticated(42, document("XLR1-41")))
    assert rules(found) == ["A06"]
    assert "new statement" in found.judgement.findings[0].text


def stated(item: Item, media_type: str) -> Statement:
    """The statement of `item`, about a document of another form."""
    return parse_statement(
        make_statement(
            WORLD.reporter,
            iss=item.iss,
            sub=parse_statement(item.statement).sub,
            aud=WORLD.genesis.audience,
            iat=item.iat,
            media_type=media_type,
            digest=item.body_digest,
        )
    )


@pytest.mark.parametrize("media_type", [EURATOM, EURATOM_XML])
def test_a_statement_about_another_format_is_not_as_stated(media_type: str) -> None:
    item = authenticated()
    found = vet(stated(item, media_type), WORLD.body(item), state="XL", mba="XLR1", reference=REFERENCE)
    assert rules(found) == ["A06"]
    assert found.judgement.findings[0].value == CODE10
    assert found.judgement.findings[0].expected == media_type


@pytest.mark.parametrize("media_type", [EURATOM, EURATOM_XML])
def test_a_report_in_a_euratom_form_has_the_facts_of_the_code_10_report(media_type: str) -> None:
    data = convert(document("XLR1-41"), media_type, REFERENCE).document
    item = authenticated(41, data)
    found = vet(stated(item, media_type), WORLD.body(item), state="XL", mba="XLR1", reference=REFERENCE)
    assert rules(found) == [] and found.no_facts == 0
    assert found.judgement.facts is not None
    in_code_10 = vetting(authenticated()).judgement.facts
    assert in_code_10 is not None
    assert found.judgement.facts.entries == in_code_10.entries
    assert found.judgement.facts.content_digest == in_code_10.content_digest


@pytest.mark.parametrize("media_type", [EURATOM, EURATOM_XML])
def test_a_euratom_report_that_breaks_a_rule_is_refused_by_that_rule(media_type: str) -> None:
    data = convert(changed("XLR1-41", 0, _670="999999G"), media_type, REFERENCE).document
    item = authenticated(41, data)
    found = vet(stated(item, media_type), WORLD.body(item), state="XL", mba="XLR1", reference=REFERENCE)
    assert found.no_facts == Code.V24
    broken = authenticated(41, data.replace(b"SD", b"XX"))
    refused = vet(stated(broken, media_type), WORLD.body(broken), state="XL", mba="XLR1", reference=REFERENCE)
    assert refused.no_facts == Code.V12


def test_a_euratom_report_of_another_area_or_number_is_not_as_stated() -> None:
    data = convert(document("XLR1-42"), EURATOM, REFERENCE).document
    item = authenticated(41, data)
    found = vet(stated(item, EURATOM), WORLD.body(item), state="XL", mba="XLR1", reference=REFERENCE)
    assert rules(found) == ["A06"]
    found = vet(stated(item, EURATOM), WORLD.body(item), state="XL", mba="XLF1", reference=REFERENCE)
    assert rules(found) == ["A06"]


def test_what_cannot_be_read_of_a_document_is_no_matter_of_the_statement() -> None:
    statement: Statement = parse_statement(authenticated().statement)
    judgement = judge(b"\xff\x00", REFERENCE)
    assert list(as_stated(statement, SALT, judgement, form=CODE10, state="XL", mba="XLR1")) == []


def test_all_findings_stand_together_and_the_first_check_gives_the_code() -> None:
    data = changed("XLR1-42", 0, _447=None)
    found = vetting(authenticated(41, data))
    assert rules(found) == ["A06", "V20"]
    assert found.no_facts == Code.NOT_AS_STATED
    assert vetting(authenticated(42, data)).no_facts == Code.V20


def test_the_lowest_rule_gives_the_code() -> None:
    data = changed("XLR1-41", 3, _002="9", _630="X")
    assert vetting(authenticated(41, data)).no_facts == Code.V10


def test_warnings_pass() -> None:
    found = vetting(authenticated(41, changed("XLR1-41", 2, _006="ROE,R")))
    assert rules(found) == ["V51"]
    assert found.judgement.facts is not None and found.no_facts == 0


def test_a_body_that_cannot_be_read_is_wrong() -> None:
    found = refused_unread(parse_statement(authenticated().statement), "it is no zstd frame")
    assert found.no_facts == Code.BODY_WRONG
    assert "no zstd frame" in found.judgement.findings[0].text


def test_an_item_is_filled_in_for_the_next_stage() -> None:
    item = authenticated()
    filled = judge_item(item, Bench.of(registry(), RULE_SETS))
    facts = parse_facts(inflate(filled.facts_z, bytes_max=1_000_000))
    assert (facts.country, facts.mba, facts.number) == ("XL", "XLR1", 41)
    assert (filled.no_facts, filled.findings) == (0, [])
    assert (filled.rules_version, filled.reference_version) == (RULES_VERSION, 1)
    assert filled.facts_salt == facts_salt(SALT, item.statement_id)
    kept = ("submission_id", "statement", "endorsements", "body_z", "spki", "timings", "signature", "body_digest")
    assert all(getattr(filled, name) == getattr(item, name) for name in kept)


def test_a_refused_item_has_findings_and_no_facts() -> None:
    filled = judge_item(authenticated(41, everywhere("XLR1-41", _207="XLF-")), Bench.of(registry(), RULE_SETS))
    assert filled.facts_z == b""
    assert filled.no_facts == Code.V15
    assert [finding[0] for finding in filled.findings] == ["V15"]


@pytest.mark.parametrize("name", ["facts_bytes_max", "submission_bytes_max"])
def test_a_size_above_its_limit_is_refused_with_the_name_of_the_limit(name: str) -> None:
    filled = judge_item(authenticated(), Bench.of(registry(**{name: 100}), RULE_SETS))
    assert filled.facts_z == b""
    assert [finding[0] for finding in filled.findings] == ["LIMIT"]
    assert filled.findings[0][5] == f"{name} = 100"


def test_a_body_larger_than_the_ledger_takes_is_refused() -> None:
    filled = judge_item(authenticated(), Bench.of(registry(body_bytes_max=100), RULE_SETS))
    assert filled.no_facts == Code.BODY_WRONG and filled.facts_z == b""


def test_another_rule_set_is_a_reason_not_to_judge() -> None:
    assert unknown_now(Bench.of(registry(), RULE_SETS).terms, RULE_SETS) is None
    other = replace(registry(), rules_version=RULES_VERSION + 1)
    assert str(RULES_VERSION + 1) in str(unknown_now(Bench.of(other, RULE_SETS).terms, RULE_SETS))


def test_a_governance_statement_is_passed_on_as_it_is() -> None:
    item = msgspec.structs.replace(authenticated(), body_z=b"", change=b"a change")
    assert judge_item(item, Bench.of(registry(), RULE_SETS)) == item


def test_recent_decisions_are_found_by_either_id_and_forgotten_in_order() -> None:
    recent = Recent(size_max=2)
    for number in range(3):
        recent.add(bytes([number]), bytes([100 + number]), {"number": number})
    assert recent.get(b"\x00") is None
    assert recent.get(bytes([100])) is None
    assert recent.get(b"\x02") == recent.get(bytes([102])) == {"number": 2}


def test_a_later_submission_of_a_statement_is_its_last_decision() -> None:
    recent = Recent()
    recent.add(b"first", b"statement", {"outcome": "refused"})
    recent.add(b"second", b"statement", {"outcome": "passed"})
    assert recent.get(b"statement") == {"outcome": "passed"}
    assert recent.get(b"first") == {"outcome": "refused"}


def test_a_report_of_tomorrow_is_refused_by_the_clock_at_the_door() -> None:
    item = authenticated(41)
    assert {finding[0] for finding in judge_item(item, Bench.of(registry(), RULE_SETS), "20250407").findings} == {"V32"}
    assert judge_item(item, Bench.of(registry(), RULE_SETS), "20250407").facts_z == b""
    assert judge_item(item, Bench.of(registry(), RULE_SETS), "20250408").findings == []
