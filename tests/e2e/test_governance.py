"""A running ledger is changed: a reporter comes and goes, a parameter and an area change; services die meanwhile."""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slt.bus.jetstream import connect
from slt.client.client import keep
from slt.client.folder import Folder
from slt.client.local.init import init, now_utc
from slt.client.local.network import Network, running
from slt.client.outbox import Outbox
from slt.client.registry import Registry, fetch_registry
from slt.client.services import ask
from slt.client.submission import Signed, check, choose_identity, sign
from slt.statements.genesis_toml import write_areas
from slt.statements.verdicts import Code
from tests.e2e.audit import audit_folder, fetch_blocks

SAMPLES = Path(__file__).parents[1] / "vectors" / "reports"
AHEAD = 3  # activation_blocks of this ledger: a change of areas waits for so many
WITHIN_S = 60.0


@pytest.mark.timeout(300)
async def test_a_ledger_is_changed_while_it_runs_and_services_are_killed(tmp_path: Path) -> None:
    folder = _ledger(tmp_path)
    async with running(folder, extra={"SLT_STATE_POLL_S": "1"}) as network:
        await _reporter_comes_and_goes(folder, network)
        await _parameter_changes(folder, network)
        await _area_closes_under_a_report_that_is_on_its_way(folder, network)
        code, lines = await _slt("verify", *map(str, folder.receipts.iterdir()), "--genesis", str(folder.genesis_file))
        assert code == 0 and all(line["holds"] for line in lines)
        assert sorted(line["verdict"] for line in lines) == [*["accepted"] * 5, "rejected"]
        async with connect(network.addresses.nats, name="audit") as bus:
            blocks = await fetch_blocks(bus, folder)
    audited = audit_folder(folder, blocks)
    assert audited.log_size == 1 + 5 and len(audited.final) == 6, "replayed from genesis, block by block"


@pytest.mark.timeout(300)
async def test_keys_are_replaced_and_an_area_asks_for_endorsements(tmp_path: Path) -> None:
    folder = _ledger(tmp_path)
    async with running(folder, extra={"SLT_STATE_POLL_S": "1"}):
        await _key_is_replaced(folder)
        await _area_asks_for_endorsements_and_an_authority_gives_one(folder)
        code, lines = await _slt("verify", *map(str, folder.receipts.iterdir()), "--genesis", str(folder.genesis_file))
        assert code == 0 and [line["verdict"] for line in lines] == ["accepted"] * 5


async def _reporter_comes_and_goes(folder: Folder, network: Network) -> None:
    """Enrolled by the authority, reports with its key, is revoked; what it signed and had not sent is refused."""
    (answer,) = await _accepted(folder, "enrol", "second", "--mba", "XLR1", "--in", "3")
    assert answer["identity"] == "xl-authority" and (answer["mba"], answer["height"]) == ("", 1)
    network.kill("uniqueness")
    await _until(folder, lambda now: "second" in {one.name for one in now.identities})
    (report,) = await _accepted(folder, "submit", str(folder.reports / "XLR1-41.code10"), "--as", "second")
    assert report["identity"] == "second"

    made = _signed(folder, "XLR1-42", called="second", now=await _registry(folder))
    await _accepted(folder, "revoke", "second", "--in", "3")
    network.kill("authentication")
    await _until(folder, lambda now: "second" not in {one.name for one in now.identities})
    with closing(Outbox(folder.outbox_file)) as outbox:
        keep(folder, outbox, [made])
    code, (refused,) = await _slt("submit", "--dir", str(folder.root))
    assert refused["statement"] == made.entry.statement_id.hex()
    assert code == 1 and refused["answer"] == "refused"
    assert [finding["rule"] for finding in refused["findings"]] == ["key-unknown"]


async def _parameter_changes(folder: Folder, network: Network) -> None:
    """Proposed into a file, approved there by another, announced; it counts from its height on."""
    file = folder.root / "skew.change"
    code, (made,) = await _slt(
        "propose", "parameter", "skew_s", "400", "--in", "5", "--out", str(file), "--dir", str(folder.root)
    )
    assert (code, made["signed_by"], made["approved_by"]) == (0, "agency", [])
    code, (approved,) = await _slt("approve", str(file), "--as", "xl-authority", "--dir", str(folder.root))
    assert (code, approved["approved_by"]) == (0, ["xl-authority"])
    network.kill("consensus")
    await _accepted(folder, "announce", str(file))
    network.kill("ledger")
    await _until(folder, lambda now: now.parameters["skew_s"] == 400)
    code, (again,) = await _slt("announce", str(file), "--dir", str(folder.root))
    assert (code, again["answer"]) == (0, "accepted"), "an announced change keeps its receipt"


async def _key_is_replaced(folder: Folder) -> None:
    """A rotation: from the second change on only the new key reports, under the old name."""
    old = next(one for one in (await _registry(folder)).identities if one.name == "xls1")
    lines = await _accepted(folder, "rotate", "xls1", "--in", "2", "--overlap", "1")
    assert len(lines) == 2
    await _until(folder, lambda now: old.kid not in {one.kid for one in now.identities})
    (new,) = [one for one in (await _registry(folder)).identities if one.name == "xls1"]
    assert (new.mbas, new.role, len(folder.key_files("xls1"))) == (old.mbas, "reporter", 2)
    await _accepted(folder, "submit", str(folder.reports / "XLS1-21.code10"))


