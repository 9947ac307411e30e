"""Admission: what final state refuses, what is held, and what is left to order."""

from collections.abc import Container

import pytest

from slt.inventory.admission import Admission, Again, Hold, Pass, Refuse, admit, keys_admitted
from slt.inventory.state import Records, WholeState
from slt.inventory.vetting import Vetted
from slt.statements.verdicts import Code
from tests.unit.inventory.building import NOW_S, WINDOW_S, Ledger, entry, identity, report, statement


def admitted(
    ledger: Ledger, item: Vetted, *, pending: Container[tuple[str, str, int]] = (), time_s: int = NOW_S
) -> Admission:
    return admit(
        WholeState(ledger.records), item, next_height=ledger.head.height + 1, time_ms=time_s * 1000, pending=pending
    )


def refused(ledger: Ledger, item: Vetted) -> tuple[Code, bytes | None]:
    answer = admitted(ledger, item)
    assert isinstance(answer, Refuse), answer
    assert answer.findings
    return answer.code, answer.evidence


def test_the_next_report_of_an_area_passes() -> None:
    assert admitted(Ledger(), statement(report(41))) == Pass(number=("XL", "XLR1", 41))


def test_a_statement_with_its_final_verdict_is_answered_again_and_not_refused() -> None:
    ledger = Ledger()
    item = statement(report(41))
    ledger.block(item)
    assert admitted(ledger, item) == Again()
    assert admitted(ledger, item, time_s=NOW_S + WINDOW_S + 1) == Again()


def test_a_used_number_an_old_document_and_an_old_target_are_refused_with_the_evidence() -> None:
    ledger = Ledger()
    first, second = ledger.accept(
        report(41, document=b"one"), report(42, entry(status="D", target=(41, 1), code="", weights={}))
    )
    assert refused(ledger, statement(report(41))) == (Code.C01, first.statement_id)
    assert refused(ledger, statement(report(41, document=b"one"))) == (Code.C03, first.statement_id)
    assert refused(ledger, statement(report(43, entry(status="C", target=(41, 1))))) == (
        Code.C06,
        second.statement_id,
    )


def test_a_gap_is_held_until_its_predecessor_is_known_to_be_on_its_way() -> None:
    item = statement(report(43))
    answer = admitted(Ledger(), item)
    assert isinstance(answer, Hold)
    assert answer.predecessor == ("XL", "XLR1", 42)
    assert [found.rule for found in answer.findings] == ["C02"]
    assert admitted(Ledger(), item, pending={("XL", "XLR1", 42)}) == Pass(number=("XL", "XLR1", 43))
    assert isinstance(admitted(Ledger(), item, pending={("XL", "XLF1", 42)}), Hold)


def test_a_report_with_a_gap_and_a_conflict_is_refused_and_not_held() -> None:
    ledger = Ledger()
    ledger.accept(report(41))
    assert refused(ledger, statement(report(44, entry(status="D", target=(41, 7), code="", weights={}))))[0] == Code.C05


@pytest.mark.parametrize("status", ["C", "D", "A"])
def test_a_reference_to_a_report_that_may_be_on_its_way_is_left_to_order(status: str) -> None:
    item = statement(report(42, entry(status=status, target=(41, 1))))
    assert isinstance(admitted(Ledger(), item, pending={("XL", "XLR1", 41)}), Pass)
    assert isinstance(admitted(Ledger(), item), Hold)


@pytest.mark.parametrize("status", ["C", "D", "A"])
@pytest.mark.parametrize("target", [40, 41, 42])
def test_a_reference_that_cannot_come_any_more_is_refused(status: str, target: int) -> None:
    """Before the ledger, to itself, or ahead: nothing that is pending could make these right."""
    item = statement(report(41, entry(status=status, target=(target, 1))))
    assert refused(Ledger(), item)[0] in (Code.C05, Code.C07)


def test_a_conflict_with_something_pending_is_admitted_because_order_decides() -> None:
    """Another statement with number 41 is on its way: final state knows nothing of it."""
    assert isinstance(admitted(Ledger(), statement(report(41)), pending={("XL", "XLR1", 41)}), Pass)


def test_a_statement_outside_its_window_is_refused_by_the_members_clock() -> None:
    answer = admitted(Ledger(), statement(), time_s=NOW_S + WINDOW_S + 1)
    assert isinstance(answer, Refuse)
    assert answer.code is Code.OUT_OF_WINDOW


def test_a_key_that_vetting_did_not_know_is_refused_as_unknown_even_if_it_is_registered_by_now() -> None:
    assert refused(Ledger(), statement(signature="no key"))[0] is Code.KEY_UNKNOWN
    assert refused(Ledger(), statement(by=identity("stranger"), signature="no key"))[0] is Code.KEY_UNKNOWN


def test_a_statement_without_facts_is_refused_with_the_reason() -> None:
    assert refused(Ledger(), statement(no_facts=Code.BODY_WRONG, body=False)) == (Code.BODY_WRONG, None)


def test_keys_admitted_names_all_that_admission_reads() -> None:
    ledger = Ledger()
    ledger.accept(report(41))
    item = statement(report(42, entry(status="C", target=(41, 1))))
    view = Records({k: ledger.records.get(k) for k in keys_admitted(item)})
    assert isinstance(admit(view, item, next_height=1, time_ms=NOW_S * 1000, pending=()), Pass)
