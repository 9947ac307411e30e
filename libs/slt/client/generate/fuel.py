"""What fuel weighs: fresh, and after three cycles in a core. Whole grams, as fuel is reported."""

from typing import Final

from slt.client.generate.area import GRAM
from slt.client.generate.chance import Chance
from slt.client.generate.transfers import Element

ENRICHMENT_PPM: Final = 44_000  # U-235 in fresh fuel, 4.4 %

# Of a discharged element, near 45 GWd/t (reports.md section 8): what it has lost and what it has made.
URANIUM_LOST_PPM: Final = (59_000, 61_000)  # of its uranium
U235_LOST_PPM: Final = (820_000, 832_000)  # of its U-235: what is left stays above 0.711 % of the uranium (V25)
PLUTONIUM_MADE_PPM: Final = (9_900, 10_100)  # of its uranium


def fresh(name: str, chance: Chance, mg: int, *, enrichment_ppm: int = ENRICHMENT_PPM) -> Element:
    """An element of about `mg` uranium."""
    uranium = chance.about(mg, ppm=1_000, step=GRAM)
    return Element(name, uranium, chance.about(uranium * enrichment_ppm // 1_000_000, ppm=500, step=GRAM))


def burnt(element: Element, chance: Chance) -> tuple[Element, Element]:
    """The element after its discharge; and what it lost (uranium, U-235) and made (plutonium), under the same name."""
    lost = _part(element.uranium, chance, URANIUM_LOST_PPM)
    lost_u235 = _part(element.u235, chance, U235_LOST_PPM)
    made = max(GRAM, _part(element.uranium, chance, PLUTONIUM_MADE_PPM))
    after = Element(element.name, element.uranium - lost, element.u235 - lost_u235, made)
    return after, Element(element.name, lost, lost_u235, made)


def spent(name: str, chance: Chance, mg: int) -> Element:
    return burnt(fresh(name, chance, mg), chance)[0]


def together(name: str, elements: list[Element]) -> Element:
    """One canister of several elements."""
    return Element(
        name,
        sum(one.uranium for one in elements),
        sum(one.u235 for one in elements),
        sum(one.plutonium for one in elements),
        items=sum(one.items for one in elements),
    )


def _part(mg: int, chance: Chance, ppm: tuple[int, int]) -> int:
    return mg * chance.between(*ppm) // 1_000_000 // GRAM * GRAM
