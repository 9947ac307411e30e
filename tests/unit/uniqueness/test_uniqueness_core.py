"""Decisions about batches of submissions, and the two tables in memory: what is pending and what is held."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import services.uniqueness
from services.uniqueness.config import Config
from services.uniqueness.core import Held, Holding, Pending, Plan, plan, vetted_of
from slt.bus.compression import compress
from slt.bus.messages import EvaluateItem, Malformed
from slt.inventory.state import WholeState
from slt.inventory.vetting import BadVetting, Vetted
from slt.reports.facts import BadFacts
from slt.runtime.settings import table
from tests.unit.inventory.building import NOW_S, Ledger, entry, report, statement

R1 = ("XL", "XLR1")


def planned(ledger: Ledger, items: list[Vetted], *, pending: Pending | None = None, may_hold: int = 100) -> Plan:
    return plan(
        WholeState(ledger.records),
        items,
        next_height=ledger.head.height + 1,
        now_ms=NOW_S * 1000,
        pending=pending or Pending(),
        may_hold=may_hold,
    )


def test_reports_pass_in_the_order_of_their_numbers_whatever_order_they_came_in() -> None:
    made = planned(Ledger(), [statement(report(n)) for n in (43, 41, 44, 42)])
    assert made.passed == ((1, (*R1, 41)), (3, (*R1, 42)), (0, (*R1, 43)), (2, (*R1, 44)))
    assert (made.held, made.refused, made.again) == ((), (), ())


@given(st.permutations(range(41, 49)))
def test_every_order_of_a_gapless_series_passes_whole_and_sorted(numbers: list[int]) -> None:
    made = planned(Ledger(), [statement(report(n)) for n in numbers])
    assert [number[2] for _, number in made.passed] == list(range(41, 49))
    assert sorted(at for at, _ in made.passed) == list(range(8))


def test_what_stays_behind_a_gap_is_held_and_what_conflicts_is_refused() -> None:
    ledger = Ledger()
    (first,) = ledger.accept(report(41))
    taken = statement(report(41, entry(weights={630: 7})))
    made = planned(ledger, [taken, statement(report(44)), first, statement(report(42))])
    assert [at for at, _ in made.passed] == [3]
    assert [(at, hold.predecessor) for at, hold in made.held] == [(1, (*R1, 43))]
    assert [(at, findings[0].rule) for at, findings in made.refused] == [(0, "C01")]
    assert made.again == (2,)


def test_a_report_follows_one_that_is_pending() -> None:
    pending = Pending()
    pending.add(b"a" * 32, (*R1, 41), 0)
    assert [at for at, _ in planned(Ledger(), [statement(report(42))], pending=pending).passed] == [0]
    pending.decided([b"a" * 32])
    assert [at for at, _ in planned(Ledger(), [statement(report(42))], pending=pending).held] == [0]


def test_what_is_one_too_many_to_hold_is_refused_in_the_words_of_the_gap() -> None:
    made = planned(Ledger(), [statement(report(n)) for n in (43, 45, 47)], may_hold=2)
    assert [at for at, _ in made.held] == [0, 1]
    assert [(at, findings[0].rule) for at, findings in made.refused] == [(2, "C02")]


def test_two_statements_of_one_number_both_pass_because_order_decides() -> None:
    made = planned(Ledger(), [statement(report(41)), statement(report(41, entry(weights={630: 7})))])
    assert [at for at, _ in made.passed] == [0, 1]


def test_a_number_is_pending_until_each_statement_that_has_it_is_decided() -> None:
    pending = Pending()
    pending.add(b"a" * 32, (*R1, 41), 5)
    pending.add(b"a" * 32, (*R1, 41), 6)
    pending.add(b"b" * 32, (*R1, 41), 7)
    pending.decided([b"a" * 32, b"?" * 32])
    assert (*R1, 41) in pending
    assert pending.number_of(b"b" * 32) == ((*R1, 41), 7)
    pending.decided([b"b" * 32])
    assert (*R1, 41) not in pending
    assert len(pending) == 0


def test_what_was_passed_on_long_ago_is_forgotten() -> None:
    pending = Pending()
    pending.add(b"a" * 32, (*R1, 41), 1_000)
    pending.expire(601_000)
    assert (*R1, 41) in pending
    pending.expire(601_001)
    assert (*R1, 41) not in pending


def _held(name: int, number: int, *, held_ms: int = 0, until_ms: int = 100, statement_id: int | None = None) -> Held:
    return Held(
        submission_id=bytes([name]) * 32,
        statement_id=bytes([statement_id or name]) * 32,
        number=(*R1, number),
        held_ms=held_ms,
        until_ms=until_ms,
    )


def test_a_retry_does_not_extend_the_time_of_what_is_held() -> None:
    holding = Holding([_held(1, 43, until_ms=100)])
    assert holding.until_ms(bytes([1]) * 32, 90, 300) == 100
    assert holding.until_ms(bytes([2]) * 32, 90, 300) == 390


def test_holding_finds_who_is_next_who_is_due_and_who_is_of_a_statement() -> None:
    holding = Holding([_held(1, 43), _held(2, 43, held_ms=1, statement_id=1, until_ms=100), _held(3, 45, until_ms=50)])
    assert [one.submission_id[0] for one in holding.next_of((*R1, 42))] == [1, 2]
    assert [one.submission_id[0] for one in holding.of_statement(bytes([1]) * 32)] == [1, 2]
    assert [one.submission_id[0] for one in holding.due(50)] == [3]
    assert holding.next_due_ms() == 50
    assert {one.submission_id[0] for one in holding.up_to((*R1, 44))} == {1, 2}
    holding.remove([bytes([1]) * 32, bytes([9]) * 32])
    assert [one.submission_id[0] for one in holding.next_of((*R1, 42))] == [2]
    holding.remove([bytes([2]) * 32, bytes([3]) * 32])
    assert (len(holding), holding.next_due_ms(), holding.next_of((*R1, 42))) == (0, None, [])


def _wire(vetted: Vetted, **changes: object) -> EvaluateItem:
    values: dict[str, object] = {
        "statement_id": vetted.statement_id,
        "kid": vetted.kid,
        "iss": vetted.iss,
        "iat": vetted.iat,
        "endorsers": list(vetted.endorsers),
        "bad_endorsement": vetted.bad_endorsement,
        "signature": vetted.signature,
        "facts_z": compress(vetted.facts or b""),
        "no_facts": vetted.no_facts,
        "findings": list(vetted.findings),
        "findings_salt": vetted.findings_salt,
        "facts_salt": vetted.facts_salt,
        "unknown_endorsers": list(vetted.unknown_endorsers),
        "rules_version": vetted.rules_version,
        "reference_version": vetted.reference_version,
        "change": vetted.change,
    }
    return EvaluateItem(**(values | changes))  # type: ignore[arg-type]  # the fields of an EvaluateItem


def test_an_item_comes_back_as_what_vetting_found() -> None:
    vetted = statement(report(41))
    assert vetted_of(_wire(vetted)) == vetted


def test_facts_that_were_read_before_are_not_read_again() -> None:
    vetted = statement(report(41))
    facts = vetted.read_facts()
    seen = (_wire(vetted).facts_z, vetted)
    assert vetted_of(_wire(vetted), seen=seen).read_facts() is facts
    other = statement(report(42))
    assert vetted_of(_wire(other), seen=seen).read_facts() == report(42)


def test_an_item_that_contradicts_itself_or_cannot_be_read_is_nobodys_statement() -> None:
    vetted = statement(report(41))
    with pytest.raises(BadVetting):
        vetted_of(_wire(vetted, facts_z=b""))
    with pytest.raises(BadVetting):
        vetted_of(_wire(vetted, facts_salt=b""))
    with pytest.raises(Malformed):
        vetted_of(_wire(vetted, facts_z=b"no zstd"))
    with pytest.raises(BadFacts):
        vetted_of(_wire(vetted, facts_z=compress(b"\x80"))).read_facts()


def test_the_readme_has_the_settings() -> None:
    readme = Path(services.uniqueness.__path__[0]) / "README.md"
    assert table(Config, inherited=False) in readme.read_text()
