"""Check a ledger's database: python -m services.ledger.fsck

Recomputes everything from the stored bytes and names each row that is not what it should be. Reads only; the service
may run meanwhile. Exit codes: 0 all is well, 1 there are faults, 2 wrong use.
"""

import argparse
import asyncio
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

from services.ledger.fsck.flow import Progress, Teller, check, standard_output
from services.ledger.fsck.tiles import check_tiles
from services.ledger.fsck.walk import Walk
from services.ledger.log.leaves import Leaves
from services.ledger.reader import Reader
from services.ledger.store import ForeignLedger, Store
from slt.merkle.notes import NoteVerifier
from slt.runtime.database import OtherRevision, damage, open_engine, require_newest
from slt.runtime.identity import load_genesis
from slt.runtime.settings import OfflineDatabase, SettingsError, load, setting

PROGRESS: Final = "fsck.json"
THREADS: Final = 1  # reading and recomputing take turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(OfflineDatabase):
    """What a check of a ledger's database is told: a part of the ledger's own settings."""

    log_dir: Annotated[
        Path | None, setting("SLT_LOG_DIR", reason="tiles and checkpoint; none = log in SLT_DATA_DIR")
    ] = None


def main() -> int:
    arguments = _arguments()
    try:
        config = load(Config, os.environ)
        return asyncio.run(_check(config, arguments))
    except (SettingsError, ForeignLedger, OtherRevision) as error:
        sys.stderr.write(f"{error}\n")
        return 2


async def _check(config: Config, arguments: argparse.Namespace) -> int:
    genesis = load_genesis(config)
    engine = open_engine(config.database_url or config.data_dir, "ledger")
    out = sys.stderr if arguments.blocks else sys.stdout
    tell = Teller(as_json=arguments.json, out=out, clock_s=time.monotonic)
    try:
        with ThreadPoolExecutor(THREADS, thread_name_prefix="fsck") as pool:
            await require_newest(engine, "services.ledger.migrations")
            store = Store(engine, checked=False)  # each row is looked at here
            await store.attach(genesis)
            verifier = NoteVerifier.from_vkey(genesis.member(config.member).checkpoint_vkey)
            found = await check(
                Walk(store, Reader(store, genesis, pool), genesis, verifier),
                store,
                progress=None if arguments.all or arguments.blocks else Progress(config.data_dir / PROGRESS, genesis),
                damage=await damage(engine),
                tell=tell,
                clock_s=time.monotonic,
                passed_on=standard_output() if arguments.blocks else None,
                tiles=None
                if arguments.blocks
                else check_tiles(config.log_dir or config.data_dir / "log", Leaves(store, genesis), store, verifier),
            )
    finally:
        await engine.dispose()
    verdict = "all is well" if not found.faults else f"{found.faults} faults"
    resumed = "" if found.resumed_after < 0 else f" (resumed after height {found.resumed_after})"
    tell({"done": f"ledger: height {found.height}, {found.statements} statements{resumed}: {verdict}", **asdict(found)})
    return 1 if found.faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m services.ledger.fsck", description="Recompute a ledger's database from its bytes."
    )
    parser.add_argument("--all", action="store_true", help="from genesis, even where an interrupted check can go on")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--blocks", action="store_true", help="write each block that verifies to standard output, for a replay"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
