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
    log_dir: Annotated[
        Path | None,
        setting("SLT_LOG_DIR", reason="tiles and checkpoint, for a static file server too; none = log in SLT_DATA_DIR"),
    ] = None
    log_publish_s: Annotated[
        float,
        setting("SLT_LOG_PUBLISH_S", unit="s", minimum=0.02, reason="an entry is in the published log so soon"),
    ] = 1.0
    log_scrub_s: Annotated[
        float,
        setting("SLT_LOG_SCRUB_S", unit="s", minimum=0.001, reason="one file of the log is read and hashed so often"),
    ] = 1.0
    cosigner_key: Annotated[
        Path | None,
        setting(
            "SLT_COSIGNER_KEY",
            must_exist=True,
            reason="PEM, ML-DSA-44 or Ed25519; cosigns what is stored, and as a witness; none = neither",
        ),
    ] = None
    witness_policy: Annotated[
        Path | None,
        setting(
            "SLT_WITNESS_POLICY",
            must_exist=True,
            reason="C2SP tlog-policy: which witnesses are asked, and whose cosignatures a published checkpoint needs",
        ),
    ] = None
    witness_wait_s: Annotated[
        float, setting("SLT_WITNESS_WAIT_S", unit="s", minimum=0.1, reason="a witness signs in milliseconds")
    ] = 5.0
    witness_logs: Annotated[
        Path | None,
        setting("SLT_WITNESS_LOGS", must_exist=True, reason="C2SP tlog-policy whose log lines we witness for others"),
    ] = None
