"""The ledger: is it kept, unchanged, and can anyone prove it? (architecture section 4.6)

receive   a final block: from the bus, or from consensus when asked for the next height
decide    core, vetting: everything that an outsider can check
persist   store.append: one transaction, the commit point of the whole member
publish   answers: one receipt for each statement with a final verdict
done      the hint is acknowledged; asking for the next height tells consensus what is stored
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter

from services.ledger.answers import Answers
from services.ledger.api import make_router
from services.ledger.config import Config
from services.ledger.follower import STAGE, Follower, Parts
from services.ledger.keeper import Keeper, open_keeper, signing
from services.ledger.log.parts import open_log
from services.ledger.reader import Reader
from services.ledger.requests import Requests
from services.ledger.signing import cose_signer
from services.ledger.store import Store
from slt.merkle.notes import NoteSigner
from slt.runtime.stage import run_stage

if TYPE_CHECKING:
    from slt.runtime.run import Runtime

HINTS_AT_ONCE: Final = 4  # blocks of up to 6 MiB in memory
MARK_EVERY_S: Final = 5.0  # how old the published mark may grow while no block comes


async def serve(runtime: "Runtime", config: Config, store: Store, signer: NoteSigner) -> None:
    """Follow, answer and serve until the runtime stops. The caller holds the process lock of the store's folder."""
    with ThreadPoolExecutor(config.verify_threads, thread_name_prefix="verify") as pool:
        keeper = await open_keeper(
            store, runtime.genesis, signing(runtime.genesis, signer), pool=pool, now_ms=runtime.now_ms
        )
        runtime.log.info("chain", height=keeper.head.height, block=keeper.head.block_id, entries=keeper.head.entries)
        answers = Answers(
            runtime.bus,
            runtime.genesis.chain_id,
            runtime.log,
            published=await store.published(),
            stopping=runtime.stopping,
            sent=lambda messages: runtime.telemetry.metrics.sent.add(messages, stage=STAGE),
        )
        reader = Reader(store, runtime.genesis, pool)
        follower = Follower(
            runtime, Parts(keeper=keeper, answers=answers, reader=reader), block_poll_s=config.block_poll_s
        )
        runtime.health.ready_while("chain", lambda: follower.alarm)
        runtime.health.ready_while("rows", lambda: store.rotten)
        requests = Requests(runtime, reader, answers, keeper)
        async with AsyncExitStack() as faces, asyncio.TaskGroup() as tasks:
            await faces.enter_async_context(requests.answering())
            public_log = await faces.enter_async_context(open_log(runtime, config, store, keeper))
            router = APIRouter()
            router.include_router(make_router(store, reader, keeper, runtime.genesis, cose_signer(signer)))
            router.include_router(public_log.router)
            await faces.enter_async_context(runtime.serve_http(router))
            publishing = tasks.create_task(answers.run())
            await _publish_what_a_crash_left(keeper, answers, reader)
            await runtime.run(
                run_stage(
                    runtime, consumer="ledger-blocks", handle=follower.hinted, in_flight=HINTS_AT_ONCE, stage=STAGE
                ),
                follower.poll(),
                background=[_mark(store, answers), *public_log.tasks()],
            )
            await answers.drained()
            await store.mark_published(answers.published)
            publishing.cancel()


async def _publish_what_a_crash_left(keeper: Keeper, answers: Answers, reader: Reader) -> None:
    """Receipts of blocks above the mark may not have reached the bus: publish them (again)."""
    for height in range(answers.published + 1, keeper.head.height + 1):
        await answers.put(height, await reader.issued_in(height))


async def _mark(store: Store, answers: Answers) -> None:
    """Keep the mark near what is published while no block carries it."""
    marked = answers.published
    while True:
        await asyncio.sleep(MARK_EVERY_S)
        if answers.published > marked:
            marked = answers.published
            await store.mark_published(marked)
