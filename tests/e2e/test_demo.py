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

from slt.client.folder import PROGRAMS, Folder
from slt.client.local.sample import YEAR
from slt.consensus.receipts import BrokenLink, verify_receipt

DEMO_WITHIN_S = 60.0
COMMAND_WITHIN_S = 60.0
RECEIPTS = len(YEAR) + 1  # and that of the correction; what is refused has none

# reports.md section 8: BA, PE and MUF by area and label.
BALANCES = {
    ("XLF1", "630"): ("2152389G", "2151971G", "418G"),
    ("XLF1", "670"): ("94707G", "94689G", "18G"),
    ("XLR1", "630"): ("5409660G", "5409660G", "0G"),
    ("XLR1", "670"): ("175722G", "175722G", "0G"),
    ("XLR1", "700"): ("18408G", "18408G", "0G"),
    ("XLS1", "630"): ("3459250G", "3459250G", "0G"),
    ("XLS1", "670"): ("27611G", "27611G", "0G"),
    ("XLS1", "700"): ("36823G", "36823G", "0G"),
}


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


def test_the_demo_accepts_the_year_and_shows_balances_transits_and_journey(demo: tuple[Folder, str]) -> None:
    _, printed = demo
    assert "18 of 18 reports accepted, 18 receipts verified" in printed
    for service in ("authentication", "validation", "uniqueness", "consensus", "ledger"):
        assert service in printed
    rows = [[cell.strip() for cell in line.split("│")] for line in printed.splitlines()]
    balances = {(row[0], row[2]): (row[8], row[9], row[10]) for row in rows if len(row) == 11 and row[1][:4] == "2025"}
    assert balances == BALANCES
    states = [row[0] for row in rows if len(row) == 8 and row[1] in ("SP01", "FB25-01")]
    assert states == ["matched", "open shipment"]


def test_the_demo_shows_a_correction_in_two_times_and_a_refusal(demo: tuple[Folder, str]) -> None:
    _, printed = demo
    rows = [[cell.strip() for cell in line.split("│")] for line in printed.splitlines()]
    assert ["670", "uranium-235", "242880G", "242882G"] in rows  # the same day, before and after the correction
    assert [row[3] for row in rows if row[0] in ("42/3", "46/1")] == ["superseded", "live"]
    assert "XL/XLR1/47: refused: C18 by uniqueness" in printed
    assert "takes batch SP01 out, and entry 1 of report 41" in printed


def test_the_demo_ends_with_a_verifier_that_is_not_ours(demo: tuple[Folder, str]) -> None:
    folder, printed = demo
    assert "links hold of the tlog-proof" in printed and "links hold of the cose" in printed
    assert "scitt-cose verified the COSE receipt (RFC 9942): entry 1 of a log of 2" in printed
    assert {path.suffix for path in (folder.root / "published").iterdir()} == {".tlog-proof", ".cose", ".pem"}


def test_the_demo_keeps_every_receipt(demo: tuple[Folder, str]) -> None:
    folder, _ = demo
    assert len(list(folder.receipts.glob("*.receipt"))) == RECEIPTS


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
    assert [(one["holds"], one["verdict"]) for one in said] == [(True, "accepted")] * RECEIPTS
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

    (new,) = slt("submit", folder.reports / "XLF1-110.code10", "--dir", folder.root)
    assert (new["answer"], new["number"]) == ("accepted", 110)
    (shown,) = slt("receipt", str(new["statement"])[:12], "--dir", folder.root)
    assert shown["statement"] == new["statement"]
    (trace,) = slt("trace", str(new["statement"])[:12], "--dir", folder.root)
    stages = trace["stages"]
    assert isinstance(stages, list)
    assert [one["stage"] for one in stages] == ["authentication", "validation", "uniqueness", "consensus", "ledger"]
    said = slt("status", "--dir", folder.root)
    assert [one["ready"] for one in said if "service" in one] == [True] * len(PROGRAMS)
    assert {"waiting": 0} in said
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
