"""One plan, run to its end: in safety mode faults go on; in liveness mode they settle, and then there is progress."""

from tests.simulation.consensus.byzantine import Byzantine
from tests.simulation.consensus.checks import Broken
from tests.simulation.consensus.consortium_world import World
from tests.simulation.consensus.plans import Plan, shrunk


def run(plan: Plan, *, really: bool = False) -> World:
    """Raises Broken when an invariant does not hold."""
    world = World(plan, really=really)
    world.tamper = Byzantine(world)
    world.run(lambda: min(map(world.height_of, plan.core)) >= HEIGHTS_MAX, limit_ms=plan.until_ms)
    if plan.live:
        goal = max(map(world.height_of, plan.core)) + plan.heights
        reached = world.run(
            lambda: min(map(world.height_of, plan.core)) >= goal, limit_ms=plan.until_ms + plan.patience_ms
        )
        if not reached:
            heights = [world.height_of(place) for place in range(plan.members)]
            raise Broken(f"LIVE: heights {heights}, and the core {plan.core} was to reach {goal}")
    for member in world.members:
        if member.halted and member.place not in plan.byzantine:
            raise Broken(f"HALT: member {member.place}: {member.halted}")
    return world


HEIGHTS_MAX = 12  # a run without faults decides far more in its time, and shows no more by it


def check(plan: Plan, *, really: bool = False) -> World:
    """Run twice; a failure names the seed and the fewest faults that it needs."""
    try:
        world = run(plan, really=really)
    except Exception as error:
        fewest = shrunk(plan, _fails)
        error.add_note(f"repeat with: run({fewest!r})")
        raise
    again = run(plan, really=really)
    assert world.trace.digest() == again.trace.digest(), f"seed {plan.seed} gave two different histories"
    return world


def _fails(plan: Plan) -> bool:
    try:
        run(plan)
    except Exception:  # noqa: BLE001  # whatever it is, it is what is looked for
        return True
    return False
