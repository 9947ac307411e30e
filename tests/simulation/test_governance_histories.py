"""Random histories of governance: good and bad changes, reports between them; a dumb model foretells every verdict.

The model keeps what is registered and what waits in plain sets and dictionaries. It knows the rules of the README
("How a change is judged") and nothing of the records; after each block the state must say the same.
"""

import os
from dataclasses import replace
from typing import NamedTuple

import cbor2
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from slt.inventory.evaluate import Evaluation, evaluate, keys_read
from slt.inventory.keys import Kind, fields_of, key, kind_of
from slt.inventory.state import NeedRecords, Records
from slt.inventory.vetting import Vetted
from slt.statements.governance import Change, Enrol, Revoke, SetArea, SetParameter
from slt.statements.registry import Identity
from slt.statements.signatures import Signer
from slt.statements.verdicts import Code
from tests.unit.inventory.building import NOW_S, Ledger, area, codes, governor, identity, member, report, statement
from tests.unit.inventory.governing import AUTHORITY, FOREIGN_AUTHORITY, change, closed, governed, registered

EXAMPLES = int(os.environ.get("SLT_SIMULATION_SEEDS", "40"))
AHEAD = 3  # activation_blocks of the ledger in building.py
MEMBERS = 4
ENROLLED = [registered(f"reporter {number}", number) for number in range(1, 4)]
REPORTERS = [identity(), *ENROLLED]
AREAS = ("XLR1", "XLN1", "XLN2")
SIGNERS = st.sampled_from([AUTHORITY, FOREIGN_AUTHORITY, *(governor(number) for number in range(MEMBERS))])


class Waiting(NamedTuple):
    height: int
    change: Change


