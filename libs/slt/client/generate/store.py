"""A spent-fuel store: an item facility. Four elements go into a canister, and canisters abroad after five years."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from slt.client.generate import fuel
from slt.client.generate.area import Area, Change, Listed
from slt.client.generate.calendar import INVENTORY_WRITTEN, Month, later
from slt.client.generate.chance import Chance
from slt.client.generate.plan import CANISTER_YEARS, ELEMENTS_PER_CANISTER, Plan
from slt.client.generate.report import Report
from slt.client.generate.transfers import REPOSITORY, Element, Roads

EXPORT_MONTH, EXPORT_DAYS = 10, (5, 9, 12, 19, 26)
ENCAPSULATION_MONTH, ENCAPSULATION_DAYS = 11, (3, 6, 10, 13, 17, 20, 24, 27)
INVENTORY_MONTH: Final = 12

RECEIPTS, ENCAPSULATION, SHIPMENTS = "1", "2", "3"
ELEMENTS, CANISTERS = "A", "B"
STORED: Final = "B/Q/2/G"


class Store:
    """`canisters` are those of each year, the oldest first."""

    def __init__(self, plan: Plan, area: Area, suppliers: int, roads: Roads) -> None:
        self.area = area
        self._roads = roads
        self._canisters_made = 0
        self._elements: deque[Element] = deque()
        chance = Chance(plan.seed, area.name)
        each_year = max(1, suppliers * plan.reload // ELEMENTS_PER_CANISTER)
        self._canisters: deque[list[Element]] = deque(
            [
                self._canister([fuel.spent("", chance, plan.element_mg) for _ in range(ELEMENTS_PER_CANISTER)])
                for _ in range(each_year)
            ]
            for _ in range(CANISTER_YEARS)
        )

    def month(self, month: Month) -> None:
        self._elements += self._roads.arrived(self.area, month.last, kmp=RECEIPTS)
        if month.month == EXPORT_MONTH:
            self._export(month)
        if month.month == ENCAPSULATION_MONTH:
            self._encapsulate(month)

    def reports(self, month: Month, written: str) -> Iterator[Report]:
        yield from self.area.report_changes(month.first, month.last, written)
        if month.month == INVENTORY_MONTH:
            yield from self.area.close(month.last, later(month.last, INVENTORY_WRITTEN), self.listing())

    def listing(self) -> list[Listed]:
        return [
            *(_listed(ELEMENTS, one) for one in self._elements),
            *(_listed(CANISTERS, one) for year in self._canisters for one in year),
        ]

    def _export(self, month: Month) -> None:
        leaving = self._canisters.popleft()
        for place, one in enumerate(leaving):
            day = month.day(EXPORT_DAYS[place * len(EXPORT_DAYS) // len(leaving)])
            change = Change(day, "", SHIPMENTS, "B/Q/3/G", one.name, "L", one.items, one.weights)
            self._roads.export(self.area, REPOSITORY, change)

    def _encapsulate(self, month: Month) -> None:
        """What has come until the day on which it begins; less than a canister waits for the next year."""
        begins = month.day(ENCAPSULATION_DAYS[0])
        late = {change.batch for change in self.area.changes if change.date >= begins}
        ready = [one for one in self._elements if one.name not in late]
        count = len(ready) // ELEMENTS_PER_CANISTER
        made: list[Element] = []
        for place in range(count):
            day = month.day(ENCAPSULATION_DAYS[place * len(ENCAPSULATION_DAYS) // count])
            group = ready[place * ELEMENTS_PER_CANISTER : (place + 1) * ELEMENTS_PER_CANISTER]
            canister = self._canister(group)
            for one in group:
                self.area.add(Change(day, "RM", ENCAPSULATION, STORED, one.name, "L", one.items, one.weights))
            self.area.add(
                Change(day, "RP", ENCAPSULATION, STORED, canister.name, "L", canister.items, canister.weights)
            )
            made.append(canister)
        used = {one.name for one in ready[: count * ELEMENTS_PER_CANISTER]}
        self._elements = deque(one for one in self._elements if one.name not in used)
        self._canisters.append(made)

    def _canister(self, elements: list[Element]) -> Element:
        self._canisters_made += 1
        return fuel.together(f"CN{self.area.mba}{self._canisters_made:07d}", elements)


def _listed(kmp: str, element: Element) -> Listed:
    return Listed(kmp, STORED, element.name, "L", element.items, element.weights)
