"""V32, V33, V39, V53, V54, V56 to V59, V61: the same for the rules about whole reports."""

from typing import Final

from slt.reports import write_report
from tests.unit.reports.cases import (
    ADJUSTED,
    BALANCE,
    BURNUP,
    CORRECTION,
    DIFFERENCE,
    EMPTY,
    LISTING,
    SHIPMENT,
    TEXT,
    Case,
    twice,
)
from tests.unit.reports.samples import changed, document, edited, entries, everywhere, only

REBATCHED: Final = "XLS1-22"  # four assemblies become a canister


def _in_order(name: str, *order: int) -> bytes:
    """The sample with its entries in another order, numbered as they stand."""
    report = [entries(name)[at] for at in order]
    for number, entry in enumerate(report, start=1):
        entry["002"] = f"1/{len(report)}" if number == 1 else str(number)
    return write_report(report)


BROKEN: Final = [
    Case("V32", "a report of tomorrow", document(SHIPMENT), today="20250407"),
    Case("V32", "a note of tomorrow", document(TEXT), today="20260209"),
    Case("V53", "RM without RP", only(DIFFERENCE, 1)),
    Case("V53", "RP without RM", only(DIFFERENCE, 2)),
    Case("V53", "one gram more", changed(DIFFERENCE, 2, _630="180001G")),
    Case("V53", "one gram of U-235 less", changed(DIFFERENCE, 2, _670="7919G")),
    Case("V53", "a canister without the plutonium", changed(REBATCHED, 4, _700=None)),
    Case("V53", "an assembly is missing in the canister", changed(REBATCHED, 3, _411="GA")),
    Case("V56", "a batch twice at one point", twice(LISTING, 0)),
    Case("V56", "a batch of two materials at one point", twice(LISTING, 0, _430="B/Q/1/G")),
    Case("V57", "BA off by one gram", changed(BALANCE, 4, _630="5409661G")),
    Case("V57", "PB off by one milligram", changed(BALANCE, 0, _630="5409500.001G")),
    Case("V57", "MF with the sign of Euratom", changed(ADJUSTED, 10, _630="-418G", _670="-18G")),
    Case("V57", "MF that hides what is missing", changed(ADJUSTED, 10, _630="0G", _670="0G")),
    Case("V57", "BE that takes the rounding in", changed(ADJUSTED, 6, _411="BE", _630="2152940G", _670="94731G")),
    Case("V57", "RABA that does not adjust BA", changed(ADJUSTED, 6, _411="RABA")),
    Case("V57", "no adjusted book inventory", only(ADJUSTED, 0, 1, 2, 3, 4, 5, 6, 7, 9, 10)),
    Case("V57", "no physical inventory", only(ADJUSTED, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10)),
    Case("V57", "a loss that is counted as a gain", changed(BALANCE, 2, _411="GA")),
    Case("V58", "two entries of one code", twice(ADJUSTED, 4)),
    Case("V58", "two balances of one category", twice(BALANCE, 0)),
    Case("V61", "MF of U-235 off by one gram", changed(ADJUSTED, 10, _670="17G")),
    Case("V61", "BA of U-235 off by one gram", changed(BALANCE, 4, _670="175721G")),
    Case("V61", "U-235 is missing in BA", changed(ADJUSTED, 8, _670=None, _660="94707G")),
]

FLAGGED: Final = [
    Case("V33", "two months at once", everywhere(SHIPMENT, _015="20250201/20250331")),
    Case("V33", "March of two years", everywhere(SHIPMENT, _015="20240301/20250331")),
    Case("V39", "31 days after the month", everywhere(SHIPMENT, _003="20250501")),
    Case("V39", "a listing 31 days after the inventory", everywhere(LISTING, _003="20260115")),
    Case("V39", "a balance 31 days after the inventory", everywhere(BALANCE, _003="20260115")),
    Case("V54", "burn-up without production", changed(BURNUP, 4, _446="RC05")),
    Case("V54", "production on another day", changed(BURNUP, 4, _412="20251121")),
    Case("V59", "PE before BA", _in_order(ADJUSTED, 0, 1, 2, 3, 4, 5, 6, 7, 9, 8, 10)),
    Case("V59", "a decrease before an increase", _in_order(ADJUSTED, 0, 2, 1, 3, 4, 5, 6, 7, 8, 9, 10)),
    Case("V59", "an adjustment before the changes", _in_order(ADJUSTED, 0, 6, 1, 2, 3, 4, 5, 7, 8, 9, 10)),
    Case("V59", "BE after DI", _in_order(ADJUSTED, 0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 6)),
]

SOUND: Final = [
    Case("V32", "a report of today", document(SHIPMENT), today="20250408"),
    Case("V32", "nobody says what day it is", everywhere(SHIPMENT, _003="20991231")),
    Case("V33", "the part of a month before an inventory", everywhere(SHIPMENT, _015="20250301/20250315")),
    Case("V39", "30 days after the month", everywhere(SHIPMENT, _003="20250430")),
    Case("V39", "30 days after the inventory", everywhere(LISTING, _003="20260114")),
    Case("V39", "a correction years later", changed(CORRECTION, 0, _003="20260115")),
    Case("V39", "an empty listing years later", everywhere(EMPTY, _003="20280105")),
    Case("V53", "four assemblies in one canister", document(REBATCHED)),
    Case("V53", "a correction of one of the two", only(DIFFERENCE, 1, _309="C/XL;90/2")),
    Case("V54", "burn-up with production", document(BURNUP)),
    Case("V54", "a loss that is no irradiated fuel", changed(BURNUP, 0, _430="B/Q/1/H")),
    Case("V54", "a correction of the loss alone", changed(BURNUP, 0, _309="C/XL;30/1", _446="RC07")),
    Case("V56", "a batch at two points", twice(LISTING, 0, _407="A")),
    Case("V57", "a balance with rounding adjustment", document(ADJUSTED)),
    Case("V57", "a balance of two categories", document(BALANCE)),
    Case("V57", "BE without the rounding", changed(ADJUSTED, 6, _411="BE", _630="2152939G", _670="94731G")),
    Case(
        "V57",
        "BA that RABA adjusts",
        edited(
            ADJUSTED,
            {
                6: {"_411": "RABA", "_630": "-1G", "_670": "0G"},
                8: {"_630": "2152390G"},
                10: {"_630": "419G"},
            },
        ),
    ),
    Case("V57", "MF of nothing is left out", only(BALANCE, *range(12))),
    Case("V57", "a correction of one entry of a balance", only(BALANCE, 1, _309="C/XL;40/2")),
    Case("V58", "one code in two categories", document(BALANCE)),
    Case("V59", "adjustments of the balance entries at the end", twice(ADJUSTED, 6, _411="RAPE")),
    Case("V59", "two categories one after the other", document(BALANCE)),
    Case("V61", "an isotope of one change alone", changed(ADJUSTED, 1, _680="100G")),
    Case("V61", "a balance with rounding adjustment", document(ADJUSTED)),
]
