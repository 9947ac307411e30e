"""What goes from one area to another: reported by both, under one batch name and with the shipper's weights."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final, NamedTuple

from slt.client.generate.area import U235, URANIUM, Area, Change, Weights
from slt.client.generate.calendar import later
from slt.reports.signs import PLUTONIUM

OUTSIDE: Final = "XZ"  # a State that takes no part in the ledger: what goes there or comes from there stays open
ENRICHER: Final = f"{OUTSIDE}/XZE1"
CUSTOMER: Final = f"{OUTSIDE}/XZR1"
REPOSITORY: Final = f"{OUTSIDE}/XZS1"


class Element(NamedTuple):
    """A fuel element, a cylinder or a canister: what is followed by its name. Milligrams."""

    name: str
    uranium: int
    u235: int
    plutonium: int = 0
    items: int = 1

    @property
    def weights(self) -> Weights:
        fuel = ((URANIUM, self.uranium), (U235, self.u235))
        return (*fuel, (PLUTONIUM, self.plutonium)) if self.plutonium else fuel


class Arrival(NamedTuple):
    date: str
    shipper: str
    material: str
    element: Element


@dataclass(slots=True)
class Transits:
    """How many shipments have both sides, and how many have one."""

    domestic: int = 0
    foreign: int = 0  # between two States of the ledger
    imported: int = 0  # from outside: no shipment is ever seen
    exported: int = 0  # to outside: no receipt is ever seen

    @property
    def matched(self) -> int:
        return self.domestic + self.foreign


class Roads:
    """Everything that is on its way."""

    def __init__(self) -> None:
        self.transits = Transits()
        self._coming: dict[str, list[Arrival]] = defaultdict(list)

    def send(self, shipper: Area, receiver: Area, element: Element, change: Change, *, days: int) -> None:
        """Ship `element` with `change`, which says all but code and partner; it arrives `days` later."""
        code = "SD" if shipper.state == receiver.state else "SF"
        shipper.add(change._replace(code=code, receiver=receiver.name))
        self._coming[receiver.name].append(Arrival(later(change.date, days), shipper.name, change.material, element))

    def export(self, shipper: Area, receiver: str, change: Change) -> None:
        shipper.add(change._replace(code="SF", receiver=receiver))
        self.transits.exported += 1

    def arrived(self, receiver: Area, until: str, *, kmp: str) -> list[Element]:
        """What has come until then, reported as received by flow measurement point `kmp`."""
        coming = self._coming[receiver.name]
        here = [one for one in coming if one.date <= until]
        self._coming[receiver.name] = [one for one in coming if one.date > until]
        for one in here:
            domestic = one.shipper.startswith(f"{receiver.state}/")
            self.transits.domestic += domestic
            self.transits.foreign += not domestic
            receiver.add(
                Change(
                    one.date,
                    "RD" if domestic else "RF",
                    kmp,
                    one.material,
                    one.element.name,
                    "N",
                    one.element.items,
                    one.element.weights,
                    shipper=one.shipper,
                )
            )
        return [one.element for one in here]

    @property
    def on_the_way(self) -> int:
        return sum(map(len, self._coming.values()))
