"""Every code that evaluation gives, and what it leaves behind: void verdicts nothing, final rejections the spent id."""

from dataclasses import replace

import cbor2
import pytest

from slt.inventory.evaluate import NeedVetting
from slt.inventory.keys import Kind, key, kind_of
from slt.inventory.lthash import EMPTY_LANES, updated
from slt.inventory.vetting import Vetted
from slt.statements.verdicts import TABLE, Code, is_final
from tests.unit.inventory.building import (
    DAY_S,
    NOW_S,
    SKEW_S,
    WINDOW_S,
    Ledger,
    area,
    codes,
    entry,
    identity,
    report,
    rules,
    statement,
)

AUTHORITY = identity("authority", role="authority", mbas=())
STRANGER = identity("stranger")
INSPECTOR = identity("inspector", role="inspector")
EXPIRED = identity("expired", not_after=NOW_S - 1)
REVOKED = identity("revoked")
FOREIGN = identity("foreign", state="XF")
ENDORSED = identity("endorsed", mbas=("XLE1",))

V07 = ("V07", "error", "OI/1", "446", "TOO LONG", "16 characters", "shorten it")


def _ledger() -> Ledger:
    ledger = Ledger(
        identities=(identity(), AUTHORITY, INSPECTOR, EXPIRED, REVOKED, FOREIGN, ENDORSED),
        mbas=(area("XLR1"), area("XLE1", endorsement="state", last_report_number=0)),
    )
    ledger.records[key(Kind.REVOKED, REVOKED.kid)] = cbor2.dumps([1])
    ledger.head = replace(ledger.head, lanes=updated(EMPTY_LANES, added=ledger.records.items()))
    return ledger


CASES: dict[Code, Vetted] = {
    Code.OUT_OF_WINDOW: statement(iat=NOW_S - WINDOW_S - 2),
    Code.KEY_UNKNOWN: statement(by=STRANGER, signature="no key"),
    Code.BAD_SIGNATURE: statement(signature="bad"),
    Code.NOT_VALID_AT_IAT: statement(by=EXPIRED),
    Code.MAY_NOT_REPORT: statement(report(mba="XLE1", number=1)),
    Code.ENDORSEMENT_MISSING: statement(report(mba="XLE1", number=1), by=ENDORSED),
    Code.ENDORSEMENT_BAD: statement(bad_endorsement=True),
    Code.BODY_MISSING: statement(no_facts=Code.BODY_MISSING, body=False),
    Code.BODY_WRONG: statement(no_facts=Code.BODY_WRONG, body=False),
    Code.NOT_AS_STATED: statement(no_facts=Code.NOT_AS_STATED),
    Code.V07: statement(no_facts=Code.V07, findings=(V07,)),
    Code.C01: statement(report(40)),
    Code.C02: statement(report(42)),
    Code.C05: statement(report(41, entry(status="D", target=(12, 1)))),
}


@pytest.mark.parametrize("code", CASES)
def test_each_failing_check_gives_its_code_and_changes_nothing_but_the_spent_id(code: Code) -> None:
    evaluation = _ledger().block(CASES[code])

    assert codes(evaluation) == [code]
    assert evaluation.log_size == 1
    kinds = sorted(kind_of(k) for k in evaluation.changes)
    assert kinds == ([Kind.CHAIN, Kind.SPENT] if is_final(code) else [Kind.CHAIN])


@pytest.mark.parametrize("code", CASES)
def test_each_rejection_tells_its_author_what_to_do(code: Code) -> None:
    ledger = _ledger()
    evaluation = ledger.evaluate(ledger.batch(CASES[code]))
    found = [f for f in evaluation.findings[0] if f[0] == TABLE[Code(evaluation.verdicts[0].code)].label]
    assert found and all(f[1] == "error" and f[6].endswith(".") for f in found if f is not V07)


