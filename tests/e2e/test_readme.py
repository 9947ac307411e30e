"""The README's section "Your own facility in five commands", typed as it stands there."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UP_WITHIN_S = 60.0
COMMAND_WITHIN_S = 90.0
DOWN_WITHIN_S = 120.0  # a drain of each service; `slt up` killed before it would leave its services running


@pytest.mark.timeout(240)
def test_the_five_commands_of_the_readme_bring_a_receipt_that_verifies(tmp_path: Path) -> None:
    world, key, init, up, submit, verify = _commands()
    # A folder that looks like the checkout, so that nothing is left in it.
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "tests").symlink_to(ROOT / "tests")

    _run(world, tmp_path)
    _run(key, tmp_path)
    _name_the_key(tmp_path / "my-world/world.toml")
    _run(init, tmp_path)
    with _running(up, tmp_path):
        _wait_until(tmp_path / "my-ledger/addresses.json")
        answer = _run(submit, tmp_path)
        assert "accepted" in answer
    verified = _run(verify, tmp_path)
    assert "accepted" in verified


def _commands() -> list[str]:
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Your own facility in five commands")[1]
    blocks = re.findall(r"^```sh\n(.*?)^```", section.split("\n## ")[0], re.MULTILINE | re.DOTALL)
    five, verify = blocks[0].splitlines(), blocks[1].splitlines()[0]
    assert len(five) == 5
    return [*five, verify]


def _name_the_key(world: Path) -> None:
    """The edit that step 2 tells the reader to make."""
    text = world.read_text(encoding="utf-8")
    named = text.replace('name = "xlr1"\n', 'name = "xlr1"\nkey = "xlr1.pem"\n')
    assert named != text
    world.write_text(named, encoding="utf-8")


def _run(command: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=COMMAND_WITHIN_S, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def _running(command: str, folder: Path) -> Iterator[None]:
    bash = shutil.which("bash")
    assert bash
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen([bash, "-c", f"exec {command}"], cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(DOWN_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _wait_until(path: Path) -> None:
    deadline = time.monotonic() + UP_WITHIN_S
    while not path.exists():
        assert time.monotonic() < deadline, (path.parents[1] / "up.log").read_text(encoding="utf-8")[-3000:]
        time.sleep(0.2)
