"""Run a ledger as a person would: `slt up` in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from slt.client.folder import Folder

UP_WITHIN_S = 90.0
DOWN_WITHIN_S = 120.0


@contextmanager
def up(folder: Folder, **environment: str) -> Iterator[None]:
    """`slt up`, ready when the block begins and ended when it ends."""
    log = folder.root / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "slt.client.cli", "up", str(folder.root)],
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
        )
    try:
        deadline = time.monotonic() + UP_WITHIN_S
        while not folder.addresses_file.exists():
            words = log.read_text(encoding="utf-8", errors="replace")[-3000:]
            assert process.poll() is None and time.monotonic() < deadline, words
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(DOWN_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert process.returncode == 0, log.read_text(encoding="utf-8", errors="replace")[-3000:]
