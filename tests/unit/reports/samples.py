"""The sample world in the hands of a test: its reference data, its documents, and small changes to them."""

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from slt.reports import Judgement, Reference, Severity, judge, read_report, write_report
from slt.statements.genesis import Mba

FOLDER = Path(__file__).parents[2] / "vectors" / "reports"
NAMES = sorted(path.stem for path in FOLDER.glob("*.code10"))
YEAR = [
    *(f"XLR1-{number}" for number in range(41, 46)),
    *(f"XLF1-{number}" for number in range(101, 110)),
    *(f"XLS1-{number}" for number in range(21, 25)),
]
"""The 18 reports of reports.md 8.1 to 8.3."""

Labels = dict[str, str]


def world() -> dict[str, Any]:
    return tomllib.loads((FOLDER / "world.toml").read_text(encoding="utf-8"))


@cache
def areas() -> tuple[Mba, ...]:
    tables = world()["mba"]
    return tuple(
        Mba(
            **{
                **table,
                "flow_kmps": tuple(table["flow_kmps"]),
                "inventory_kmps": tuple(table["inventory_kmps"]),
                "opening": None,
            }
        )
        for table in tables
    )


REFERENCE = Reference.of(areas(), version=1)


def document(name: str) -> bytes:
    return (FOLDER / f"{name}.code10").read_bytes()


def entries(name: str) -> list[Labels]:
    return [dict(entry) for entry in read_report(document(name))]


def changed(name: str, at: int, **labels: str | None) -> bytes:
    """The sample with labels of entry `at` (from 0) set, or with None taken out. `_309="N"` is label 309."""
    return edited(name, {at: labels})


def edited(name: str, changes: dict[int, dict[str, str | None]]) -> bytes:
    """The sample with labels of several entries (from 0) set or taken out."""
    report = entries(name)
    for at, labels in changes.items():
        for key, value in labels.items():
            label = key.removeprefix("_")
            if value is None:
                del report[at][label]
            else:
                report[at][label] = value
    return write_report(report)


def only(name: str, *kept: int, **labels: str) -> bytes:
    """The sample with these accounting entries alone (from 0), counted anew, and labels set in all of them."""
    report = [entries(name)[at] for at in kept]
    for number, entry in enumerate(report, start=1):
        entry.update({key.removeprefix("_"): value for key, value in labels.items()})
        entry["002"] = f"1/{len(report)}" if number == 1 else str(number)
    return write_report(report)


def everywhere(name: str, **labels: str) -> bytes:
    """The sample with labels set in all its entries."""
    report = entries(name)
    for entry in report:
        entry.update({key.removeprefix("_"): value for key, value in labels.items()})
    return write_report(report)


def replaced(name: str, old: str, new: str) -> bytes:
    """The sample with its first `old` replaced, byte for byte."""
    text = document(name)
    assert old.encode() in text
    return text.replace(old.encode(), new.encode("latin-1"), 1)


def errors(data: bytes, reference: Reference = REFERENCE, *, today: str | None = None) -> set[str]:
    """The rules that reject a document."""
    return _rules(judge(data, reference, today=today), "error")


def warnings(data: bytes, reference: Reference = REFERENCE, *, today: str | None = None) -> set[str]:
    return _rules(judge(data, reference, today=today), "warning")


def _rules(judgement: Judgement, severity: Severity) -> set[str]:
    return {finding.rule for finding in judgement.findings if finding.severity == severity}


def reference_with(mba: str, **fields: Any) -> Reference:
    """The reference data of the sample world, with fields of one area changed: `profile="euratom"`."""
    return Reference.of((replace(area, **fields) if area.mba == mba else area for area in areas()), version=1)
