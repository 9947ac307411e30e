"""What the stateful rules ask of an area of this profile, where agreements differ or the sources leave it open.

The twin of `slt.reports.profiles`, which does the same for the stateless rules and holds the severities of both.
Genesis chooses a profile for each area (`Mba.profile`); whether batches are followed strictly is chosen there too, by
the area's kind (item or bulk).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is asked of the areas that have this profile. The defaults are those of `iaea`."""

    name: str
    batch_names_once: bool = False
    """C19: a name that is received was never used in the area before. Otherwise: once for a code and date."""
    pit_interval_months_max: int = 0
    """C14: months between two physical inventories at most; 0: as the facility attachment says, which nobody reads."""
    nil_change_reports: bool = False
    """C29: every month has a change report, also one without changes (Regulation 2025/974)."""
    transit_overdue_days: int = 61
    """C27, C28 (open: the sources give no number): a transit with one side only is overdue so many days after the date
    of that side: both reports are due 30 days after the end of the month (INFCIRC/153 paragraph 63a)."""


IAEA: Final = Settings(name="iaea")

SETTINGS: Final[Mapping[str, Settings]] = MappingProxyType(
    {
        settings.name: settings
        for settings in (
            IAEA,
            Settings(name="euratom", batch_names_once=True, pit_interval_months_max=14, nil_change_reports=True),
            Settings(name="strict-correction"),
        )
    }
)


def settings_of(profile: str) -> Settings:
    """The settings of that profile; those of IAEA where there is none. Judging never fails for a name in genesis."""
    return SETTINGS.get(profile, IAEA)
