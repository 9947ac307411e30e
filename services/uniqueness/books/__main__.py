"""Run the books: python -m services.uniqueness.books"""

import os

from services.uniqueness.books.config import Config
from services.uniqueness.books.service import serve
from services.uniqueness.books.store import Store
from slt.runtime.database import ProcessLock, only_writer, open_engine, upgrade
from slt.runtime.run import run, start
from slt.runtime.settings import load


async def main() -> None:
    """Settings, resources, one call."""
    config = load(Config, os.environ)
    config.data_dir.mkdir(parents=True, exist_ok=True)
    with ProcessLock(config.data_dir / "books.lock", what="the books"):
        async with start(config, service="uniqueness", process="books") as runtime:
            engine = open_engine(config.database_url or config.data_dir, "books")
            try:
                async with only_writer(engine, what="the books"):
                    await upgrade(engine, "services.uniqueness.books.migrations")
                    await serve(runtime, config, engine, Store(engine))
            finally:
                await engine.dispose()


if __name__ == "__main__":
    run(main)
