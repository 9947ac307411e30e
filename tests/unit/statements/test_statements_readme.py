"""The tables of the README are those of the code."""

import re
from pathlib import Path

from slt.statements.genesis import PARAMETERS
from slt.statements.verdicts import TABLE

README = (Path(__file__).parents[3] / "libs" / "slt" / "statements" / "README.md").read_text(encoding="utf-8")


def test_every_parameter_stands_there_with_default_unit_and_reason() -> None:
    rows = re.findall(r"^\| ([a-z_]+) \| (\d+) \| ([a-z]+) \| (.+) \|$", README, re.MULTILINE)
    assert rows == [(known.name, str(known.default), known.unit, known.reason) for known in PARAMETERS.values()]


def test_every_code_by_hand_stands_there_with_name_rule_and_finality() -> None:
    rows = re.findall(r"^\| (\d+) \| ([a-z-]+) \| (A0\d|) ?\| (final|void) \|$", README, re.MULTILINE)
    by_hand = [row for row in TABLE.values() if row.code < 100]
    assert rows == [(str(int(row.code)), row.name, row.rule or "", "final" if row.final else "void") for row in by_hand]
