"""Run a member on this machine: the broker, five services and the books, each its own process, as long as one wants."""

import asyncio
import importlib.util
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from slt.client.errors import Unreachable, WrongUse
from slt.client.files import write_durably
from slt.client.folder import PROGRAMS, Addresses, Folder
from slt.client.local.broker import Broker, broker_in
from slt.client.local.lock import Started, holder_of, only_one, this_process
from slt.client.local.processes import Keeper, Program
from slt.client.local.settings import address_file, module_of, service_environment, service_folder
from slt.client.tasks import beside

NATS: Final = "nats"
UP_LOCK: Final = ".up.lock"  # held by the process that runs the folder
READY_WITHIN_S: Final = 60.0  # two busy cores import six programs in ten seconds; this is for a bad day
READY_POLL_S: Final = 0.05
ASK_WITHIN_S: Final = 2.0
FAILURES_MAX: Final = 4  # a program that has failed so often in a row will not get better by waiting
DRAIN_WITHIN_S: Final = 25.0  # a service's own SLT_DRAIN_S is 20
DOWN_WITHIN_S: Final = 200.0  # seven drains, one after the other
# Upstream first, so that what is on its way is finished; uniqueness after consensus, which asks it to evaluate.
STOP_ORDER: Final = ("authentication", "validation", "consensus", "uniqueness", "books", "ledger", NATS)


@dataclass(slots=True, kw_only=True)
class Network:
    """A member that runs here. Made by `running`."""

    folder: Folder
    broker: Broker
    trace_ratio: str
    keepers: dict[str, Keeper] = field(default_factory=dict)
    http: dict[str, str] = field(default_factory=dict)
    restarted: asyncio.Event = field(default_factory=asyncio.Event)
    _not_ready: dict[str, str] = field(default_factory=dict)  # what each said when it was asked last

    @property
    def addresses(self) -> Addresses:
        return Addresses(nats=self.broker.url, http=dict(self.http))

    def kill(self, name: str) -> None:
        """SIGKILL one program (a service, "books", or "nats"). It is started again by itself."""
        self.keepers[name].signal(signal.SIGKILL)

    async def ready(self, *, within_s: float = READY_WITHIN_S) -> None:
        """Return once broker and services are ready; learn their addresses. Raises Unreachable, with the reason."""
        waiting = [NATS, *PROGRAMS]
        try:
            async with asyncio.timeout(within_s), httpx.AsyncClient(timeout=ASK_WITHIN_S) as ask:
                while waiting:
                    waiting = [name for name in waiting if not await self._is_ready(name, ask)]
                    self._give_up_on(waiting)
                    if waiting:
                        await asyncio.sleep(READY_POLL_S)
        except TimeoutError:
            reasons = "\n".join(f"{name}: {self._not_ready.get(name, 'not asked yet')}" for name in waiting)
            words = "\n".join(f"{name}: {self.keepers[name].last_words()}" for name in waiting)
            raise Unreachable(
                f"{', '.join(waiting)} not ready within {within_s:.0f} s.\n{reasons}\nTheir last words:\n{words}"
            ) from None

    async def follow(self) -> None:
        """Keep addresses.json true: whenever a program was started again, wait until it is ready and write anew."""
        while True:
            await self.restarted.wait()
            self.restarted.clear()
            with suppress(Unreachable):  # its next restart brings us back here
                await self.ready()
                self.write_addresses()

    async def stop(self) -> None:
        """Drain everything in order. On return no process of this network runs."""
        for name in STOP_ORDER:
            await self.keepers[name].stop(within_s=DRAIN_WITHIN_S)

    def write_addresses(self) -> None:
        """addresses.json: where everything is, and which processes these are."""
        started = {name: keeper.started for name, keeper in self.keepers.items()}
        processes = {name: {"pid": one.pid, "since": one.since} for name, one in started.items() if one is not None}
        me = this_process()
        said = {
            "nats": self.broker.url,
            "http": self.http,
            "pids": {"up": me.pid, **{name: one["pid"] for name, one in processes.items()}},
            "processes": processes,
        }
        write_durably(self.folder.addresses_file, (json.dumps(said, indent=2) + "\n").encode())

    async def _is_ready(self, name: str, ask: httpx.AsyncClient) -> bool:
        try:
            if name == NATS:
                answer = await ask.get(self.broker.health_url)
            else:
                said = json.loads(address_file(self.folder, name).read_text(encoding="utf-8"))
                if said["pid"] != self.keepers[name].pid:
                    self._not_ready[name] = f"process {self.keepers[name].pid} does not listen yet"
                    return False
                answer = await ask.get(f"{said['http']}/readyz")
                self.http[name] = said["http"]
        except (FileNotFoundError, ValueError, httpx.TransportError) as error:
            self._not_ready[name] = f"{type(error).__name__}: {error}"
            return False
        self._not_ready[name] = f"{answer.status_code}: {answer.text[:500]}"
        return answer.status_code == httpx.codes.OK

    def _give_up_on(self, waiting: list[str]) -> None:
        for name in waiting:
            keeper = self.keepers[name]
            if keeper.failures >= FAILURES_MAX:
                raise Unreachable(
                    f"{name} does not start. Its last words ({keeper.program.log}):\n{keeper.last_words()}"
                )


