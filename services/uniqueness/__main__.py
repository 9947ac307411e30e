"""Run uniqueness: python -m services.uniqueness"""

import os

from services.uniqueness.config import Config
from services.uniqueness.service import serve
from services.uniqueness.store import Store
from slt.runtime.database import ProcessLock, only_writer, open_engine, upgrade
from slt.runtime.run import run, start
from slt.runtime.settings import load


async def main() -> None:
    """Settings, resources, one call."""
    config = load(Config, os.environ)
    config.data_dir.mkdir(parents=True, exist_ok=True)
    with ProcessLock(config.data_dir / "uniqueness.lock", what="uniqueness"):
        async with start(config, service="uniqueness") as runtime:
            engine = open_engine(config.database_url or config.data_dir, "uniqueness")
            try:
                async with only_writer(engine, what="uniqueness"):
                    await upgrade(engine, "services.uniqueness.migrations")
                    await serve(runtime, config, Store(engine))
            finally:
                await engine.dispose()


if __name__ == "__main__":
    run(main)
