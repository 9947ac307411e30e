"""Profiles: what genesis chooses for an area changes severities, switches rules, and sets what the form leaves open."""

from types import MappingProxyType

import pytest

from slt.inventory.rules import registered as stateful
from slt.reports import Reference, judge, profiles
from slt.reports.profiles import ALWAYS_ERRORS, IAEA, PROFILES, Profile, Ruling, profile_of
from slt.reports.rules.registry import registered
from tests.unit.reports.samples import changed, document, errors, everywhere, reference_with, warnings


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> "Lab":
    return Lab(monkeypatch)


class Lab:
    """Puts a profile of the test's own into the table."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def reference(self, mba: str, profile: Profile) -> Reference:
        table = MappingProxyType({**PROFILES, profile.name: profile})
        self._monkeypatch.setattr(profiles, "PROFILES", table)
        return reference_with(mba, profile=profile.name)


def test_the_profiles_are_those_of_the_interface() -> None:
    assert set(PROFILES) == {"iaea", "euratom", "strict-correction"}
    assert all(name == profile.name for name, profile in PROFILES.items())


def test_a_profile_names_rules_that_there_are() -> None:
    known = {rule.id for rule in registered()} | {rule.id for rule, _ in stateful()}
    assert known >= ALWAYS_ERRORS
    assert all(known >= profile.rulings.keys() for profile in PROFILES.values())


def test_a_profile_that_is_not_in_the_table_is_the_default() -> None:
    assert profile_of("no-such-profile") is IAEA
    data = document("XLR1-41")
    reference = reference_with("XLR1", profile="no-such-profile")
    assert judge(data, reference).findings == ()


@pytest.mark.parametrize(("ruling", "verdict"), [("error", "reject"), ("warning", "flag"), ("off", "ok")])
def test_a_profile_gives_a_rule_another_severity_or_switches_it_off(lab: Lab, ruling: Ruling, verdict: str) -> None:
    data = changed("XLR1-41", 0, _700=None)
    reference = lab.reference("XLR1", Profile(name="own", rulings={"V38": ruling}))
    assert judge(data, reference).verdict == verdict


def test_a_problem_that_is_graver_than_its_rule_stays_so(lab: Lab) -> None:
    reference = lab.reference("XLR1", Profile(name="own", rulings={"V25": "warning"}))
    assert "V25" in errors(changed("XLR1-41", 0, _670="432313G"), reference)


def test_a_ruling_is_about_the_areas_of_its_profile_only(lab: Lab) -> None:
    reference = lab.reference("XLF1", Profile(name="own", rulings={"V38": "off"}))
    assert warnings(changed("XLR1-41", 0, _700=None), reference) == {"V38"}


@pytest.mark.parametrize("rule", sorted(ALWAYS_ERRORS))
def test_no_profile_softens_what_a_report_is_read_by(rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Profile(name="soft", rulings={rule: "warning"})
    with pytest.raises(ValueError, match=rule):
        Profile(name="soft", rulings={rule: "off"})


@pytest.mark.parametrize("sign", ["#", ":", ";", "/", "Ä", "\n"])
def test_no_profile_permits_a_sign_that_no_document_can_carry(sign: str) -> None:
    with pytest.raises(ValueError, match="signs"):
        Profile(name="loose", free_text_signs=frozenset({sign}))


def test_signs_of_free_text_are_a_setting(lab: Lab) -> None:
    data = changed("XLR1-43", 8, _391="RC01 DISCHARGED!")
    assert errors(data) == {"V06"}
    own = Profile(name="own", free_text_signs=IAEA.free_text_signs | {"!"})
    assert errors(data, lab.reference("XLR1", own)) == set()
    assert errors(changed("XLR1-43", 0, _446="RC01!"), lab.reference("XLR1", own)) >= {"V06"}


def test_negative_weights_are_a_setting(lab: Lab) -> None:
    negative = changed("XLF1-102", 0, _630="-550G", _670="-24G")
    reference = lab.reference("XLF1", Profile(name="own", negative_codes=frozenset({"MF"})))
    assert errors(negative) == set()
    assert errors(negative, reference) == {"V14"}
    assert errors(document("XLF1-109"), reference) == {"V14"}  # RALD is negative


def test_equal_masses_of_a_category_change_are_a_setting(lab: Lab) -> None:
    data = changed("XLT1-9", 0, _620="110.000K")
    assert errors(data) == {"V29"}
    assert errors(data, lab.reference("XLT1", Profile(name="own", equal_category_change=False))) == set()


def test_euratom_has_15_days_for_a_change_report_and_30_for_a_listing() -> None:
    euratom = reference_with("XLR1", profile="euratom")
    assert warnings(everywhere("XLR1-41", _003="20250415"), euratom) == set()
    assert warnings(everywhere("XLR1-41", _003="20250416"), euratom) == {"V39"}
    assert warnings(everywhere("XLR1-44", _003="20260114"), euratom) == set()
    assert warnings(everywhere("XLR1-44", _003="20260115"), euratom) == {"V39"}


def test_the_number_of_items_is_never_zero_where_corrections_are_strict() -> None:
    data = document("XLF1-104")
    assert warnings(data) == set()
    assert warnings(data, reference_with("XLF1", profile="strict-correction")) == {"V37"}


def test_the_iaea_profile_is_the_one_of_an_area_that_is_not_known() -> None:
    assert errors(everywhere("XLR1-41", _307="XLR9")) == {"V15"}


def test_unified_uranium_has_no_category_to_change() -> None:
    reference = reference_with("XLT1", unified=True)
    assert warnings(document("XLT1-9"), reference) == {"V29"}
    assert errors(document("XLT1-9"), reference) == set()
