"""What the books are told at start."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from slt.runtime.settings import BaseConfig, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(BaseConfig):
    """The settings of every service, and those of the books."""

    openings: Annotated[
        Path | None,
        setting(
            "SLT_OPENINGS",
            must_exist=True,
            reason="folder of the opening inventories (*.cbor) that genesis names; read when the database is new",
        ),
    ] = None
    database_url: Annotated[
        str | None,
        setting(
            "SLT_DATABASE_URL",
            reason="PostgreSQL, as postgresql+asyncpg://..., a database of its own; none = SQLite in SLT_DATA_DIR",
        ),
    ] = None
    block_poll_s: Annotated[
        float,
        setting("SLT_BLOCK_POLL_S", unit="s", minimum=0.02, reason="a lost slt.block is found out so soon"),
    ] = 1.0
