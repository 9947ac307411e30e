"""The validity rules, each a small function under its number (reports.md 3.1 to 3.3). Importing this registers all."""

from typing import Final

from slt.reports.rules import (
    balance,
    changes,
    combinations,
    dates,
    document,
    entries,
    fields,
    layout,
    reference_data,
    reports,
    weights,
)

RULES_VERSION: Final = 1
"""Version of this rule set. Part of the facts, so that a verdict names what it was given under."""

MODULES: Final = (
    document,
    fields,
    combinations,
    layout,
    entries,
    dates,
    weights,
    changes,
    reference_data,
    reports,
    balance,
)
