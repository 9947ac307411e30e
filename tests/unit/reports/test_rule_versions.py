"""The rule set has versions: a rule counts from one on, and until one; a document is judged under the one named."""

from collections.abc import Iterator
from types import ModuleType

import pytest

from slt.reports import RULES_VERSION, RULES_VERSIONS, judge, judgement
from slt.reports.euratom import judge_as
from slt.reports.rules import registry
from slt.reports.rules.registry import Problem
from slt.statements.statement import CODE10
from tests.unit.reports.samples import REFERENCE, document

CACHES = (
    registry.raw_rules,
    registry.field_rules,
    registry.note_rules,
    registry.entry_rules,
    registry.report_rules,
    judgement._field_problems,
)


@pytest.fixture(autouse=True)
def two_versions(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A program that knows versions 1 and 2; what a test registers is forgotten after it."""
    monkeypatch.setattr(judgement, "RULES_VERSIONS", frozenset({1, 2}))
    for name in ("_RAW_RULES", "_NOTE_RULES", "_ENTRY_RULES", "_REPORT_RULES"):
        monkeypatch.setattr(registry, name, list(getattr(registry, name)))
    monkeypatch.setattr(registry, "_FIELD_RULES", {k: list(v) for k, v in registry._FIELD_RULES.items()})
    _forget()
    yield registry
    _forget()


def _forget() -> None:
    for cached in CACHES:
        cached.cache_clear()


def _no_more(*_: object) -> Iterator[Problem]:
    """Nothing is good enough."""
    yield Problem("It is not good enough. Make it better.")


def found(version: int) -> set[str]:
    return {finding.rule for finding in judge(document("XLR1-41"), REFERENCE, rules_version=version).findings}


def test_a_new_rule_counts_from_its_version_on() -> None:
    registry.entry_rule("V61", "test", since=2)(_no_more)
    assert found(1) == set()
    assert found(2) == {"V61"}


def test_a_rule_that_another_takes_the_place_of_counts_until_its_version() -> None:
    registry.entry_rule("V61", "test", until=1)(_no_more)
    assert found(1) == {"V61"}
    assert found(2) == set()


def test_rules_of_every_kind_have_versions() -> None:
    registry.field_rule("V06", "test", labels=["307"], since=2)(_no_more)
    registry.report_rule("V50", "test", since=2)(_no_more)
    registry.raw_rule("V01", "test", since=2)(_no_more)
    assert found(1) == set()
    assert found(2) == {"V06", "V50"}
    broken = document("XLR1-41") + b"x"
    under = [judge(broken, REFERENCE, rules_version=version).findings for version in (1, 2)]
    assert [any(f.text.startswith("It is not good") and f.rule == "V01" for f in given) for given in under] == [
        False,
        True,
    ]


def test_facts_name_the_version_that_they_were_found_under() -> None:
    for version in (1, 2):
        facts = judge(document("XLR1-41"), REFERENCE, rules_version=version).facts
        assert facts is not None and facts.rules_version == version


def test_every_form_of_a_report_is_judged_under_the_version_named() -> None:
    registry.entry_rule("V61", "test", since=2)(_no_more)
    verdicts = [judge_as(document("XLR1-41"), CODE10, REFERENCE, rules_version=version).verdict for version in (1, 2)]
    assert verdicts == ["ok", "reject"]


def test_under_a_version_that_the_program_does_not_have_nothing_is_judged() -> None:
    with pytest.raises(ValueError, match=r"rule set 3 is none of this program's: \[1, 2\]"):
        judge(document("XLR1-41"), REFERENCE, rules_version=3)


def test_the_newest_version_is_one_that_the_program_has() -> None:
    assert max(RULES_VERSIONS) == RULES_VERSION
    assert all(rule.since <= RULES_VERSION for rule in registry.registered())
    assert all(rule.until is None or rule.until >= rule.since for rule in registry.registered())
