"""Write or restore a snapshot of the state: python -m services.uniqueness.snapshot write|restore FILE

`write` may run beside the service; `restore` makes a new database for a service that does not run yet. Exit codes:
0 done, 1 the snapshot or the state does not hold, 2 wrong use.
"""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from services.uniqueness.snapshot.config import Config
from services.uniqueness.snapshot.flow import NotYet, RottenState, restore, write
from services.uniqueness.snapshot.format import BadSnapshot
from services.uniqueness.store import ForeignLedger, SecondWriter, Store
from slt.runtime.database import (
    AlreadyRunning,
    OtherRevision,
    ProcessLock,
    only_writer,
    open_engine,
    require_newest,
    upgrade,
)
from slt.runtime.identity import load_genesis
from slt.runtime.settings import SettingsError, load


def main() -> int:
    arguments = _arguments()
    if arguments.what == "write" and arguments.file.exists():
        sys.stderr.write(f"{arguments.file} is there already, and a snapshot is not overwritten\n")
        return 2
    try:
        said = asyncio.run(_run(load(Config, os.environ), arguments))
    except (BadSnapshot, RottenState) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (SettingsError, ForeignLedger, SecondWriter, OtherRevision, AlreadyRunning, NotYet, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if arguments.json:
        sys.stdout.write(f"{json.dumps(said)}\n")
    else:
        sys.stdout.write(
            f"{'Written' if arguments.what == 'write' else 'Restored'}: the state after height {said['height']}, "
            f"{said['records']} records, state root {said['state_root']}\n"
        )
    return 0


async def _run(config: Config, arguments: argparse.Namespace) -> dict[str, int | str]:
    genesis = load_genesis(config)
    records = 0

    def tell(count: int) -> None:
        nonlocal records
        records = count

    engine = open_engine(config.database_url or config.data_dir, "uniqueness")
    try:
        if arguments.what == "write":
            await require_newest(engine, "services.uniqueness.migrations")
            first = await write(Store(engine), genesis, arguments.file, tell)
        else:
            with ProcessLock(config.data_dir / "uniqueness.lock", what="uniqueness"):
                async with only_writer(engine, what="uniqueness"):
                    await upgrade(engine, "services.uniqueness.migrations")
                    first = await restore(Store(engine), genesis, arguments.file, tell)
    finally:
        await engine.dispose()
    return {
        "height": first.head.height,
        "block_id": first.head.block_id.hex(),
        "state_root": first.header.state_root.hex(),
        "records": records,
        "file": str(arguments.file),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.uniqueness.snapshot", description=__doc__)
    parser.add_argument("what", choices=("write", "restore"))
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
