"""Numbers, documents and correction chains: C01 to C03 and C05 to C07, both ways, with the cases of reports.md 4.3."""

from slt.reports.facts import Facts
from slt.statements.verdicts import Code
from tests.unit.inventory.building import Ledger, codes, entry, identity, report, rules, statement


def correction(number: int, target: tuple[int, int], **changed: object) -> Facts:
    return report(number, entry(status="C", target=target, **changed))  # type: ignore[arg-type]  # entry's own arguments


def deletion(number: int, target: tuple[int, int]) -> Facts:
    return report(number, entry(status="D", target=target, code="", weights={}))


def addition(number: int, target: tuple[int, int]) -> Facts:
    return report(number, entry(status="A", target=target))


def judged(ledger: Ledger, facts: Facts) -> tuple[int, bytes | None, list[str]]:
    evaluation = ledger.block(statement(facts))
    return evaluation.verdicts[0].code, evaluation.verdicts[0].evidence, rules(evaluation)


def test_same_number_with_other_content_is_c01_with_the_statement_that_has_it() -> None:
    ledger = Ledger()
    (first,) = ledger.accept(report(41))
    assert judged(ledger, report(41, entry(weights={630: 7}))) == (Code.C01, first.statement_id, ["C01"])


def test_a_number_from_before_the_ledger_is_used_though_no_statement_proves_it() -> None:
    assert judged(Ledger(), report(40)) == (Code.C01, None, ["C01"])


def test_a_gap_is_void_and_the_same_statement_is_accepted_once_it_is_filled() -> None:
    ledger = Ledger()
    early = statement(report(42))
    assert codes(ledger.block(early)) == [Code.C02]
    assert codes(ledger.block(statement(report(41)), early)) == [Code.ACCEPTED, Code.ACCEPTED]


def test_the_same_document_under_a_new_statement_is_c03_before_it_is_c01() -> None:
    ledger = Ledger()
    (first,) = ledger.accept(report(41, document=b"the document"))
    assert judged(ledger, report(41, document=b"the document")) == (Code.C03, first.statement_id, ["C03", "C01"])


def test_two_areas_may_report_the_same_number_and_document() -> None:
    ledger = Ledger(identities=(identity(mbas=("XLR1", "XLF1")),))
    items = [statement(report(41, document=b"x")), statement(report(101, mba="XLF1", document=b"x"))]
    assert codes(ledger.block(*items)) == [Code.ACCEPTED, Code.ACCEPTED]


def test_a_correction_of_a_live_entry_is_accepted_and_so_is_one_of_the_correction() -> None:
    ledger = Ledger()
    ledger.accept(report(41), correction(42, (41, 1)), correction(43, (42, 1)), deletion(44, (43, 1)))


def test_case_4_of_two_corrections_of_one_entry_in_one_block_the_first_wins() -> None:
    ledger = Ledger()
    ledger.accept(report(41))
    first, second = statement(correction(42, (41, 1))), statement(correction(43, (41, 1)))

    evaluation = ledger.block(first, second)

    assert codes(evaluation) == [Code.ACCEPTED, Code.C06]
    assert evaluation.verdicts[1].evidence == first.statement_id


def test_order_in_the_block_decides_which_of_two_reports_gets_the_number() -> None:
    ledger = Ledger()
    one, other = statement(report(41)), statement(report(41, entry(weights={630: 7})))
    assert codes(ledger.evaluate(ledger.batch(one, other))) == [Code.ACCEPTED, Code.C01]
    ledger.previous = (0, ledger.head.block_id)
    evaluation = ledger.evaluate(ledger.batch(other, one))
    assert codes(evaluation) == [Code.ACCEPTED, Code.C01]
    assert evaluation.verdicts[1].evidence == other.statement_id


def test_case_5_a_deleted_entry_cannot_be_corrected() -> None:
    ledger = Ledger()
    _, deleting = ledger.accept(report(41), deletion(42, (41, 1)))
    assert judged(ledger, correction(43, (41, 1))) == (Code.C06, deleting.statement_id, ["C06"])


def test_case_6_a_corrected_entry_cannot_be_deleted_by_the_old_reference() -> None:
    ledger = Ledger()
    _, correcting = ledger.accept(report(41), correction(42, (41, 1)))
    evaluation = ledger.block(statement(deletion(43, (41, 1))))
    assert codes(evaluation) == [Code.C06]
    assert evaluation.verdicts[0].evidence == correcting.statement_id
    assert evaluation.findings[0][0][5] == "D/XL;42/1"  # expected: the head of the chain


def test_case_7_an_addition_does_not_take_an_occupied_number() -> None:
    ledger = Ledger()
    (first,) = ledger.accept(report(41, entry(), entry(code="SD")))
    assert judged(ledger, addition(42, (41, 2))) == (Code.C07, first.statement_id, ["C07"])


def test_an_addition_takes_a_free_number_once() -> None:
    ledger = Ledger()
    _, adding = ledger.accept(report(41), addition(42, (41, 2)))
    assert judged(ledger, addition(43, (41, 2))) == (Code.C07, adding.statement_id, ["C07"])


