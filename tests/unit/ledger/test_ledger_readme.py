"""The README's tables are those of the code."""

import re
from pathlib import Path

from services.ledger import api
from services.ledger.config import Config
from services.ledger.log import api as log_api
from slt.runtime.settings import table

SERVICE = Path(__file__).parents[3] / "services" / "ledger"
README = (SERVICE / "README.md").read_text(encoding="utf-8")


def test_the_readme_has_the_settings() -> None:
    assert table(Config, inherited=False) in README


def test_the_readme_names_every_route() -> None:
    routes = re.findall(r"GET (/v1/\S+)", api.__doc__ or "")
    assert len(routes) == 8
    assert [route for route in routes if f"`GET {route}`" not in README] == []


def test_the_readme_names_every_route_of_the_log() -> None:
    routes = re.findall(r"^((?:GET|POST) /\S+)", log_api.__doc__ or "", re.MULTILINE)
    assert len(routes) == 5
    assert [route for route in routes if f"`{route}`" not in README] == []


def test_the_readme_names_every_metric_and_every_file() -> None:
    rooms = [*SERVICE.glob("*.py"), *(SERVICE / "log").glob("*.py")]
    source = "".join(path.read_text(encoding="utf-8") for path in rooms)
    assert [name for name in re.findall(r'"(slt\.ledger\.\w+)"', source) if f"`{name}" not in README] == []
    files = {path.name for path in rooms} - {"__init__.py", "__main__.py", "config.py", "signing.py"}
    assert [name for name in sorted(files) if f"`{name}`" not in README] == []
