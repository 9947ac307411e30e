"""The code lists of SG-FM-1172 as reports.md 1.2 and 1.5 to 1.9 give them, each with the words of an accountant."""

from typing import Final

from slt.reports.signs import BOOK_SIGN, CATEGORY_CHANGES, OBLIGATION_CHANGES

SIGNS: Final = frozenset('+-* =><.,()$%"?&')
"""Signs in values besides capitals and digits: those of Regulation (Euratom) 302/2005 less `:`, `;` and `/`, which
divide (reports.md 2.5; SG-FM-1172 leaves its list open)."""

KINDS: Final = {
    "I": "inventory change report",
    "P": "physical inventory listing",
    "M": "material balance report",
    "T": "textual report",
}
"""Label 010."""

STATUSES: Final = {"N": "new", "U": "invalid or empty", "C": "correction", "D": "deletion", "A": "addition"}
"""Label 309, first item."""

CHANGES: Final = (frozenset(BOOK_SIGN) | frozenset(CATEGORY_CHANGES)) - OBLIGATION_CHANGES
"""Label 411 in an inventory change report."""

REBATCHING: Final = frozenset({"RM", "RP"})
RECEIPTS: Final = frozenset({"RD", "RF"})
SHIPMENTS: Final = frozenset({"SD", "SF"})
DOMESTIC: Final = frozenset({"RD", "SD"})
OUTGOING: Final = SHIPMENTS | {"SN"}
"""Receipts and shipments that name a partner; the domestic ones name an area of the same State (V20, V21). OUTGOING is
whatever leaves the area as a shipment, also to an activity outside safeguards."""

BALANCE: Final = frozenset({"PB", "BE", "BA", "PE", "MF"})
"""Label 411 in a material balance report, besides the consolidated changes."""

CONSOLIDATED: Final = (CHANGES - REBATCHING) | BALANCE
ADJUSTMENTS: Final = frozenset(f"RA{code}" for code in CONSOLIDATED)
BALANCE_ENTRIES: Final = CONSOLIDATED | ADJUSTMENTS
"""Everything that 411 may be in a material balance report (reports.md 1.6)."""

CODES_411: Final = CHANGES | BALANCE_ENTRIES

PHYSICAL_FORMS: Final = frozenset("BDFGHJKONRQTUV")
CHEMICAL_FORMS: Final = frozenset("DEGJKQTURVWXYZ1234567O")
CONTAINMENTS: Final = frozenset("12345678AEGHJKLMNQRUVO")
QUALITIES: Final = frozenset("FGAHBJCKDLEM")
"""Label 430, position 1 to 4 (reports.md 1.7). Sealed sources are the pair Q/S in positions 1 and 2."""

FUEL: Final = frozenset("BD")
"""Physical forms of fuel: elements and components."""
IRRADIATED_FUEL: Final = "G"
FRESH_FUEL: Final = "F"
"""Label 430, position 4."""

MEASUREMENT_BASES: Final = frozenset("NLMT")
"""Label 469, first item (reports.md 1.9)."""

UNKNOWN_BATCH: Final = "UNKNOWN"
"""Label 447, where the shipper's batch name is not known."""


def is_adjustment(code: str) -> bool:
    """RAxx, whatever xx is."""
    return code.startswith("RA") and len(code) == 4


def is_difference(code: str) -> bool:
    """DI, MF and the rounding adjustments: what is left when one amount is taken from another (reports.md 1.4)."""
    return code in {"DI", "MF"} or is_adjustment(code)
