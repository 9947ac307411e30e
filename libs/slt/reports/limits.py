"""Sizes that a ledger does not carry, as findings: the same words from `slt check`, from HTTP and from the service."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from slt.reports.findings import Finding, Judgement

RULE: Final = "LIMIT"
"""What a finding about a size has for a rule: the parameter is in `expected`."""

STATEMENT_BYTES_MAX: Final = 4096
"""Room for a statement that is not made yet: the largest has a signature by ML-DSA-65."""


def oversize(sizes: Mapping[str, int], limit: Callable[[str], int]) -> tuple[Finding, ...]:
    """A finding for each size, in bytes and by the name of its parameter, that is above `limit(name)`."""
    return tuple(
        Finding(
            rule=RULE,
            severity="error",
            entry="",
            label="",
            value=f"{size} bytes",
            expected=f"{name} = {limit(name)}",
            text="The report is larger than this ledger takes. Split it into several reports. What does not fit into "
            "a listing goes into the next report as additions to it (309 A); the balance comes after them.",
        )
        for name, size in sizes.items()
        if size > limit(name)
    )


def with_errors(judgement: Judgement, errors: tuple[Finding, ...]) -> Judgement:
    """The judgement with `errors` before its own findings; rejected when there are any."""
    if not errors:
        return judgement
    return replace(judgement, verdict="reject", facts=None, findings=(*errors, *judgement.findings))
