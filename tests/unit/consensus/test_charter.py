"""What an outsider knows of parameters and versions is what the state says: height by height."""

from dataclasses import replace

from slt.consensus.charter import Charter
from slt.statements.genesis import Genesis, parameters_root
from slt.statements.governance import (
    ActivateRules,
    Change,
    Enrol,
    SetArea,
    SetParameter,
    SetReference,
    parse_announcement,
)
from tests.unit.inventory.building import area
from tests.unit.inventory.governing import AUTHORITY, change, governed, registered
from tests.unit.statements.samples import genesis, genesis_fields

CHANGES: list[tuple[int, Change]] = [
    (4, SetParameter(name="skew_s", value=600)),
    (6, SetArea(mba=area("XLN1"))),
    (6, SetReference(mbas=(area("XLN2"), area("XLN3")))),
    (5, SetParameter(name="activation_blocks", value=7)),
    (9, SetArea(mba=area("XLN4"))),
]


def of_the_ledger() -> Genesis:
    """A genesis with the parameters of the ledger in building.py."""
    given = {"skew_s": 300, "submission_window_s": 30 * 86_400, "activation_blocks": 3}
    return Genesis(**genesis_fields(parameters=given))


def test_it_begins_as_genesis() -> None:
    assert Charter.of(genesis()).parameters_root == genesis().parameters_root


def test_the_roots_of_an_outsider_are_those_of_the_state_at_every_height() -> None:
    ledger, charter = governed(), Charter.of(of_the_ledger())
    enrol = change(Enrol(identity=registered("second", 7)), at=3, by=AUTHORITY)
    items = [*(change(what, at=at) for at, what in CHANGES), enrol]
    for height in range(1, 12):
        charter = charter.at(height)
        evaluation = ledger.block(*items) if height == 1 else ledger.block_of()
        assert evaluation.parameters_root == charter.parameters_root
        if height == 1:
            assert all(verdict.log_index for verdict in evaluation.verdicts)
            charter = charter.announced(parse_announcement(item.change) for item in items)
    assert charter.waiting == ()
    assert (charter.parameters["skew_s"], charter.reference_version) == (600, 4)


def test_read_again_from_the_log_it_is_the_same() -> None:
    announcements = [parse_announcement(change(what, at=at).change) for at, what in CHANGES]
    read_on = Charter.of(genesis()).announced(announcements)
    assert read_on.at(5).at(6).at(20) == read_on.at(20)


def test_rules_have_the_version_that_was_activated_last() -> None:
    rules = [parse_announcement(change(ActivateRules(version=v), at=at).change) for v, at in ((3, 9), (2, 5))]
    charter = Charter.of(genesis()).announced(rules)
    assert [charter.at(height).rules_version for height in (4, 5, 8, 9)] == [1, 2, 2, 3]


def test_another_value_is_another_root() -> None:
    charter = Charter.of(genesis())
    other = replace(charter, reference_version=2)
    assert other.parameters_root == parameters_root(charter.parameters, 1, 2) != charter.parameters_root