def test_an_added_entry_is_one_entry_under_both_of_its_addresses() -> None:
    for target in ((41, 2), (42, 1)):
        ledger = Ledger()
        ledger.accept(report(41), addition(42, (41, 2)))
        ledger.accept(correction(43, target))
        for stale in ((41, 2), (42, 1)):
            assert judged(ledger, deletion(44, stale))[0] == Code.C06


def test_a_deleted_addition_does_not_free_its_number() -> None:
    ledger = Ledger()
    ledger.accept(report(41), addition(42, (41, 2)), deletion(43, (41, 2)))
    assert judged(ledger, addition(44, (41, 2)))[0] == Code.C07


def test_a_report_may_not_change_one_entry_twice() -> None:
    ledger = Ledger()
    ledger.accept(report(41))
    twice = report(42, entry(status="C", target=(41, 1)), entry(status="D", target=(41, 1), code="", weights={}))
    assert judged(ledger, twice) == (Code.C06, None, ["C06"])


def test_a_report_may_not_change_an_added_entry_twice_under_its_two_addresses() -> None:
    ledger = Ledger()
    ledger.accept(report(41), addition(42, (41, 2)))
    twice = report(43, entry(status="C", target=(41, 2)), entry(status="C", target=(42, 1)))
    assert judged(ledger, twice)[0] == Code.C06


def test_a_report_may_not_add_two_entries_under_one_number() -> None:
    ledger = Ledger()
    ledger.accept(report(41))
    twice = report(42, entry(status="A", target=(41, 5)), entry(status="A", target=(41, 5)))
    assert judged(ledger, twice) == (Code.C07, None, ["C07"])


def test_targets_that_are_not_there_are_c05() -> None:
    ledger = Ledger()
    first, *_ = ledger.accept(report(41), report(42, entry(status="U", weights={})), deletion(43, (41, 1)))
    for target, shown in (
        ((39, 1), None),  # before the ledger
        ((41, 2), first.statement_id),  # no such entry
        ((44, 1), None),  # the report itself
    ):
        assert judged(ledger, correction(44, target)) == (Code.C05, shown, ["C05"])
    for target in ((42, 1), (43, 1)):  # marked invalid; a deletion
        assert judged(ledger, deletion(44, target))[0] == Code.C05


def test_a_correction_is_of_the_same_report_type() -> None:
    ledger = Ledger()
    (listing,) = ledger.accept(report(41, entry(code=""), kind="P"))
    assert judged(ledger, correction(42, (41, 1))) == (Code.C05, listing.statement_id, ["C05"])
    assert judged(ledger, addition(42, (41, 2))) == (Code.C07, listing.statement_id, ["C07"])
    assert judged(ledger, report(42, entry(status="C", target=(41, 1), code=""), kind="P"))[0] == Code.ACCEPTED


def test_an_entry_of_another_area_is_not_a_target() -> None:
    ledger = Ledger(identities=(identity(mbas=("XLR1", "XLF1")),))
    ledger.accept(report(41))
    assert (
        judged(ledger, report(101, entry(status="D", target=(41, 1), code="", weights={}), mba="XLF1"))[0] == Code.C05
    )


def test_a_report_with_several_conflicts_lists_them_all_and_takes_the_first_code() -> None:
    ledger = Ledger()
    ledger.accept(report(41), correction(42, (41, 1)))
    mixed = report(
        43,
        entry(status="A", target=(41, 1)),
        entry(status="C", target=(41, 1)),
        entry(status="C", target=(41, 9)),
    )
    code, _, found = judged(ledger, mixed)
    assert code == Code.C05
    assert found == ["C05", "C06", "C07"]


def test_entries_beyond_the_first_record_of_a_large_report_are_found() -> None:
    ledger = Ledger()
    ledger.accept(report(41, *(entry(batch=f"B{n}", weights={630: n}) for n in range(1, 201))))
    ledger.accept(correction(42, (41, 65), weights={630: 0}), deletion(43, (41, 200)), addition(44, (41, 201)))
    assert judged(ledger, deletion(45, (41, 202)))[0] == Code.C05
    assert ledger.book(630) == {630: sum(range(1, 201)) - 65 - 200 + 1000, 670: 40}


def test_findings_of_one_rule_are_bounded() -> None:
    ledger = Ledger()
    wild = report(41, *(entry(status="D", target=(1, n), code="", weights={}) for n in range(1, 1001)))
    assert len(ledger.block(statement(wild)).findings[0]) == 100


def test_every_conflict_names_the_entry_and_the_next_step() -> None:
    ledger = Ledger()
    evaluation = ledger.block(statement(correction(41, (12, 1))))
    rule, severity, where, label, value, _, text = evaluation.findings[0][0]
    assert (rule, severity, where, label, value) == ("C05", "error", "OI/1", "309", "C/XL;12/1")
    assert text == (
        "Entry 1: report 12 of XLR1 is not in this ledger. Name the entry as it was accepted, and sign a new statement."
    )


def test_c01_says_who_has_the_number_and_which_is_free() -> None:
    ledger = Ledger()
    (first,) = ledger.accept(report(41))
    evaluation = ledger.block(statement(report(41, entry(weights={630: 7}))))
    *_, expected, text = evaluation.findings[0][0]
    assert expected == "42"
    assert f"used by statement {first.statement_id.hex()}" in text
    assert "sign a new statement" in text
