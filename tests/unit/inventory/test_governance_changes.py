"""Each kind of change, both ways: what it does at its height, and what is refused before."""

from dataclasses import replace

import cbor2
import pytest

from slt.inventory.evaluate import NeedVetting, UnknownRules, evaluate, keys_read
from slt.inventory.keys import Kind, key
from slt.inventory.rules.registry import Rule, asked
from slt.inventory.state import NeedRecords, Records
from slt.inventory.vetting import BadVetting, Vetted
from slt.statements.governance import (
    ActivateRules,
    Enrol,
    ReplaceMembers,
    Revoke,
    SetArea,
    SetParameter,
    SetReference,
)
from slt.statements.registry import Identity, Mba, Member
from slt.statements.signatures import Signer
from slt.statements.verdicts import Code
from tests.unit.inventory.building import (
    DAY_S,
    NOW_S,
    SKEW_S,
    WINDOW_S,
    Ledger,
    area,
    codes,
    governor,
    identity,
    member,
    report,
    statement,
)
from tests.unit.inventory.governing import (
    AUTHORITY,
    FOREIGN_AUTHORITY,
    change,
    closed,
    governed,
    has,
    registered,
    signer,
    wait_for,
)

AHEAD = 3  # activation_blocks of the ledger in building.py
SKEW_600 = SetParameter(name="skew_s", value=600)


def decided(ledger: Ledger, *items: Vetted) -> list[int]:
    return codes(ledger.block(*items))


def value_of(ledger: Ledger, name: str) -> int:
    number: int = cbor2.loads(ledger.records[key(Kind.PARAMETER, name)])[0]
    return number


class TestEnrolling:
    def test_an_authority_enrols_a_reporter_of_its_state_who_may_report_from_that_height_on(self) -> None:
        ledger, new = governed(), registered("second", 7)
        assert decided(ledger, change(Enrol(identity=new), at=2, by=AUTHORITY)) == [Code.ACCEPTED]
        assert not has(ledger, Kind.IDENTITY, new.kid)
        assert decided(ledger, statement(report(), by=new)) == [Code.ACCEPTED]
        assert has(ledger, Kind.IDENTITY, new.kid)

    def test_before_its_height_the_key_is_unknown(self) -> None:
        ledger, new = governed(), registered("second", 7)
        assert decided(ledger, change(Enrol(identity=new), at=3, by=AUTHORITY)) == [Code.ACCEPTED]
        assert decided(ledger, statement(report(), by=new)) == [Code.KEY_UNKNOWN]
        assert decided(ledger, statement(report(), by=new)) == [Code.ACCEPTED]

    @pytest.mark.parametrize("by", [FOREIGN_AUTHORITY, governor()], ids=["another State", "the members"])
    def test_nobody_else_enrols_a_reporter(self, by: Identity | Signer) -> None:
        item = change(Enrol(identity=registered("second", 7)), at=2, by=by)
        assert decided(governed(), item) == [Code.APPROVAL_MISSING]

    def test_members_enrol_an_authority_and_an_authority_does_not(self) -> None:
        other = registered("second authority", 8, role="authority", mbas=())
        assert decided(governed(), change(Enrol(identity=other), at=2)) == [Code.ACCEPTED]
        assert decided(governed(), change(Enrol(identity=other), at=2, by=AUTHORITY)) == [Code.APPROVAL_MISSING]

    def test_a_key_is_registered_once(self) -> None:
        ledger, new = governed(), registered("second", 7)
        assert decided(ledger, change(Enrol(identity=new), at=2, by=AUTHORITY)) == [Code.ACCEPTED]
        again = replace(new, name="third", mbas=("XLF1",))
        assert decided(ledger, change(Enrol(identity=again), at=9, by=AUTHORITY)) == [Code.CHANGE_CONFLICT]

    def test_a_key_of_a_member_is_no_identity(self) -> None:
        for used in (governor(), signer(150)):
            new = replace(registered("second", 7), spki=used.spki, kid=used.kid)
            assert decided(governed(), change(Enrol(identity=new), at=2, by=AUTHORITY)) == [Code.CHANGE_CONFLICT]

    def test_a_key_of_small_order_is_refused(self) -> None:
        spki = bytes.fromhex("302a300506032b6570032100") + b"\1" + bytes(31)
        new = replace(registered("second", 7), spki=spki)
        assert decided(governed(), change(Enrol(identity=new), at=2, by=AUTHORITY)) == [Code.CHANGE_INVALID]

    @pytest.mark.parametrize(
        "changes",
        [
            {"not_before": NOW_S, "not_after": NOW_S},
            {"not_before": NOW_S - 9 * DAY_S, "not_after": NOW_S - 8 * DAY_S},
            {"mbas": ()},
            {"mbas": ("XLR1", "XLR1")},
            {"mbas": ("XLR9",)},
            {"role": "king"},
        ],
    )
    def test_an_identity_that_makes_no_sense_is_refused(self, changes: dict[str, object]) -> None:
        new = replace(registered("second", 7), **changes)  # type: ignore[arg-type]  # fields of Identity
        by = AUTHORITY if new.role == "reporter" else governor()
        assert decided(governed(), change(Enrol(identity=new), at=2, by=by)) == [Code.CHANGE_INVALID]


