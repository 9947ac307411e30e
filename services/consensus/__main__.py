"""Run consensus: python -m services.consensus"""

import os
from collections.abc import Callable
from contextlib import ExitStack, closing

from services.consensus.api import make_router
from services.consensus.claims import FileRegister
from services.consensus.config import Config, limits_of
from services.consensus.credentials import KeyLock, load_key, load_term
from services.consensus.disk import OsDisk
from services.consensus.node import Node
from services.consensus.service import Service
from services.consensus.signer import FileSigner
from services.consensus.wal import Wal
from slt.consensus.authority import genesis_head
from slt.runtime.files import ProcessLock
from slt.runtime.run import Runtime, run, start
from slt.runtime.settings import load


async def main() -> None:
    config = load(Config, os.environ)
    async with start(config, service="consensus") as runtime:
        await serve(runtime, config)


async def serve(runtime: Runtime, config: Config, *, ready: Callable[[Service], None] = lambda _: None) -> None:
    """Open the three stores, alone, and run until the runtime stops. `ready` is told once HTTP listens."""
    genesis = runtime.genesis
    key = load_key(config, genesis)
    term = load_term(config, genesis, key)
    with ExitStack() as stores:
        stores.enter_context(ProcessLock(config.data_dir / "lock", what="consensus"))
        stores.enter_context(KeyLock(config.consensus_key))
        wal = stores.enter_context(closing(Wal(OsDisk(config.data_dir / "wal"), genesis_head(genesis))))
        register = stores.enter_context(closing(FileRegister(OsDisk(config.data_dir / "claims"))))
        node = Node(
            genesis=genesis,
            proposer=config.member,
            term=term,
            limits=limits_of(config, genesis),
            wal=wal,
            register=register,
            signer=FileSigner(OsDisk(config.data_dir / "signer"), key, genesis.chain_id),
        )
        service = Service(runtime, config, node)
        async with runtime.serve_http(make_router(service, term)):
            ready(service)
            await service.run()


if __name__ == "__main__":
    run(main)
