"""Random plans by the thousand, each run twice; a failure prints its seed and the fewest faults that it needs.

`make simulate SEEDS=100000`, or SLT_SIMULATION_SEEDS; the first seed of all is SLT_SIMULATION_FIRST.
"""

import os
from collections import Counter
from dataclasses import replace

import pytest

from slt.consensus.tendermint import rules
from slt.consensus.tendermint.driver import Tendermint
from slt.consensus.tendermint.machine import Machine
from slt.consensus.tendermint.members import MemberSet
from tests.simulation.consensus.checks import Broken
from tests.simulation.consensus.consortium_member import Member
from tests.simulation.consensus.consortium_world import World
from tests.simulation.consensus.plans import BEHAVIOURS, Byzantine, Crash, Loss, Plan, plan_of, shrunk
from tests.simulation.consensus.runs import check, run

SEEDS = int(os.environ.get("SLT_SIMULATION_SEEDS", "1000"))
FIRST = int(os.environ.get("SLT_SIMULATION_FIRST", "0"))
CHUNK = max(50, SEEDS // 200)


@pytest.mark.timeout(3600)  # a chunk of many seeds; of a thousand in all it takes a second or two
@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, CHUNK))
def test_no_seed_breaks_an_invariant_and_each_gives_one_history(first: int) -> None:
    for seed in range(first, min(first + CHUNK, FIRST + SEEDS)):
        check(plan_of(seed))


@pytest.mark.parametrize("seed", range(10))
def test_the_same_on_real_signatures(seed: int) -> None:
    check(plan_of(seed), really=True)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_each_behaviour_alone_and_under_loss(behaviour: str) -> None:
    lossy = Loss(lost=20, doubled=20, slow=20, to_ms=3_000)
    for seed in range(8):
        bad = next(Byzantine(node=seed % 4, behaviour=one) for one in BEHAVIOURS if one == behaviour)
        check(Plan(seed=seed, until_ms=3_000, faults=(bad, lossy) if seed % 2 else (bad,)))


def test_the_plans_reach_what_they_are_made_for() -> None:
    """Later rounds, evidence of every kind that one liar can give, restarts in the middle of a height."""
    rounds: Counter[int] = Counter()
    kinds: Counter[str] = Counter()
    for seed in range(150):
        world = run(plan_of(seed))
        rounds.update(one.certificate.round for one in world.checks.decided.values())
        kinds.update(evidence.kind.name for evidence in world.checks.evidence.values())
    assert rounds[0] > rounds[1] > 0 and max(rounds) >= 3
    assert {"DUP_VOTE", "DUP_PROPOSAL"} <= set(kinds)


# The simulator can fail: each of these breaks one rule, and seeds notice.


def test_a_quorum_of_half_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemberSet, "quorum", lambda self, weight: 2 * weight >= self.total)
    assert _some_seed_fails()


def test_a_driver_that_forgets_its_lock_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(machine: Machine) -> bool:
        machine.at.locked_id, machine.at.locked_round = None, -1
        machine.at.precommitted.clear()
        return rules.r5_prevote_fresh(machine)

    changed = tuple(forgetful if rule is rules.r5_prevote_fresh else rule for rule in rules.RULES)
    monkeypatch.setattr(rules, "RULES", changed)
    assert _some_seed_fails(200)


def test_a_driver_that_says_nothing_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def quiet(*_: object) -> None:
        """Neither repeats nor relays."""

    monkeypatch.setattr(Tendermint, "_say_again", quiet)
    monkeypatch.setattr(Tendermint, "_heard", quiet)
    assert _some_seed_fails()


def test_a_signer_that_remembers_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart whose log was lost, and whose signer would sign anything: what W1 to W5 are there for."""
    real = World.restart

    def forgetful(self: World, member: Member) -> None:
        member.log, member.signed, member.mark = [], {}, None
        real(self, member)

    monkeypatch.setattr(World, "restart", forgetful)
    assert _some_seed_fails(200)


def test_a_failing_plan_is_shrunk_to_the_faults_that_it_needs() -> None:
    culprit = Crash(node=1, at_ms=10, down_ms=20)
    others = tuple(Crash(node=2, at_ms=number, down_ms=5) for number in range(6))
    plan = Plan(seed=1, faults=(*others[:3], culprit, *others[3:]))
    assert shrunk(plan, lambda one: culprit in one.faults) == replace(plan, faults=(culprit,))


def _some_seed_fails(seeds: int = 60) -> bool:
    for seed in range(seeds):
        try:
            run(plan_of(seed))
        except (Broken, AssertionError, KeyError):
            return True
    return False
