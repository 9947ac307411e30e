"""C04, C08 to C15 and C29, both ways: content, corrections of key fields, balances, listings, closed periods."""

from dataclasses import replace
from datetime import datetime

import cbor2

from slt.inventory.keys import Kind, key
from slt.inventory.periods import STALE, Head
from slt.inventory.rules import asked
from slt.reports.facts import Facts
from slt.reports.profiles import PROFILES
from slt.statements.verdicts import Code
from tests.unit.inventory.building import Ledger, report, rules, statement
from tests.unit.inventory.saying import balance, change, deletion, flags, ledger, listing, months, rejected, told

YEAR = ("20250101", "20251231")
NEXT = ("20260101", "20261231")


def closed_year() -> Ledger:
    """XLR1 received 1000 mg of U (40 mg U-235) in 2025, listed it and closed the year."""
    made = ledger()
    assert flags(made, report(41, change("RF"))) == []
    assert flags(made, listing(42, ("B1", {630: 1000, 670: 40}), on=YEAR[1])) == []
    assert flags(made, _year(43)) == []
    return made


def _year(number: int, **other: dict[int, int]) -> Facts:
    lines = {"RF": {630: 1000, 670: 40}, "BA": {630: 1000, 670: 40}, "PE": {630: 1000, 670: 40}} | other
    return balance(number, *lines.items(), period=YEAR)


def corrected_year(number: int, **lines: dict[int, int]) -> Facts:
    """A report that corrects these lines of balance 43."""
    places = {"RF": 1, "BA": 2, "PE": 3}
    made = balance(number, *lines.items(), period=YEAR)
    entries = zip(made.entries, lines, strict=True)
    return replace(made, entries=tuple(replace(e, status="C", target=(43, places[code])) for e, code in entries))


def _head(made: Ledger) -> Head:
    return Head.of(cbor2.loads(made.records[key(Kind.HEAD, "XL", "XLR1")]))


def test_the_same_content_under_a_new_number_is_flagged_with_the_first_one() -> None:
    made = ledger()
    first = report(41, change("RF"))
    flags(made, first)
    other = replace(report(42, change("RF", on="20251007")), content_digest=first.content_digest)
    code, findings = told(made, other)
    assert code == Code.ACCEPTED
    assert findings[0][:6] == ("C04", "warning", "", "001", "42", "41")


def test_under_strict_correction_key_fields_stay() -> None:
    for changed in (
        {"on": "20251008"},
        {"batch": "B2"},
        {"code": "RD"},
        {"weights": {700: 5}},
    ):
        for profile, expected in (("strict-correction", Code.C08), ("iaea", Code.ACCEPTED)):
            made = ledger(profile=profile)
            flags(made, report(41, change("RF")))
            fields = {"code": "RF"} | changed
            assert told(made, report(42, change(status="C", target=(41, 1), **fields)))[0] == expected


def test_under_the_other_profiles_a_correction_may_change_any_field() -> None:
    for profile in ("iaea", "euratom", "no-such-profile"):
        made = ledger(profile=profile)
        made.accept(report(41, change("RF", "B1")))
        corrected = change("RS", "B2", {700: 3}, on="20251007", status="C", target=(41, 1))
        assert "C08" not in flags(made, report(42, corrected))


def test_what_a_profile_makes_of_a_rule_is_what_admission_asks() -> None:
    """Admission asks what can reject: C19 under Euratom, and not elsewhere."""
    asked_under = {
        profile: {rule.id: rule.severity for rule, _ in asked("I", references=False, profile=profile, version=1)}
        for profile in PROFILES
    }
    assert [rules.get("C19") for rules in asked_under.values()] == ["warning", "error", "warning"]
    assert [rules.get("C08") for rules in asked_under.values()] == [None, None, "error"]


def test_under_strict_correction_a_weight_is_corrected() -> None:
    made = ledger(profile="strict-correction")
    flags(made, report(41, change("RF")))
    assert flags(made, report(42, change("RF", weights={630: 999, 670: 41}, status="C", target=(41, 1)))) == []


