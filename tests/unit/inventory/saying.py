"""Reports for the tests of the stateful rules, said in a line, and what the ledger answers."""

from collections.abc import Mapping
from dataclasses import replace

from slt.inventory.vetting import WireFinding
from slt.reports.facts import EntryFacts, Facts
from slt.statements.verdicts import Code
from tests.unit.inventory.building import Ledger, area, entry, identity, report, statement

PLANT = identity("plant", mbas=("XLF1",))
STORE = identity("store", mbas=("XLS1",))


def ledger(**of_reactor: str) -> Ledger:
    """XLR1, with what is given; XLF1, a bulk area; XLS1, an item area. Books are empty and closed until 2024-12-31."""
    return Ledger(
        identities=(identity(), PLANT, STORE),
        mbas=(
            area("XLR1", **({"last_pit": "20241231"} | of_reactor)),  # type: ignore[arg-type]  # texts of area
            area("XLF1", last_report_number=100, last_pit="20241231"),
            area("XLS1", last_report_number=20, kind="item", last_pit="20241231"),
        ),
    )


def change(
    code: str,
    batch: str = "B1",
    weights: Mapping[int, int] | None = None,
    *,
    on: str = "20251006",
    basis: str = "M",
    items: int = 1,
    to: str = "",
    by: str = "",
    their: str = "",
    material: str = "B/Q/2/F",
    status: str = "N",
    target: tuple[int, int] | None = None,
) -> EntryFacts:
    """An entry of a change report: `to` and `by` are the areas of 372 and 370, `their` the shipper's name of 447."""
    made = entry(code=code, batch=batch, weights=weights, status=status, target=target)
    return replace(
        made,
        date=on,
        measurement=basis,
        items=items,
        receiver=f"XL/{to}" if to else "",
        shipper=f"XL/{by}" if by else "",
        shipper_batch=their or (batch if by else ""),
        material=material,
    )


def deletion(target: tuple[int, int]) -> EntryFacts:
    return replace(entry(status="D", target=target, code="", weights={}, batch=""), date="")


def balance(number: int, *lines: tuple[str, Mapping[int, int]], period: tuple[str, str], mba: str = "XLR1") -> Facts:
    """A balance of (code, weights) lines; without any, an empty one."""
    entries = [replace(entry(code=code, weights=weights, batch=""), date="", measurement="") for code, weights in lines]
    return _of(report(number, *(entries or [_empty()]), kind="M", mba=mba), period)


def listing(
    number: int, *batches: tuple[str, Mapping[int, int]], on: str, mba: str = "XLR1", basis: str = "M"
) -> Facts:
    """A listing of (batch, weights) entries; without any, an empty one."""
    entries = [
        replace(entry(code="", batch=batch, weights=weights), date="", measurement=basis) for batch, weights in batches
    ]
    return _of(report(number, *(entries or [_empty()]), kind="P", mba=mba), (on, on))


def months(facts: Facts, first: str, last: str) -> Facts:
    """The same report for another period."""
    return _of(facts, (first, last))


def told(ledger: Ledger, facts: Facts) -> tuple[int, list[WireFinding]]:
    """Make the report final; its verdict code and its findings."""
    who = {"XLR1": identity(), "XLF1": PLANT, "XLS1": STORE}[facts.mba]
    evaluation = ledger.block(statement(facts, by=who))
    return evaluation.verdicts[0].code, list(evaluation.findings[0])


def flags(ledger: Ledger, facts: Facts) -> list[str]:
    """The rules that flag a report, which must be accepted."""
    code, findings = told(ledger, facts)
    assert code == Code.ACCEPTED, findings
    assert all(finding[1] == "warning" for finding in findings)
    return [finding[0] for finding in findings]


def rejected(ledger: Ledger, facts: Facts) -> Code:
    """The code by which a report is rejected; the findings say so too."""
    code, findings = told(ledger, facts)
    assert Code(code).name in {finding[0] for finding in findings if finding[1] == "error"}, findings
    return Code(code)


def _of(facts: Facts, period: tuple[str, str]) -> Facts:
    return replace(facts, period_from=period[0], period_to=period[1])


def _empty() -> EntryFacts:
    return replace(entry(status="U", code="", weights={}, batch=""), date="", measurement="", items=0)
