"""C16 to C23 and C25, both ways: books, batches, names, differences, what was put aside."""

import pytest

from slt.inventory.keys import Kind, key
from slt.statements.verdicts import Code
from tests.unit.inventory.building import Ledger, report, statement
from tests.unit.inventory.saying import change, deletion, flags, ledger, rejected, told


def item_area() -> Ledger:
    """XLR1 as an item area that has received B1: 1000 mg U, 40 mg U-235, one item."""
    made = ledger(kind="item")
    assert flags(made, report(41, change("RF"))) == []
    return made


def test_a_book_below_zero_is_flagged_with_what_was_there_and_what_is_left() -> None:
    code, findings = told(ledger(), report(41, change("LD", weights={630: 500_000})))
    assert code == Code.ACCEPTED
    ((rule, severity, where, label, value, expected, text),) = findings
    assert (rule, severity, where, label, value, expected) == (
        "C16",
        "warning",
        "OI/1",
        "630",
        "-500G",
        "not below 0",
    )
    assert "has 0G of label 630 before this report and -500G after it" in text


def test_a_book_is_asked_after_the_whole_report_and_a_receipt_into_a_negative_one_is_no_flag() -> None:
    made = ledger()
    assert flags(made, report(41, change("LD", "L"), change("RF", "R"))) == []
    assert flags(made, report(42, change("LD", "L2"))) == ["C16"]
    assert flags(made, report(43, change("RF", "R2", {630: 10}))) == []


def test_an_item_area_ships_what_it_holds() -> None:
    assert flags(item_area(), report(42, change("SD"))) == []


@pytest.mark.parametrize("weights", [{630: 1001, 670: 40}, {630: 2000}])
def test_case_9_an_item_area_does_not_ship_more_than_it_holds(weights: dict[int, int]) -> None:
    made = item_area()
    code, findings = told(made, report(42, change("SD", weights=weights)))
    assert code == Code.C17
    found = next(finding for finding in findings if finding[0] == "C17")
    assert found[:6] == ("C17", "error", "OI/1", "630", f"{weights[630] / 1000:g}G", "at most 1G")


def test_an_item_area_does_not_ship_more_items_than_it_holds() -> None:
    made = ledger(kind="item")
    flags(made, report(41, change("RF", items=4)))
    assert rejected(made, report(42, change("SD", weights={630: 10, 670: 1}, items=5))) is Code.C17
    assert flags(made, report(42, change("SD", weights={630: 10, 670: 1}, items=3))) == []


def test_uranium_and_plutonium_of_one_item_may_leave_in_two_entries() -> None:
    made = ledger(kind="item")
    flags(made, report(41, change("RF", weights={630: 100, 670: 4, 700: 9})))
    assert flags(made, report(42, change("SD", weights={630: 100, 670: 4}), change("SD", weights={700: 9}))) == []


def test_an_item_area_does_not_ship_what_it_never_had_and_a_bulk_area_may() -> None:
    assert rejected(item_area(), report(42, change("SD", "B2"))) is Code.C17
    made = ledger()
    flags(made, report(41, change("RF", weights={630: 5000, 670: 200})))
    assert flags(made, report(42, change("SD", "ASSEMBLY"))) == []


def test_a_bulk_area_that_ships_more_of_a_batch_than_it_received_is_flagged() -> None:
    made = ledger()
    flags(made, report(41, change("RF", "B1"), change("RF", "B2")))
    assert flags(made, report(42, change("SD", weights={630: 1500, 670: 40}))) == ["C17"]


def test_a_batch_that_arises_in_a_bulk_process_leaves_in_parts_without_a_flag_until_it_is_shipped_again() -> None:
    made = ledger()
    flags(made, report(41, change("RF", weights={630: 9000, 670: 300})))
    assert flags(made, report(42, change("RM", "B1"), change("RP", "PELLETS", {630: 500, 670: 20}))) == []
    assert flags(made, report(43, change("RM", "BORN"), change("RP", "MIXED"))) == ["C20"]  # never reported
    assert flags(made, report(44, change("SD", "BORN", on="20251009"))) == []


def test_case_8_a_batch_is_not_shipped_twice() -> None:
    made = item_area()
    (first,) = made.accept(report(42, change("SD")))
    evaluation = made.block(statement(report(43, change("SF", on="20251007"))))
    verdict, finding = evaluation.verdicts[0], evaluation.findings[0][-1]
    assert (verdict.code, verdict.evidence) == (Code.C18, first.statement_id)
    assert "entry 1 of report 42 (SD, 20251006) did that before" in finding[6]


def test_a_bulk_area_that_ships_a_batch_twice_is_flagged() -> None:
    made = ledger()
    flags(made, report(41, change("RF", "POWDER", {630: 9000, 670: 300})))
    assert flags(made, report(42, change("SD", "FB1"))) == []
    assert flags(made, report(43, change("SD", "FB1", on="20251007"))) == ["C18"]


def test_a_batch_that_came_back_leaves_again() -> None:
    made = item_area()
    flags(made, report(42, change("SD")))
    flags(made, report(43, change("RF", on="20251010")))
    assert flags(made, report(44, change("SD", on="20251012"))) == []


