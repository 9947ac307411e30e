"""Run the ledger: python -m services.ledger"""

import os

from services.ledger.config import Config
from services.ledger.service import serve
from services.ledger.signing import checkpoint_signer
from services.ledger.store import Store
from slt.runtime.database import ProcessLock, only_writer, open_engine, upgrade
from slt.runtime.run import run, start
from slt.runtime.settings import load


async def main() -> None:
    config = load(Config, os.environ)
    config.data_dir.mkdir(parents=True, exist_ok=True)
    with ProcessLock(config.data_dir / "ledger.lock", what="the ledger"):
        async with start(config, service="ledger") as runtime:
            signer = checkpoint_signer(config, runtime.genesis)
            engine = open_engine(config.database_url or config.data_dir, "ledger")
            try:
                async with only_writer(engine, what="the ledger"):
                    await upgrade(engine, "services.ledger.migrations")
                    await serve(runtime, config, Store(engine), signer)
            finally:
                await engine.dispose()


if __name__ == "__main__":
    run(main)
