"""Crash points of the private sequencer, enumerated (consensus.md 1.10, 7.1 point 5; scenarios 31, 32, 38)."""

import os
import random

import pytest

from slt.runtime.files import FatalStorage
from tests.simulation.authority_world import World, make_messages
from tests.simulation.disk import Loss, Machine

LOSSES: tuple[Loss, ...] = ("kill", "power", "torn")
SEEDS = int(os.environ.get("SLT_SIMULATION_SEEDS", "400"))


def make_world(seed: int, *, messages: int) -> World:
    rng = random.Random(seed)
    return World(Machine(rng=random.Random(seed + 1)), messages=make_messages(rng, messages), rng=rng)


def run(seed: int, crashes: dict[int, tuple[int, Loss]], *, messages: int) -> World:
    """Run one world; a failure names what to repeat."""
    world = make_world(seed, messages=messages)
    try:
        world.run(crashes)
    except BaseException as error:
        error.add_note(f"repeat with: run({seed}, {crashes}, messages={messages}); crashes were at {world.crashes}")
        raise
    return world


def test_without_a_crash_everything_is_ordered_and_stored() -> None:
    world = run(1, {}, messages=12)
    assert world.ledger.height >= 4
    assert {"remove wal", "sync folder wal", "replace signer"} <= {
        label.removeprefix("before ") for label in world.machine.labels
    }, "the run does not reach what it is meant to test"


@pytest.mark.parametrize("loss", LOSSES)
def test_31_a_crash_at_every_point_leaves_one_signed_block_at_each_height_and_loses_nothing(loss: Loss) -> None:
    points = _points(seed=7, messages=5)
    assert points > 150
    for point in range(1, points + 1):
        world = run(7, {0: (point, loss)}, messages=5)
        assert world.incarnations == 2, f"no crash at point {point}"


def test_31_a_second_crash_while_the_first_is_repaired_changes_nothing() -> None:
    rng = random.Random(3)
    points = _points(seed=11, messages=4)
    for point in range(1, points + 1, 3):
        for losses in (("kill", "power"), ("torn", "torn")):
            run(11, {0: (point, losses[0]), 1: (rng.randint(1, 14), losses[1])}, messages=4)


@pytest.mark.parametrize("first", range(0, SEEDS, 50))
def test_38_crashes_at_random_moments_again_and_again(first: int) -> None:
    for seed in range(first, min(first + 50, SEEDS)):
        rng = random.Random(seed)
        crashes = {turn: (rng.randint(1, 160), rng.choice(LOSSES)) for turn in range(rng.randint(1, 8))}
        run(seed, crashes, messages=10)


def test_the_same_seed_gives_the_same_run() -> None:
    crashes: dict[int, tuple[int, Loss]] = {0: (70, "torn"), 1: (33, "power")}
    one, other = run(5, crashes, messages=8), run(5, crashes, messages=8)
    assert one.machine.labels == other.machine.labels
    assert [block.header for block in one.ledger.blocks] == [block.header for block in other.ledger.blocks]


def test_35_after_a_failed_sync_nothing_is_acknowledged_signed_or_published() -> None:
    world = make_world(2, messages=3)
    world.machine.sync_fails = True
    with pytest.raises(FatalStorage):
        world.run({})
    assert not world.acknowledged and not world.signed and not world.ledger.blocks


def _points(*, seed: int, messages: int) -> int:
    """How many places a run without crashes has where it could have ended."""
    world = make_world(seed, messages=messages)
    world.run({})
    return world.machine.points
