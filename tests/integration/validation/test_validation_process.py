"""Validation as a process of its own: settings, a clean stop, SIGKILL in the middle of its work."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.validation.config import Config
from slt.runtime.settings import table
from tests.integration.validation.member import Member, environment, item, member, soon
from tests.support.buses import JetStreamWorld, small_table, world_of
from tests.unit.reports.samples import document

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def validation(folder: Path, nats_url: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.validation",
        cwd=ROOT, env={**os.environ, **environment(folder, nats_url)}, stdout=PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await soon(process.communicate())


@asynccontextmanager
async def home(folder: Path) -> AsyncIterator[tuple[Member, str]]:
    broker_table = small_table(bytes_max=64 * 1024 * 1024)
    async with world_of("jetstream", folder / "broker", broker_table) as broker, member(broker, folder / "m") as one:
        assert isinstance(broker, JetStreamWorld)
        await one.uniqueness_answers()
        yield one, broker.server.url


async def test_it_works_and_stops_cleanly_when_asked(tmp_path: Path) -> None:
    async with home(tmp_path) as (one, url), validation(tmp_path / "v", url) as process:
        await one.authenticated(item(41, document("XLR1-41")))
        assert len(await one.validated(1)) == 1
        address = json.loads((tmp_path / "v" / "address.json").read_bytes())
        assert address["pid"] == process.pid
        process.send_signal(signal.SIGTERM)
        output, _ = await soon(process.communicate())
        assert process.returncode == 0
    lines = [json.loads(line) for line in output.splitlines()]
    assert any(line["event"] == "passed" and line["stage"] == "validation" for line in lines)
    assert not any("446:" in json.dumps(line) for line in lines), "a body in the log"


async def test_every_report_is_passed_on_although_the_process_is_killed(tmp_path: Path) -> None:
    reports = [item(number, document("XLR1-41").replace(b"XL;41#", b"XL;%d#" % number)) for number in range(41, 101)]
    async with home(tmp_path) as (one, url):
        for third in (reports[:20], reports[20:40], reports[40:]):
            for report in third:
                await one.authenticated(report)
            async with validation(tmp_path / "v", url) as process:
                await _first_decision(process)
                process.kill()
        async with validation(tmp_path / "v", url):
            passed = await one.validated(len(reports))
    assert {report.submission_id for report in passed} == {report.submission_id for report in reports}


async def _first_decision(process: Process) -> None:
    """Return in the middle of its work."""

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            if json.loads(line)["event"] == "passed":
                return

    await soon(read())


def test_the_readme_has_the_settings() -> None:
    readme = (ROOT / "services/validation/README.md").read_text(encoding="utf-8")
    assert table(Config, inherited=False) in readme
