"""The sample world of tests/vectors/reports as slt.inventory sees it: areas, openings, facts of every report."""

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path

from slt.reports.facts import Facts
from slt.reports.judgement import judge
from slt.reports.openings import opening_from_csv
from slt.reports.reference import Reference
from slt.statements.genesis import Mba
from slt.statements.openings import Opening

FOLDER = Path(__file__).parents[2] / "vectors" / "reports"
YEAR = (
    *(f"XLR1-{n}" for n in range(41, 46)),
    *(f"XLF1-{n}" for n in range(101, 110)),
    *(f"XLS1-{n}" for n in range(21, 25)),
)
LATER = ("XLR1-46", "XLF1-110", "XLF1-111", "XLT1-7", "XLT1-8", "XLT1-9", "XLT1-10")


@cache
def world() -> tuple[tuple[Mba, ...], tuple[Opening, ...]]:
    """Areas that name their openings by digest, and those openings."""
    mbas: list[Mba] = []
    openings: list[Opening] = []
    for table in tomllib.loads((FOLDER / "world.toml").read_text())["mba"]:
        text = (FOLDER / table["opening"]).read_text()
        opening = opening_from_csv(text, table["mba"], table["last_pit"])
        kmps = {name: tuple(table[name]) for name in ("flow_kmps", "inventory_kmps")}
        mbas.append(replace(Mba(**(table | {"opening": None} | kmps)), opening=opening.digest))
        openings.append(opening)
    return tuple(mbas), tuple(openings)


@cache
def facts_of(name: str) -> Facts:
    """The facts of `NAME.code10`, judged without errors."""
    judged = judge((FOLDER / f"{name}.code10").read_bytes(), Reference.of(world()[0], 1))
    assert judged.facts is not None, (name, judged.findings)
    return judged.facts
