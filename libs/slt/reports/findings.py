"""What a checker says about a report: findings, and the judgement that they add up to."""

from dataclasses import dataclass
from typing import Final, Literal

from slt.reports.facts import Facts

Severity = Literal["error", "warning"]
"""error: the report is rejected (R). warning: it is accepted, and the finding travels with it (F)."""

Outcome = Literal["ok", "flag", "reject"]

VALUE_SHOWN_MAX: Final = 60
"""Characters of a document's own text that a finding repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One message about a report, in words that its author can act on."""

    rule: str
    """V07, C05, A06; LIMIT for a size that this ledger does not carry."""
    severity: Severity
    entry: str
    """OI/3, NC/1; "" for the report as a whole."""
    label: str
    """446; "" where no single label is at fault."""
    value: str
    """What the document says, shortened to VALUE_SHOWN_MAX."""
    expected: str
    """What would be right."""
    text: str
    """What is wrong, and what to do."""

    def to_wire(self) -> list[str]:
        return [self.rule, self.severity, self.entry, self.label, self.value, self.expected, self.text]

    def row(self) -> list[str]:
        """The part under the findings digest (formats.md): without values and text."""
        return [self.rule, self.severity, self.entry, self.label]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What `judge` makes of a document."""

    verdict: Outcome
    """reject when any finding is an error, flag when there are only warnings."""
    findings: tuple[Finding, ...]
    facts: Facts | None
    """None exactly when rejected."""
    country: str | None
    """Country, area and number as far as they can be read: also of a rejected document."""
    mba: str | None
    number: int | None


def shown(value: str) -> str:
    """`value` as a finding repeats it: one line of printable text, shortened.

    A document is read byte for byte (ISO 8859-1); text in UTF-8 is shown as its author wrote it.
    """
    head = value[:VALUE_SHOWN_MAX]
    if not head.isascii():
        head = head.encode("latin-1", "replace").decode("utf-8", "replace")
    line = "".join(character if character.isprintable() else "·" for character in head)
    return line + "…" if len(value) > VALUE_SHOWN_MAX else line
