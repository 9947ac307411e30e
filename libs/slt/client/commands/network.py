"""init, up, down, status, keys new: the ledger as a thing that runs somewhere."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from slt.client.commands.history import History
from slt.client.errors import Unreachable, WrongUse
from slt.client.files import write_private
from slt.client.folder import PROGRAMS, SERVICES, Addresses, Folder
from slt.client.local.init import init as lay_down
from slt.client.local.init import now_utc
from slt.client.local.keys import new_key, private_pem, spki_of
from slt.client.local.network import running, stop_elsewhere, working_folder
from slt.client.outbox import WAITING, Outbox
from slt.client.output import Output
from slt.client.services import ask
from slt.statements.signatures import kid_of


def init(directory: Path, *, world: Path | None, model: str, members: int, as_json: bool) -> None:
    out = Output(as_json=as_json)
    target = directory.resolve()
    genesis = lay_down(target, world_file=world, model=model, members=members, now=now_utc())
    out.objects(
        [
            {
                "folder": str(target),
                "origin": genesis.origin,
                "chain_id": genesis.chain_id.hex(),
                "identities": [one.name for one in genesis.identities],
            }
        ]
    )
    out.table(
        f"Ledger {genesis.origin} in {directory}",
        ["identity", "role", "State", "MBAs", "key here"],
        [
            [
                one.name,
                one.role,
                one.state,
                " ".join(one.mbas),
                "yes" if Folder(target).key_file(one.name).exists() else "no",
            ]
            for one in genesis.identities
        ],
    )
    out.say(f"chain id {genesis.chain_id.hex()}\nRun it here with: slt up {directory}")


def up(directory: Path, *, sync_always: bool, trace_ratio: str, as_json: bool) -> None:
    out = Output(as_json=as_json)
    asyncio.run(_up(working_folder(directory), out, sync_always=sync_always, trace_ratio=trace_ratio))


async def _up(folder: Folder, out: Output, *, sync_always: bool, trace_ratio: str) -> None:
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_stop.set)

    def ended(name: str, code: int) -> None:
        out.trouble(f"{name} ended with code {code}; starting it again (its log: {folder.logs})")

    out.say(f"Starting a broker, {len(SERVICES)} services and the books in {folder.root} ...")
    starting = asyncio.current_task()
    assert starting is not None

    async def stop_early(start: asyncio.Task[object]) -> None:
        """A signal while things still start ends the start."""
        await asked_to_stop.wait()
        start.cancel()

    watcher = asyncio.create_task(stop_early(starting))
    try:
        async with running(folder, sync_always=sync_always, trace_ratio=trace_ratio, ended=ended) as network:
            watcher.cancel()
            show_addresses(network.addresses, out)
            out.say(
                f"Up. Submit with: slt submit --dir {folder.root} FILE...   Stop with Ctrl-C or: slt down {folder.root}"
            )
            await asked_to_stop.wait()
            out.say("Stopping, in order ...")
        out.say("Down.")
    except asyncio.CancelledError:
        if not asked_to_stop.is_set():
            raise
        starting.uncancel()
        out.say("Stopped before everything was up.")
    finally:
        watcher.cancel()


def show_addresses(addresses: Addresses, out: Output) -> None:
    """Where everything is."""
    out.objects([{"nats": addresses.nats, "http": addresses.http}])
    out.table(
        "",
        ["what", "where"],
        [["nats", addresses.nats], *([name, f"{addresses.http.get(name, '')}/docs"] for name in PROGRAMS)],
    )


def down(directory: Path, *, as_json: bool) -> None:
    out = Output(as_json=as_json)
    stopped = asyncio.run(stop_elsewhere(working_folder(directory)))
    out.objects([{"stopped": stopped}])
    out.say("Down." if stopped else "Nothing was up.")


def status(directory: Path, *, as_json: bool) -> None:
    out = Output(as_json=as_json)
    folder = working_folder(directory)
    addresses = folder.addresses()
    said = asyncio.run(_status(addresses))
    waiting = _waiting(folder)
    rows = [_status_row(service, addresses.http.get(service, ""), said[service]) for service in PROGRAMS]
    out.objects(
        {"service": name, "url": url, "ready": ready == "yes", "says": said[name]} for name, url, ready, _ in rows
    )
    out.objects([{"waiting": waiting}])
    out.table("", ["service", "address", "ready", "says"], rows)
    out.say(f"{waiting} of the reports signed here wait for an answer.")
    history = History(folder, folder.genesis())
    line = history.published()
    out.objects([line.to_json()])
    out.say(f"The log: {line.text}")
    history.end(out)
    if not_ready := [name for name, _, ready, _ in rows if ready != "yes"]:
        raise Unreachable(f"not ready: {', '.join(not_ready)}")


async def _status(addresses: Addresses) -> dict[str, dict[str, Any]]:
    """By service: what it says of its readiness, and of how far it is where it has a word for that."""
    async with asyncio.TaskGroup() as group:
        ready = {one: group.create_task(ask(addresses, one, "/readyz", any_status=True)) for one in PROGRAMS}
        status = {one: group.create_task(ask(addresses, one, "/v1/status")) for one in _WITH_STATUS}
    said = {service: task.result() for service, task in ready.items()}
    for service, task in status.items():
        told = task.result()
        said[service] |= {name: told[name] for name in _WITH_STATUS[service] if told.get(name)}
    return said


_WITH_STATUS: Final = {
    "consensus": ("height", "step", "halted", "unstored"),
    "ledger": ("height", "statements", "log_size"),
}


def _status_row(service: str, url: str, said: Mapping[str, Any]) -> tuple[str, str, str, str]:
    ready = "yes" if said.get("status_code") == httpx.codes.OK else "no"
    words = [f"{name} {value}" for name, value in said.items() if value and name not in ("status_code", "ok")]
    return service, url, ready, ", ".join(words)


def _waiting(folder: Folder) -> int:
    if not folder.outbox_file.exists():
        return 0
    outbox = Outbox(folder.outbox_file)
    try:
        return sum(row.standing == WAITING for row in outbox.waiting())
    finally:
        outbox.close()


def new_key_file(path: Path, *, algorithm: str, as_json: bool) -> None:
    out = Output(as_json=as_json)
    if path.exists():
        raise WrongUse(f"{path} is there already, and a key is not overwritten")
    if not path.parent.is_dir():
        raise WrongUse(f"{path.parent} is no folder")
    key = new_key(algorithm)
    write_private(path, private_pem(key))
    kid = kid_of(spki_of(key)).hex()
    out.objects([{"file": str(path), "algorithm": algorithm, "kid": kid}])
    out.say(f"{path}: a new {algorithm} key, readable by you only.\nkid {kid}")
