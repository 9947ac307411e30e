"""The weights of one line: one element and its isotopes, in grams, against the weight labels of Code 10."""

from collections.abc import Mapping
from typing import Final

from slt.reports.euratom import codes
from slt.reports.euratom.declaration import read_grams, write_grams
from slt.reports.labels import WEIGHTS
from slt.reports.quantities import MG_MAX, BadQuantity, Quantity, format_mg, read_quantity, unit_of
from slt.reports.signs import ENRICHED, PLUTONIUM, UNIFIED, category_of

Weights = Mapping[int, Quantity]
"""Label -> weight. A quantity knows how far it was rounded."""

_URANIUM: Final = frozenset({ENRICHED, UNIFIED})


def weights_of(labels: Mapping[str, str]) -> dict[int, Quantity]:
    """The weights of an entry that can be read, in the unit of their label."""
    found = {}
    for label in sorted(WEIGHTS & labels.keys()):
        try:
            quantity = read_quantity(labels[label])
        except BadQuantity:
            continue
        if quantity.unit == unit_of(int(label)):
            found[int(label)] = quantity
    return found


def by_category(weights: Weights) -> dict[int, dict[int, Quantity]]:
    """Category -> its weights, by strategic value of the category."""
    parts: dict[int, dict[int, Quantity]] = {}
    for label, quantity in weights.items():
        parts.setdefault(category_of(label, weights), {})[label] = quantity
    return dict(sorted(parts.items(), key=lambda item: codes.VALUE.index(letter_of(item[0], weights))))


def letter_of(category: int, weights: Weights) -> str:
    """The element category of field 25. Uranium that is enriched or unified is H from 20 % on."""
    if category not in _URANIUM:
        return codes.LETTER[category]
    element = abs(weights[category].mg) if category in weights else 0
    parts = [abs(weights[label].mg) for label in (640, 670) if label in weights]
    fissile = abs(weights[660].mg) if 660 in weights else sum(parts)
    return "H" if element and fissile * 100 >= element * codes.HIGH_ENRICHED_PERCENT else "L"


def write_weights(category: int, weights: Weights, line: dict[str, str], *, composition: bool, negated: bool) -> None:
    """Put the weights of one category into a line. `composition`: the annex has field 29. What has no field is left."""
    sign = -1 if negated else 1
    if category in weights:
        line["ELEMENT WEIGHT"] = _grams(weights[category], sign)
    fissile = _fissile_of(category, weights)
    if fissile:
        letter = next((letter for letter, label in codes.FISSILE.items() if label == fissile), "G")
        line["ISOTOPE"], line["FISSILE WEIGHT"] = letter, _grams(weights[fissile], sign)
    parts = _parts_of(category)
    others = [label for label in parts if label in weights and label != fissile]
    if composition and others and not negated:
        text = ";".join(_grams(weights[label], 1) if label in weights else "" for label in parts)
        if len(text) <= 130:
            line["ISOTOPIC COMPOSITION"] = text


def read_weights(category: int, line: Mapping[str, str], *, negated: bool) -> dict[str, str]:
    """Label -> content, of one line. A weight of the composition yields to the fissile weight of the same isotope."""
    read: dict[str, str] = {}
    if composition := line.get("ISOTOPIC COMPOSITION"):
        for label, text in zip(_parts_of(category), composition.split(";"), strict=False):
            if text and (content := _content(text, label, negated=False)):
                read[str(label)] = content
    for label, tag in ((category, "ELEMENT WEIGHT"), (_label_of(category, line.get("ISOTOPE", "")), "FISSILE WEIGHT")):
        if label and tag in line and (content := _content(line[tag], label, negated=negated)):
            read[str(label)] = content
    return read


def added(texts: list[str], label: int) -> str:
    """The sum of weights of one label, all of which can be read."""
    return format_mg(sum(read_quantity(text).mg for text in texts), unit_of(label))


def _fissile_of(category: int, weights: Weights) -> int:
    """The label that goes into field 28; 0 for none."""
    if category in _URANIUM:
        return next((label for label in (660, 670, 640) if label in weights), 0)
    label = codes.FISSILE_OF.get(category, 0)
    return label if label in weights else 0


def _label_of(category: int, isotope: str) -> int:
    if category in _URANIUM:
        return codes.FISSILE.get(isotope, 0)
    return codes.FISSILE_OF.get(category, 0) if isotope == "G" else 0


def _parts_of(category: int) -> tuple[int, ...]:
    if category in _URANIUM:
        return codes.URANIUM_PARTS
    return codes.PLUTONIUM_PARTS if category == PLUTONIUM else ()


def _grams(quantity: Quantity, sign: int) -> str:
    """In grams, as far as it was written: 100.000K is 100000, 0.5K is 500, 1.250G is 1.250."""
    decimals = {1: 3, 10: 2, 100: 1}.get(quantity.place_mg, 0)
    return write_grams(sign * quantity.mg, decimals)


def _content(text: str, label: int, *, negated: bool) -> str:
    """Grams as the content of `label`: its unit, and a place for every decimal of the grams. "" for no weight."""
    read = read_grams(text)
    if read is None or abs(read[0]) > MG_MAX:
        return ""
    mg, decimals = read
    if negated:
        mg = -mg
    if unit_of(label) == "G":
        return write_grams(mg, decimals) + "G"
    whole, rest = divmod(abs(mg), 1_000_000)
    digits = f"{rest:06}"
    places = max(3 + decimals, len(digits.rstrip("0")))
    return f"{'-' if mg < 0 else ''}{whole}.{digits[:places]}K"
