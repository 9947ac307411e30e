"""Scenarios of consensus.md 7.3 that need several members, each under its number, on the simulator's LAN timeouts."""

from functools import partial

import pytest

from slt.consensus.tendermint.events import Step
from slt.consensus.tendermint.evidence import verify_evidence
from slt.consensus.tendermint.timeouts import Timeouts
from slt.consensus.tendermint.votes import Kind, Vote
from tests.simulation.consensus.byzantine import Byzantine as Tamper
from tests.simulation.consensus.consortium_world import LAN, World
from tests.simulation.consensus.plans import FOREVER_MS, Behaviour, Byzantine, Crash, Cut, Fault, Loss, Plan
from tests.unit.consensus.tendermint.consortium import MEMBERS

SECOND = 1_000
FIRST = MEMBERS.proposer(1, 0)  # who proposes in round 0 of height 1


def world_of(*faults: Fault, members: int = 4, seed: int = 1, timeouts: Timeouts = LAN) -> World:
    world = World(Plan(seed=seed, members=members, faults=faults), timeouts=timeouts)
    world.tamper = Tamper(world)
    return world


def silent(*nodes: int) -> tuple[Byzantine, ...]:
    return tuple(Byzantine(node=node, behaviour="silent") for node in nodes)


def all_at(world: World, height: int, *, but: tuple[int, ...] = ()) -> bool:
    return all(world.height_of(place) >= height for place in range(world.plan.members) if place not in but)


def rounds_of(world: World) -> dict[int, int]:
    return {height: commit.certificate.round for height, commit in sorted(world.checks.decided.items())}


def test_scenario_1_a_hundred_heights_without_a_fault_decide_at_round_0_with_nine_messages_each() -> None:
    world = world_of()
    assert world.run(lambda: all_at(world, 100), limit_ms=60 * SECOND)
    assert set(rounds_of(world).values()) == {0}
    for height in range(1, 100):
        signed = [one for one in world.checks.signed if one[2] == height]
        assert len(signed) <= 9 and sum(one[1] == Kind.PROPOSAL for one in signed) == 1
    heads = {member.head.block_id for member in world.members if member.head.height == 100}
    assert len(heads) == 1


def test_scenario_2_a_crashed_proposer_costs_one_round() -> None:
    world = world_of(Crash(node=FIRST, at_ms=0, down_ms=FOREVER_MS))
    assert world.run(lambda: all_at(world, 1, but=(FIRST,)), limit_ms=LAN.propose(0) + LAN.vote(0) + 100)
    assert rounds_of(world) == {1: 1}


def test_scenario_3_a_member_that_is_silent_for_ever_costs_a_round_in_every_fourth_height() -> None:
    world = world_of(*silent(FIRST))
    assert world.run(lambda: all_at(world, 41, but=(FIRST,)), limit_ms=60 * SECOND)
    late = {height for height, round_ in rounds_of(world).items() if round_}
    assert late == {height for height in rounds_of(world) if world.set.proposer(height, 0) == FIRST}
    assert set(rounds_of(world).values()) == {0, 1}


def test_scenario_4_two_of_four_down_decide_nothing_keep_memory_flat_and_go_on_when_one_is_back() -> None:
    world = world_of(Crash(node=2, at_ms=0, down_ms=60 * SECOND), Crash(node=3, at_ms=0, down_ms=FOREVER_MS))
    assert not world.run(lambda: bool(world.checks.decided), limit_ms=60 * SECOND - 1)
    for place in (0, 1):
        at = world.members[place].driver.machine.at
        assert len(at.rounds) <= 2 and len(at.contents) <= 2
    round_ = max(world.members[place].driver.machine.at.round for place in (0, 1))
    assert world.run(lambda: all_at(world, 1, but=(3,)), limit_ms=64 * SECOND)
    assert rounds_of(world)[1] <= round_ + 2


def test_scenario_6_a_double_voter_is_evidence_once_for_each_place() -> None:
    world = world_of(Byzantine(node=1, behaviour="equivocating"))
    assert world.run(lambda: all_at(world, 20, but=(1,)), limit_ms=120 * SECOND)
    accusations = [verify_evidence(one, world.set, world.verify) for one in world.checks.evidence.values()]
    assert accusations and {one.accused for one in accusations} == {(1,)}
    assert len({one.key for one in accusations}) == len(accusations)
    old = {one.key for one in accusations if one.height < 15}
    assert old and old <= world.checks.on_ledger, "and stands on the ledger"


def test_scenario_17_loss_delay_and_repeats_decide_within_a_few_rounds() -> None:
    """Thirty of a hundred messages lost; the timeouts are those for distant members."""
    rounds: list[int] = []
    for seed in range(12):
        world = world_of(Loss(lost=30, doubled=20, slow=20, to_ms=FOREVER_MS), seed=seed, timeouts=Timeouts())
        assert world.run(partial(all_at, world, 5), limit_ms=300 * SECOND)
        rounds += rounds_of(world).values()
    assert sum(rounds) / len(rounds) <= 1.5


