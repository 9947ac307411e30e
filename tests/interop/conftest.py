"""The demo's ledger, run once: every receipt in every form, as its ledger gives it, and the log's entries."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from slt.client.folder import Folder
from slt.client.local.sample import YEAR
from slt.consensus.forms import verify_any
from slt.statements.genesis import Genesis
from slt.statements.headers import genesis_log_entry
from slt.statements.receipt_forms import FORMS
from slt.statements.receipts import Receipt, parse_receipt

RUN_WITHIN_S = 240
ASK_WITHIN_S = 30


@dataclass(frozen=True, kw_only=True)
class Given:
    """One report's receipt in its three forms."""

    receipt: Receipt
    tlog_proof: bytes
    cose: bytes

    @property
    def index(self) -> int:
        assert self.receipt.log_proof is not None, "every report of the demo is accepted"
        return self.receipt.log_proof[0]


@dataclass(frozen=True, kw_only=True)
class Demo:
    genesis: Genesis
    given: tuple[Given, ...]  # in the order of the log

    @property
    def vkey(self) -> str:
        return self.genesis.members[0].checkpoint_vkey

    @property
    def entries(self) -> list[bytes]:
        """The whole log: genesis, and every accepted statement."""
        first = genesis_log_entry(self.genesis.origin, self.genesis.chain_id)
        return [first, *(one.receipt.statement for one in self.given)]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = Folder(tmp_path_factory.mktemp("demo") / "ledger")
    _run("slt.client.demo", "--dir", str(folder.root), "--stay")
    try:
        given = [_given(path, folder) for path in sorted(folder.receipts.glob("*.receipt"))]
    finally:
        _run("slt.client.cli", "down", str(folder.root))
    assert len(given) >= len(YEAR)
    ordered = tuple(sorted(given, key=lambda one: one.index))
    assert [one.index for one in ordered] == list(range(1, len(given) + 1)), "the whole log but for entry 0"
    return Demo(genesis=folder.genesis(), given=ordered)


def _given(path: Path, folder: Folder) -> Given:
    url = f"{folder.addresses().http['ledger']}/v1/receipts/{path.stem}"
    asked = {form: httpx.get(url, params={"format": form}, timeout=ASK_WITHIN_S) for form in FORMS}
    assert [answer.status_code for answer in asked.values()] == [200] * len(FORMS)
    assert asked["v1"].content == path.read_bytes()
    for answer in asked.values():
        body = folder.body_file(bytes.fromhex(path.stem)).read_bytes()
        assert verify_any(answer.content, folder.genesis(), body=body).standing == "accepted"
    return Given(
        receipt=parse_receipt(asked["v1"].content),
        tlog_proof=asked["tlog-proof"].content,
        cose=asked["cose"].content,
    )


def _run(module: str, *words: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", module, *words], capture_output=True, text=True, timeout=RUN_WITHIN_S, check=False
    )
    assert ran.returncode == 0, f"{module} {' '.join(words)}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}"
    return ran.stdout