def test_a_shipment_that_was_deleted_leaves_its_batch_for_another_one() -> None:
    made = item_area()
    flags(made, report(42, change("SD")))
    assert flags(made, report(43, deletion((42, 1)), change("SD", on="20251009"))) == []


def test_a_corrected_shipment_is_judged_without_the_one_that_it_supersedes() -> None:
    made = item_area()
    flags(made, report(42, change("SD", weights={630: 900, 670: 40})))
    assert flags(made, report(43, change("SD", status="C", target=(42, 1)))) == []
    more = change("SD", weights={630: 1001, 670: 40}, status="C", target=(43, 1))
    assert rejected(made, report(44, more)) is Code.C17


def test_case_13_after_rebatching_the_old_name_is_not_shipped() -> None:
    made = item_area()
    assert flags(made, report(42, change("RM", basis="L"), change("RP", "NEW", basis="L"))) == []
    assert rejected(made, report(43, change("SD"))) is Code.C17
    assert flags(made, report(43, change("SD", "NEW"))) == []


def test_one_code_of_a_batch_on_one_date_is_reported_once() -> None:
    made = ledger()
    flags(made, report(41, change("RF")))
    assert flags(made, report(42, change("RF"))) == ["C19"]
    assert flags(made, report(43, change("RF", on="20251007"))) == []


def test_under_the_euratom_profile_a_name_is_received_once() -> None:
    made = ledger(profile="euratom")
    flags(made, report(41, change("RF")))
    assert rejected(made, report(42, change("RF", on="20251007"))) is Code.C19
    assert flags(made, report(42, change("LN"))) == []


def test_what_is_rebatched_was_there() -> None:
    made = ledger()
    flags(made, report(41, change("RF")))
    assert flags(made, report(42, change("RM"), change("RP", "NEW"))) == []
    assert flags(made, report(43, change("RM", "NEVER"), change("RP", "NEW2"))) == ["C20"]
    assert flags(made, report(44, change("RM", "NEW", {630: 1001}, on="20251008"), change("RP", "NEW3"))) == ["C20"]


def test_a_difference_is_of_a_receipt_and_one_of_each() -> None:
    made = ledger()
    flags(made, report(41, change("RF")))
    assert flags(made, report(42, change("DI", weights={630: 5, 670: 1}))) == []
    assert flags(made, report(43, change("DI", weights={630: 5, 670: 1}, on="20251007"))) == ["C21"]
    assert flags(made, report(44, change("DI", "OTHER", {630: 5}))) == ["C21"]


def test_a_difference_is_smaller_than_its_batch_and_may_be_corrected() -> None:
    made = ledger()
    flags(made, report(41, change("RF")))
    assert flags(made, report(42, change("DI", weights={630: -2500}))) == ["C21"]
    assert flags(made, report(43, change("DI", weights={630: -2}, status="C", target=(42, 1)))) == []


def test_a_difference_of_a_batch_that_was_used_up_in_the_same_month_or_before_is_none_of_size() -> None:
    made = ledger()
    used = (change("RM", weights={630: 1000, 670: 40}), change("RP", "POWDER", {630: 1000, 670: 40}))
    assert flags(made, report(41, change("RF"), change("DI", weights={630: 5, 670: 1}), *used)) == []
    assert flags(made, report(42, change("RF", "B2"), change("RM", "B2"), change("RP", "LOT"))) == []
    assert flags(made, report(43, change("DI", "B2", {630: 5, 670: 1}))) == []


def test_a_batch_on_basis_l_or_t_was_reported_before() -> None:
    made = ledger()
    flags(made, report(41, change("RF", "OLD")))
    assert flags(made, report(42, change("LN", "OLD", {630: 1}, basis="T"))) == []
    assert (
        flags(made, report(43, change("RP", "NEW", {630: 9}, basis="L"), change("RM", "OLD", {630: 9}, basis="L")))
        == []
    )
    assert flags(made, report(44, change("RF", "NEVER", basis="T"))) == ["C22"]


def test_what_comes_back_was_put_aside() -> None:
    made = ledger()
    flags(made, report(41, change("RF", "R"), change("TW", "W", {630: 100}), change("EQ", "E", {630: 50})))
    assert flags(made, report(42, change("FW", "W2", {630: 60}), change("DQ", "E2", {630: 50}))) == []
    assert flags(made, report(43, change("FW", "W3", {630: 41}), change("DU", "E3", {630: 1}))) == ["C23", "C23"]


def test_a_deleted_transfer_to_waste_is_no_longer_outstanding() -> None:
    made = ledger()
    flags(made, report(41, change("RF", "R"), change("TW", "W", {630: 100})))
    flags(made, report(42, deletion((41, 2))))
    assert key(Kind.ACCOUNT, "XL", "XLR1", "W") not in made.records
    assert flags(made, report(43, change("FW", "W2", {630: 60}))) == ["C23"]


def test_loss_and_production_of_a_batch_are_reported_once_for_a_discharge() -> None:
    made = ledger(kind="item", type="reactor")
    flags(made, report(41, change("RF", weights={630: 1000, 670: 40})))
    assert flags(made, report(42, change("LN", weights={630: 1}), change("NP", weights={700: 1}))) == []
    again = change("LN", weights={630: 1}, on="20251011"), change("NP", weights={700: 1}, on="20251011")
    assert flags(made, report(43, *again)) == ["C25", "C25"]
