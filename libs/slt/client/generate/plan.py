"""How large the synthetic world is, and what follows from that."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from slt.client.generate.calendar import Month

KG: Final = 1_000_000  # milligrams

REPORT_ENTRIES_MAX: Final = 100_000
"""Entries of one report: the worst case of reports.md section 6 (a store of bundles)."""

ENTRIES_PER_ELEMENT: Final = 18
"""Entries that one fuel element of a reload causes in a year, in all areas together: made, shipped, received, burnt,
shipped again, encapsulated, and listed in between."""

ENTRIES_PER_AREA: Final = 17
"""Entries that an area has in a year besides: its balance, discards, notes of cylinders."""

RELOADS_IN_CORE: Final = 3
RELOADS_IN_POND: Final = 4
"""Reloads that are in a reactor when its books begin; as many stay there from year to year."""

CANISTER_YEARS: Final = 5
"""Years that a store keeps a canister before it goes to a repository abroad."""

ELEMENTS_PER_CANISTER: Final = 4

EXPORTED: Final = 0.1
"""Part of a plant's fuel that goes to customers who are not of this ledger."""

RELOAD_MG_MAX: Final = 25_000 * KG  # a large light water reactor's; many elements are therefore small ones
ELEMENT_MG_MAX: Final = 460 * KG

FUEL_MONTHS: Final = 7
"""Reactors take turns: fuel leaves for them in January to July, and their spent fuel until November."""

AREAS_MAX: Final = 999  # of one type: codes have three digits
STATES: Final = "ABCDEFGH"


class BadPlan(ValueError):
    """There is no such world. The sentence says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to generate. The same plan gives the same bytes. Raises BadPlan."""

    seed: int
    years: int = 2
    first_year: int = 2005
    """Books begin on 1 January. Reports are dated, and a ledger takes no report from the future."""
    states: int = 2
    reactors: int = 4
    plants: int = 1
    stores: int = 2
    entries_per_year: int = 2_000
    """Accounting entries of all areas together. A target: the summary says what it came to, about 15 % around it. The
    least is what reloads of one fuel element make."""
    open_transits: int = 1
    """Fuel elements still on their way at the end. Everything else that is shipped within the ledger arrives."""

    def __post_init__(self) -> None:
        for name in ("years", "states", "reactors", "plants", "stores", "entries_per_year"):
            if getattr(self, name) < 1:
                raise BadPlan(f"{name} is {getattr(self, name)}: at least 1 is needed")
        if self.open_transits < 0:
            raise BadPlan("open_transits is negative: 0 means that everything arrives")
        if self.states > len(STATES):
            raise BadPlan(f"{self.states} States, and there are codes for {len(STATES)}")
        if max(self.reactors, self.plants, self.stores) > AREAS_MAX:
            raise BadPlan(f"more than {AREAS_MAX} areas of one type: their codes have three digits")
        if max(self.plants, self.stores) > self.reactors:
            raise BadPlan("every plant and every store needs a reactor: give at least as many reactors as either")
        if not 1900 <= self.first_year <= 2999 - self.years:
            raise BadPlan("first_year and the last year are to have four digits, between 1900 and 2999")
        if (largest := self.largest_report) > REPORT_ENTRIES_MAX:
            raise BadPlan(
                f"one report would have about {largest} entries, and {REPORT_ENTRIES_MAX} are a ledger's worst case: "
                "give more reactors, plants and stores, or fewer entries_per_year"
            )
        if self.open_transits > self.reload:
            raise BadPlan(f"{self.open_transits} open transits, and a whole reload has {self.reload} fuel elements")

    @property
    def first_month(self) -> Month:
        return Month(self.first_year, 1)

    @property
    def last_month(self) -> Month:
        return Month(self.first_year + self.years - 1, 12)

    @property
    def reload(self) -> int:
        """Fuel elements of one reload of one reactor; it has one a year."""
        fixed = ENTRIES_PER_AREA * (self.reactors + self.plants + self.stores)
        return max(1, round((self.entries_per_year - fixed) / (self.reactors * ENTRIES_PER_ELEMENT)))

    @property
    def element_mg(self) -> int:
        """Uranium of one fresh element, about."""
        return min(ELEMENT_MG_MAX, RELOAD_MG_MAX // self.reload)

    def supplier_of(self, reactor: int) -> int:
        """The plant, by its index, whose fuel that reactor gets: in a turn that moves on by one each round."""
        return (reactor + reactor // self.plants) % self.plants

    def fuel_month_of(self, reactor: int) -> int:
        """The month in which its fuel leaves the plant."""
        return 1 + reactor % FUEL_MONTHS

    @property
    def largest_report(self) -> int:
        """Entries of the largest report, about: a reactor's or a store's listing, or a plant's shipments of a month."""
        per_store = -(-self.reactors // self.stores) * self.reload // ELEMENTS_PER_CANISTER
        due = Counter((self.supplier_of(one), self.fuel_month_of(one)) for one in range(self.reactors))
        return max(
            (RELOADS_IN_CORE + RELOADS_IN_POND + 1) * self.reload,
            (CANISTER_YEARS + 1) * per_store,
            max(due.values()) * self.reload,
        )