def test_a_beginning_that_is_the_ending_before_is_accepted() -> None:
    made = closed_year()
    flags(made, listing(44, ("B1", {630: 1000, 670: 40}), on=NEXT[1]))
    same = {630: 1000, 670: 40}
    assert flags(made, balance(45, ("PB", same), ("BA", same), ("PE", same), period=NEXT)) == []


def test_a_beginning_that_is_not_the_ending_before_is_rejected_with_both() -> None:
    code, findings = told(closed_year(), balance(44, ("PB", {630: 999, 670: 40}), period=NEXT))
    assert code == Code.C09
    assert findings[0][:6] == ("C09", "error", "OI/1", "630", "0.999G", "1G")


def test_a_category_that_had_an_ending_has_a_beginning() -> None:
    assert rejected(closed_year(), balance(44, ("PB", {700: 0}), period=NEXT)) is Code.C09
    assert rejected(closed_year(), balance(44, period=NEXT)) is Code.C09


def test_case_16_a_correction_of_the_ending_counts_once_it_is_ordered() -> None:
    made = closed_year()
    better = balance(45, ("PB", {630: 1001, 670: 40}), period=NEXT)
    assert rejected(made, replace(better, number=44)) is Code.C09
    listed = replace(listing(44, ("B1", {630: 1001, 670: 40}), on=YEAR[1]))
    corrected = replace(listed, entries=(replace(listed.entries[0], status="C", target=(42, 1)),))
    assert flags(made, corrected) == ["C12"]
    more = {630: 1001, 670: 40}
    assert flags(made, corrected_year(45, RF=more, BA=more, PE=more)) == ["C11"]  # the receipt comes next
    assert flags(made, report(46, change("RF", weights=more, status="C", target=(41, 1)))) == []
    assert "C09" not in flags(made, replace(better, number=47))


def corrected_listing(number: int, weights: dict[int, int]) -> Facts:
    """A report that corrects the one entry of listing 42."""
    made = listing(number, ("B1", weights), on=YEAR[1])
    return replace(made, entries=(replace(made.entries[0], status="C", target=(42, 1)),))


def test_listing_and_balance_are_brought_into_agreement_by_two_reports_of_corrections_in_either_order() -> None:
    less = {630: 990, 670: 40}
    of_balance = [{"PE": less, "BA": less, "RF": less}]
    for balance_first in (True, False):
        made = closed_year()
        flags(made, report(44, change("RF", weights=less, status="C", target=(41, 1))))
        both = [corrected_year(45, **of_balance[0]), corrected_listing(46, less)]
        if not balance_first:
            both = [corrected_listing(45, less), corrected_year(46, **of_balance[0])]
        assert [flags(made, one) for one in both] == [["C12"], []]


def test_a_correction_that_leaves_a_balance_open_is_rejected_and_one_of_all_its_lines_is_not() -> None:
    made = closed_year()
    assert rejected(made, corrected_year(44, PE={630: 999, 670: 40})) is Code.V57
    assert rejected(made, corrected_year(44, PE={630: 1000, 670: 39})) is Code.V61
    ending = {630: 999, 670: 40}
    added = balance(44, ("PE", ending), ("MF", {630: 1}), period=YEAR)
    pe, mf = added.entries
    both = replace(added, entries=(replace(pe, status="C", target=(43, 3)), replace(mf, status="A", target=(43, 4))))
    assert flags(made, both) == ["C12"]


def test_a_deletion_that_leaves_a_balance_open_is_rejected() -> None:
    gone = balance(44, ("PB", {630: 0}), period=YEAR)
    gone = replace(gone, entries=(replace(deletion((43, 2)), number=1),))
    assert rejected(closed_year(), gone) is Code.V57


def test_a_correction_of_a_balance_is_held_against_the_change_reports_once_more() -> None:
    made = closed_year()
    flags(made, report(44, change("RF", "LATE", weights={630: 5}, status="A", target=(41, 2))))
    assert flags(made, corrected_year(45, RF={630: 1000, 670: 40})) == ["C11"]


