"""Run authentication: python -m services.authentication"""

import os
from concurrent.futures import ThreadPoolExecutor

from services.authentication.again import AuthenticatingAgain
from services.authentication.api import make_router
from services.authentication.config import Config
from services.authentication.service import STAGE, Authentication
from slt.runtime.copies import RegistryCopy
from slt.runtime.recent import Recent
from slt.runtime.run import run, start
from slt.runtime.settings import load


async def main() -> None:
    """Settings, resources, one call."""
    config = load(Config, os.environ)
    with (
        ThreadPoolExecutor(config.threads, thread_name_prefix="verify") as pool,
        ThreadPoolExecutor(config.vets_at_once, thread_name_prefix="again") as beside,
    ):
        async with start(config, service=STAGE) as runtime:
            copy = RegistryCopy(runtime, poll_s=config.state_poll_s)
            recent = Recent()
            authentication = Authentication(runtime, copy, pool, recent, gather=config.gather)
            again = AuthenticatingAgain(runtime, copy, authentication.door, beside)
            async with (
                again.answering(at_once=config.vets_at_once),
                runtime.serve_http(make_router(runtime, copy, recent)),
            ):
                await runtime.run(authentication.run(), background=[copy.run()])


if __name__ == "__main__":
    run(main)