class TestRevoking:
    def test_case_19_a_key_is_revoked_between_submission_and_order(self) -> None:
        ledger = governed()
        report_item = statement(report())
        assert decided(ledger, change(Revoke(kid=identity().kid), at=2, by=AUTHORITY)) == [Code.ACCEPTED]
        assert decided(ledger, report_item) == [Code.NOT_VALID_AT_IAT]

    def test_until_its_height_the_key_is_good(self) -> None:
        ledger = governed()
        items = (change(Revoke(kid=identity().kid), at=2, by=AUTHORITY), statement(report()))
        assert decided(ledger, *items) == [Code.ACCEPTED, Code.ACCEPTED]

    def test_the_members_revoke_an_authority_which_then_decides_nothing(self) -> None:
        ledger = governed()
        assert decided(ledger, change(Revoke(kid=AUTHORITY.kid), at=2)) == [Code.ACCEPTED]
        enrol = change(Enrol(identity=registered("second", 7)), at=9, by=AUTHORITY)
        assert decided(ledger, enrol) == [Code.NOT_VALID_AT_IAT]
        other = change(Enrol(identity=registered("second", 7)), at=9, by=FOREIGN_AUTHORITY, approvals=[AUTHORITY])
        assert decided(ledger, other) == [Code.APPROVAL_MISSING]

    def test_what_is_not_registered_or_revoked_already_is_not_revoked(self) -> None:
        ledger = governed()
        assert decided(ledger, change(Revoke(kid=signer(9).kid), at=2)) == [Code.CHANGE_INVALID]
        first = change(Revoke(kid=identity().kid), at=3, by=AUTHORITY)
        assert decided(ledger, first) == [Code.ACCEPTED]
        evaluation = ledger.block(change(Revoke(kid=identity().kid), at=9, by=AUTHORITY))
        assert (codes(evaluation), evaluation.verdicts[0].evidence) == ([Code.CHANGE_CONFLICT], first.statement_id)
        second = change(Revoke(kid=identity().kid), at=9, by=AUTHORITY)
        assert ledger.block(second).verdicts[0].evidence == first.statement_id


