"""What Code 10 cannot say of a Euratom report, collected: one finding for each field and reason."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from slt.reports.euratom.declaration import Line, name_of
from slt.reports.euratom.fields import Annex
from slt.reports.findings import Finding, Severity, shown

RULE: Final = "EURATOM"
"""What a finding about a conversion has for a rule."""

_NO_LABEL: Final[Mapping[str, str]] = (
    dict.fromkeys(("OBLIGATION", "PREVIOUS OBLIGATION"), "Code 10 has no safeguards obligations.")
    | dict.fromkeys(
        (
            "CAM CODE FROM",
            "CAM CODE TO",
            "DOCUMENT",
            "CONTAINER ID",
            "BURN-UP",
            "ADVANCE NOTIFICATION",
            "CAMPAIGN",
            "REACTOR",
            "ERROR PATH",
            "PIT DATE",
        ),
        "Code 10 has no label for it.",
    )
    | dict.fromkeys(("CRC", "PREVIOUS CRC"), "The algorithm is the Commission's: it is neither checked nor kept.")
)


class Losses:
    """Findings by field and reason; of several lines the first is named, and how many there are."""

    def __init__(self, annex: Annex) -> None:
        self._annex = annex
        self._lost: dict[tuple[str, str], tuple[Severity, str, str, str, set[int]]] = {}

    def add_what_has_no_label(self, lines: Sequence[Line]) -> None:
        """Fields that say what no label says."""
        for place, line in enumerate(lines, start=1):
            for tag, content in line.items():
                if tag in _NO_LABEL:
                    self.add(tag, place, content, _NO_LABEL[tag])

    def add(
        self,
        tag: str,
        place: int,
        value: str,
        text: str,
        *,
        expected: str = "",
        rule: str = RULE,
        severity: Severity = "warning",
    ) -> None:
        self._lost.setdefault((tag, text), (severity, rule, value, expected, set()))[4].add(place)

    def all(self) -> tuple[Finding, ...]:
        return tuple(self._findings())

    def _findings(self) -> Iterator[Finding]:
        """One for each thing that is said of a field, with the first line and how many there are."""
        for (tag, text), (severity, rule, value, expected, places) in self._lost.items():
            first = min(places)
            more = f" {len(places)} lines, the first is {first}." if len(places) > 1 else ""
            yield Finding(
                rule=rule,
                severity=severity,
                entry=name_of(first),
                label=self._annex.label(tag),
                value=shown(value),
                expected=expected,
                text=f"{tag}: {text}{more}",
            )