def test_a_corrected_ending_flags_the_balance_that_follows_until_its_beginning_is_corrected() -> None:
    made = closed_year()
    same, less = {630: 1000, 670: 40}, {630: 990, 670: 40}
    flags(made, listing(44, ("B1", same), on=NEXT[1]))
    flags(made, balance(45, ("PB", same), ("BA", same), ("PE", same), period=NEXT))
    flags(made, corrected_listing(46, less))
    code, findings = told(made, corrected_year(47, RF=less, BA=less, PE=less))
    assert code == Code.ACCEPTED
    assert [found[:6] for found in findings if found[0] == "C09"] == [("C09", "warning", "OI/3", "630", "0.99G", "1G")]
    wrong = _corrected_next(48, PB={630: 991, 670: 40}, BA={630: 991, 670: 40}, PE={630: 991, 670: 40})
    assert rejected(made, wrong) is Code.C09
    assert flags(made, _corrected_next(48, PB=less, BA=less, PE=less)) == ["C12"]


def _corrected_next(number: int, **lines: dict[int, int]) -> Facts:
    made = balance(number, *lines.items(), period=NEXT)
    targets = enumerate(made.entries, start=1)
    return replace(made, entries=tuple(replace(e, status="C", target=(45, place)) for place, e in targets))


def test_a_correction_of_another_line_is_not_rejected_for_a_beginning_that_it_leaves_as_it_was() -> None:
    made = closed_year()
    same, less = {630: 1000, 670: 40}, {630: 990, 670: 40}
    flags(made, listing(44, ("B1", same), on=NEXT[1]))
    flags(made, balance(45, ("PB", same), ("BA", same), ("PE", same), period=NEXT))
    flags(made, corrected_listing(46, less))
    flags(made, corrected_year(47, RF=less, BA=less, PE=less))
    assert set(
        flags(made, replace(_corrected_next(48, BA=same), entries=_corrected_next(48, PB=same, BA=same).entries[1:]))
    ) == {"C09"}


def test_a_correction_does_not_move_an_entry_to_another_physical_inventory() -> None:
    made = closed_year()
    moved = corrected_listing(44, {630: 1000, 670: 40})
    assert rejected(made, replace(moved, period_from="20251230", period_to="20251230")) is Code.C10
    moved = corrected_year(44, RF={630: 1000, 670: 40})
    assert rejected(made, replace(moved, period_to="20251130")) is Code.C10


def test_the_first_balance_of_an_area_without_a_closed_period_begins_anywhere() -> None:
    made = ledger(last_pit="")
    assert flags(made, balance(41, ("PB", {630: 5}), ("PE", {630: 5}), period=YEAR)) == ["C12"]


def test_case_15_a_balance_overlaps_no_other_and_leaves_no_gap() -> None:
    for period in (YEAR, ("20251201", "20261130"), ("20260102", "20261231"), ("20260101", "20251231")):
        assert rejected(closed_year(), balance(44, ("PB", {630: 1000, 670: 40}), period=period)) is Code.C10


def test_a_period_whose_balance_is_deleted_is_balanced_again() -> None:
    made = closed_year()
    gone = balance(44, ("PB", {630: 0}), period=YEAR)
    gone = replace(gone, entries=tuple(replace(deletion((43, n)), number=n) for n in (1, 2, 3)))
    assert set(flags(made, gone)) <= {"C12"}
    assert _head(made).closed == "20241231"
    assert flags(made, _year(45)) == []


def test_a_consolidated_change_is_the_sum_of_the_period() -> None:
    made = ledger()
    flags(made, report(41, change("RF"), change("RF", "B2"), change("RF", "B3", on="20260101")))
    flags(made, listing(42, ("B1", {630: 1000, 670: 40}), ("B2", {630: 1000, 670: 40}), on=YEAR[1]))
    both = {630: 2000, 670: 80}
    assert flags(made, _year(43, RF=both, BA=both, PE=both)) == []


