"""The code lists of Regulation 302/2005 (reports.md 2.2 to 2.4), against those of Code 10."""

from types import MappingProxyType
from typing import Final

from slt.reports.signs import (
    BOOK_SIGN,
    CATEGORY_CHANGES,
    DEPLETED,
    ENRICHED,
    NATURAL,
    OBLIGATION_CHANGES,
    PLUTONIUM,
)

THORIUM: Final = 800

VALUE: Final = "PHLNDT"
"""Element categories by strategic value, the highest first (field 24)."""

CATEGORY: Final = MappingProxyType(
    {"P": PLUTONIUM, "H": ENRICHED, "L": ENRICHED, "N": NATURAL, "D": DEPLETED, "T": THORIUM}
)
LETTER: Final = MappingProxyType({PLUTONIUM: "P", NATURAL: "N", DEPLETED: "D", THORIUM: "T"})
"""Uranium that is enriched or unified is H or L by its enrichment."""

HIGH_ENRICHED_PERCENT: Final = 20
"""H from here on (field 25)."""

FISSILE: Final = MappingProxyType({"G": 670, "K": 640, "J": 660})
"""Field 27: U-235, U-233, both."""
FISSILE_OF: Final = MappingProxyType({NATURAL: 770, DEPLETED: 780})
"""The label of G in natural and depleted uranium."""

URANIUM_PARTS: Final = (640, 650, 670, 680, 690)
PLUTONIUM_PARTS: Final = (710, 720, 730, 740, 750)
"""Field 29: U-233, U-234, U-235, U-236, U-238; Pu-238 to Pu-242."""

_OTHERS: Final = OBLIGATION_CHANGES | {"RM", "RP", "DU", "DQ", "EU", "EQ", "LN", "LD", "RS"}

CHANGES: Final = MappingProxyType(
    {code: code for code in BOOK_SIGN if code not in _OTHERS}
    | {"LN": "NL", "LD": "TE", "RS": "MP"}
    | dict.fromkeys(CATEGORY_CHANGES, "CC")
)
"""411 of an ICR -> field 10. Exemption (DU DQ EU EQ) has no Euratom code; RM and RP together are RB."""

BALANCE: Final = MappingProxyType({code: code for code in ("PB", "BA", "PE", "MF")} | {"RABA": "RA"})
"""411 of an MBR -> field 10 of annex IV, besides the changes."""

CODE10: Final = MappingProxyType({theirs: ours for ours, theirs in CHANGES.items() if theirs != "CC"})
"""Field 10 -> 411, exact both ways."""

NEAREST: Final = MappingProxyType({"TC": "TW", "FC": "FW"})
"""Field 10 -> the 411 that is nearest: conditioned waste is kept apart as retained waste is."""

CATEGORY_CODES: Final = frozenset({"CE", "CB", "CC"})

NO_BOOK: Final = OBLIGATION_CHANGES | {"BA", "MF"}
"""Codes of an ICR line that move nothing in books without obligations: the entry is invalid (309:U) in Code 10, and its
number is used. MF in an ICR is the book adjustment that Code 10 makes with the PE of the balance."""

NEGATED: Final = frozenset({"DI", "MF", "RABA"})
"""411 whose weights have the other sign in Euratom. DI: shipper - receiver against receiver - shipper (Article 2(19)).
MF: BA - PE against PE - BA. RABA: what PB and changes exceed BA by, against what is added to reach BA."""

BASES: Final = MappingProxyType({code: code for code in "MNTL"} | dict(zip("EFGH", "MNTL", strict=True)))
"""Field 13 -> 469. E, F, G, H are estimated, which Code 10 does not tell apart."""

COMMUNITY: Final = frozenset(
    {"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
     "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"}
)  # fmt: skip
"""States between which a transfer is RD and SD in Euratom, and RF and SF in Code 10."""