class TestAreas:
    def test_case_20_a_report_for_an_area_closed_in_the_same_block_is_vetted_again(self) -> None:
        ledger = governed()
        item = change(SetArea(mba=closed(area("XLR1"), "20250930")), at=1 + AHEAD)
        assert decided(ledger, item) == [Code.ACCEPTED]
        wait_for(ledger, AHEAD)
        late = statement(report())
        with pytest.raises(NeedVetting) as need:
            ledger.evaluate(ledger.batch(late))
        assert need.value.stale == {late.statement_id}
        assert (need.value.rules_version, need.value.reference_version) == (1, 2)

    def test_vetted_again_under_the_new_reference_data_it_is_judged(self) -> None:
        """Whether the area was open on its dates is V15, which vetting asks; its word comes as `no_facts`."""
        ledger = governed()
        decided(ledger, change(SetArea(mba=closed(area("XLR1"), "20250930")), at=1 + AHEAD))
        wait_for(ledger, AHEAD)
        refused = replace(statement(no_facts=Code.V15), reference_version=2)
        good = replace(report(101, mba="XLF1"), reference_version=2)
        plant = identity("plant", mbas=("XLF1",))
        ledger.records[key(Kind.IDENTITY, plant.kid)] = cbor2.dumps(plant.to_value())
        item = replace(statement(good, by=plant), reference_version=2)
        evaluation = ledger.evaluate(ledger.batch(refused, item))
        assert codes(evaluation) == [Code.V15, Code.ACCEPTED]

    def test_a_new_area_is_there_from_its_height_on(self) -> None:
        ledger, new = governed(), area("XLN1", last_report_number=0)
        assert decided(ledger, change(SetArea(mba=new), at=1 + AHEAD)) == [Code.ACCEPTED]
        wait_for(ledger, 1 + AHEAD)
        enrol = Enrol(identity=registered("new", 7, mbas=("XLN1",)))
        assert decided(ledger, change(enrol, at=ledger.head.height + 2, by=AUTHORITY)) == [Code.ACCEPTED]
        facts = replace(report(1, mba="XLN1"), reference_version=2)
        item = replace(statement(facts, by=registered("new", 7, mbas=("XLN1",))), reference_version=2)
        assert decided(ledger, item) == [Code.ACCEPTED]
        assert value_of(ledger, "reference_version") == 2

    def test_several_areas_change_as_one_and_the_version_moves_once(self) -> None:
        ledger = governed()
        divided = (closed(area("XLR1"), "20251231"), area("XLR2"), area("XLR3"))
        assert decided(ledger, change(SetReference(mbas=divided), at=1 + AHEAD)) == [Code.ACCEPTED]
        wait_for(ledger, 1 + AHEAD)
        assert value_of(ledger, "reference_version") == 2
        assert has(ledger, Kind.HEAD, "XL", "XLR2") and has(ledger, Kind.MBA, "XL", "XLR3")
        assert cbor2.loads(ledger.records[key(Kind.MBA, "XL", "XLR1")])[8] == "20251231"

    @pytest.mark.parametrize(
        "changes",
        [{"kind": "item"}, {"opened": "19990101"}, {"last_report_number": 41}, {"last_pit": "20241231"}],
    )
    def test_what_the_books_stand_on_does_not_change(self, changes: dict[str, object]) -> None:
        other = replace(area("XLR1"), **changes)  # type: ignore[arg-type]  # fields of Mba
        assert decided(governed(), change(SetArea(mba=other), at=1 + AHEAD)) == [Code.CHANGE_CONFLICT]

    @pytest.mark.parametrize(
        "bad",
        [
            area("XLN1", type="palace"),
            closed(area("XLN1"), "19990101"),
            closed(area("XLN1"), "20250231"),
            replace(area("XLN1", last_pit="20241231"), opening=bytes(32)),
        ],
    )
    def test_an_area_that_cannot_stand_is_refused(self, bad: Mba) -> None:
        assert decided(governed(), change(SetArea(mba=bad), at=1 + AHEAD)) == [Code.CHANGE_INVALID]

    def test_no_area_comes_twice_in_one_change(self) -> None:
        twice = SetReference(mbas=(area("XLN1"), area("XLN1")))
        assert decided(governed(), change(twice, at=1 + AHEAD)) == [Code.CHANGE_INVALID]

    def test_an_authority_changes_no_areas(self) -> None:
        item = change(SetArea(mba=area("XLN1")), at=1 + AHEAD, by=AUTHORITY)
        assert decided(governed(), item) == [Code.APPROVAL_MISSING]
        approved = change(SetArea(mba=area("XLN1")), at=1 + AHEAD, by=AUTHORITY, approvals=[governor()])
        assert decided(governed(), approved) == [Code.ACCEPTED]


