"""Who decides, and when: approvals, announcements, contradictions; each both ways."""

from dataclasses import replace
from typing import Any

import cbor2
import pytest

from slt.inventory.evaluate import Charge, NeedVetting
from slt.inventory.governance import AHEAD_BLOCKS_MAX, CHANGES_PER_HEIGHT_MAX
from slt.inventory.keys import Kind, key
from slt.inventory.vetting import BadVetting, Vetted
from slt.statements.governance import ActivateRules, Change, Enrol, Revoke, SetArea, SetParameter, SetReference
from slt.statements.verdicts import Code
from tests.unit.inventory.building import (
    CHAIN_ID,
    DAY_S,
    NOW_S,
    WINDOW_S,
    Ledger,
    area,
    codes,
    governor,
    identity,
    member,
    report,
    rules,
    statement,
)
from tests.unit.inventory.governing import AUTHORITY, change, governed, has, registered, signer, wait_for

AHEAD = 3  # activation_blocks of the ledger in building.py
SKEW = SetParameter(name="skew_s", value=600)


def of_four() -> Ledger:
    """Four members; the first has the weight of two."""
    return governed(members=(member(0, weight=2), member(1), member(2), member(3)))


def decided(ledger: Ledger, *items: Vetted) -> list[int]:
    return codes(ledger.block(*items))


@pytest.mark.parametrize(
    ("approving", "code"),
    [
        ((), Code.APPROVAL_MISSING),
        ((1,), Code.APPROVAL_MISSING),
        ((1, 2), Code.ACCEPTED),
        ((1, 1, 1), Code.APPROVAL_MISSING),
        ((1, 2, 3), Code.ACCEPTED),
    ],
)
def test_members_decide_with_more_than_two_thirds_of_the_weight(approving: tuple[int, ...], code: Code) -> None:
    """The author has 2 of 5; 4 of 5 are more than 2/3, and 3 of 5 are not."""
    item = change(SKEW, at=2, approvals=[governor(number) for number in approving])
    assert decided(of_four(), item) == [code]


def test_exactly_two_thirds_do_not_decide() -> None:
    ledger = governed(members=(member(0), member(1), member(2)))
    assert decided(ledger, change(SKEW, at=9, approvals=[governor(1)])) == [Code.APPROVAL_MISSING]
    assert decided(ledger, change(SKEW, at=9, approvals=[governor(1), governor(2)])) == [Code.ACCEPTED]


def test_an_identity_has_no_weight_among_members() -> None:
    item = change(SKEW, at=2, approvals=[AUTHORITY, governor(1)])
    assert decided(of_four(), item) == [Code.APPROVAL_MISSING]


def test_without_enough_approvals_nothing_is_spent_and_a_better_copy_is_free() -> None:
    ledger = of_four()
    poor = change(SKEW, at=9)
    evaluation = ledger.block(poor)
    assert codes(evaluation) == [Code.APPROVAL_MISSING]
    assert not has(ledger, Kind.SPENT, poor.statement_id)
    assert evaluation.charges == (Charge(0, 1, poor.statement_id, Code.APPROVAL_MISSING),)
    better = _with(poor, endorsers=(governor(1).kid, governor(2).kid))
    assert decided(ledger, better) == [Code.ACCEPTED]
    assert decided(ledger, better) == [Code.DUPLICATE]


def test_an_approval_that_does_not_hold_is_void() -> None:
    assert decided(governed(), change(SKEW, at=2, bad=True)) == [Code.APPROVAL_BAD]
    assert decided(governed(), change(SKEW, at=2, unknown=(signer(9).kid,))) == [Code.APPROVAL_BAD]


def test_a_key_that_vetting_did_not_know_and_the_state_knows_is_vetted_again() -> None:
    ledger = governed()
    for item in (
        change(SKEW, at=2, signature="no key"),
        change(SKEW, at=2, unknown=(AUTHORITY.kid,)),
        change(SKEW, at=2, by=AUTHORITY, unknown=(governor().kid,)),
        change(SKEW, at=2, by=AUTHORITY, signature="no key"),
    ):
        with pytest.raises(NeedVetting) as need:
            ledger.evaluate(ledger.batch(item))
        assert need.value.kids <= {governor().kid, AUTHORITY.kid} and need.value.kids
        assert not need.value.stale
        ledger.previous = (0, CHAIN_ID)  # that batch was never ordered


