"""Profiles: what a rule asks of this area and not of that one. Genesis chooses one for each area (`Mba.profile`).

A profile is a row of PROFILES: rulings, which give a rule another severity or switch it off, and settings, which are
what the rules read where agreements differ, or where the form leaves a question open (reports.md, "(open)").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from slt.reports import codes
from slt.reports.findings import Severity

Ruling = Severity | Literal["off"]

ALWAYS_ERRORS: Final = frozenset(
    {
        *(f"V{number:02}" for number in range(1, 17)),
        *("V20", "V21", "V22", "V50", "V51", "V60"),
        *("C01", "C02", "C03", "C05", "C06", "C07"),
    }
)
"""Rules that no profile softens: they say what a report is and whose it is, facts can only be read out of a document
that keeps them, and the books can only be kept of reports with numbers and references that hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is asked of the areas that have this profile."""

    name: str
    rulings: Mapping[str, Ruling] = field(default_factory=lambda: MappingProxyType({}))
    """Rule number -> its severity here, of stateless and stateful rules. It takes the place of the rule's own severity;
    a problem that is milder or graver than its rule (V25 above 1, V51 for 006, C17 in a bulk area) keeps its own.
    `off` silences the rule."""

    change_report_days: int = 30
    """V39: days after the end of the month in which a change report is due (INFCIRC/153 paragraph 63a)."""
    inventory_report_days: int = 30
    """V39: days after the physical inventory in which listing and balance are due (INFCIRC/153 paragraphs 63b, 67)."""
    bulk_items_min: int = 0
    """V37: fewest items that an entry of a bulk area states."""

    free_text_signs: frozenset[str] = codes.SIGNS
    """V06 (open in the form: "permitted special symbols"): signs in 391 and 436, besides capitals and digits. No `#`,
    which ends an element, and no `:`, `;` and `/`, which divide: no document can carry them unambiguously."""
    negative_codes: frozenset[str] = frozenset({"DI", "MF", "RA"})
    """V14 (open in the form: how a negative number is written): codes of 411 whose weights may have a leading minus.
    RA stands for all rounding adjustments."""
    equal_category_change: bool = True
    """V29 (open in the form: whether a category change states equal masses or the true products of a blend): whether
    what leaves one category must be what enters the other."""

    def __post_init__(self) -> None:
        softened = sorted(rule for rule in self.rulings.keys() & ALWAYS_ERRORS if self.rulings[rule] != "error")
        if softened:
            raise ValueError(f"profile {self.name!r} softens {', '.join(softened)}, which no profile may")
        if not all(sign.isascii() and sign.isprintable() and sign not in "#:;/" for sign in self.free_text_signs):
            raise ValueError(f"profile {self.name!r} permits signs that no document can carry")


KEY_FIELDS_FREE: Final[Mapping[str, Ruling]] = MappingProxyType({"C08": "off"})
"""Code 10 lets a correction change any field (reports.md 1.8)."""

IAEA: Final = Profile(name="iaea", rulings=KEY_FIELDS_FREE)
"""As the model form and INFCIRC/153 have it. The default, also for a name that is not in the table."""

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            IAEA,
            # Change reports within 15 days (reports.md 1.10). Euratom's forms are converted before a rule sees them:
            # signs, units and codes are those of Code 10 here.
            # A batch name is never used again (annex III field 11), so C19 rejects.
            Profile(name="euratom", change_report_days=15, rulings={**KEY_FIELDS_FREE, "C19": "error"}),
            # As the CNSC asks (REGDOC-2.13.1): the number of items is never blank, and 1 for bulk material. Key fields
            # are not corrected (C08).
            Profile(name="strict-correction", bulk_items_min=1),
        )
    }
)


def profile_of(name: str) -> Profile:
    """The profile of that name; IAEA where there is none. Judging never fails for a name in genesis."""
    return PROFILES.get(name, IAEA)