class TestParameters:
    def test_a_parameter_has_its_value_and_the_headers_root_moves_from_its_height_on(self) -> None:
        ledger = governed()
        first = ledger.block(change(SKEW_600, at=3))
        second = ledger.block()
        third = ledger.block(statement(report(), iat=ledger.head.time_ms // 1000 + SKEW_S + 100))
        assert codes(third) == [Code.ACCEPTED]
        assert first.parameters_root == second.parameters_root != third.parameters_root
        assert value_of(ledger, "skew_s") == 600

    @pytest.mark.parametrize(("name", "value"), [("skew_s", 86_401), ("submission_window_s", 59), ("no_such", 1)])
    def test_a_value_out_of_range_is_refused(self, name: str, value: int) -> None:
        item = change(SetParameter(name=name, value=value), at=2)
        assert decided(governed(), item) == [Code.CHANGE_INVALID]

    def test_sizes_that_do_not_fit_each_other_are_refused(self) -> None:
        ledger = governed()
        grow = SetParameter(name="facts_bytes_max", value=4_000_000)
        assert decided(ledger, change(grow, at=9)) == [Code.CHANGE_CONFLICT]
        assert decided(ledger, change(SetParameter(name="block_bytes_max", value=7_340_032), at=4)) == [Code.ACCEPTED]
        assert decided(ledger, change(grow, at=9)) == [Code.CHANGE_CONFLICT]
        wait_for(ledger, 4)
        assert decided(ledger, change(grow, at=9)) == [Code.ACCEPTED]

    def test_a_longer_window_lets_in_nothing_whose_verdict_is_forgotten(self) -> None:
        """A statement had its verdict under the short window, and its id has left the state."""
        ledger = governed()
        short = SetParameter(name="submission_window_s", value=DAY_S)
        old = statement(report(), name="old")
        assert decided(ledger, old, change(short, at=2)) == [Code.ACCEPTED, Code.ACCEPTED]
        later_ms = (NOW_S + 2 * DAY_S) * 1000
        ledger.block(time_ms=later_ms)
        assert not has(ledger, Kind.SPENT, old.statement_id)
        longer = change(SetParameter(name="submission_window_s", value=WINDOW_S), at=4, iat=NOW_S + 2 * DAY_S)
        assert codes(ledger.block(longer, time_ms=later_ms + 1000)) == [Code.ACCEPTED]
        evaluation = ledger.block(old, time_ms=later_ms + 2000)
        assert codes(evaluation) == [Code.OUT_OF_WINDOW]
        assert value_of(ledger, "submission_window_s") == WINDOW_S


class TestRules:
    def test_a_rule_set_that_this_program_does_not_have_stops_it_at_its_height(self) -> None:
        ledger = governed()
        assert decided(ledger, change(ActivateRules(version=99), at=1 + AHEAD)) == [Code.ACCEPTED]
        wait_for(ledger, AHEAD)
        with pytest.raises(UnknownRules, match="rule set 99 is in force and this program has"):
            ledger.evaluate()

    def test_the_rule_set_in_force_is_not_activated_again(self) -> None:
        assert decided(governed(), change(ActivateRules(version=1), at=1 + AHEAD)) == [Code.CHANGE_CONFLICT]

    def test_what_was_vetted_under_other_versions_is_never_judged(self) -> None:
        ledger = governed()
        ahead = replace(statement(replace(report(), reference_version=2)), reference_version=2)
        refused = replace(statement(no_facts=Code.V15), rules_version=2)
        good = statement(report())
        with pytest.raises(NeedVetting) as need:
            ledger.evaluate(ledger.batch(ahead, refused, good))
        assert need.value.stale == {ahead.statement_id, refused.statement_id}

    def test_facts_of_other_versions_than_vetting_says_are_a_fault_of_vetting(self) -> None:
        ledger = governed()
        with pytest.raises(BadVetting, match="of other versions"):
            ledger.evaluate(ledger.batch(replace(statement(report()), reference_version=2)))


class TestMembers:
    REPLACED = (member(0), member(2))

    def ledger(self, model: str = "consortium") -> Ledger:
        return governed(model=model, members=(member(0), member(1)))

    def approved(self, members: tuple[Member, ...], at: int = 2) -> Vetted:
        return change(ReplaceMembers(members=members), at=at, approvals=[governor(1)])

    def test_the_set_of_a_private_ledger_never_changes(self) -> None:
        assert decided(self.ledger("private"), self.approved(self.REPLACED)) == [Code.CHANGE_INVALID]

    def test_a_new_set_is_the_next_one_from_its_height_on(self) -> None:
        ledger = self.ledger()
        first = ledger.block(self.approved(self.REPLACED, at=3))
        assert (codes(first), first.members_root) == ([Code.ACCEPTED], first.next_members_root)
        ledger.block()
        third = ledger.block()
        assert third.members_root == first.members_root != third.next_members_root
        assert ledger.block().members_root == third.next_members_root
        assert not has(ledger, Kind.MEMBER, 1) and not has(ledger, Kind.CHAIN, 1)
        assert cbor2.loads(ledger.records[key(Kind.CHAIN, 2)])[0] == 0
        assert cbor2.loads(ledger.records[key(Kind.MEMBERS)])[:3] == [1, 2, [0, 2]]

    def test_an_id_is_never_used_again(self) -> None:
        ledger = governed(model="consortium", members=(member(0), member(3)))
        item = change(ReplaceMembers(members=(member(0), member(2))), at=2, approvals=[governor(3)])
        assert decided(ledger, item) == [Code.CHANGE_CONFLICT]


def test_a_stateful_rule_counts_in_its_versions_of_the_rule_set() -> None:
    one = Rule("C99", "error", "test", "A sentence.", references=True, kinds="I", since=2, until=3)
    assert [version for version in range(1, 6) if one.counts(version)] == [2, 3]
    assert [version for version in range(1, 6) if one._replace(until=None).counts(version)] == [2, 3, 4, 5]
    first = asked("I", references=True, profile="iaea", version=1)
    assert [rule.id for rule, _ in first] == ["C03", "C01", "C02", "C05", "C06", "C07"]
    assert asked("I", references=True, profile="iaea", version=0) == ()


@pytest.mark.parametrize("many", [1, 40])
def test_a_change_about_many_areas_asks_for_what_it_reads_at_once(many: int) -> None:
    """However many they are: when it is judged, and when it takes effect."""
    ledger = governed()
    areas = tuple(area(f"N{number:03}", last_pit="20241231") for number in range(many))
    items = (
        change(SetReference(mbas=areas), at=1 + AHEAD),
        change(Enrol(identity=registered("second", 7, mbas=tuple(a.mba for a in areas))), at=9, by=AUTHORITY),
    )
    assert _rounds(ledger, *items) <= 2
    wait_for(ledger, AHEAD)
    assert _rounds(ledger) <= 3
    assert has(ledger, Kind.PIT, "XL", areas[-1].mba, "20241231")
    late = change(Enrol(identity=registered("second", 7, mbas=tuple(a.mba for a in areas))), at=9, by=AUTHORITY)
    assert _rounds(ledger, late) <= 2


def _rounds(ledger: Ledger, *items: Vetted) -> int:
    """How often a store is asked, until a block of `items` is final."""
    batches = [ledger.batch(*items)] if items else []
    keys = keys_read(batches, height=ledger.head.height + 1)
    for asked_again in range(20):
        view = Records({k: ledger.records.get(k) for k in keys}, spent={}, spent_limit_s=NOW_S)
        try:
            evaluation = evaluate(
                view,
                ledger.head,
                height=ledger.head.height + 1,
                time_ms=max(NOW_S * 1000, ledger.head.time_ms) + 1000,
                batches=batches,
            )
        except NeedRecords as need:
            keys |= need.keys
        else:
            ledger.commit(evaluation)
            return asked_again
    raise AssertionError("it asks for ever")
