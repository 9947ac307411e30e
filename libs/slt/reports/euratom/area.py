"""What a Euratom report leaves unsaid about its area, and Code 10 wants said."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from slt.reports.labelled import LabelledEntry
from slt.reports.reference import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """The reporting area."""

    country: str
    facility: str
    unified: bool = False
    """It keeps its uranium as one category (600)."""
    states: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Code of an area -> the States that have one of that code: whose area a partner is."""

    @classmethod
    def of(cls, reference: Reference, mba: str) -> "Area | None":
        """The area of that code; None when no State has one, or when several have."""
        owners = reference.owners.get(mba, ())
        known = reference.mba(owners[0], mba) if len(owners) == 1 else None
        if known is None:
            return None
        return cls(country=known.state, facility=known.facility, unified=known.unified, states=reference.owners)

    @classmethod
    def of_entry(cls, entry: LabelledEntry, reference: Reference | None = None) -> "Area":
        """The area that a Code 10 entry names, with the areas that are known besides."""
        country = entry.get("001", "").partition("/")[2].partition(";")[0]
        known = reference.mba(country, entry.get("307", "")) if reference else None
        return cls(
            country=country,
            facility=entry.get("207", ""),
            unified=known.unified if known else "600" in entry,
            states=reference.owners if reference else MappingProxyType({}),
        )

    def partner(self, code: str) -> str:
        """`CC/XXXX` of a partner inside the Community: the own State's area before another's."""
        owners = self.states.get(code, ())
        return f"{owners[0] if owners and self.country not in owners else self.country}/{code}"
