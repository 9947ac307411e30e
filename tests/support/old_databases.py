"""Databases as an earlier release has written them: their rows in a file (tests/vectors/databases), and back.

A file is JSON: `revision` of the migrations, `tables` (name to `columns` and `rows`, in the order in which they go back
in), and whatever else its test needs. Bytes are {"hex": "..."}.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from slt.runtime.database import upgrade

FOLDER: Final = Path(__file__).parents[1] / "vectors" / "databases"


def read(name: str) -> dict[str, Any]:
    """The file `name` of FOLDER."""
    found: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"), object_hook=_bytes)
    return found


def write(name: str, content: Mapping[str, Any]) -> None:
    """Make the file `name` of FOLDER. Only a generator does."""
    text_of = json.dumps(content, default=lambda value: {"hex": bytes(value).hex()}, indent=1)
    (FOLDER / name).write_text(f"{text_of}\n", encoding="utf-8")


async def rows_of(engine: AsyncEngine, tables: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The rows of `tables`, name to columns, for `write`: the first column orders them."""
    async with engine.connect() as connection:
        return {
            name: {
                "columns": list(columns),
                "rows": [
                    list(row)
                    for row in await connection.execute(
                        text(f"SELECT {', '.join(columns)} FROM {name} ORDER BY {columns[0]}")
                    )
                ],
            }
            for name, columns in tables.items()
        }


async def restore(engine: AsyncEngine, migrations: str, content: Mapping[str, Any]) -> None:
    """Make the empty database of `engine` what `content` says: its revision, and its rows."""
    await upgrade(engine, migrations, to=content["revision"])
    async with engine.begin() as connection:
        for name, table in content["tables"].items():
            columns = table["columns"]
            places = ", ".join(f":{column}" for column in columns)
            into = text(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({places})")
            for row in table["rows"]:
                await connection.execute(into, dict(zip(columns, row, strict=True)))


def _bytes(value: dict[str, Any]) -> Any:
    return bytes.fromhex(value["hex"]) if value.keys() == {"hex"} else value
