"""The README of the service says what the settings are."""

from pathlib import Path

from services.consensus.config import Config
from slt.runtime.settings import table

README = Path(__file__).parents[3] / "services" / "consensus" / "README.md"


def test_the_table_of_settings_is_that_of_the_config() -> None:
    text = README.read_text(encoding="utf-8")
    written = text.partition("<!-- settings -->\n")[2].partition("<!-- /settings -->")[0]
    assert written == table(Config, inherited=False)
