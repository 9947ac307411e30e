"""`make demo`'s program, and what a person can do with what it leaves: verify without the ledger, go on, look."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from slt.client.folder import Folder
from slt.client.local.sample import YEAR
from slt.consensus.receipts import BrokenLink, verify_receipt

DEMO_WITHIN_S = 60.0
COMMAND_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Folder, str]]:
    """The demonstration, run once: its folder and what it printed. Nothing of it runs any more."""
    root = tmp_path_factory.mktemp("demo") / ".demo"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "slt.client.demo", "--dir", str(root)],
        capture_output=True,
        text=True,
        timeout=2 * DEMO_WITHIN_S,
        env={**os.environ, "COLUMNS": "160"},
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert time.monotonic() - began < DEMO_WITHIN_S
    yield Folder(root), done.stdout
    slt("down", root)


def slt(*words: object, code: int = 0) -> list[dict[str, object]]:
    """Run a command with --json; its objects. Standard error stands in the failure."""
    done = subprocess.run(
        [sys.executable, "-m", "slt.client.cli", *map(str, words), "--json"],
        capture_output=True,
        text=True,
        timeout=COMMAND_WITHIN_S,
        check=False,
    )
    assert done.returncode == code, f"{words}: {done.stdout}\n{done.stderr}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_demo_accepts_the_year_and_shows_books_and_journey(demo: tuple[Folder, str]) -> None:
    folder, printed = demo
    assert "18 of 18 reports accepted, 18 receipts verified" in printed
    for service in ("authentication", "validation", "uniqueness", "consensus", "ledger"):
        assert service in printed
    # reports.md section 8: enriched uranium on the books after the year, before rounding adjustments (RALD -1) for XLF1
    for grams in ("5409660", "2152390", "3459250"):
        assert grams in printed.replace(",", "").replace(" ", "").replace(".000", "")
    assert len(list(folder.receipts.glob("*.receipt"))) == len(YEAR)


def test_nothing_runs_after_the_demo(demo: tuple[Folder, str]) -> None:
    folder, _ = demo
    assert not folder.addresses_file.exists()
    assert slt("down", folder.root) == [{"stopped": False}]


def test_every_receipt_verifies_with_the_databases_gone(demo: tuple[Folder, str], tmp_path: Path) -> None:
    """Only receipts, bodies and genesis are left."""
    folder, _ = demo
    for name in ("receipts", "bodies"):
        shutil.copytree(folder.root / name, tmp_path / name)
    shutil.copy(folder.genesis_file, tmp_path)
    receipts = sorted((tmp_path / "receipts").glob("*.receipt"))
    said = slt("verify", *receipts, "--genesis", tmp_path / "genesis.cbor")
    assert [(one["holds"], one["verdict"]) for one in said] == [(True, "accepted")] * len(YEAR)
    first = receipts[0]
    (with_body,) = slt(
        "verify", first, "--genesis", tmp_path / "genesis.cbor", "--body", tmp_path / "bodies" / first.stem
    )
    assert with_body["body_checked"] is True


def test_verify_refuses_a_changed_receipt_and_names_the_link(demo: tuple[Folder, str], tmp_path: Path) -> None:
    folder, _ = demo
    good = min(folder.receipts.glob("*.receipt"))
    data = bytearray(good.read_bytes())
    data[len(data) // 2] ^= 1
    changed = tmp_path / "changed.receipt"
    changed.write_bytes(data)
    (said,) = slt("verify", changed, "--genesis", folder.genesis_file, code=1)
    assert said["holds"] is False
    assert said["broken_link"] and said["text"]
    other_body = max(folder.bodies.iterdir())
    (said,) = slt("verify", good, "--genesis", folder.genesis_file, "--body", other_body, code=1)
    assert said["broken_link"] == "body"


def test_no_byte_of_a_receipt_or_its_body_is_free(demo: tuple[Folder, str]) -> None:
    folder, _ = demo
    receipt = min(folder.receipts.glob("*.receipt"))
    body = folder.body_file(bytes.fromhex(receipt.stem)).read_bytes()
    genesis = folder.genesis()
    data = receipt.read_bytes()
    assert verify_receipt(data, genesis, body=body).accepted
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(BrokenLink):
            verify_receipt(changed, genesis, body=body)
    for place in range(0, len(body), 7):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises(BrokenLink):
            verify_receipt(data, genesis, body=changed)


def test_a_person_goes_on_with_what_the_demo_left(demo: tuple[Folder, str]) -> None:
    """`make up`, then submit, receipt, trace, status; the old reports keep their receipts; then `make down`."""
    folder, _ = demo
    receipts = {path.name: path.read_bytes() for path in folder.receipts.glob("*.receipt")}
    done = subprocess.run(
        [sys.executable, "-m", "slt.client.demo", "--dir", str(folder.root), "--stay"],
        capture_output=True,
        text=True,
        timeout=2 * DEMO_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert {path.name: path.read_bytes() for path in folder.receipts.glob("*.receipt")} == receipts

    (new,) = slt("submit", folder.reports / "XLR1-46.code10", "--dir", folder.root)
    assert (new["answer"], new["number"]) == ("accepted", 46)
    (shown,) = slt("receipt", str(new["statement"])[:12], "--dir", folder.root)
    assert shown["statement"] == new["statement"]
    (trace,) = slt("trace", str(new["statement"])[:12], "--dir", folder.root)
    stages = trace["stages"]
    assert isinstance(stages, list)
    assert [one["stage"] for one in stages] == ["authentication", "validation", "uniqueness", "consensus", "ledger"]
    *services, outbox = slt("status", "--dir", folder.root)
    assert [one["ready"] for one in services] == [True] * 5
    assert outbox == {"waiting": 0}
    assert slt("down", folder.root) == [{"stopped": True}]
    assert not folder.addresses_file.exists()


def test_one_report_is_one_trace_over_the_five_services(demo: tuple[Folder, str]) -> None:
    folder, _ = demo
    services_of_trace: dict[str, set[str]] = {}
    for file in folder.spans.glob("*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            span = json.loads(line)
            services_of_trace.setdefault(span["trace_id"], set()).add(span["service"])
    whole = [trace for trace, services in services_of_trace.items() if len(services) == 5]
    assert len(whole) >= len(YEAR)
