"""The README says what the program does."""

from pathlib import Path

from services.authentication.config import Config
from slt.runtime.settings import table

README = Path(__file__).parents[3] / "services" / "authentication" / "README.md"


def test_the_settings_of_the_readme_are_those_of_the_program() -> None:
    assert table(Config, inherited=False) in README.read_text(encoding="utf-8")