class Governing(RuleBasedStateMachine):
    """One batch of one or two statements to a block: the second sees what the first announced."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger: Ledger = governed(members=tuple(member(number) for number in range(MEMBERS)))
        self.identities: dict[bytes, Identity] = {one.kid: one for one in (identity(), AUTHORITY, FOREIGN_AUTHORITY)}
        self.revoked: set[bytes] = set()
        self.skew_s = 300
        self.areas: dict[str, str] = {"XLR1": ""}  # area -> closed
        self.reference_version = 1
        self.waiting: dict[object, Waiting] = {}
        self.last_number = 40

    # What people try.

    @rule(who=st.sampled_from(ENROLLED), by=SIGNERS, more=st.sets(SIGNERS, max_size=3), blocks=st.integers(0, 5))
    def enrol(self, who: Identity, by: Identity | Signer, more: set[Identity | Signer], blocks: int) -> None:
        self.announce(Enrol(identity=who), by, more, blocks)

    @rule(
        who=st.sampled_from([*REPORTERS, AUTHORITY]), by=SIGNERS, more=st.sets(SIGNERS, max_size=4),
        blocks=st.integers(0, 5),
    )  # fmt: skip
    def revoke(self, who: Identity, by: Identity | Signer, more: set[Identity | Signer], blocks: int) -> None:
        self.announce(Revoke(kid=who.kid), by, more, blocks)

    @rule(value=st.sampled_from([0, 300, 600, 90_000]), by=SIGNERS, more=st.sets(SIGNERS), blocks=st.integers(0, 5))
    def set_skew(self, value: int, by: Identity | Signer, more: set[Identity | Signer], blocks: int) -> None:
        self.announce(SetParameter(name="skew_s", value=value), by, more, blocks)

    @rule(
        mba=st.sampled_from(AREAS), until=st.sampled_from(["", "20251231"]), by=SIGNERS, more=st.sets(SIGNERS),
        blocks=st.integers(1, 8),
    )  # fmt: skip
    def set_area(self, mba: str, until: str, by: Identity | Signer, more: set[Identity | Signer], blocks: int) -> None:
        self.announce(SetArea(mba=closed(area(mba), until)), by, more, blocks)

    @rule(who=st.sampled_from(REPORTERS))
    def submit(self, who: Identity) -> None:
        self.take_effect(self.height + 1)
        facts = replace(report(self.last_number + 1), reference_version=self.reference_version)
        item = replace(statement(facts, by=who), reference_version=self.reference_version)
        if who.kid not in self.identities:
            expected = Code.KEY_UNKNOWN
        elif who.kid in self.revoked:
            expected = Code.NOT_VALID_AT_IAT
        else:
            expected = Code.ACCEPTED
            self.last_number += 1
        self.order(item, expected)

    @rule(blocks=st.integers(1, 4))
    def wait(self, blocks: int) -> None:
        for _ in range(blocks):
            self.take_effect(self.height + 1)
            self.ledger.block_of()

    # The model.

    @property
    def height(self) -> int:
        return self.ledger.head.height

    def announce(self, what: Change, by: Identity | Signer, more: set[Identity | Signer], blocks: int) -> None:
        self.take_effect(self.height + 1)
        at = max(1, self.height + 1 + blocks)
        expected = self.foretold(what, {by.kid, *(one.kid for one in more)}, by, at)
        if expected is Code.ACCEPTED:
            self.waiting[_target(what)] = Waiting(at, what)
        number = next((n for n in range(MEMBERS) if governor(n).kid == by.kid), None)
        iss = None if number is None else f"member {number}"
        self.order(change(what, at=at, by=by, iss=iss, approvals=more), expected)

    def foretold(self, what: Change, kids: set[bytes], by: Identity | Signer, at: int) -> Code:
        if by.kid in self.revoked:
            return Code.NOT_VALID_AT_IAT
        if not self.approved(what, kids):
            return Code.APPROVAL_MISSING
        conflict = _target(what) in self.waiting
        invalid = False
        match what:
            case Enrol(identity=one):
                conflict |= one.kid in self.identities
            case Revoke(kid=kid):
                invalid = kid not in self.identities
                conflict |= kid in self.revoked
            case SetParameter(value=value):
                invalid = value > 86_400
            case _:
                pass
        if invalid:
            return Code.CHANGE_INVALID
        if at < self.height + 1 + (AHEAD if isinstance(what, SetArea) else 1):
            return Code.CHANGE_TOO_LATE
        return Code.CHANGE_CONFLICT if conflict else Code.ACCEPTED

    def approved(self, what: Change, kids: set[bytes]) -> bool:
        about = what.identity if isinstance(what, Enrol) else None
        if isinstance(what, Revoke):
            about = self.identities.get(what.kid)
        if about is not None and about.role == "reporter":
            return AUTHORITY.kid in kids - self.revoked
        return sum(governor(number).kid in kids for number in range(MEMBERS)) >= 3

    def take_effect(self, height: int) -> None:
        for target, (at, what) in list(self.waiting.items()):
            if at != height:
                continue
            del self.waiting[target]
            match what:
                case Enrol(identity=one):
                    self.identities[one.kid] = one
                case Revoke(kid=kid):
                    self.revoked.add(kid)
                case SetParameter(value=value):
                    self.skew_s = value
                case SetArea(mba=mba):
                    self.areas[mba.mba] = mba.closed
                    self.reference_version += 1
                case _:
                    raise AssertionError("the model announces no other change")

    def order(self, item: Vetted, expected: Code) -> None:
        """One block of one statement, evaluated with what is loaded and repeated with what it asks for."""
        batch, head = self.ledger.batch(item), self.ledger.head
        keys = keys_read([batch], height=head.height + 1)
        time_ms = max(NOW_S * 1000, head.time_ms) + 1000
        evaluation: Evaluation | None = None
        while evaluation is None:
            known = Records({k: self.ledger.records.get(k) for k in keys}, spent={}, spent_limit_s=NOW_S)
            size = len(keys)
            try:
                evaluation = evaluate(known, head, height=head.height + 1, time_ms=time_ms, batches=[batch])
            except NeedRecords as need:
                keys |= need.keys
            assert evaluation or len(keys) > size, "it asks for what was loaded"
        assert codes(evaluation) == [expected]
        self.ledger.commit(evaluation)

    # What must hold.

    @invariant()
    def the_state_says_what_the_model_says(self) -> None:
        records = self.ledger.records
        kids = {fields_of(k)[0] for k in records if kind_of(k) is Kind.IDENTITY}
        assert kids == self.identities.keys()
        assert {fields_of(k)[0] for k in records if kind_of(k) is Kind.REVOKED} == self.revoked
        assert cbor2.loads(records[key(Kind.PARAMETER, "skew_s")]) == [self.skew_s]
        assert cbor2.loads(records[key(Kind.PARAMETER, "reference_version")]) == [self.reference_version]
        for mba, until in self.areas.items():
            assert cbor2.loads(records[key(Kind.MBA, "XL", mba)])[8] == until
        assert sum(kind_of(k) is Kind.ANNOUNCED for k in records) == len(self.waiting)
        assert sum(kind_of(k) is Kind.TARGET for k in records) == len(self.waiting)
        heights = {fields_of(k)[0] for k in records if kind_of(k) is Kind.DUE}
        assert heights == {one.height for one in self.waiting.values()}


def _target(what: Change) -> object:
    match what:
        case Enrol(identity=one):
            return one.kid
        case Revoke(kid=kid):
            return kid
        case SetArea(mba=mba):
            return mba.mba
        case SetParameter(name=name):
            return name
        case _:
            raise AssertionError("the model announces no other change")


TestGoverning = Governing.TestCase
TestGoverning.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
