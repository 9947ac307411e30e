"""The stateful rules (reports.md 3.4). To add one: write it beside its kin, import its file here."""

from slt.inventory.rules import balances, batches, books, corrections, numbers, periods, transits
from slt.inventory.rules.registry import Conflict, Rule, asked, finding, registered

__all__ = [
    "Conflict",
    "Rule",
    "asked",
    "balances",
    "batches",
    "books",
    "corrections",
    "finding",
    "numbers",
    "periods",
    "registered",
    "transits",
]
