"""A running ledger takes a facility's reports in all three forms, one after the other."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slt.client.folder import Folder
from slt.client.local.init import init, now_utc
from slt.client.verification import verify_file
from slt.statements.statement import CODE10, EURATOM, EURATOM_XML
from tests.e2e.running import up
from tests.unit.reports.euratom_vectors import EURATOM_FOLDER

ANSWERS_WITHIN_S = 60


@pytest.mark.timeout(300)
def test_reports_in_all_three_forms_are_accepted_in_one_sequence(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "ledger")
    init(folder.root, world_file=None, model="private", members=1, now=now_utc())
    files = [
        folder.reports / "XLR1-41.code10",
        EURATOM_FOLDER / "XLR1-42.euratom",
        EURATOM_FOLDER / "XLR1-43.euratom.xml",
    ]
    with up(folder):
        said = _slt("submit", *files, "--dir", folder.root, "--wait", ANSWERS_WITHIN_S, "--json")
    assert [(one["number"], one["answer"], one["code"]) for one in said] == [
        (41, "accepted", 0),
        (42, "accepted", 0),
        (43, "accepted", 0),
    ]
    for one, media_type in zip(said, (CODE10, EURATOM, EURATOM_XML), strict=True):
        statement_id = bytes.fromhex(one["statement"])
        verified = verify_file(folder.receipt_file(statement_id), folder.genesis(), body=folder.body_file(statement_id))
        assert verified.proof is not None, verified.broken
        assert verified.proof.media_type == media_type


def _slt(*words: object) -> list[dict[str, Any]]:
    """Run one command to its end: the objects that it prints."""
    command = [sys.executable, "-m", "slt.client.cli", *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=2 * ANSWERS_WITHIN_S, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]
