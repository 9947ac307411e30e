"""The README's tables are those of the code."""

import re
from pathlib import Path

from services.uniqueness.books import api
from services.uniqueness.books.config import Config
from slt.runtime.settings import table

BOOKS = Path(__file__).parents[4] / "services" / "uniqueness" / "books"
README = (BOOKS / "README.md").read_text(encoding="utf-8")


def test_the_readme_has_the_settings() -> None:
    assert table(Config, inherited=False) in README


def test_the_readme_names_every_route() -> None:
    routes = re.findall(r"GET (/v1/\w+)", api.__doc__ or "")
    assert len(routes) == 12
    assert [route for route in routes if f"`GET {route}" not in README] == []


def test_the_readme_names_every_metric_and_every_file() -> None:
    source = (BOOKS / "follower.py").read_text(encoding="utf-8")
    metrics = re.findall(r'"(slt\.books\.\w+)"', source)
    assert len(metrics) == 2
    assert [name for name in metrics if f"`{name}`" not in README] == []
    files = {path.name for path in BOOKS.glob("*.py")} - {"__init__.py", "__main__.py", "config.py"}
    assert [name for name in sorted(files) if f"`{name}`" not in README] == []