def test_an_endorser_unknown_to_vetting_and_known_to_the_state_is_vetted_again() -> None:
    ledger = governed()
    item = _with(statement(report()), unknown_endorsers=(AUTHORITY.kid,))
    with pytest.raises(NeedVetting) as need:
        ledger.evaluate(ledger.batch(item))
    assert need.value.kids == {AUTHORITY.kid}


def test_an_endorser_that_nobody_knows_is_no_good_endorsement() -> None:
    item = _with(statement(report()), unknown_endorsers=(signer(9).kid,))
    assert decided(governed(), item) == [Code.ENDORSEMENT_BAD]


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (change(SKEW, at=2, by=signer(9)), Code.KEY_UNKNOWN),
        (change(SKEW, at=2, by=identity(), approvals=[governor()]), Code.MAY_NOT_GOVERN),
        (change(SKEW, at=2, by=AUTHORITY, iss="somebody", approvals=[governor()]), Code.MAY_NOT_GOVERN),
        (change(SKEW, at=2, iss="member 1"), Code.MAY_NOT_GOVERN),
        (change(SKEW, at=2, signature="bad"), Code.BAD_SIGNATURE),
        (change(SKEW, at=2, iat=NOW_S - WINDOW_S - 10), Code.OUT_OF_WINDOW),
        (change(SKEW, at=2, by=AUTHORITY, iat=NOW_S - 366 * DAY_S), Code.OUT_OF_WINDOW),
        (change(SKEW, at=2, by=AUTHORITY, approvals=[governor()]), Code.ACCEPTED),
    ],
)
def test_who_may_sign_a_change(item: Vetted, code: Code) -> None:
    assert decided(governed(), item) == [code]


def test_what_a_change_says_is_looked_at_only_when_it_is_approved() -> None:
    item = change(SetParameter(name="no such", value=0), at=1, by=AUTHORITY)
    evaluation = governed().block(item)
    assert codes(evaluation) == [Code.APPROVAL_MISSING]
    assert rules(evaluation) == ["approval-missing"]


def test_every_problem_of_a_change_is_told_and_the_first_gives_the_code() -> None:
    ledger = governed()
    decided(ledger, change(SKEW, at=9))
    evaluation = ledger.block(change(SetParameter(name="skew_s", value=10**6), at=1))
    assert codes(evaluation) == [Code.CHANGE_INVALID]
    assert rules(evaluation) == ["change-invalid", "change-too-late", "change-conflict"]


@pytest.mark.parametrize(
    ("what", "ahead"),
    [
        (ActivateRules(version=2), AHEAD),
        (SetArea(mba=area("XLN1")), AHEAD),
        (SetReference(mbas=(area("XLN1"),)), AHEAD),
        (SKEW, 1),
        (Revoke(kid=AUTHORITY.kid), 1),
        (Enrol(identity=registered("second authority", 8, role="authority", mbas=())), 1),
    ],
)
def test_a_change_is_announced_as_far_ahead_as_its_kind_asks(what: Change, ahead: int) -> None:
    late, good = (change(what, at=1 + blocks) for blocks in (ahead - 1, ahead))
    evaluation = governed().block(late)
    assert codes(evaluation) == [Code.CHANGE_TOO_LATE]
    assert evaluation.verdicts[0].final
    assert decided(governed(), good) == [Code.ACCEPTED]


def test_nothing_is_announced_for_a_time_that_nobody_will_see() -> None:
    assert decided(governed(), change(SKEW, at=1 + AHEAD_BLOCKS_MAX)) == [Code.ACCEPTED]
    assert decided(governed(), change(SKEW, at=2 + AHEAD_BLOCKS_MAX)) == [Code.CHANGE_INVALID]


def test_of_two_contradictory_changes_the_first_in_order_stands_and_the_other_points_at_it() -> None:
    ledger = governed()
    first, second = change(SKEW, at=5), change(SetParameter(name="skew_s", value=60), at=6)
    evaluation = ledger.block(first, second)
    assert codes(evaluation) == [Code.ACCEPTED, Code.CHANGE_CONFLICT]
    assert evaluation.verdicts[1].evidence == first.statement_id
    wait_for(ledger, 5)
    again = change(SetParameter(name="skew_s", value=60), at=7)
    assert decided(ledger, again) == [Code.ACCEPTED]


