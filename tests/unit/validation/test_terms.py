"""Rule sets and reference data now and from announced heights on, and reports judged under both."""

from dataclasses import replace

import pytest

from services.validation.judging import Bench, judge_item, judge_under
from services.validation.terms import RULE_SETS, Judge, terms_of, unknown_ahead, unknown_now
from slt.reports import RULES_VERSION, Judgement, Reference
from slt.reports.euratom import judge_as
from slt.statements.governance import ActivateRules, Announcement, Change, SetArea, SetParameter, SetReference
from slt.statements.verdicts import Code
from tests.unit.reports.samples import REFERENCE
from tests.unit.validation.test_core import authenticated, registry

REACTOR = REFERENCE.mbas["XL/XLR1"]
CLOSED = replace(REACTOR, closed="20250101")
NEW_RULES = RULES_VERSION + 1


def announced(height: int, change: Change) -> Announcement:
    return Announcement(change=change, effective_height=height, nonce=bytes(16))


def renewed(document: bytes, media_type: str, reference: Reference, *, today: str | None = None) -> Judgement:
    """Another rule set, which refuses nothing more; the layout of facts stays."""
    return judge_as(document, media_type, reference, today=today)


BOTH: dict[int, Judge] = {**RULE_SETS, NEW_RULES: renewed}


def bench(*changes: Announcement, rule_sets: dict[int, Judge] = BOTH) -> Bench:
    return Bench.of(replace(registry(), announced=changes), rule_sets)


def test_without_announcements_there_are_the_terms_of_now() -> None:
    (now,) = terms_of(1, REFERENCE, ())
    assert (now.from_height, now.versions) == (0, (1, REFERENCE.version))


def test_announced_changes_follow_each_other_by_height_each_on_the_one_before() -> None:
    later = terms_of(
        1,
        REFERENCE,
        [
            announced(30, SetReference(mbas=(replace(REACTOR, mba="XLR2"), replace(REACTOR, mba="XLR3")))),
            announced(20, ActivateRules(version=2)),
            announced(20, SetArea(mba=CLOSED)),
            announced(25, SetParameter(name="skew_s", value=1)),
        ],
    )[1:]
    assert [(one.from_height, *one.versions) for one in later] == [(20, 2, 2), (30, 2, 3)]
    assert [one.reference.mbas["XL/XLR1"].closed for one in later] == ["20250101", "20250101"]
    assert "XL/XLR3" in later[1].reference.mbas and "XL/XLR3" not in later[0].reference.mbas


@pytest.mark.parametrize("change", [ActivateRules(version=NEW_RULES), SetArea(mba=CLOSED)])
def test_a_report_is_judged_under_both_while_a_change_is_announced(change: Change) -> None:
    filled = judge_item(authenticated(), bench(announced(9, change)))
    assert (filled.rules_version, filled.reference_version) == (RULES_VERSION, 1)
    (ahead,) = filled.ahead
    if isinstance(change, ActivateRules):
        assert (ahead.rules_version, ahead.reference_version, ahead.no_facts) == (NEW_RULES, 1, 0)
        assert ahead.facts_z == filled.facts_z
    else:
        assert (ahead.rules_version, ahead.reference_version, ahead.no_facts) == (RULES_VERSION, 2, Code.V15)
        assert ahead.facts_z == b"" and ahead.findings[0][0] == "V15"


def test_a_large_report_travels_with_one_result_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the facts of the largest would not fit a message; it is judged again when it is asked for."""
    change = announced(9, SetArea(mba=CLOSED))
    facts_z = judge_item(authenticated(), bench(change)).facts_z
    monkeypatch.setattr("services.validation.judging.AHEAD_BYTES_MAX", len(facts_z) - 1)
    assert judge_item(authenticated(), bench(change)).ahead == []


def test_a_report_is_judged_once_under_rules_that_the_program_does_not_have_yet() -> None:
    filled = judge_item(
        authenticated(), bench(announced(9, ActivateRules(version=NEW_RULES)), rule_sets=dict(RULE_SETS))
    )
    assert filled.facts_z and filled.ahead == []


def test_an_announced_rule_set_that_is_not_there_is_named_with_its_height_at_once() -> None:
    terms = bench(announced(9, ActivateRules(version=NEW_RULES))).terms
    assert unknown_ahead(terms, BOTH) is None
    sentence = str(unknown_ahead(terms, RULE_SETS))
    assert f"rule set {NEW_RULES} counts from height 9 on" in sentence and "install the release" in sentence
    assert unknown_now(terms, RULE_SETS) is None
    now = Bench.of(replace(registry(), rules_version=NEW_RULES), RULE_SETS).terms
    assert "counts now" in str(unknown_ahead(now, RULE_SETS)) and unknown_now(now, RULE_SETS)


def test_judging_again_names_its_versions_and_knows_no_limit_of_size() -> None:
    """What was admitted is not refused any more: a limit that was lowered since is the door's."""
    lowered = Bench.of(registry(facts_bytes_max=1), BOTH)
    again = judge_under(authenticated(), lowered.terms[0], lowered, None)
    assert again.facts_z and again.findings == []
    assert judge_item(authenticated(), lowered).facts_z == b""


def test_only_known_rule_sets_are_judged_under() -> None:
    change = announced(9, ActivateRules(version=NEW_RULES))
    assert bench(change).under((NEW_RULES, 1)) is not None
    assert bench(change, rule_sets=dict(RULE_SETS)).under((NEW_RULES, 1)) is None
    assert bench(change).under((RULES_VERSION, 2)) is None
