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
"""The newest version of the rule set. Part of the facts, so that a verdict names what it was given under."""

RULES_VERSIONS: Final = frozenset({1})
"""All that this program can judge under. A rule says from which version on it counts, and up to which."""

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
