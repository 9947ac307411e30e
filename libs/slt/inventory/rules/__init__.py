"""The stateful rules (reports.md 3.4). To add one: write it beside its kin, import its file here."""

from slt.inventory.rules import corrections, numbers
from slt.inventory.rules.registry import Conflict, Rule, finding, registered

__all__ = ["Conflict", "Rule", "corrections", "finding", "numbers", "registered"]
