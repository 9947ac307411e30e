"""The conflict cases of reports.md 4.3, by number, that no other module tests under its number.

4 to 7: test_corrections. 8, 9, 13: test_batch_rules. 10 to 12: test_transits. 14 to 17: test_balance_rules. 20:
test_governance_changes. The negative cases of 8.5: test_negative_cases.
"""

from dataclasses import replace

import cbor2

from slt.inventory.admission import Hold, admit
from slt.inventory.keys import Kind, key
from slt.inventory.lthash import EMPTY_LANES, updated
from slt.inventory.state import WholeState
from slt.statements.verdicts import Code
from tests.unit.inventory.building import NOW_S, Ledger, codes, entry, identity, report, rules, statement
from tests.unit.inventory.saying import PLANT, change, ledger


def test_case_1_the_same_number_with_the_same_bytes_has_its_answer_already() -> None:
    made = Ledger()
    item = statement(report(41))
    assert codes(made.block(item, item)) == [Code.ACCEPTED, Code.DUPLICATE]
    evaluation = made.block(statement(report(41)))  # signed anew over the same document
    assert codes(evaluation) == [Code.C03]
    assert evaluation.verdicts[0].evidence == item.statement_id


def test_case_2_the_same_number_with_other_bytes_is_c01() -> None:
    made = Ledger()
    (first,) = made.accept(report(41))
    evaluation = made.block(statement(report(41, entry(weights={630: 7}))))
    assert (codes(evaluation), evaluation.verdicts[0].evidence) == ([Code.C01], first.statement_id)


def test_case_3_a_gap_in_the_numbers_is_held_and_then_refused() -> None:
    made = Ledger()
    item = statement(report(43))
    answer = admit(WholeState(made.records), item, next_height=made.head.height + 1, time_ms=NOW_S * 1000, pending=())
    assert isinstance(answer, Hold)
    assert [found.rule for found in answer.findings] == ["C02"]
    assert codes(made.block(item)) == [Code.C02]


def test_case_18_a_report_signed_by_a_key_of_another_area_tells_nothing_of_this_one() -> None:
    made = ledger()
    made.accept(report(41, change("RF", "SECRET")))
    evaluation = made.block(statement(report(42, change("SD", "SECRET")), by=PLANT))
    assert codes(evaluation) == [Code.MAY_NOT_REPORT]
    assert rules(evaluation) == ["A03"]


def test_case_19_a_key_that_is_revoked_between_submission_and_order_does_not_report() -> None:
    made = Ledger()
    item = statement(report(41))
    assert not isinstance(
        admit(WholeState(made.records), item, next_height=made.head.height + 1, time_ms=NOW_S * 1000, pending=()), Hold
    )
    made.records[key(Kind.REVOKED, identity().kid)] = cbor2.dumps([1])
    made.head = replace(made.head, lanes=updated(EMPTY_LANES, added=made.records.items()))
    assert codes(made.block(item)) == [Code.NOT_VALID_AT_IAT]


def test_a_report_that_leaves_a_gap_or_refers_to_nothing_is_not_judged_by_the_books() -> None:
    made = ledger(kind="item")
    for broken, expected in (
        (report(43, change("SD")), ["C02"]),
        (report(41, change("SD"), entry(status="D", target=(12, 1), code="", weights={})), ["C05"]),
    ):
        assert rules(made.block(statement(broken))) == expected