@asynccontextmanager
async def running(
    folder: Folder,
    *,
    sync_always: bool = False,
    trace_ratio: str = "0.05",
    extra: Mapping[str, str] | None = None,
    ended: Callable[[str, int], None] = lambda _name, _code: None,
) -> AsyncIterator[Network]:
    """Run the member of `folder` until the block ends; then drain it.

    Yields when everything is ready. `extra` goes into every service's environment. `ended(name, code)` is called when
    a program ended by itself; it is started again. Raises WrongUse when the folder is none or is already up, and
    Unreachable when something does not start.
    """
    folder.genesis()
    _services_are_here()
    with only_one(folder.root / UP_LOCK, what=f"{folder.root} is already up"):
        await _end_leftovers(folder)
        network = _lay_out(folder, sync_always=sync_always, trace_ratio=trace_ratio, extra=extra or {}, ended=ended)
        network.broker.configure()
        # However the block ends, the keepers end with it and kill what they still keep; normally that is nothing.
        async with beside(*(keeper.run() for keeper in network.keepers.values()), network.follow()):
            try:
                await network.ready()
                network.write_addresses()
                yield network
                await network.stop()
            finally:
                folder.addresses_file.unlink(missing_ok=True)


async def stop_elsewhere(folder: Folder) -> bool:
    """Stop the `slt up` that runs `folder`, and return once it is gone. False: nothing was up.

    Only a process that holds the folder's lock, and started when the lock says, gets the signal. Raises Unreachable
    when it does not end within DOWN_WITHIN_S.
    """
    holder = holder_of(folder.root / UP_LOCK)
    if holder is None:
        return await _end_leftovers(folder)
    os.kill(holder.pid, signal.SIGTERM)
    if not await _gone([holder], within_s=DOWN_WITHIN_S):
        raise Unreachable(f"Process {holder.pid}, which runs {folder.root}, has not ended within {DOWN_WITHIN_S:.0f} s")
    return True


def _lay_out(
    folder: Folder,
    *,
    sync_always: bool,
    trace_ratio: str,
    extra: Mapping[str, str],
    ended: Callable[[str, int], None],
) -> Network:
    """Folders, and a keeper for each program. Nothing runs yet."""
    broker = broker_in(folder.member / NATS, sync_always=sync_always)
    for place in (
        folder.logs,
        folder.spans,
        folder.member / "run",
        *(service_folder(folder, name) for name in PROGRAMS),
    ):
        place.mkdir(parents=True, exist_ok=True)

    def program(service: str) -> Program:
        return Program(
            name=service,
            command=(sys.executable, "-m", module_of(service)),
            settings=lambda: service_environment(
                folder, service, nats_url=broker.url, trace_ratio=trace_ratio, extra=extra
            ),
            folder=folder.root,
            log=folder.logs / f"{service}.jsonl",
        )

    server = Program(
        name=NATS,
        command=broker.command,
        settings=lambda: dict(os.environ),
        folder=folder.root,
        log=folder.logs / "nats.log",
    )
    network = Network(folder=folder, broker=broker, trace_ratio=trace_ratio)

    def ended_here(name: str, code: int) -> None:
        if code > 0:  # by itself, not by a signal: perhaps its port was taken, so it gets another one
            address_file(folder, name).unlink(missing_ok=True)
        network.restarted.set()
        ended(name, code)

    network.keepers |= {one.name: Keeper(one, ended=ended_here) for one in [server, *map(program, PROGRAMS)]}
    return network


def _services_are_here() -> None:
    if importlib.util.find_spec("services") is None:
        raise WrongUse(
            "The five services are not installed here: `slt up` runs them from a checkout of the project. "
            "To use a member elsewhere, name its bus in profile.toml"
        )


async def _end_leftovers(folder: Folder) -> bool:
    """End processes that an `slt up` which was itself killed left behind. True when there were any."""
    try:
        said = json.loads(folder.addresses_file.read_text(encoding="utf-8"))["processes"]
        left = [Started(pid=int(one["pid"]), since=str(one["since"])) for one in said.values()]
    except (FileNotFoundError, ValueError, KeyError):
        return False
    left = [one for one in left if one.is_running()]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for one in left:
            if one.is_running():
                with suppress(ProcessLookupError):
                    os.kill(one.pid, number)
        if await _gone(left, within_s=DRAIN_WITHIN_S):
            break
    folder.addresses_file.unlink(missing_ok=True)
    return bool(left)


async def _gone(processes: list[Started], *, within_s: float) -> bool:
    deadline = asyncio.get_running_loop().time() + within_s
    while any(one.is_running() for one in processes):
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(READY_POLL_S)
    return True


def working_folder(path: Path) -> Folder:
    """The folder, as an absolute place: services run in it."""
    return Folder(path.resolve())
