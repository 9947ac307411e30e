"""Uniqueness: does it conflict with the current state of the ledger? (architecture sections 4.4 and 6)

receive   validated items; final blocks; proposals to evaluate
decide    core.plan for items, slt.inventory.evaluate for blocks and proposals
persist   store.hold for reports that wait; store.commit for the changes of a final block
publish   admissions: slt.admitted, refusals, receipts again; replies to slt.evaluate and slt.state.get
done      the deliveries are acknowledged
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from services.uniqueness.admissions import Admissions
from services.uniqueness.api import make_router
from services.uniqueness.config import Config
from services.uniqueness.core import STAGE
from services.uniqueness.evaluations import Evaluations
from services.uniqueness.follower import Follower
from services.uniqueness.requests import Requests
from services.uniqueness.store import Store
from slt.bus import subjects
from slt.bus.messages import StateChanged, encode
from slt.inventory.genesis import genesis_head, genesis_state
from slt.inventory.state import StateHead
from slt.runtime.run import Runtime
from slt.runtime.stage import run_stage
from slt.statements.genesis import Genesis
from slt.statements.openings import Opening, parse_opening

GATHER: Final = 4  # deliveries of up to 64 reports in one batch: one query for all of them
HINTS_AT_ONCE: Final = 4  # blocks of up to 6 MiB in memory


async def serve(runtime: Runtime, config: Config, store: Store) -> None:
    """Admit, evaluate, follow and serve until the runtime stops. The caller holds the process lock."""
    head, is_new = await store.begin(runtime.genesis.chain_id, lambda: first_state(runtime.genesis, config.openings))
    runtime.log.info("state", height=head.height, block=head.block_id, log_size=head.log_size, new=is_new)
    with ThreadPoolExecutor(1, thread_name_prefix="evaluate") as executor:
        evaluations = Evaluations(store, head, executor)
        admissions = Admissions(runtime, store, evaluations, hold_s=config.hold_s)
        await admissions.open()
        follower = Follower(runtime, store, evaluations, admissions, block_poll_s=config.block_poll_s)
        runtime.health.ready_while("chain", lambda: follower.alarm)
        requests = Requests(runtime, store, evaluations, follower)
        runtime.health.ready_while("rule set", lambda: requests.unknown_rules)
        async with AsyncExitStack() as faces:
            await faces.enter_async_context(requests.answering())
            await faces.enter_async_context(runtime.serve_http(make_router(store, evaluations, admissions)))
            await runtime.bus.notify(subjects.STATE_CHANGED, encode(StateChanged(height=head.height)))
            await runtime.run(
                run_stage(runtime, consumer=STAGE, handle=admissions.handle, opens="validated", gather=GATHER),
                run_stage(
                    runtime,
                    consumer="uniqueness-blocks",
                    handle=follower.hinted,
                    stage=STAGE,
                    in_flight=HINTS_AT_ONCE,
                ),
                follower.poll(),
                background=[admissions.watch()],
            )


def first_state(genesis: Genesis, folder: Path | None) -> tuple[StateHead, dict[bytes, bytes]]:
    """Head and records at height 0. Raises OpeningFault, and DecodeError for a file that is no opening inventory."""
    named = {mba.opening for mba in genesis.mbas if mba.opening is not None}
    openings = [opening for opening in _read_openings(folder) if opening.digest in named]
    records = genesis_state(genesis, openings)
    return genesis_head(genesis, records), records


def _read_openings(folder: Path | None) -> list[Opening]:
    return [] if folder is None else [parse_opening(path.read_bytes()) for path in sorted(folder.glob("*.cbor"))]
