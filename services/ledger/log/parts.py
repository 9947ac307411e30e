"""The public log of a ledger service, put together: tiles, witness, publisher, and their HTTP face."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from services.ledger.config import Config
from services.ledger.keeper import Keeper
from services.ledger.log.api import make_log_router
from services.ledger.log.cosigning import OutsideWitnesses
from services.ledger.log.disk import Disk, OsDisk
from services.ledger.log.leaves import Leaves
from services.ledger.log.publishing import Publisher, Signers
from services.ledger.log.verified import VerifiedTiles
from services.ledger.log.witness import Witness
from services.ledger.signing import cosigner_key, witness_policy, witnessed_logs
from services.ledger.store import Store
from slt.merkle.hashing import Digest
from slt.merkle.notes import NoteVerifier

if TYPE_CHECKING:
    from pathlib import Path

    from slt.runtime.run import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicLog:
    """What `service` runs and serves of it."""

    publisher: Publisher
    router: APIRouter

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        return [self.publisher.run(), self.publisher.scrub()]


@asynccontextmanager
async def open_log(
    runtime: "Runtime", config: Config, store: Store, keeper: Keeper, *, disk_of: "Callable[[Path], Disk]" = OsDisk
) -> AsyncIterator[PublicLog]:
    """Read keys, policies and what the witness has seen. Raises SettingsError. `disk_of` is given by tests."""
    genesis, log, metrics = runtime.genesis, runtime.log, runtime.telemetry.metrics
    key, policy, logs = cosigner_key(config, genesis), witness_policy(config), witnessed_logs(config, genesis)
    leaves = Leaves(store, genesis)
    tiles = VerifiedTiles(disk_of(config.log_dir or config.data_dir / "log"), leaves, log=log, metrics=metrics)

    async def own_root(size: int) -> Digest | None:
        return await leaves.root_at(size, keeper.head.height)

    try:
        witness = None
        if key is not None:
            witness = Witness(
                key,
                disk_of(config.data_dir / "witness"),
                logs,
                own_origin=genesis.origin,
                own_root=own_root,
                now_s=lambda: runtime.now_ms() // 1000,
            )
            await witness.open()
            log.info("cosigner", vkey=key.cosigner.vkey, logs=sorted(logs))
        signers = Signers(
            log=NoteVerifier.from_vkey(genesis.member(config.member).checkpoint_vkey),
            witness=witness,
            outside=OutsideWitnesses(policy, wait_s=config.witness_wait_s, log=log, metrics=metrics),
            policy=policy,
        )
        publisher = Publisher(
            keeper,
            leaves,
            tiles,
            signers,
            every_s=config.log_publish_s,
            scrub_s=config.log_scrub_s,
            log=log,
            metrics=metrics,
        )
        yield PublicLog(publisher=publisher, router=make_log_router(publisher, tiles, witness))
    finally:
        await asyncio.to_thread(tiles.close)
