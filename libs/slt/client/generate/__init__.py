"""Synthetic facilities that are coherent with one another: `slt generate`. README.md says what holds.

plan = Plan(seed=7, years=2, reactors=3)
world = World(plan)
for report in world.reports():       # in the order in which they are submitted; bounded memory
    document = render(report)
"""

from slt.client.generate.plan import BadPlan, Plan
from slt.client.generate.report import Report, render
from slt.client.generate.world import World
from slt.client.generate.writing import Summary, write_world

__all__ = ["BadPlan", "Plan", "Report", "Summary", "World", "render", "write_world"]
