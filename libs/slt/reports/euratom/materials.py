"""Material descriptions: 430 a/b/c/d of Code 10 against form, container and state of Regulation 302/2005.

The two systems cut differently (reports.md 1.7, 2.4). Each of the three Euratom codes has one description that it comes
back as; a description is exact when it is that one. README has the tables.
"""

from typing import Final, NamedTuple

from slt.reports import codes


class Material(NamedTuple):
    """Fields 14, 15 and 16 of annex III."""

    form: str
    container: str
    state: str


FORMS: Final = {
    "OR": ("O", "O"), "YC": ("O", "K"), "U6": ("O", "G"), "U4": ("F", "E"), "U2": ("F", "Q"), "U3": ("F", "T"),
    "U8": ("F", "U"), "T2": ("F", "Q"), "LN": ("N", "J"), "LF": ("N", "E"), "LO": ("N", "2"), "PH": ("G", "Q"),
    "PN": ("F", "R"), "CP": ("J", "Q"), "CS": ("K", "Q"), "CO": ("J", "2"), "MP": ("O", "D"), "MA": ("O", "7"),
    "ER": ("D", "Q"), "EP": ("D", "3"), "EB": ("B", "Q"), "EA": ("B", "Q"), "EO": ("B", "2"), "QS": ("Q", "S"),
    "SS": ("V", "2"), "SH": ("R", "2"), "SN": ("R", "Q"), "AH": ("T", "5"), "AM": ("T", "1"), "AC": ("T", "2"),
    "AO": ("T", "O"), "WL": ("U", "J"), "WM": ("U", "2"), "WH": ("U", "O"), "NG": ("T", "R"), "NB": ("T", "1"),
    "NC": ("T", "2"), "NO": ("T", "2"),
}  # fmt: skip
"""Form -> physical and chemical form that it comes back as."""

CONTAINERS: Final = {"C": "R", "P": "2", "D": "N", "S": "1", "B": "8", "F": "G", "T": "5", "O": "O"}
"""Container -> containment that it comes back as; for some forms another one, as _containment says."""

STATES: Final = frozenset("FIWN")

_FUEL: Final = frozenset({"ER", "EP", "EB", "EA", "EO"})
_WASTE: Final = frozenset({"AH", "AM", "AC", "AO", "WL", "WM", "WH", "NG", "NB", "NC", "NO"})
_MIXED: Final = frozenset({"SN", "PN"})

_IRRADIATED: Final = dict(zip("FABCDE", "GHJKLM", strict=True)) | {"F": "G"}
"""Quality when fresh -> the same when irradiated."""

_FORM_OF: Final = {
    pair: form
    for form, pair in reversed(FORMS.items())
    if form not in {"EB", "T2", "NB", "NC", "NO", "OR"}  # EA, U2, AM, AC stand for these pairs; O/O is seldom ore
}

_PHYSICAL: Final = {
    "B": "EO", "D": "EO", "F": "PH", "G": "PH", "H": "CO", "J": "CO", "K": "CS", "N": "LO", "Q": "QS", "R": "SH",
    "T": "AO", "U": "WL", "V": "SS",
}  # fmt: skip
"""Physical form -> Euratom form, where no pair says it better."""

_CHEMICAL: Final = {"G": "U6", "E": "U4", "Q": "U2", "T": "U3", "U": "U8", "K": "YC", "D": "MP"} | dict.fromkeys(
    "34567", "MA"
)
"""The same for other solids (O), whose chemical form decides."""

_CONTAINER_OF: Final = {
    "1": "O", "2": "P", "3": "T", "4": "O", "5": "T", "6": "T", "7": "O", "8": "B", "A": "F", "E": "F", "G": "F",
    "H": "D", "J": "D", "K": "D", "L": "D", "M": "D", "N": "D", "Q": "D", "R": "T", "U": "T", "V": "T", "O": "O",
}  # fmt: skip


def to_euratom(description: str) -> Material | None:
    """The codes of a description `a/b/c/d`; None when it is not of the lists of Code 10."""
    items = description.split("/")
    if len(items) != 4:
        return None
    a, b, c, d = items
    sealed = (a, b) == ("Q", "S")
    if a not in codes.PHYSICAL_FORMS or not (sealed or b in codes.CHEMICAL_FORMS):
        return None
    if c not in codes.CONTAINMENTS or d not in codes.QUALITIES:
        return None
    form = _form(a, b, d)
    irradiated = d in _IRRADIATED.values()
    state = "I" if irradiated else "W" if form in _WASTE else "F"
    return Material(form, _container(form, c), state)


def from_euratom(material: Material) -> str | None:
    """The description that the codes come back as; None when one of them is not of the regulation's lists."""
    form, container, state = material
    if form not in FORMS or container not in CONTAINERS or state not in STATES:
        return None
    a, b = FORMS[form]
    quality = "E" if form in _WASTE else "D" if form in _MIXED else "B"
    if form in _FUEL:
        quality = "A" if form in {"ER", "EP"} and state != "I" else "F"
    if state == "I":
        quality = _IRRADIATED[quality]
    return f"{a}/{b}/{_containment(form, container)}/{quality}"


def _form(a: str, b: str, d: str) -> str:
    if a == "R":
        return "SN" if b == "Q" or d in "DELM" else "SH"
    if exact := _FORM_OF.get((a, b)):
        return exact
    if a == "O":
        return _CHEMICAL.get(b, "CO")
    if a == "D":
        return "ER"
    if a == "F" and d in "DL":
        return "PN"
    return _PHYSICAL[a]


def _container(form: str, c: str) -> str:
    if form in _FUEL:
        return {"1": "S", "4": "S", "2": "P", "3": "T", "8": "B"}.get(c, "O")
    if form == "U6" and c in "RUV":
        return "C"
    return _CONTAINER_OF[c]


def _containment(form: str, container: str) -> str:
    if container == "T" and form in _FUEL:
        return "3"  # a flask
    if container == "D" and form not in _WASTE:
        return "K"  # 15 to 20 litres, as safe geometry has it; waste stands in larger drums
    if container == "O" and form == "CP":
        return "7"  # pellets on a tray
    return CONTAINERS[container]
