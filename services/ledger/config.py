"""What the ledger service is told at start."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from slt.runtime.settings import BaseConfig, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(BaseConfig):
    """The settings of every service, and the ledger's own."""

    checkpoint_key: Annotated[
        Path,
        setting(
            "SLT_CHECKPOINT_KEY",
            must_exist=True,
            reason="PEM of the Ed25519 key that signs checkpoints, COSE receipts and nothing else; genesis names it",
        ),
    ]
    database_url: Annotated[
        str | None,
        setting("SLT_DATABASE_URL", reason="PostgreSQL, as postgresql+asyncpg://...; none = SQLite in SLT_DATA_DIR"),
    ] = None
    block_poll_s: Annotated[
        float,
        setting("SLT_BLOCK_POLL_S", unit="s", minimum=0.02, reason="a lost slt.block is found out so soon"),
    ] = 1.0
    verify_threads: Annotated[
        int,
        setting(
            "SLT_VERIFY_THREADS", minimum=1, maximum=64, reason="verifying releases Python's lock: one for each core"
        ),
    ] = 2