def test_a_consolidated_change_that_is_missing_or_wrong_is_flagged() -> None:
    for lines, label in (({"RF": {630: 999, 670: 40}}, "630"), ({"RF": {700: 0}}, "630"), ({"LD": {630: 1}}, "630")):
        made = ledger()
        flags(made, report(41, change("RF")))
        flags(made, listing(42, ("B1", {630: 1000, 670: 40}), on=YEAR[1]))
        code, findings = told(made, _year(43, **lines))
        assert code == Code.ACCEPTED
        assert {(found[0], found[1]) for found in findings} == {("C11", "warning")}
        assert label in {found[3] for found in findings}


def test_a_rounding_adjustment_makes_up_for_the_difference_or_rejects() -> None:
    for adjustment, expected in ((-1, Code.ACCEPTED), (-2, Code.C11)):
        made = ledger()
        flags(made, report(41, change("RF", weights={630: 1000})))
        flags(made, listing(42, ("B1", {630: 1000}), on=YEAR[1]))
        lines = {"RF": {630: 1001}, "RARF": {630: adjustment}, "BA": {630: 1000}, "PE": {630: 1000}}
        assert told(made, balance(43, *lines.items(), period=YEAR))[0] == expected


def test_corrections_move_the_sum_of_the_period_and_deleted_entries_are_not_in_it() -> None:
    made = ledger()
    flags(made, report(41, change("RF"), change("RF", "B2")))
    flags(made, report(42, change("RF", on="20250807", status="C", target=(41, 1)), deletion((41, 2))))
    flags(made, listing(43, ("B1", {630: 1000, 670: 40}), on=YEAR[1]))
    assert flags(made, _year(44)) == []


def test_an_ending_that_is_not_the_sum_of_its_listing_is_rejected_whichever_comes_second() -> None:
    made = ledger()
    flags(made, report(41, change("RF")))
    flags(made, listing(42, ("B1", {630: 999, 670: 40}), on=YEAR[1]))
    code, findings = told(made, _year(43))
    assert code == Code.C12
    assert findings[0][:6] == ("C12", "error", "OI/3", "630", "1G", "0.999G")

    other = ledger()
    flags(other, report(41, change("RF")))
    assert flags(other, _year(42)) == ["C12"]  # the listing is missing
    assert rejected(other, listing(43, ("B1", {630: 999, 670: 40}), on=YEAR[1])) is Code.C12
    assert flags(other, listing(43, ("B1", {630: 1000, 670: 40}), on=YEAR[1])) == []


def test_a_rounded_ending_with_its_adjustment_is_the_sum_of_its_listing() -> None:
    made = ledger()
    flags(made, report(41, change("RF", weights={630: 1000})))
    flags(made, listing(42, ("B1", {630: 1000}), on=YEAR[1]))
    lines = {"RF": {630: 1000}, "BA": {630: 1000}, "PE": {630: 1001}, "RAPE": {630: -1}}
    assert flags(made, balance(43, *lines.items(), period=YEAR)) == []


def test_an_empty_listing_and_an_empty_balance_go_together() -> None:
    made = ledger()
    assert flags(made, listing(41, on=YEAR[1])) == []
    assert flags(made, balance(42, period=YEAR)) == []


def test_an_empty_listing_and_an_empty_balance_of_a_wrong_date_are_deleted() -> None:
    made = ledger()
    flags(made, listing(41, on=YEAR[1]))
    flags(made, balance(42, period=YEAR))
    assert _head(made).closed == YEAR[1]
    for kind, number in (("M", 43), ("P", 44)):
        gone = replace(report(number, deletion((number - 1 if kind == "M" else 41, 1)), kind=kind), period_to=YEAR[1])
        assert flags(made, gone) == []
    assert (_head(made).closed, _head(made).pits) == ("20241231", (("20241231", 3),))


def test_case_17_two_listings_of_one_physical_inventory_are_flagged() -> None:
    made = ledger()
    flags(made, listing(41, ("B1", {630: 1}), on=YEAR[1]))
    assert flags(made, listing(42, ("B2", {630: 1}), on=YEAR[1])) == ["C13"]
    closed = closed_year()
    assert flags(closed, listing(44, on=YEAR[1])) == ["C13", "C14"]