def test_an_accepted_report_gets_the_next_log_index_and_digests_of_facts_and_findings() -> None:
    ledger = _ledger()
    warning = ("V34", "warning", "OI/1", "407", "A", "a flow KMP", "look at it")

    first = ledger.block(statement(report(41), findings=(warning,)))
    second = ledger.block(statement(report(42)))

    assert (first.verdicts[0].log_index, second.verdicts[0].log_index) == (1, 2)
    assert first.verdicts[0].facts_digest is not None
    assert first.verdicts[0].findings_digest is not None
    assert first.findings[0] == (warning,)


def test_a_rejection_by_a_validity_rule_commits_to_its_findings_and_to_no_facts() -> None:
    verdict = _ledger().block(CASES[Code.V07]).verdicts[0]
    assert verdict.facts_digest is None
    assert verdict.findings_digest is not None


def test_a_void_verdict_commits_to_what_it_was_judged_by_so_that_a_replay_has_it() -> None:
    verdict = _ledger().block(CASES[Code.C02]).verdicts[0]
    assert verdict.facts_digest is not None
    assert verdict.findings_digest is not None
    assert verdict.evidence is None


def test_a_statement_with_its_final_verdict_is_a_duplicate_in_the_same_block_and_later() -> None:
    ledger = _ledger()
    item = statement(report(41))
    assert codes(ledger.block(item, item)) == [Code.ACCEPTED, Code.DUPLICATE]
    assert codes(ledger.block(item)) == [Code.DUPLICATE]


def test_a_rejected_statement_is_a_duplicate_too_and_leaves_its_number_free() -> None:
    ledger = _ledger()
    rejected = statement(report(41, entry(status="D", target=(12, 1))))
    assert codes(ledger.block(rejected, rejected, statement(report(41)))) == [
        Code.C05,
        Code.DUPLICATE,
        Code.ACCEPTED,
    ]


def test_a_copy_with_a_bad_signature_that_comes_first_does_not_harm_the_genuine_report() -> None:
    ledger = _ledger()
    genuine = statement(report(41))
    broken = replace(genuine, signature="bad")

    evaluation = ledger.block(broken, genuine)

    assert codes(evaluation) == [Code.BAD_SIGNATURE, Code.ACCEPTED]


def test_a_copy_without_its_body_leaves_the_complete_one_free() -> None:
    ledger = _ledger()
    genuine = statement(report(41))
    empty = replace(genuine, facts=None, no_facts=int(Code.BODY_MISSING), facts_salt=b"", findings_salt=b"")
    assert codes(ledger.block(empty, genuine)) == [Code.BODY_MISSING, Code.ACCEPTED]


def test_the_window_opens_skew_before_iat_and_closes_at_its_end_both_inclusive() -> None:
    for iat_s, time_ms, expected in (
        (NOW_S, (NOW_S - SKEW_S) * 1000, Code.ACCEPTED),
        (NOW_S, (NOW_S - SKEW_S) * 1000 - 1, Code.OUT_OF_WINDOW),
        (NOW_S, (NOW_S + WINDOW_S) * 1000, Code.ACCEPTED),
        (NOW_S, (NOW_S + WINDOW_S) * 1000 + 1, Code.OUT_OF_WINDOW),
    ):
        assert codes(_ledger().block(statement(iat=iat_s), time_ms=time_ms)) == [expected]


def test_an_identity_is_valid_from_its_first_to_its_last_second() -> None:
    short = identity("short", not_before=NOW_S, not_after=NOW_S)
    for iat_s, expected in (
        (NOW_S - 1, Code.NOT_VALID_AT_IAT),
        (NOW_S, Code.ACCEPTED),
        (NOW_S + 1, Code.NOT_VALID_AT_IAT),
    ):
        assert codes(Ledger(identities=(short,)).block(statement(by=short, iat=iat_s))) == [expected]


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (statement(by=REVOKED), Code.NOT_VALID_AT_IAT),
        (statement(by=INSPECTOR), Code.MAY_NOT_REPORT),
        (statement(by=FOREIGN), Code.MAY_NOT_REPORT),
        (statement(iss="somebody else"), Code.MAY_NOT_REPORT),
    ],
)
def test_a_revoked_wrong_role_foreign_or_misnamed_signer_may_not_report(item: Vetted, why: Code) -> None:
    assert codes(_ledger().block(item)) == [why]


