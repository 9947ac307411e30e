"""A whole ledger as one file: python -m services.ledger.archive export|check|import|freeze FILE

export   write every block, and what reading it needs, into FILE; the service may run meanwhile
check    rebuild the ledger of FILE in a scratch database, and throw that away
import   rebuild the ledger of FILE in a new database; no key is needed for it
freeze   for a ledger that is being shut down: export, with a signed last word inside; from then on the ledger service
         refuses to add anything. The service must be stopped

Exit codes: 0 done, 1 FILE does not hold, 2 wrong use.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.ledger.archive.bundle import BadArchive
from services.ledger.archive.flow import FROZEN, OPENINGS, STATE, Summary, WrongLedger, rebuild, write
from services.ledger.joined import Rotten
from services.ledger.store import ForeignLedger, Frozen, Store
from slt.merkle.hashing import Digest
from slt.merkle.notes import NoteVerifier
from slt.runtime.database import (
    AlreadyRunning,
    OtherRevision,
    ProcessLock,
    only_writer,
    open_engine,
    require_newest,
    upgrade,
)
from slt.runtime.files import durable_write
from slt.runtime.identity import load_genesis
from slt.runtime.settings import OfflineDatabase, SettingsError, load, setting
from slt.statements.freezes import REASON_CHARS_MAX, Freeze, sign_freeze
from slt.statements.genesis import Genesis
from slt.statements.openings import parse_opening
from slt.statements.signatures import signer_from_pem

MIGRATIONS: Final = "services.ledger.migrations"
TOLD_EVERY_S: Final = 2.0
THREADS: Final = 2  # verifying releases Python's lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(OfflineDatabase):
    """A part of the ledger's own settings; the service key only for a freeze."""

    openings: Annotated[
        Path | None,
        setting("SLT_OPENINGS", must_exist=True, reason="folder of the opening inventories (*.cbor), to put inside"),
    ] = None
    service_key: Annotated[
        Path | None, setting("SLT_SERVICE_KEY", must_exist=True, reason="PEM of the ledger's service key; for a freeze")
    ] = None
    service_certificate: Annotated[
        Path | None,
        setting("SLT_SERVICE_CERTIFICATE", must_exist=True, reason="CBOR: certifies the service key; for a freeze"),
    ] = None


def main() -> int:
    arguments = _arguments()
    try:
        summary = asyncio.run(_run(load(Config, os.environ), arguments))
    except BadArchive as error:
        sys.stderr.write(f"{arguments.file}: {error}\n")
        return 1
    except Rotten as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (
        SettingsError, ForeignLedger, Frozen, OtherRevision, AlreadyRunning, WrongLedger, FileExistsError,
        FileNotFoundError,
    ) as error:  # fmt: skip
        sys.stderr.write(f"{error}\n")
        return 2
    done = {"export": "Written", "check": "It holds", "import": "Rebuilt", "freeze": "Frozen"}[arguments.what]
    sys.stdout.write(
        summary.encoded().decode().replace("\n", "").replace("  ", " ") + "\n"
        if arguments.json
        else f"{done}: {summary.origin}, height {summary.height}, {summary.statements} statements, "
        f"log of {summary.log_size} entries with root {summary.log_root}\n"
    )
    return 0


async def _run(config: Config, arguments: argparse.Namespace) -> Summary:
    genesis = load_genesis(config)
    if arguments.what in ("export", "freeze") and arguments.file.exists():
        raise FileExistsError(f"{arguments.file} is there already, and an archive is not overwritten")
    match arguments.what:
        case "export":
            return await _export(config, genesis, arguments, freezing=False)
        case "freeze":
            config.data_dir.mkdir(parents=True, exist_ok=True)
            with ProcessLock(config.data_dir / "ledger.lock", what="the ledger"):
                return await _export(config, genesis, arguments, freezing=True)
        case "import":
            config.data_dir.mkdir(parents=True, exist_ok=True)
            with ProcessLock(config.data_dir / "ledger.lock", what="the ledger"):
                return await _rebuild(open_engine(config.database_url or config.data_dir, "ledger"), genesis, config,
                                      arguments)  # fmt: skip
        case _:
            with tempfile.TemporaryDirectory(prefix="archive-", dir=arguments.scratch) as folder:
                return await _rebuild(open_engine(Path(folder), "ledger"), genesis, config, arguments)