def test_scenario_18_a_member_that_sends_and_does_not_hear_holds_up_nobody_and_catches_up() -> None:
    deaf = tuple(Cut(source=other, target=3, from_ms=0, to_ms=10 * SECOND) for other in range(3))
    world = world_of(*deaf)
    assert world.run(lambda: all_at(world, 20, but=(3,)), limit_ms=10 * SECOND)
    assert world.height_of(3) == 0
    world.run(lambda: False, limit_ms=10 * SECOND)
    reached = world.height_of(0)
    assert world.run(lambda: world.height_of(3) >= reached, limit_ms=60 * SECOND)


def test_scenario_19_two_and_two_decide_nothing_and_go_on_when_they_are_joined() -> None:
    cuts = tuple(
        Cut(source=source, target=target, from_ms=0, to_ms=60 * SECOND)
        for source in range(4)
        for target in range(4)
        if (source < 2) != (target < 2)
    )
    world = world_of(*cuts)
    assert not world.run(lambda: bool(world.checks.decided), limit_ms=60 * SECOND - 1)
    assert world.run(lambda: all_at(world, 1), limit_ms=60 * SECOND + 5 * SECOND)


def test_scenario_20_a_broker_that_drops_precommits_is_gone_round() -> None:
    def drops_for(targets: tuple[int, ...], source: int, target: int, message: object) -> bool:
        """What member 1 says at home, it says to everyone; its broker hands its precommits to some only."""
        if source != 1 or target not in targets or not isinstance(message, Vote):
            return True
        return message.sender != 1 or message.ballot.kind != Kind.PRECOMMIT

    normal, hampered = world_of(), world_of()
    hampered.lets_pass = partial(drops_for, (0, 2, 3))
    for world in (normal, hampered):
        world.run(lambda: False, limit_ms=10 * SECOND)
    assert hampered.height_of(0) >= normal.height_of(0) / 2
    # With another one silent, member 0 needs those precommits in every height: only member 3 can hand them on.
    needed = world_of(*silent(2))
    needed.lets_pass = partial(drops_for, (0,))
    assert needed.run(lambda: all_at(needed, 5, but=(2,)), limit_ms=60 * SECOND)


@pytest.mark.parametrize(("quiet", "goes_on"), [(21, True), (22, False)])
def test_scenario_29_of_64_members_21_may_be_silent_and_22_may_not(quiet: int, goes_on: bool) -> None:
    world = world_of(*silent(*range(quiet)), members=64)
    reached = world.run(lambda: world.height_of(63) >= 1, limit_ms=15 * SECOND)
    assert reached is goes_on
    assert not any(member.halted for member in world.members)


def test_scenario_37_two_processes_with_one_key_are_named_and_break_nothing() -> None:
    named: set[tuple[int, ...]] = set()
    for seed in range(12):
        world = world_of(Byzantine(node=2, behaviour="twin"), seed=seed)
        assert world.run(partial(all_at, world, 8, but=(2,)), limit_ms=120 * SECOND)
        named |= {verify_evidence(one, world.set, world.verify).accused for one in world.checks.evidence.values()}
    assert named == {(2,)}


def test_scenario_39_a_member_500_heights_behind_verifies_its_way_back_and_votes() -> None:
    links = [(other, 3) for other in range(3)] + [(3, other) for other in range(3)]
    world = world_of(*(Cut(source=source, target=target, from_ms=0, to_ms=FOREVER_MS) for source, target in links))
    assert world.run(lambda: world.height_of(0) >= 500, limit_ms=400 * SECOND)
    assert world.height_of(3) == 0
    world.cuts = []
    joined_ms = world.now_ms
    assert world.run(lambda: world.height_of(3) >= world.height_of(0), limit_ms=joined_ms + 60 * SECOND)
    seen = world.height_of(0)
    assert world.run(lambda: world.height_of(3) > seen + 5, limit_ms=world.now_ms + 20 * SECOND)
    assert [one for one in world.checks.signed if one[0] == 3 and one[2] > seen], "it votes again"


def test_scenario_41_a_member_that_claims_a_height_of_a_trillion_holds_up_nobody() -> None:
    world = world_of(Byzantine(node=0, behaviour="lying"))
    assert world.run(lambda: all_at(world, 30, but=(0,)), limit_ms=60 * SECOND)
    for member in world.members[1:]:
        assert member.driver.machine.at.step != Step.IDLE and len(member.driver.machine.catchup.held) <= 16


@pytest.mark.parametrize("behaviour", ["withholding", "invalid"])
def test_scenario_24_a_proposer_of_bad_blocks_costs_its_own_rounds_only(behaviour: Behaviour) -> None:
    world = world_of(Byzantine(node=FIRST, behaviour=behaviour))
    assert world.run(lambda: all_at(world, 17, but=(FIRST,)), limit_ms=60 * SECOND)
    late = {height for height, round_ in rounds_of(world).items() if round_}
    its_own = {height for height in rounds_of(world) if world.set.proposer(height, 0) == FIRST}
    assert late & its_own
    if behaviour == "invalid":  # a withheld batch also holds up whoever has to look for it
        assert late == its_own
