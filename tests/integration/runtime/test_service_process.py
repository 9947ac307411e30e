"""The README's example as a process, over a real broker: started, stopped, killed, broken."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import pytest

from slt.bus import Bus
from slt.bus.jetstream import JetStreamBus, connect
from slt.bus.messages import Item, Parked, decode
from slt.bus.stage import StageOpener
from slt.runtime.traces import TraceContext
from slt.statements.answers import decode_refusals
from slt.statements.refusals import verify_refusal
from tests.support.blocks import make_world
from tests.support.nats import NatsServer, nats_server
from tests.support.services import service_env, stage_signer

README: Final = Path(__file__).parents[3] / "libs/slt/runtime/README.md"
WORLD: Final = make_world()
DOOR: Final = stage_signer(WORLD, "authentication")
DEADLINE_S: Final = 60.0  # a process start takes ten seconds and more where the machine is busy


class Service:
    """One process of the example, restarted on demand."""

    def __init__(self, folder: Path, program: Path, env: dict[str, str]) -> None:
        self.home = folder / "validation"
        self.log = folder / "validation.jsonl"
        self._program = program
        self._env = os.environ | env
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **env: str) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, self._program], env=self._env | env, stdout=log, stderr=log
            )

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    async def exit_code(self) -> int:
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, DEADLINE_S)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE_S)

    def lines(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_bytes().splitlines() if line.startswith(b"{")]
        return [line for line in lines if line["event"] == event]

    async def url(self) -> str:
        file = self.home / "address.json"
        await until(file.exists)
        return str(json.loads(file.read_bytes())["http"])


async def until(holds: Callable[[], bool]) -> None:
    async def answer() -> bool:
        return holds()

    await until_answer(answer)


async def until_answer(holds: Callable[[], Awaitable[bool]]) -> None:
    """What another process does gives no event: look again until it is so, or the deadline has passed."""
    async with asyncio.timeout(DEADLINE_S):
        while not await holds():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with nats_server(tmp_path / "nats") as running:
        yield running


@pytest.fixture
async def bus(server: NatsServer) -> AsyncIterator[JetStreamBus]:
    async with connect(server.url, name="test", patience_s=DEADLINE_S) as opened:
        await opened.declare()
        yield opened


@pytest.fixture
def service(tmp_path: Path, server: NatsServer) -> Iterator[Service]:
    """The example, not yet started; longer bodies than 400 bytes are refused."""
    found = re.search(r'```python\n("""Run the example.*?)```', README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    program = tmp_path / "example.py"
    program.write_text(found[1], encoding="utf-8")
    env = service_env(tmp_path, WORLD, "validation", SLT_NATS_URL=server.url, SLT_BODY_MAX="400")
    running = Service(tmp_path, program, env)
    yield running
    running.kill()


async def authenticated(bus: Bus, *items: Item) -> None:
    await bus.publish("slt.authenticated", DOOR.seal("authenticated", list(items)))


async def validated(bus: Bus, count: int) -> list[Item]:
    """Items until `count` different ones have come."""
    opener, seen = StageOpener(WORLD.genesis), dict[bytes, Item]()
    async with asyncio.timeout(DEADLINE_S), aclosing(bus.deliveries("uniqueness", in_flight=64)) as messages:
        async for delivery in messages:
            for item in opener.open("validated", delivery.data):
                seen[item.statement_id] = item
            await delivery.done()
            if len(seen) == count:
                break
    return list(seen.values())


async def test_the_example_passes_on_refuses_and_parks(service: Service, bus: JetStreamBus) -> None:
    service.start()
    long = msgspec.structs.replace(WORLD.item(2), body_z=bytes(500))
    await authenticated(bus, WORLD.item(1), long)
    await bus.publish("slt.authenticated", stage_signer(WORLD, "ledger").seal("authenticated", [WORLD.item(3)]))
    assert [item.statement_id for item in await validated(bus, 1)] == [WORLD.item(1).statement_id]
    async with asyncio.timeout(DEADLINE_S), bus.answers(["slt.refused.XL.XLR1"], after=0) as answers:
        ((refusal, signature, certificate),) = decode_refusals((await anext(answers)).data)
    read = verify_refusal(refusal, signature, certificate, WORLD.genesis)
    assert (read.submission_id, read.stage, read.findings[0][6]) == (
        long.submission_id, "validation", "Too long; send a shorter one."
    )  # fmt: skip
    await until(lambda: bool(service.lines("parked")))
    stored = await bus._client.jetstream().get_last_msg("PARKED", "slt.parked.validation")
    assert stored.data is not None
    assert "'ledger' has no say" in decode(Parked, stored.data).reason


async def test_it_says_how_it_is_over_http(service: Service) -> None:
    service.start()
    async with httpx.AsyncClient(base_url=await service.url()) as client:
        await until_ready(client)
        assert (await client.get("/livez")).status_code == 200
        assert "slt_bus_errors" in (await client.get("/metrics")).text
        assert (await client.get("/openapi.json")).json()["info"]["title"] == "slt validation"


async def until_ready(client: httpx.AsyncClient, *, code: int = 200) -> None:
    async def answers() -> bool:
        return (await client.get("/readyz")).status_code == code

    await until_answer(answers)


async def test_it_lives_and_waits_while_the_broker_is_away(
    service: Service, server: NatsServer, bus: JetStreamBus
) -> None:
    server.kill()
    service.start()
    async with httpx.AsyncClient(base_url=await service.url()) as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).json()["reasons"] == {"bus": "no connection to the broker"}
        await server.start()
        await until_ready(client)
        await authenticated(bus, WORLD.item(1))
        assert len(await validated(bus, 1)) == 1
        server.kill()
        await until_ready(client, code=503)
        assert (await client.get("/livez")).status_code == 200


async def test_a_clean_stop_ends_with_code_0_and_causes_no_redelivery(service: Service, bus: JetStreamBus) -> None:
    service.start()
    for number in range(1, 40):
        await authenticated(bus, WORLD.item(number))
    await until(lambda: bool(service.lines("streams declared")))
    service.send(signal.SIGTERM)
    assert await service.exit_code() == 0
    assert [line["signal"] for line in service.lines("stopping")] == ["SIGTERM"]
    assert service.lines("stopped")
    # What it had begun is done, what it had not comes again at once: nothing waits for ack_wait.
    service.start()
    await until(lambda: len(service.lines("streams declared")) == 2)  # how long a start takes is not the question
    async with asyncio.timeout(8.0):  # less than ack_wait
        assert len(await validated(bus, 39)) == 39


async def test_interrupt_is_a_clean_stop_too(service: Service) -> None:
    service.start()
    await service.url()
    service.send(signal.SIGINT)
    assert await service.exit_code() == 0


async def test_nothing_is_lost_when_service_and_broker_are_killed_under_load(
    service: Service, server: NatsServer, bus: JetStreamBus
) -> None:
    """Ten kills at moments that the load sets; ack_wait is what it costs, not reports."""
    service.start()
    items = [WORLD.item(number) for number in range(1, 301)]
    opener, seen = StageOpener(WORLD.genesis), set[bytes]()

    async def read() -> None:
        async with aclosing(bus.deliveries("uniqueness", in_flight=64)) as messages:
            async for delivery in messages:
                seen.update(item.statement_id for item in opener.open("validated", delivery.data))
                await delivery.done()
                if len(seen) == len(items):
                    return

    async def write() -> None:
        for item in items:
            await authenticated(bus, item)

    async with asyncio.timeout(150), asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        reading = tasks.create_task(read())
        for kill in range(1, 11):
            await asyncio.wait({reading}, timeout=0.3)
            if kill % 3:
                service.kill()
                service.start()
            else:
                await asyncio.to_thread(server.kill)
                await server.start()
    assert seen == {item.statement_id for item in items}
    assert not service.lines("parked")


async def test_a_bug_ends_the_process_with_code_1_and_its_traceback(service: Service, bus: JetStreamBus) -> None:
    text = service._program.read_text().replace("good = [", "assert not batch.items, 'a bug'; good = [")
    service._program.write_text(text)
    service.start()
    await authenticated(bus, WORLD.item(1))
    assert await service.exit_code() == 1
    (line,) = service.lines("ended by an error")
    assert line["severity"] == "error"
    assert line["error"] == "AssertionError: a bug"
    assert "in handle" in line["traceback"]


async def test_wrong_settings_end_the_process_with_code_2_and_every_problem(service: Service) -> None:
    service.start(SLT_DRAIN_S="x", SLT_HTTP_HOST="0.0.0.0", SLT_NATS_URL="")
    assert await service.exit_code() == 2
    (line,) = service.lines("settings")
    assert line["problems"] == [
        "SLT_DRAIN_S='x': not a number; set it: a clean stop ends within this time (default 20.0)"
    ]


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"SLT_MEMBER": "7"}, "genesis has no such member; it has 0"),
        ({"SLT_SERVICE_CERTIFICATE": "ledger.cert"}, "it is for 'ledger', this is 'validation'"),
        ({"SLT_SERVICE_CERTIFICATE": "other.cert"}, "it certifies another key than SLT_SERVICE_KEY"),
        ({"SLT_SERVICE_CERTIFICATE": "old.cert"}, "it is not valid now"),
        ({"SLT_GENESIS": "old.cert"}, "set it to the ledger's genesis.cbor"),
    ],
)
async def test_a_key_certificate_or_genesis_that_does_not_fit_is_named(
    service: Service, env: dict[str, str], says: str
) -> None:
    from tests.support.services import certificate_of

    home = service.home
    (home / "ledger.cert").write_bytes(certificate_of(WORLD, "ledger", key="service validation"))
    (home / "other.cert").write_bytes(certificate_of(WORLD, "validation", key="another"))
    (home / "old.cert").write_bytes(certificate_of(WORLD, "validation", now_ms=1_000_000_000_000))
    service.start(**{name: str(home / value) if value.endswith(".cert") else value for name, value in env.items()})
    assert await service.exit_code() == 2
    assert says in service.lines("settings")[0]["problems"][0]


async def test_a_drain_that_does_not_end_is_ended(service: Service, bus: JetStreamBus) -> None:
    text = service._program.read_text().replace("good = [", "await __import__('asyncio').sleep(3600); good = [")
    service._program.write_text(text)
    service.start(SLT_DRAIN_S="0.3")
    await authenticated(bus, WORLD.item(1))
    await until(lambda: bool(service.lines("streams declared")))

    async def in_hand() -> bool:
        info = await bus._client.jetstream().consumer_info("PIPELINE-AUTHENTICATED", "validation")
        return bool(info.num_ack_pending == 1)

    await until_answer(in_hand)
    service.send(signal.SIGTERM)
    assert await service.exit_code() == 1
    assert "DrainOverrun" in service.lines("ended by an error")[0]["error"]


async def test_a_message_that_kills_the_process_is_parked_and_the_others_pass(
    service: Service, bus: JetStreamBus
) -> None:
    """Killed without a word, as by the kernel when memory ends; restarted each time, as by the platform."""
    poisoned = msgspec.structs.replace(WORLD.item(5), iss="poison")
    text = service._program.read_text().replace(
        "good = [", "[os.kill(os.getpid(), 9) for i in batch.items if i.iss == 'poison']; good = ["
    )
    service._program.write_text(text)
    for number in range(1, 9):
        await authenticated(bus, poisoned if number == 5 else WORLD.item(number))
    # Ten seconds of ack_wait for each life would make a long test: the consumer's is made shorter.
    client = bus._client.jetstream()
    reading = asyncio.create_task(validated(bus, 7))
    lives = 0
    async with asyncio.timeout(150):
        while not service.lines("parked") if service.log.exists() else True:
            if service.ended:
                lives += 1
                assert lives < 12
                service.start(SLT_DELIVERIES_MAX="2")
            with suppress(Exception):  # The consumer is declared anew at each start; as soon as it is there.
                info = await client.consumer_info("PIPELINE-AUTHENTICATED", "validation")
                if info.config.ack_wait != 0.2:
                    info.config.ack_wait = 0.2
                    await client.add_consumer("PIPELINE-AUTHENTICATED", info.config)
            await asyncio.sleep(0.02)
    (line,) = service.lines("parked")
    assert "handled alone, it ended the process 2 times (no exception: killed, or out of memory)" in line["reason"]
    assert {item.statement_id for item in await reading} == {
        WORLD.item(number).statement_id for number in range(1, 9) if number != 5
    }


async def test_spans_of_a_traced_report_stand_in_the_file(service: Service, bus: JetStreamBus, tmp_path: Path) -> None:
    service.start()
    parent = TraceContext("ab" * 16, "cd" * 8)
    await authenticated(bus, msgspec.structs.replace(WORLD.item(1), traceparent=parent.traceparent), WORLD.item(2))
    items = {item.statement_id: item for item in await validated(bus, 2)}
    service.send(signal.SIGTERM)
    assert await service.exit_code() == 0
    spans = [json.loads(line) for line in (tmp_path / "spans.jsonl").read_text().splitlines()]
    (mine,) = [span for span in spans if span["name"] == "validation"]
    assert (mine["trace_id"], mine["parent_id"], mine["service"]) == (parent.trace_id, parent.span_id, "validation")
    assert items[WORLD.item(1).statement_id].traceparent == f"00-{parent.trace_id}-{mine['span_id']}-01"
    assert items[WORLD.item(2).statement_id].traceparent == ""
