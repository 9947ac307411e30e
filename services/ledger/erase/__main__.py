"""Erase bodies: python -m services.ledger.erase --reason TEXT (--before DATE | --statement ID...)

Document and salt go, for good. Statement, verdict, receipt, log, facts and findings stay, with a signed record in the
body's place. The service may run meanwhile. Exit codes: 0 done, 1 there was nothing of what was named, 2 wrong use.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from services.ledger.erase.flow import Eraser, Unknown
from services.ledger.joined import Rotten
from services.ledger.store import ForeignLedger, Store
from slt.runtime.database import OtherRevision, open_engine, require_newest
from slt.runtime.identity import load_genesis
from slt.runtime.settings import OfflineDatabase, SettingsError, load, setting
from slt.statements.erasures import REASON_CHARS_MAX
from slt.statements.signatures import signer_from_pem


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(OfflineDatabase):
    """A part of the ledger's own settings: the records are signed with its service key."""

    service_key: Annotated[Path, setting("SLT_SERVICE_KEY", must_exist=True, reason="PEM of the ledger's service key")]
    service_certificate: Annotated[
        Path, setting("SLT_SERVICE_CERTIFICATE", must_exist=True, reason="CBOR: certifies the service key")
    ]


def main() -> int:
    arguments = _arguments()
    try:
        erased = asyncio.run(_erase(load(Config, os.environ), arguments))
    except (Unknown, Rotten) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (SettingsError, ForeignLedger, OtherRevision) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{json.dumps({'erased': erased}) if arguments.json else f'{erased} bodies erased'}\n")
    return 0


async def _erase(config: Config, arguments: argparse.Namespace) -> int:
    genesis = load_genesis(config)
    engine = open_engine(config.database_url or config.data_dir, "ledger")
    try:
        await require_newest(engine, "services.ledger.migrations")
        store = Store(engine)
        await store.attach(genesis)
        eraser = Eraser(
            store,
            genesis,
            member=config.member,
            signer=signer_from_pem(config.service_key.read_bytes()),
            certificate=config.service_certificate.read_bytes(),
            reason=arguments.reason,
            now_ms=lambda: time.time_ns() // 1_000_000,
        )
        if arguments.statement:
            return await eraser.named(arguments.statement)
        return max([0, *[gone async for gone in eraser.older(arguments.before)]])
    finally:
        await engine.dispose()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.ledger.erase", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--before", type=_day_ms, metavar="YYYY-MM-DD", help="every body of blocks before this day (UTC) began"
    )
    what.add_argument("--statement", type=_digest, action="append", metavar="ID", help="a statement id, 64 hex digits")
    parser.add_argument(
        "--reason", type=_reason, required=True, help="why: the reference of a decision; it is kept and shown"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args()


def _day_ms(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)


def _digest(text: str) -> bytes:
    digest = bytes.fromhex(text)
    if len(digest) != 32:
        raise ValueError("a statement id has 64 hex digits")
    return digest


def _reason(text: str) -> str:
    if not 0 < len(text) <= REASON_CHARS_MAX:
        raise argparse.ArgumentTypeError(f"give a reason of 1 to {REASON_CHARS_MAX} characters")
    return text


if __name__ == "__main__":
    sys.exit(main())
