"""The whole synthetic world: who supplies whom, and one month after another."""

from collections.abc import Iterator
from typing import Final, TypeAlias

from slt.client.generate.area import Area, Listed
from slt.client.generate.calendar import CHANGES_WRITTEN, Month, later
from slt.client.generate.plan import STATES, Plan
from slt.client.generate.plant import Plant
from slt.client.generate.reactor import Reactor
from slt.client.generate.report import Report
from slt.client.generate.store import Store
from slt.client.generate.transfers import Roads

Facility: TypeAlias = Plant | Reactor | Store

_KMPS: Final = {
    "fabrication": (("1", "2", "3", "4"), ("A", "B", "C", "D")),
    "reactor": (("1", "2", "3"), ("A", "B", "C")),
    "store": (("1", "2", "3"), ("A", "B")),
}


class World:
    """Areas of each type are spread over the States in turn. A reactor ships to the store whose turn it is, and is
    supplied by plants in a turn that moves on by one each round, so that fuel crosses borders too.

    `reports` can be read once: the facilities live as it is read.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.roads = Roads()
        stores = [self._area("S", index, "store") for index in range(plan.stores)]
        reactors = [
            Reactor(plan, self._area("R", index, "reactor"), index, stores[index % plan.stores], self.roads)
            for index in range(plan.reactors)
        ]
        plants = [
            Plant(
                plan,
                self._area("P", index, "fabrication"),
                [one for n, one in enumerate(reactors) if plan.supplier_of(n) == index],
                self.roads,
                leaving_last=0 if index else plan.open_transits,
            )
            for index in range(plan.plants)
        ]
        suppliers = [len(reactors[index :: plan.stores]) for index in range(plan.stores)]
        self.facilities: tuple[Facility, ...] = (  # in the order in which material goes through them
            *plants,
            *reactors,
            *(Store(plan, area, count, self.roads) for area, count in zip(stores, suppliers, strict=True)),
        )
        for facility in self.facilities:
            facility.area.beginning = _sums(self.opening(facility))

    @property
    def last_pit(self) -> str:
        """The day before the books begin, of which the opening inventories are."""
        return Month(self.plan.first_year - 1, 12).last

    def opening(self, facility: Facility) -> list[Listed]:
        """The physical inventory that the books of a facility begin with. Ask before `reports`."""
        if isinstance(facility, Plant):
            return list(facility.opening)
        return facility.listing()

    def reports(self) -> Iterator[Report]:
        """Every report in the order in which they are written, and so submitted; a month of them is in memory."""
        month = self.plan.first_month
        while month <= self.plan.last_month:
            yield from self._month(month)
            month = month.next

    def _month(self, month: Month) -> Iterator[Report]:
        for facility in self.facilities:
            facility.month(month)
        first, last = CHANGES_WRITTEN
        written: list[tuple[str, int, Report]] = []
        for place, facility in enumerate(self.facilities):
            day = later(month.last, first + place % (last - first + 1))
            written += [(report.date, place, report) for report in facility.reports(month, day)]
        written.sort(key=lambda one: (one[0], one[1], one[2].number))
        yield from (report for _, _, report in written)

    def _area(self, letter: str, index: int, kind: str) -> Area:
        flow, inventory = _KMPS[kind]
        return Area(
            state=f"X{STATES[index % self.plan.states]}",
            mba=f"{letter}{index + 1:03d}",
            type=kind,
            kind="bulk" if kind == "fabrication" else "item",
            flow_kmps=flow,
            inventory_kmps=inventory,
            period_from=Month(self.plan.first_year, 1).first,
            rounds=kind == "fabrication",
        )


def _sums(listing: list[Listed]) -> dict[int, int]:
    sums: dict[int, int] = {}
    for one in listing:
        for label, mg in one.weights:
            sums[label] = sums.get(label, 0) + mg
    return sums