def test_an_area_that_wants_the_authority_takes_its_endorsement_and_no_other() -> None:
    foreign_authority = identity("foreign authority", role="authority", state="XF", mbas=())
    expired_authority = identity("expired authority", role="authority", mbas=(), not_after=NOW_S - 1)
    who = (ENDORSED, AUTHORITY, foreign_authority, expired_authority)
    for endorsers, expected in (
        ((AUTHORITY,), Code.ACCEPTED),
        ((foreign_authority,), Code.ENDORSEMENT_MISSING),
        ((expired_authority,), Code.ENDORSEMENT_MISSING),
        ((ENDORSED,), Code.ENDORSEMENT_MISSING),
        ((STRANGER,), Code.ENDORSEMENT_MISSING),
    ):
        ledger = Ledger(identities=who, mbas=(area("XLE1", endorsement="state", last_report_number=0),))
        item = statement(report(1, mba="XLE1"), by=ENDORSED, endorsers=endorsers)
        assert codes(ledger.block(item)) == [expected]


def test_the_first_failing_check_gives_the_code_and_the_findings_list_the_others() -> None:
    item = statement(by=EXPIRED, signature="bad", iat=NOW_S - WINDOW_S - 2, bad_endorsement=True)
    evaluation = _ledger().block(item)
    assert codes(evaluation) == [Code.OUT_OF_WINDOW]
    assert rules(evaluation) == ["A05", "A01", "endorsement-bad"]


def test_somebody_who_may_not_report_for_an_area_learns_nothing_of_its_numbers() -> None:
    ledger = Ledger(mbas=(area("XLE1", last_report_number=40),))
    assert rules(ledger.block(statement(report(3, mba="XLE1")))) == ["A03"]


def test_an_area_that_the_reference_data_does_not_have_is_rejected_by_v15() -> None:
    lost = identity("lost", mbas=("XLQ9",))
    ledger = Ledger(identities=(lost,))
    assert codes(ledger.block(statement(report(1, mba="XLQ9"), by=lost))) == [Code.V15]


def test_faults_that_the_author_of_a_batch_could_have_seen_are_charged_to_it() -> None:
    ledger = _ledger()
    evaluation = ledger.block(CASES[Code.BAD_SIGNATURE], CASES[Code.C02], CASES[Code.BODY_MISSING])
    assert [(c.author, c.seq, c.code) for c in evaluation.charges] == [
        (0, 1, Code.BAD_SIGNATURE),
        (0, 1, Code.BODY_MISSING),
    ]


def test_a_key_that_vetting_missed_and_the_state_has_is_vetted_again() -> None:
    ledger = _ledger()
    with pytest.raises(NeedVetting) as needed:
        ledger.evaluate(ledger.batch(statement(signature="no key"), CASES[Code.KEY_UNKNOWN]))
    assert needed.value.kids == {identity().kid}


def test_a_key_that_the_state_lacks_is_unknown_whatever_vetting_said() -> None:
    assert codes(_ledger().block(statement(by=STRANGER, signature="good"))) == [Code.KEY_UNKNOWN]


def test_statements_of_two_days_are_remembered_until_their_window_has_passed() -> None:
    ledger = _ledger()
    ledger.block(statement(report(41), iat=NOW_S))
    end_ms = (NOW_S + WINDOW_S) * 1000
    kept = statement(report(42), iat=NOW_S + DAY_S)
    assert Kind.SPENT not in {kind_of(k) for k, v in ledger.block(kept, time_ms=end_ms).changes.items() if v is None}

    gone = ledger.block(statement(report(43), iat=NOW_S + DAY_S), time_ms=end_ms + 1)

    assert sum(v is None for v in gone.changes.values()) == 1
    assert sum(kind_of(k) is Kind.SPENT for k in ledger.records) == 2