def test_a_change_is_not_made_twice_by_repeating_it() -> None:
    ledger = governed()
    item = change(SetArea(mba=area("XLN1")), at=1 + AHEAD)
    assert decided(ledger, item) == [Code.ACCEPTED]
    assert decided(ledger, item) == [Code.DUPLICATE]
    wait_for(ledger, 2 + AHEAD)
    assert decided(ledger, item) == [Code.DUPLICATE]


def test_many_changes_for_one_height_leave_no_room_there_and_room_elsewhere() -> None:
    ledger = governed()
    many = [
        change(Enrol(identity=registered(f"reporter {number}", number)), at=2, by=AUTHORITY)
        for number in range(1, CHANGES_PER_HEIGHT_MAX + 1)
    ]
    assert decided(ledger, *many) == [Code.ACCEPTED] * CHANGES_PER_HEIGHT_MAX
    # The next block applies them all.
    more = change(Enrol(identity=registered("one more", 99)), at=2, by=AUTHORITY)
    ledger.block()
    assert all(has(ledger, Kind.IDENTITY, registered("", number).kid) for number in range(1, 65))
    assert decided(ledger, more) == [Code.CHANGE_TOO_LATE]
    ledger = governed()
    assert decided(ledger, *many, more) == [Code.ACCEPTED] * CHANGES_PER_HEIGHT_MAX + [Code.CHANGE_CONFLICT]


def test_what_took_effect_waits_no_more() -> None:
    ledger = governed()
    before = set(ledger.records)
    item = change(SKEW, at=2)
    decided(ledger, item)
    assert has(ledger, Kind.ANNOUNCED, item.statement_id) and has(ledger, Kind.DUE, 2)
    ledger.block()
    assert set(ledger.records) - before == {key(Kind.SPENT, item.statement_id)}


def test_an_accepted_change_is_in_the_log_and_has_neither_facts_nor_findings() -> None:
    ledger = governed()
    evaluation = ledger.block(change(SKEW, at=2), statement(report()))
    assert [verdict.log_index for verdict in evaluation.verdicts] == [1, 2]
    assert evaluation.verdicts[0].facts_digest is evaluation.verdicts[0].findings_digest is None
    assert cbor2.loads(ledger.records[key(Kind.SPENT, evaluation.verdicts[0].statement_id)])[2] == 1


def test_a_change_that_cannot_be_read_is_a_fault_of_vetting() -> None:
    ledger = governed()
    with pytest.raises(BadVetting, match="announces nothing"):
        ledger.view([ledger.batch(_with(change(SKEW, at=2), change=b"\x80"))])


@pytest.mark.parametrize("changes", [{"no_facts": 9}, {"facts": b"f"}, {"findings_salt": b"s" * 32}])
def test_a_governance_statement_with_a_body_is_a_fault_of_vetting(changes: dict[str, object]) -> None:
    with pytest.raises(BadVetting, match="no body"):
        _with(change(SKEW, at=2), **changes)


def test_the_same_changes_in_other_block_cuts_give_the_same_state() -> None:
    """As long as nothing takes effect between them: a height is a height."""
    items = [
        change(SKEW, at=9),
        change(Enrol(identity=registered("second", 7)), at=9, by=AUTHORITY),
        statement(report(), name="a report"),
        change(SetArea(mba=area("XLN1")), at=9),
    ]
    states = []
    for cuts in ([1, 1, 2], [4, 0, 0], [2, 2, 0]):
        ledger, rest = governed(), list(items)
        for size in cuts:
            batches = [ledger.batch(item) for item in rest[:size]]
            rest = rest[size:]
            ledger.block_of(*batches)
        wait_for(ledger, 10)
        states.append(ledger.head.lanes)
    assert states[0] == states[1] == states[2]


def test_keys_read_names_all_that_a_waiting_change_reads_but_what_it_is_about() -> None:
    ledger = governed()
    item = change(SKEW, at=2)
    view = ledger.view([ledger.batch(item)])
    assert view.get(key(Kind.DUE, 1)) is None and view.get(key(Kind.DUE, 2)) is None
    assert view.get(key(Kind.MEMBERS)) is not None and view.get(key(Kind.LEDGER)) is not None


def _with(vetted: Vetted, **changes: Any) -> Vetted:
    return replace(vetted, **changes)
