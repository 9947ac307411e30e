"""The reports that the benchmark and the end-to-end tests generate stay accepted."""

import tomllib
from itertools import islice
from pathlib import Path
from typing import Any

from slt.reports import Reference, judge
from slt.statements.genesis import Mba
from tests.bench.world import mba_codes as bench_codes
from tests.bench.world import reports_of
from tests.bench.world import write_world as write_bench_world
from tests.e2e.workload import documents, mba_codes, write_world


def _reference(world: Path) -> Reference:
    return Reference.of((_area(table) for table in tomllib.loads(world.read_text())["mba"]), version=1)


def _area(table: dict[str, Any]) -> Mba:
    lists = {name: tuple(table[name]) for name in ("flow_kmps", "inventory_kmps")}
    return Mba(**{**table, **lists, "opening": None})


def test_reports_of_the_benchmark_have_no_finding(tmp_path: Path) -> None:
    [mba] = bench_codes(1)
    reference = _reference(write_bench_world(tmp_path, [mba]))
    for data in islice(reports_of(mba), 40):
        assert judge(data, reference).findings == ()


def test_reports_of_the_end_to_end_tests_are_late_and_nothing_else(tmp_path: Path) -> None:
    reference = _reference(write_world(tmp_path / "world.toml", 1))
    [mba] = mba_codes(1)
    for _, data in documents(mba, 60):
        judgement = judge(data, reference)
        assert judgement.facts is not None
        assert {finding.rule for finding in judgement.findings} <= {"V39"}
