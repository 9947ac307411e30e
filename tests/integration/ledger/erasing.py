"""Erasing bodies of a ledger's database, as `python -m services.ledger.erase` does it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from services.ledger.erase.flow import Eraser
from services.ledger.store import Store
from slt.runtime.database import open_engine
from tests.support.blocks import World, signer
from tests.support.services import certificate_of

REASON: Final = "RETENTION PERIOD OF 10 YEARS IS OVER"
ERASED_MS: Final = 1_900_000_000_000


async def erased(where: str | Path, world: World, statement_ids: Sequence[bytes], *, before_ms: int = 0) -> int:
    """Erase the bodies of these statements, or those before `before_ms`; how many. `where`: as open_engine takes it."""
    engine = open_engine(where, "ledger")
    try:
        store = Store(engine)
        await store.attach(world.genesis)
        eraser = Eraser(
            store,
            world.genesis,
            member=0,
            signer=signer("service ledger"),
            certificate=certificate_of(world, "ledger", now_ms=ERASED_MS),
            reason=REASON,
            now_ms=lambda: ERASED_MS,
        )
        if statement_ids:
            return await eraser.named(statement_ids)
        return max([0, *[gone async for gone in eraser.older(before_ms)]])
    finally:
        await engine.dispose()