async def _area_asks_for_endorsements_and_an_authority_gives_one(folder: Folder) -> None:
    """An area of a TOML file, changed; its reports are refused without the authority's word, and pass with it."""
    area = replace((await _registry(folder)).area("XLF1"), endorsement="state")
    (folder.root / "area.toml").write_text(write_areas([area]), encoding="utf-8")
    await _accepted(folder, "propose", "area", str(folder.root / "area.toml"), "--in", "2")
    await _until(folder, lambda now: now.area("XLF1").endorsement == "state")
    where = ("--dir", str(folder.root))
    code, (refused,) = await _slt("submit", str(folder.reports / "XLF1-101.code10"), *where)
    assert (code, [one["rule"] for one in refused["findings"]]) == (1, ["A04"])
    statement = folder.root / "101.statement"
    assert (await _slt("endorse", refused["statement"][:12], "--request", str(statement), *where))[0] == 0
    code, (given,) = await _slt("endorse", str(statement), *where)
    assert (code, given["endorsed_by"]) == (0, "xl-authority")
    code, (answer,) = await _slt("endorse", given["file"], *where)
    assert (code, answer["answer"], answer["statement"]) == (0, "accepted", refused["statement"])


async def _area_closes_under_a_report_that_is_on_its_way(folder: Folder, network: Network) -> None:
    """Conflict case 20: vetted while the area was open, ordered when it is closed; judged by the closed area."""
    before = await _registry(folder)
    (closing_,) = await _accepted(folder, "propose", "close", "XLR1", "--on", "20250101", "--in", "2")
    height = next(one.effective_height for one in (await _registry(folder)).announced)
    assert height > closing_["height"] + AHEAD - 1
    await _until(folder, lambda now: now.height >= height - 1)
    async with _stopped(network, "consensus"):
        assert (await _registry(folder)).height == height - 1
        code, (sent,) = await _slt(
            "submit", str(folder.reports / "XLR1-42.code10"), "--as", "xlr1", "--no-wait", "--dir", str(folder.root)
        )
        assert code == 0
        await _holds(lambda: _passed(folder, sent["statement"]))
    network.kill("validation")
    code, lines = await _slt("submit", "--dir", str(folder.root))
    (judged,) = [line for line in lines if line["statement"] == sent["statement"]]
    assert (code, judged["answer"], judged["code"]) == (1, "rejected", Code.V15)
    assert judged["height"] >= height and {finding["rule"] for finding in judged["findings"]} == {"V15"}
    now = await _registry(folder)
    assert (now.reference_version, now.area("XLR1").closed) == (before.reference_version + 1, "20250101")
    code, (checked,) = await _slt("submit", str(folder.reports / "XLR1-43.code10"), "--dir", str(folder.root))
    assert (code, checked["verdict"]) == (1, "reject"), "who asks the ledger first signs nothing in vain"
    made = _signed(folder, "XLR1-43", called="xlr1", now=now)
    with closing(Outbox(folder.outbox_file)) as outbox:
        keep(folder, outbox, [made])
    code, (refused,) = await _slt("submit", "--dir", str(folder.root))
    assert (code, refused["answer"], refused["stage"]) == (1, "refused", "validation")


# What the test does as a person would


def _ledger(place: Path) -> Folder:
    world = shutil.copytree(SAMPLES, place / "world") / "world.toml"
    text = world.read_text(encoding="utf-8")
    assert "[parameters]\n" in text
    world.write_text(text.replace("[parameters]\n", f"[parameters]\nactivation_blocks = {AHEAD}\n"), encoding="utf-8")
    folder = Folder(place / "ledger")
    init(folder.root, world_file=world, model="private", members=1, now=now_utc())
    shutil.copytree(SAMPLES, folder.reports, dirs_exist_ok=True)
    return folder


async def _slt(*words: str) -> tuple[int, list[dict[str, Any]]]:
    """Run one command. Its exit code, and the objects that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "slt.client.cli", *words, "--json", stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(2 * WITHIN_S):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, [json.loads(line) for line in output.splitlines()]


async def _accepted(folder: Folder, *words: str) -> list[dict[str, Any]]:
    code, lines = await _slt(*words, "--dir", str(folder.root))
    assert (code, {line["answer"] for line in lines}) == (0, {"accepted"}), lines
    return lines


async def _registry(folder: Folder) -> Registry:
    return await fetch_registry(folder.addresses())


async def _until(folder: Folder, holds: Callable[[Registry], bool]) -> None:
    """Return once the registry is so; a service that was killed is asked again."""

    async def so() -> bool:
        said = await ask(folder.addresses(), "uniqueness", "/v1/registry")
        return "problem" not in said and holds(await _registry(folder))

    await _holds(so)


async def _holds(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await holds():  # noqa: ASYNC110 - what other processes do sets no event here
            await asyncio.sleep(0.05)


async def _passed(folder: Folder, statement: str) -> bool:
    """Whether uniqueness has passed the statement on to be ordered."""
    said = await ask(folder.addresses(), "uniqueness", f"/v1/reports/{statement}")
    return said.get("passed_ms") is not None


@asynccontextmanager
async def _stopped(network: Network, name: str) -> AsyncIterator[None]:
    """The service stands still, and goes on where it was."""
    pid = network.keepers[name].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _signed(folder: Folder, name: str, *, called: str, now: Registry) -> Signed:
    """Sign a report now, and send it later."""
    genesis = folder.genesis()
    checked = check(name, (folder.reports / f"{name}.code10").read_bytes(), genesis)
    now_ms = time.time_ns() // 1_000_000
    identity, signer = choose_identity(
        genesis,
        folder,
        state="XL",
        mba=checked.mba,
        called=called,
        now_s=now_ms // 1000,
        identities=now.identities,
    )
    return sign(checked, signer, identity=identity.name, genesis=genesis, salt=os.urandom(16), now_ms=now_ms)
