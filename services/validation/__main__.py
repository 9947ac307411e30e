"""Run validation: python -m services.validation"""

import os
from concurrent.futures import ThreadPoolExecutor

from services.validation.again import JudgingAgain
from services.validation.api import make_router
from services.validation.config import Config
from services.validation.service import STAGE, Validation
from slt.runtime.copies import RegistryCopy
from slt.runtime.recent import Recent
from slt.runtime.run import run, start
from slt.runtime.settings import load


async def main() -> None:
    """Settings, resources, one call."""
    config = load(Config, os.environ)
    with (
        ThreadPoolExecutor(1, thread_name_prefix="judge") as judging,
        ThreadPoolExecutor(config.vets_at_once, thread_name_prefix="again") as judging_again,
        ThreadPoolExecutor(config.checks_at_once, thread_name_prefix="check") as checking,
    ):
        async with start(config, service=STAGE) as runtime:
            copy = RegistryCopy(runtime, poll_s=config.state_poll_s)
            recent = Recent()
            validation = Validation(runtime, copy, judging, recent, gather=config.gather)
            again = JudgingAgain(runtime, copy, validation.bench, judging_again)
            async with (
                again.answering(at_once=config.vets_at_once),
                runtime.serve_http(make_router(copy, checking, recent, waiting_max=config.checks_waiting)),
            ):
                await runtime.run(validation.run(), background=[copy.run()])


if __name__ == "__main__":
    run(main)
