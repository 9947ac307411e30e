"""The reference data that a report is judged against: who owns which area, its facility and its measurement points."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from slt.statements.genesis import Mba


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A version of the reference data. Immutable; judge() reads nothing else besides the document."""

    version: int
    mbas: Mapping[str, Mba]
    """By State and code, "XL/XLR1": two States may use one code."""
    states: frozenset[str]
    """States that have areas on this ledger."""
    owners: Mapping[str, tuple[str, ...]]
    """Code of an area -> the States that have one of that code."""

    @classmethod
    def of(cls, mbas: Iterable[Mba], version: int) -> "Reference":
        table = {f"{mba.state}/{mba.mba}": mba for mba in mbas}
        owners: dict[str, tuple[str, ...]] = {}
        for mba in table.values():
            owners[mba.mba] = (*owners.get(mba.mba, ()), mba.state)
        return cls(version=version, mbas=table, states=frozenset(mba.state for mba in table.values()), owners=owners)

    def mba(self, state: str, code: str) -> Mba | None:
        return self.mbas.get(f"{state}/{code}")