async def _export(config: Config, genesis: Genesis, arguments: argparse.Namespace, *, freezing: bool) -> Summary:
    engine = open_engine(config.database_url or config.data_dir, "ledger")
    try:
        await require_newest(engine, MIGRATIONS)
        if freezing:
            async with only_writer(engine, what="the ledger"):
                return await _written(Store(engine), config, genesis, arguments, freezing=True)
        return await _written(Store(engine), config, genesis, arguments, freezing=False)
    finally:
        await engine.dispose()


async def _written(
    store: Store, config: Config, genesis: Genesis, arguments: argparse.Namespace, *, freezing: bool
) -> Summary:
    await store.attach(genesis)
    beside = _openings(config, genesis)
    if arguments.state is not None:
        beside[STATE] = arguments.state.read_bytes()
    if freezing:
        beside[FROZEN] = await _last_word(store, config, genesis, arguments.reason)
    summary = await write(store, genesis, arguments.file, beside=beside, tell=Teller(as_json=arguments.json))
    if freezing:
        durable_write(config.data_dir / FROZEN, beside[FROZEN])
        await store.freeze(summary.height)  # last: a crash before this line leaves a ledger that goes on
    return summary


async def _rebuild(engine: AsyncEngine, genesis: Genesis, config: Config, arguments: argparse.Namespace) -> Summary:
    verifier = NoteVerifier.from_vkey(genesis.member(config.member).checkpoint_vkey)
    try:
        async with only_writer(engine, what="the ledger"):
            await upgrade(engine, MIGRATIONS)
            with ThreadPoolExecutor(THREADS, thread_name_prefix="verify") as pool:
                tell = Teller(as_json=arguments.json)
                return await rebuild(Store(engine), genesis, verifier, arguments.file, pool=pool, tell=tell)
    finally:
        await engine.dispose()


def _openings(config: Config, genesis: Genesis) -> dict[str, bytes]:
    """The opening inventories that genesis names, by name inside. Raises SettingsError if one is not there."""
    named = {mba.opening: f"{mba.state}/{mba.mba}" for mba in genesis.mbas if mba.opening is not None}
    found: dict[str, bytes] = {}
    if config.openings is None:
        return found  # an archive without them still rebuilds the ledger, and its blocks prove what it holds
    for path in sorted(config.openings.glob("*.cbor")):
        data = path.read_bytes()
        digest = parse_opening(data).digest
        if named.pop(digest, None) is not None:
            found[f"{OPENINGS}{digest.hex()}.cbor"] = data
    if named:
        raise SettingsError(
            [f"SLT_OPENINGS={str(config.openings)!r}: no opening of {', '.join(sorted(named.values()))}"]
        )
    return found


async def _last_word(store: Store, config: Config, genesis: Genesis, reason: str) -> bytes:
    if config.service_key is None or config.service_certificate is None:
        raise SettingsError(
            ["SLT_SERVICE_KEY and SLT_SERVICE_CERTIFICATE are not set; a freeze is signed with that key"]
        )
    last = await store.last_block()
    freeze = Freeze(
        chain_id=genesis.chain_id,
        member=config.member,
        height=last.height,
        block_id=Digest(last.block_id),
        log_size=last.after.size,
        log_root=last.after.root(),
        time_ms=time.time_ns() // 1_000_000,
        reason=reason,
    )
    return sign_freeze(
        freeze, signer_from_pem(config.service_key.read_bytes()), config.service_certificate.read_bytes()
    )


class Teller:
    """Progress on standard error every two seconds."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._told_s = time.monotonic()

    def __call__(self, height: int, last: int) -> None:
        if time.monotonic() - self._told_s >= TOLD_EVERY_S:
            self._told_s = time.monotonic()
            words = f"height {height} of {last}"
            sys.stderr.write(f"{json.dumps({'height': height, 'of': last}) if self._as_json else words}\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m services.ledger.archive", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("export", "check", "import", "freeze"))
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--state", type=Path, metavar="FILE", help="a snapshot of the state to put inside")
    parser.add_argument("--reason", type=_reason, help="of a freeze: why; the reference of a decision")
    parser.add_argument(
        "--scratch", metavar="DIR", help="of a check: where its database goes; default: a temporary one"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    if arguments.what == "freeze" and not arguments.reason:
        parser.error("freeze needs --reason")
    return arguments


def _reason(text: str) -> str:
    if not 0 < len(text) <= REASON_CHARS_MAX:
        raise argparse.ArgumentTypeError(f"give a reason of 1 to {REASON_CHARS_MAX} characters")
    return text


if __name__ == "__main__":
    sys.exit(main())