def test_a_missing_partner_is_flagged_at_the_next_physical_inventory() -> None:
    made = ledger()
    flags(made, listing(41, on="20250630"))
    assert flags(made, listing(42, on=YEAR[1])) == ["C13"]
    assert flags(closed_year(), listing(44, on=NEXT[1])) == []


def test_a_missing_partner_is_flagged_with_the_next_report_once_it_is_late() -> None:
    for first, flagged in (("20250831", ["C13"]), ("20251105", [])):  # due 30 days later
        made = ledger()
        assert flags(made, listing(41, on=first)) == []  # the balance may be right behind it
        assert flags(made, report(42, change("RF"))) == flagged
        assert flags(made, report(43, change("LD"))) == flagged
        flags(made, balance(44, period=("20250101", first)))
        assert "C13" not in flags(made, report(45, change("LD", on="20251107")))


def test_a_late_listing_is_told_to_whoever_reported_the_balance_only() -> None:
    made = ledger()
    assert flags(made, balance(41, period=("20250101", "20250831"))) == ["C12"]
    code, findings = told(made, report(42, change("RF")))
    assert (code, [found[0] for found in findings]) == (Code.ACCEPTED, ["C13"])
    assert "no listing yet, which is due until 20250930" in findings[0][6]
    assert flags(made, report(101, change("RF"), mba="XLF1")) == []


def test_under_the_euratom_profile_a_month_that_is_late_is_told_with_the_next_report() -> None:
    for profile, day, expected in (
        ("euratom", "20260215", []),
        ("euratom", "20260216", ["C29"]),  # the month ends on 31 January, and 15 days are given
        ("iaea", "20260216", []),
    ):
        made = ledger(profile=profile)
        assert flags(made, months(report(41, change("RF", on="20251220")), "20251201", "20251231")) == []
        noon = int(datetime.strptime(f"{day} 13 +0000", "%Y%m%d %H %z").timestamp())
        evaluation = made.block(statement(listing(42, on="20260131"), iat=noon), time_ms=noon * 1000)
        assert rules(evaluation) == expected


def test_under_the_euratom_profile_physical_inventories_are_at_most_14_months_apart() -> None:
    for profile, on, expected in (
        ("euratom", "20260228", []),
        ("euratom", "20260301", ["C14"]),
        ("iaea", "20260301", []),
    ):
        assert flags(ledger(profile=profile), listing(41, on=on)) == expected


def test_case_14_a_new_entry_of_a_closed_period_is_flagged_and_its_balance_needs_correction() -> None:
    made = closed_year()
    assert not _head(made).flags(YEAR[1]) & STALE
    code, findings = told(made, report(44, change("RF", "LATE", on="20251231")))
    assert code == Code.ACCEPTED
    assert findings[0][:6] == ("C15", "warning", "OI/1", "412", "20251231", "after 20251231")
    assert _head(made).flags(YEAR[1]) & STALE
    assert flags(made, report(45, change("RF", "NEW", on="20260101"))) == []


def test_corrections_and_additions_of_a_closed_period_are_no_flag_and_mark_its_balance() -> None:
    for late in (
        change("RF", weights={630: 1001, 670: 40}, status="C", target=(41, 1)),
        change("RF", "LATE", status="A", target=(41, 2)),
        deletion((41, 1)),
    ):
        made = closed_year()
        assert flags(made, report(44, late)) == []
        assert _head(made).flags(YEAR[1]) & STALE
        flags(made, corrected_year(45, RF={630: 1000, 670: 40}))
        assert not _head(made).flags(YEAR[1]) & STALE


def test_under_the_euratom_profile_every_month_has_a_change_report() -> None:
    for profile, expected in (("euratom", ["C29"]), ("iaea", [])):
        made = ledger(profile=profile)
        assert flags(made, report(41, change("RF"))) == []  # October 2025
        assert flags(made, months(report(42, change("LD", on="20251103")), "20251101", "20251130")) == []
        late = months(report(43, change("LD", "B2", {630: 0}, on="20260103")), "20260101", "20260131")
        assert flags(made, late) == expected
