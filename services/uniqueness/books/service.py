"""The books: what people ask of inventories, batches, balances and transits (architecture section 8, "Scale").

receive   final blocks: as a hint, or asked of the ledger by height
decide    blocks.gather: verified, and turned into rows
persist   store.commit: rows and height in one transaction
publish   HTTP: questions of slt.inventory.questions over one snapshot of the tables
"""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.ext.asyncio import AsyncEngine

from services.uniqueness.books.api import make_router
from services.uniqueness.books.config import Config
from services.uniqueness.books.documents import Documents
from services.uniqueness.books.first import first_books, read_openings
from services.uniqueness.books.follower import Follower
from services.uniqueness.books.store import Store
from slt.reports.dates import day_anywhere
from slt.runtime.run import Runtime


async def serve(runtime: Runtime, config: Config, engine: AsyncEngine, store: Store) -> None:
    """Follow and answer until the runtime stops. The caller holds the process lock; `store` writes into `engine`."""
    genesis = runtime.genesis
    head, is_new = await store.begin(genesis.chain_id, lambda: first_books(genesis, read_openings(config.openings)))
    runtime.log.info("books", height=head.height, block=head.block_id, log_size=head.log_size, new=is_new)
    with ThreadPoolExecutor(1, thread_name_prefix="blocks") as executor:
        follower = Follower(runtime, store, head, await store.areas(), executor, block_poll_s=config.block_poll_s)
        runtime.health.ready_while("chain", lambda: follower.alarm)
        async with runtime.serve_http(
            make_router(engine, Documents(runtime), lambda: day_anywhere(runtime.now_ms() / 1000))
        ):
            await runtime.run(follower.poll(), background=[follower.listen()])
