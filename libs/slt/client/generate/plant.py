"""A fuel fabrication plant: a bulk facility, whose balance does not quite close.

Enriched uranium comes in cylinders from abroad, becomes powder lots (RM, RP), pellets, rods and fuel elements. Elements
are made for a reactor's reload when it is due, and each November for customers outside the ledger. Process steps are no
inventory changes: between two physical inventories the plant only knows how much is in process.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from slt.client.generate import fuel
from slt.client.generate.area import GRAM, U235, URANIUM, Area, Change, Listed, uranium
from slt.client.generate.calendar import INVENTORY_WRITTEN, Month, later
from slt.client.generate.chance import Chance
from slt.client.generate.plan import EXPORTED, KG, Plan
from slt.client.generate.reactor import Reactor
from slt.client.generate.report import Report
from slt.client.generate.transfers import CUSTOMER, ENRICHER, Element, Roads

CYLINDER_MG: Final = 1_530 * KG
CYLINDER_LEAST_MG: Final = 1_500 * KG
CYLINDERS_IN_STOCK: Final = 2  # beyond what the next month needs
RESERVE_MG: Final = 900 * KG  # in process, beyond what the month needs

RECEIVING_DAY, WEIGHING_DAY, BLENDING_DAY, DISCARD_DAY, WASTE_DAY = 3, 6, 9, 24, 26
SHIPPING_DAYS: Final = (10, 16, 22, 27)
TRAVEL_DAYS: Final = 7
LAST_SHIPPING_DAY: Final = 28  # of December: what leaves then is on its way when the generated time ends
EXPORT_MONTH, INVENTORY_MONTH, WASTE_EVERY = 11, 12, 3

DIFFERENCE_PERCENT: Final = 10  # of cylinders that weigh something else here than at the shipper
DIFFERENCE_G: Final = (50, 900)
DISCARD_MG: Final = (400_000, 800_000)
WASTE_MG: Final = (1_500_000, 2_500_000)
UNACCOUNTED_G: Final = (-400, 600)
CRUMBS_MG: Final = (-400, 400)  # what a listing has beside whole grams; a balance rounds it off (RAPE)

LOT_MG: Final = 80 * KG
LOTS: Final = (6, 4_000)
FORMS: Final = (
    ("PW", "B", "G/Q/K/B", 0),  # powder
    ("PL", "B", "J/Q/7/B", 0),  # pellets
    ("RD", "C", "D/Q/2/A", 48),  # rods
    ("SC", "D", "R/Q/K/D", 0),  # scrap
)

RECEIPTS, SHIPMENTS, WASTE, REBATCHING = "1", "2", "3", "4"
CYLINDERS: Final = "A"
HEXAFLUORIDE: Final = "O/G/R/B"
FUEL: Final = "B/Q/2/F"


class Plant:
    def __init__(
        self, plan: Plan, area: Area, customers: Sequence[Reactor], roads: Roads, *, leaving_last: int
    ) -> None:
        """`leaving_last`: fuel elements for the first customer that leave too late to arrive."""
        self.area = area
        self._plan = plan
        self._customers = customers
        self._roads = roads
        self._chance = Chance(plan.seed, area.name)
        self._leaving_last = leaving_last
        self._exported = max(1, round(EXPORTED * plan.reload * len(customers)))
        self._made: dict[str, int] = {}  # prefix of a name -> the last number
        self._cylinders: deque[Element] = deque()
        while len(self._cylinders) < self._stock_for(Month(plan.first_year, 1)):
            self._cylinders.append(self._cylinder())
        in_process = self._chance.about(RESERVE_MG, ppm=100_000, step=GRAM)
        self._in_process = (in_process, in_process * fuel.ENRICHMENT_PPM // 1_000_000 // GRAM * GRAM)
        self.opening = [*self._listed_cylinders(), *self._lots("00", *self._in_process)]
        """The physical inventory that the books begin with."""

    def month(self, month: Month) -> None:
        self._provide(month)
        for reactor in self._due(month):
            for element, day in self._make(self._plan.reload, month):
                self._roads.send(self.area, reactor.area, element, self._shipment(element, day), days=TRAVEL_DAYS)
        for element, day in self._make(self._exported if month.month == EXPORT_MONTH else 0, month):
            self._roads.export(self.area, CUSTOMER, self._shipment(element, day))
        for element, _ in self._make(self._leaving_last if month == self._plan.last_month else 0, month):
            change = self._shipment(element, month.day(LAST_SHIPPING_DAY))
            self._roads.send(self.area, self._customers[0].area, element, change, days=TRAVEL_DAYS)
        self._discard(month)

    def reports(self, month: Month, written: str) -> Iterator[Report]:
        yield from self.area.report_changes(month.first, month.last, written)
        if month.month == INVENTORY_MONTH:
            listing = self._inventory(f"{month.year % 100:02d}")
            yield from self.area.close(month.last, later(month.last, INVENTORY_WRITTEN), listing)

    def _due(self, month: Month) -> list[Reactor]:
        return [reactor for reactor in self._customers if reactor.fuel_month == month.month]

    def _wanted_mg(self, month: Month) -> int:
        """Uranium in the fuel that is made in this month."""
        count = len(self._due(month)) * self._plan.reload
        count += self._exported if month.month == EXPORT_MONTH else 0
        count += self._leaving_last if month == self._plan.last_month else 0
        return count * self._plan.element_mg

    def _stock_for(self, month: Month) -> int:
        return -(-self._wanted_mg(month) // CYLINDER_LEAST_MG) + CYLINDERS_IN_STOCK

    def _provide(self, month: Month) -> None:
        """Have what the month needs and a reserve in process, and cylinders for the next month in stock."""
        day = month.day(BLENDING_DAY)
        while self._in_process[0] < self._wanted_mg(month) + RESERVE_MG:
            cylinder = self._cylinders.popleft()
            self.area.add(Change(day, "RM", REBATCHING, HEXAFLUORIDE, cylinder.name, "L", 1, cylinder.weights))
            lot = self._name("LT")
            self.area.add(Change(day, "RP", REBATCHING, "G/Q/K/B", lot, "M", 0, cylinder.weights))
            self._move(cylinder.uranium, cylinder.u235)
        while len(self._cylinders) < self._stock_for(month.next):
            self._cylinders.append(self._receive(month))

    def _receive(self, month: Month) -> Element:
        """A cylinder on the shipper's data, and a difference where it weighs something else here."""
        cylinder = self._cylinder()
        day = month.day(RECEIVING_DAY)
        self.area.add(
            Change(day, "RF", RECEIPTS, HEXAFLUORIDE, cylinder.name, "N", 1, cylinder.weights, shipper=ENRICHER)
        )
        self._roads.transits.imported += 1
        if not self._chance.happens(DIFFERENCE_PERCENT):
            return cylinder
        grams = self._chance.between(*DIFFERENCE_G) * (-1 if self._chance.happens(40) else 1)
        less = (grams * GRAM, _isotope(grams * GRAM, cylinder))
        note = f"CYLINDER {cylinder.name} REWEIGHED, SHIPPER VALUE LESS RECEIVER VALUE IS {grams} G URANIUM"
        day = month.day(WEIGHING_DAY)
        self.area.add(Change(day, "DI", RECEIPTS, HEXAFLUORIDE, cylinder.name, "M", 1, uranium(*less), note=note))
        return cylinder._replace(uranium=cylinder.uranium - less[0], u235=cylinder.u235 - less[1])

    def _cylinder(self) -> Element:
        return fuel.fresh(self._name("CY"), self._chance, CYLINDER_MG)

    def _make(self, count: int, month: Month) -> Iterator[tuple[Element, str]]:
        """Fuel elements and the day on which each leaves. Its enrichment is that of what is in process, about."""
        for place in range(count):
            have, have_u235 = self._in_process
            enrichment_ppm = have_u235 * 1_000_000 // have
            name = self._name("")
            element = fuel.fresh(name, self._chance, self._plan.element_mg, enrichment_ppm=enrichment_ppm)
            self._move(-element.uranium, -element.u235)
            yield element, month.day(SHIPPING_DAYS[place * len(SHIPPING_DAYS) // count])

    def _shipment(self, element: Element, day: str) -> Change:
        return Change(day, "", SHIPMENTS, FUEL, element.name, "M", 1, element.weights)

    def _discard(self, month: Month) -> None:
        """Liquid waste each month, weighed to the milligram; drums that are retained each quarter."""
        discards = [("LD", DISCARD_DAY, "U/J/N/E", "LW", 0, DISCARD_MG)]
        if month.month % WASTE_EVERY == 0:
            discards.append(("TW", WASTE_DAY, "T/O/N/E", "RW", 12, WASTE_MG))
        for code, day, material, prefix, items, bounds in discards:
            mg = self._chance.between(*bounds)
            u235 = mg * self._in_process[1] // self._in_process[0]
            change = Change(month.day(day), code, WASTE, material, self._name(prefix), "M", items, uranium(mg, u235))
            self.area.add(change)
            self._move(-mg, -u235)

    def _inventory(self, year: str) -> list[Listed]:
        """What is found: what the books say, less what is unaccounted for."""
        muf = self._chance.between(*UNACCOUNTED_G) * GRAM
        muf_u235 = abs(muf) * fuel.ENRICHMENT_PPM // 1_000_000 // GRAM * GRAM * (-1 if muf < 0 else 1)
        stock = [sum(one.uranium for one in self._cylinders), sum(one.u235 for one in self._cylinders)]
        crumbs = self._chance.between(*CRUMBS_MG)
        self._in_process = (
            self.area.adjusted_book(URANIUM) - muf - stock[0] + crumbs,
            self.area.adjusted_book(U235) - muf_u235 - stock[1],
        )
        return [*self._listed_cylinders(), *self._lots(year, *self._in_process)]

    def _listed_cylinders(self) -> list[Listed]:
        return [Listed(CYLINDERS, HEXAFLUORIDE, one.name, "L", 1, one.weights) for one in self._cylinders]

    def _lots(self, year: str, left: int, left_u235: int) -> Iterator[Listed]:
        """All that is in process, in lots of about LOT_MG in every form."""
        count = min(max(left // LOT_MG, LOTS[0]), LOTS[1])
        for place in range(count):
            prefix, kmp, material, items = FORMS[place * len(FORMS) // count]
            last = place == count - 1
            mg = left if last else self._chance.about(left // (count - place), ppm=200_000)
            u235 = left_u235 if last else mg * left_u235 // left
            left, left_u235 = left - mg, left_u235 - u235
            name = f"{prefix}{self.area.mba}{year}{place + 1:04d}"
            yield Listed(kmp, material, name, "M", items, uranium(mg, u235))

    def _move(self, mg: int, u235_mg: int) -> None:
        have, have_u235 = self._in_process
        self._in_process = (have + mg, have_u235 + u235_mg)

    def _name(self, prefix: str) -> str:
        self._made[prefix] = number = self._made.get(prefix, 0) + 1
        return f"{prefix}{self.area.mba}{number:08d}"


def _isotope(mg: int, of: Element) -> int:
    """U-235 in a difference of `mg`, in whole grams towards zero."""
    part = abs(mg) * of.u235 // of.uranium // GRAM * GRAM
    return -part if mg < 0 else part
