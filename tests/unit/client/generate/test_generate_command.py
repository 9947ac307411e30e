"""`slt generate`: what it says, and how it refuses."""

import json
from pathlib import Path

import pytest

from slt.client import cli

SIZES = ("--years", "1", "--reactors", "1", "--stores", "1", "--entries-per-year", "100", "--first-year", "2010")


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["generate", *map(str, words)])
    return int(ended.value.code or 0)


def test_it_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "world", "--seed", 7, *SIZES) == 0
    said = capsys.readouterr().out
    assert "inventory changes" in said
    assert "1 on their way at the end" in said
    assert (tmp_path / "world" / "reports" / "2010").is_dir()


def test_a_program_gets_the_summary_as_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "world", "--seed", 7, *SIZES, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads((tmp_path / "world" / "summary.json").read_text())
    assert said["plan"]["seed"] == 7


def test_a_plan_that_cannot_be_and_a_folder_in_use_are_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "world", "--stores", 9) == 2
    assert "needs a reactor" in capsys.readouterr().err
    assert run(tmp_path / "world", *SIZES) == 0
    assert run(tmp_path / "world", *SIZES) == 2
    assert "not empty" in capsys.readouterr().err
