"""One ledger, as its users see it: a receipt in three forms, a log that only grows, and what comes when it does not."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slt.client.folder import Folder
from slt.client.local.init import init, now_utc
from slt.merkle.checkpoints import Checkpoint
from slt.merkle.hashing import Digest
from slt.merkle.notes import NoteSigner, sign_note
from slt.statements.cose_receipts import detach
from slt.statements.signatures import signer_from_pem
from tests.e2e.running import up
from tests.support.blocks import seed
from tests.support.others import ScittCose

ANSWERS_WITHIN_S = 60

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """A running ledger with three accepted reports."""
    folder = Folder(tmp_path_factory.mktemp("forms") / "ledger")
    init(folder.root, world_file=None, model="private", members=1, now=now_utc())
    with up(folder):
        files = [folder.reports / f"XLR1-{number}.code10" for number in (41, 42, 43)]
        slt("submit", *files, "--dir", folder.root, "--wait", ANSWERS_WITHIN_S)
        yield folder


def slt(*words: object, code: int = 0) -> tuple[list[dict[str, Any]], str]:
    """Run a command with --json: its objects, and what it says on standard error."""
    command = [sys.executable, "-m", "slt.client.cli", *map(str, words), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=2 * ANSWERS_WITHIN_S, check=False)
    assert ended.returncode == code, f"{words}: {ended.stdout}\n{ended.stderr}"
    return [json.loads(line) for line in ended.stdout.splitlines()], ended.stderr


def first_receipt(ledger: Folder) -> Path:
    return min(ledger.receipts.glob("*.receipt"))


def test_one_receipt_leaves_in_each_form_and_every_form_verifies_offline(ledger: Folder, tmp_path: Path) -> None:
    name = first_receipt(ledger).stem
    for form in ("v1", "tlog-proof", "cose"):
        file = tmp_path / form
        slt("receipt", name[:12], "--as", form, "--out", file, "--dir", ledger.root)
        said, _ = slt("verify", file, "--genesis", ledger.genesis_file, "--body", ledger.bodies / name)
        assert (said[0]["form"], said[0]["verdict"], said[0]["statement"], said[0]["body_checked"]) == (
            form,
            "accepted",
            name,
            True,
        )
        assert {line["link"] for line in said[0]["links"] if line["holds"] is not True} == {"policy"}
    slt("receipt", name, "--as", "v1", "--out", tmp_path / "v1", "--dir", ledger.root, code=2)


def test_a_bare_proof_needs_its_statement_and_says_what_it_lacks(ledger: Folder, tmp_path: Path) -> None:
    name = first_receipt(ledger).stem
    proof, entry = tmp_path / "bare.tlog-proof", tmp_path / "entry"
    slt("receipt", name, "--as", "tlog-proof", "--bare", "--out", proof, "--dir", ledger.root)
    slt("receipt", name, "--as", "statement", "--out", entry, "--dir", ledger.root)
    slt("verify", proof, "--genesis", ledger.genesis_file, code=2)
    said, _ = slt("verify", proof, "--genesis", ledger.genesis_file, "--statement", entry)
    assert (said[0]["bare"], said[0]["verdict"], said[0]["statement"]) == (True, "logged", name)
    assert {line["link"] for line in said[0]["links"] if line["holds"] is None} >= {"certificate", "verdict"}
    entry.write_bytes(entry.read_bytes()[:-1] + b"\0")
    said, _ = slt("verify", proof, "--genesis", ledger.genesis_file, "--statement", entry, code=1)
    assert said[0]["broken_link"] == "signature"


def test_a_verifier_of_others_needs_the_key_and_nothing_else_of_ours(ledger: Folder, tmp_path: Path) -> None:
    said, _ = slt("log", "key", "--genesis", ledger.genesis_file)
    file = tmp_path / "cose"
    slt("receipt", first_receipt(ledger).stem, "--as", "cose", "--bare", "--out", file, "--dir", ledger.root)
    parted = detach(file.read_bytes())
    assert ScittCose.receipt(parted.receipts[0], parted.statement, said[0]["vkey"]) == ""


def test_the_log_only_grows_and_says_so(ledger: Folder) -> None:
    said, _ = slt("log", "consistency", 1, 4, "--dir", ledger.root)
    assert (said[0]["holds"], said[0]["old"]["size"], said[0]["new"]["size"]) == (True, 1, 4)
    said, _ = slt("log", "consistency", first_receipt(ledger), 4, "--dir", ledger.root)
    assert (said[0]["holds"], said[0]["old"]["signed_by"]) == (True, "agency")
    slt("log", "consistency", 4, 1, "--dir", ledger.root, code=2)
    slt("log", "consistency", 1, 400, "--dir", ledger.root, code=3)
    said, _ = slt("verify", *ledger.receipts.glob("*.receipt"), "--dir", ledger.root)
    assert [one["links"][-1]["link"] for one in said] == ["history"] * 3
    assert {one["links"][-1]["holds"] for one in said} == {True}


def test_a_ledger_that_showed_another_history_is_refused_and_the_evidence_kept(ledger: Folder) -> None:
    (remembered,) = ledger.checkpoints.glob("*.checkpoint")
    honest = remembered.read_text(encoding="utf-8")
    origin = ledger.genesis().origin
    key = signer_from_pem((ledger.member / "keys/checkpoint.pem").read_bytes())
    assert key.seed is not None
    lie = Checkpoint(origin=origin, size=3, root=Digest(seed("another history")))
    forked = sign_note(lie.text(), NoteSigner.of(origin, key.seed))
    remembered.write_text(forked, encoding="utf-8")  # what the ledger had shown this facility before
    try:
        _, words = slt("submit", ledger.reports / "XLR1-44.code10", "--dir", ledger.root, code=1)
        assert "SPLIT VIEW" in words
        (evidence,) = ledger.evidence.iterdir()
        assert (evidence / "old.checkpoint").read_text(encoding="utf-8") == forked
        told = json.loads((evidence / "contradiction.json").read_text(encoding="utf-8"))
        assert (told["proves"], told["old"]["size"]) == (True, 3)
        assert remembered.read_text(encoding="utf-8") == forked  # the lie is not forgotten for a later one
        for command in (("submit", ledger.reports / "XLR1-45.code10"), ("status",), ("log", "consistency", 1, 3)):
            _, words = slt(*command, "--dir", ledger.root, code=1)
            assert "SPLIT VIEW" in words and str(evidence) in words
        evidence.rename(ledger.root / "shown to the authority")
    finally:
        remembered.write_text(honest, encoding="utf-8")
    slt("status", "--dir", ledger.root)
