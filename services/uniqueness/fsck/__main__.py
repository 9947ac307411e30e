"""Check the stored state: python -m services.uniqueness.fsck [--blocks -]

Without blocks: the records hash to the state root that the last block's certificate covers. With the ledger's blocks on
standard input (`python -m services.ledger.fsck --blocks |`): the whole history is evaluated anew, and each record that
is not what it makes is named. Reads only; the service may run meanwhile. Exit codes: 0 all is well, 1 there are faults,
2 wrong use.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from services.uniqueness.fsck.flow import NAMED_MAX, Faults, Replay, blocks_of, check_held, check_records
from services.uniqueness.snapshot.config import Config
from services.uniqueness.store import ForeignLedger, Frozen, Store
from slt.bus.messages import Malformed
from slt.runtime.database import OtherRevision, damage, open_engine, require_newest, upgrade
from slt.runtime.identity import load_genesis
from slt.runtime.settings import SettingsError, load
from slt.statements.genesis import Genesis

TOLD_EVERY_S: Final = 2.0


def main() -> int:
    arguments = _arguments()
    try:
        return asyncio.run(_check(load(Config, os.environ), arguments))
    except (SettingsError, ForeignLedger, OtherRevision, Malformed) as error:
        sys.stderr.write(f"{error}\n")
        return 2


async def _check(config: Config, arguments: argparse.Namespace) -> int:
    genesis = load_genesis(config)
    engine = open_engine(config.database_url or config.data_dir, "uniqueness")
    faults = Faults(lambda text: _say(text, as_json=arguments.json))
    try:
        await require_newest(engine, "services.uniqueness.migrations")
        for line in await damage(engine):
            faults.add(f"the database file: {line}")
        store = Store(engine)
        async with store.frozen() as frozen:
            if frozen.chain_id != genesis.chain_id:
                raise ForeignLedger(f"this database holds the state of ledger {frozen.chain_id.hex()}")
            records = await check_records(frozen, genesis, faults)
            held = await check_held(store, faults)
            replayed = arguments.blocks is not None and await _replay(config, genesis, frozen, faults, arguments)
    finally:
        await engine.dispose()
    verdict = "all is well" if not faults.count else f"{faults.count} faults"
    how = "evaluated anew from genesis" if replayed else "compared with the certified state root"
    _say(
        f"uniqueness: height {frozen.head.height}, {records} records {how}, {held} held reports: {verdict}",
        as_json=arguments.json,
    )
    return 1 if faults.count else 0


async def _replay(
    config: Config, genesis: Genesis, frozen: Frozen, faults: Faults, arguments: argparse.Namespace
) -> bool:
    told_s = time.monotonic()

    def progress(height: int) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= TOLD_EVERY_S:
            told_s = time.monotonic()
            _say(f"height {height} of {frozen.head.height} evaluated", as_json=arguments.json)

    with tempfile.TemporaryDirectory(prefix="replay-", dir=arguments.scratch) as folder:
        scratch = open_engine(Path(folder), "scratch")
        try:
            await upgrade(scratch, "services.uniqueness.migrations")
            replay = Replay(Store(scratch), genesis, config.openings, faults)
            whole = await replay.run(blocks_of(sys.stdin.buffer), frozen.head.height, progress)
            if whole:
                named = 0
                async for difference in replay.differences(frozen):
                    faults.add(difference)
                    named += 1
                    if named == NAMED_MAX:
                        break
        finally:
            await scratch.dispose()
    while sys.stdin.buffer.read(1 << 20):
        pass  # blocks above the state's height: whoever writes them is not cut off
    return whole


def _say(text: str, *, as_json: bool) -> None:
    sys.stdout.write(f"{json.dumps({'said': text}) if as_json else text}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.uniqueness.fsck", description=__doc__)
    parser.add_argument("--blocks", choices=("-",), help="evaluate the blocks on standard input from genesis on")
    parser.add_argument(
        "--scratch", metavar="DIR", help="where the replay keeps its database; default: a temporary one"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
