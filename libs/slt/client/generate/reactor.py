"""A light water reactor: an item facility with one outage and one physical inventory a year.

month f          fresh fuel comes
month f + 1      outage: a third of the core is burnt (LN, NP) and goes to the pond; fresh fuel goes in
month f + 2      physical inventory, in the middle of the month
f + 2 to f + 4   the oldest reload of the pond goes to the store
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from slt.client.generate import fuel
from slt.client.generate.area import Area, Change, Listed, Weights
from slt.client.generate.calendar import (
    MIDDLE,
    MIDDLE_CHANGES_WRITTEN,
    MIDDLE_INVENTORY_WRITTEN,
    Month,
    later,
)
from slt.client.generate.chance import Chance
from slt.client.generate.plan import RELOADS_IN_CORE, RELOADS_IN_POND, Plan
from slt.client.generate.report import Report
from slt.client.generate.transfers import Element, Roads
from slt.reports.signs import PLUTONIUM

OUTAGE_DAY: Final = 20
SHIPPING_DAYS: Final = (12, 16, 20, 24)
SHIPPING_MONTHS: Final = 3
TRAVEL_DAYS: Final = 9

RECEIPTS, CORE, SHIPMENTS = "1", "2", "3"
FRESH_STORE, IN_CORE, POND = "A", "B", "C"
IN_FLASK: Final = "B/Q/3/G"


class Reactor:
    """`core` is the reloads in the order in which they leave; `pond` the spent elements, the oldest first."""

    def __init__(self, plan: Plan, area: Area, index: int, store: Area, roads: Roads) -> None:
        self.area = area
        self.store = store
        self.fuel_month = plan.fuel_month_of(index)
        self._reload = plan.reload
        self._roads = roads
        self._chance = Chance(plan.seed, area.name)
        self._cycle = 0
        names = (
            f"{area.mba}{number:08d}" for number in range(1, plan.reload * (RELOADS_IN_CORE + RELOADS_IN_POND) + 1)
        )
        mg, chance = plan.element_mg, self._chance
        self._pond = deque(fuel.spent(next(names), chance, mg) for _ in range(RELOADS_IN_POND * plan.reload))
        self._core = deque(
            [fuel.fresh(next(names), chance, mg) for _ in range(plan.reload)] for _ in range(RELOADS_IN_CORE)
        )
        self._fresh: list[Element] = []
        self._loaded = 0  # reloads of the core that have been loaded since the books began

    def month(self, month: Month) -> None:
        self._fresh += self._roads.arrived(self.area, month.last, kmp=RECEIPTS)
        if month.month == self.fuel_month + 1:
            self._outage(month.day(OUTAGE_DAY))
        shipping = month.month - self.fuel_month - 2
        if 0 <= shipping < SHIPPING_MONTHS:
            self._ship(month, shipping)

    def reports(self, month: Month, written: str) -> Iterator[Report]:
        first = month.first
        if month.month == self.fuel_month + 2:
            pit = month.day(MIDDLE)
            yield from self.area.report_changes(first, pit, later(pit, MIDDLE_CHANGES_WRITTEN))
            yield from self.area.close(pit, later(pit, MIDDLE_INVENTORY_WRITTEN), self._listing_of(pit))
            first = later(pit, 1)
        yield from self.area.report_changes(first, month.last, written)

    def listing(self) -> list[Listed]:
        """What is there now."""
        return [
            *(_listed(FRESH_STORE, "B/Q/2/F", "L", one) for one in self._fresh),
            *(
                _listed(IN_CORE, "B/Q/4/F" if new else "B/Q/4/G", "L", one)
                for at, reload in enumerate(self._core)
                for new in [self._loaded > 0 and at == len(self._core) - 1]
                for one in reload
            ),
            *(_listed(POND, "B/Q/1/G", "T", one) for one in self._pond),
        ]

    def _listing_of(self, pit: str) -> list[Listed]:
        """What was there on that day: with what has left later in the month, which is not reported yet."""
        gone = [
            Listed(POND, "B/Q/1/G", change.batch, "T", change.items, change.weights)
            for change in self.area.changes
            if change.date > pit
        ]
        return [*self.listing(), *gone]

    def _outage(self, day: str) -> None:
        self._cycle += 1
        for place, element in enumerate(self._core.popleft()):
            after, change = fuel.burnt(element, self._chance)
            note = "" if place else f"DISCHARGED AFTER CYCLE {self._cycle}, {self._reload} FUEL ELEMENTS"
            lost: Weights = change.weights[:2]
            made: Weights = ((PLUTONIUM, change.plutonium),)
            self.area.add(Change(day, "LN", CORE, "B/Q/1/G", element.name, "M", 1, lost, note=note))
            self.area.add(Change(day, "NP", CORE, "B/Q/1/G", element.name, "M", 1, made))
            self._pond.append(after)
        assert len(self._fresh) == self._reload, "the reload has come before the outage"
        self._core.append(self._fresh)
        self._fresh = []
        self._loaded += 1

    def _ship(self, month: Month, part: int) -> None:
        """A third of a reload, the rest in the last month."""
        third = self._reload // SHIPPING_MONTHS
        count = self._reload - third * (SHIPPING_MONTHS - 1) if part == SHIPPING_MONTHS - 1 else third
        for place in range(count):
            element = self._pond.popleft()
            day = month.day(SHIPPING_DAYS[place * len(SHIPPING_DAYS) // count])
            change = Change(day, "", SHIPMENTS, IN_FLASK, element.name, "T", 1, element.weights)
            self._roads.send(self.area, self.store, element, change, days=TRAVEL_DAYS)


def _listed(kmp: str, material: str, measurement: str, element: Element) -> Listed:
    return Listed(kmp, material, element.name, measurement, element.items, element.weights)
