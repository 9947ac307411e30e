"""The settings of this service; those that every service has are in slt.runtime.settings.BaseConfig."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from slt.consensus.limits import Limits
from slt.runtime.settings import BaseConfig, setting
from slt.statements.genesis import Genesis


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(BaseConfig):
    consensus_key: Annotated[
        Path,
        setting(
            "SLT_CONSENSUS_KEY",
            must_exist=True,
            reason="PEM of the Ed25519 key that signs batches and blocks; nothing else",
        ),
    ]
    term_certificate: Annotated[
        Path,
        setting("SLT_TERM_CERTIFICATE", must_exist=True, reason="CBOR: the term authority lets this key sign blocks"),
    ]
    gather: Annotated[
        int,
        setting("SLT_GATHER", unit="messages", minimum=1, maximum=256, reason="one fsync covers so many messages"),
    ] = 16
    block_linger_ms: Annotated[
        int,
        setting(
            "SLT_BLOCK_LINGER_MS",
            unit="ms",
            minimum=0,
            maximum=10_000,
            reason="an idle chain waits so long after the first batch: a fuller block costs less for each report",
        ),
    ] = 20
    block_idle_s: Annotated[
        float,
        setting("SLT_BLOCK_IDLE_S", unit="s", minimum=0.01, reason="empty blocks while a governance change waits"),
    ] = 1.0
    block_heartbeat_s: Annotated[
        float,
        setting("SLT_BLOCK_HEARTBEAT_S", unit="s", minimum=0.01, reason="an empty block shows that the ledger lives"),
    ] = 3600.0
    blocks_unstored_max: Annotated[
        int,
        setting(
            "SLT_BLOCKS_UNSTORED_MAX",
            unit="blocks",
            minimum=1,
            maximum=1000,
            reason="kept in memory and on disk for a ledger that is behind; then fetching stops",
        ),
    ] = 32
    pending_bytes_max: Annotated[
        int,
        setting(
            "SLT_PENDING_BYTES_MAX",
            unit="bytes",
            minimum=1024,
            reason="batches in no block, in memory; then fetching stops and the broker keeps the rest",
        ),
    ] = 64 * 1024 * 1024
    evaluate_timeout_s: Annotated[
        float,
        setting(
            "SLT_EVALUATE_TIMEOUT_S", unit="s", minimum=0.1, reason="of the first question; doubles up to a minute"
        ),
    ] = 3.0
    ledger_poll_s: Annotated[
        float,
        setting("SLT_LEDGER_POLL_S", unit="s", minimum=0.01, reason="after a start: how often the ledger is asked"),
    ] = 0.25


def limits_of(config: Config, genesis: Genesis) -> Limits:
    """How the driver paces itself: by genesis what all members share, by our settings the rest."""
    return Limits(
        block_bytes_max=genesis.parameter("block_bytes_max"),
        block_entries_max=genesis.parameter("block_entries_max"),
        linger_ms=config.block_linger_ms,
        idle_ms=round(config.block_idle_s * 1000),
        heartbeat_ms=round(config.block_heartbeat_s * 1000),
        unstored_max=config.blocks_unstored_max,
    )
