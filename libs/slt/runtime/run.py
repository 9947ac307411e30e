"""Start and stop: `run(main)` around `async with start(config, service="ledger") as runtime`.

Exit codes: 0 stopped as asked; 1 a bug, or a world that will not do (the JSON log line says which, with the
traceback); 2 the settings are wrong. On SIGTERM or SIGINT /readyz turns 503, stages finish the batch in hand and
acknowledge it, contexts close, spans are flushed; past `drain_s` the process ends anyway.
"""

import asyncio
import gc
import hashlib
import os
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

import uvloop

import slt
from slt.bus import Bus, BusClosed, BusDown, Delivery
from slt.bus.jetstream import connect
from slt.bus.messages import Item, Message, Parked, encode
from slt.bus.packing import pack
from slt.bus.requests import Dialogue
from slt.bus.stage import StageOpener, StageSigner
from slt.bus.streams import MAX_PAYLOAD_BYTES, Table
from slt.bus.subjects import parked
from slt.runtime import http
from slt.runtime.asking import A, Asking, Q
from slt.runtime.health import Health
from slt.runtime.identity import ServiceIdentity, load_genesis, load_identity
from slt.runtime.logs import Log, catch_libraries
from slt.runtime.settings import BaseConfig, SettingsError, describe
from slt.runtime.telemetry import Telemetry, open_telemetry
from slt.statements.genesis import Genesis

if TYPE_CHECKING:
    from fastapi import APIRouter

LAST_RESORT_S: Final = 2.0  # after drain_s: for contexts to close once they are cancelled
GARBAGE_AFTER: Final = 50_000  # new containers, a few MB; Python's 700 costs validation a tenth of its CPU
MESSAGE_ID_HEAD_BYTES: Final = 2048  # of a sealed message: names, certificate and signature stand before the payload
PARKED_DATA_BYTES_MAX: Final = MAX_PAYLOAD_BYTES - 64 * 1024


class ServiceBus(Bus, Protocol):
    """A bus that knows its table, and can say that it is closed for good."""

    table: Table
    failed: asyncio.Event
    last_error: str
    errors: int
    forbidden: str


class DrainOverrun(Exception):
    """The service did not stop within drain_s."""


class Runtime:
    """What a service's flow is given: one of each, ready to use."""

    def __init__(
        self,
        *,
        config: BaseConfig,
        service: str,
        bus: ServiceBus,
        genesis: Genesis,
        identity: ServiceIdentity,
        telemetry: Telemetry,
        log: Log,
        process: str = "",
    ) -> None:
        self.config = config
        self.service = service
        self.process = process or service  # what it is called where people look: a service may run as two processes
        self.bus: Bus = bus
        self._table = bus.table
        self.genesis = genesis
        self.identity = identity
        self.telemetry = telemetry
        self.log = log
        self.health = Health()
        self.stopping = asyncio.Event()
        self.stage_signer = StageSigner(
            genesis.chain_id, config.member, service, identity.signer, identity.certificate_bytes
        )
        self.stage_opener = StageOpener(genesis, member=config.member)
        dialogue = Dialogue(
            genesis, member=config.member, service=service, signer=identity.signer,
            certificate=identity.certificate_bytes,
        )  # fmt: skip
        self._asking = Asking(bus, dialogue, log, telemetry.metrics)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def ack_wait_s(self, consumer: str) -> float:
        return self._table.consumer(consumer).ack_wait_s

    def serve_http(self, router: "APIRouter | None" = None) -> AbstractAsyncContextManager[str]:
        """Listen while the context is open: the routes of `router`, /livez, /readyz, /metrics. Gives the URL."""
        config = self.config
        address = http.HttpAddress(
            host=config.http_host,
            port=config.http_port,
            certificate=config.http_tls_certificate,
            key=config.http_tls_key,
            address_file=config.address_file,
        )
        return http.serve(address, service=self.process, health=self.health, telemetry=self.telemetry, router=router)

    async def ask(self, subject: str, question: Message, reply: type[A], *, timeout_s: float) -> A:
        """Ask another service of this member; see Asking.ask. Raises NoReply, Malformed, TooLarge."""
        return await self._asking.ask(subject, question, reply, timeout_s=timeout_s)

    def answering(
        self, subject: str, question: type[Q], handler: Callable[[Q, str], Awaitable[Message]], *, concurrency: int
    ) -> AbstractAsyncContextManager[None]:
        """Answer the others with `await handler(question, asker)` while the context is open; see Asking.answering."""
        return self._asking.answering(subject, question, handler, concurrency=concurrency)

    async def publish_items(self, stage: str, items: Sequence[Item]) -> None:
        """Pack, sign and publish `items` on slt.<stage>; return once all of it is stored.

        Raises StreamFull or BusDown when a part of it may not be stored; a repeat stores that part twice, which the
        next stage bears.
        """
        messages = [self.stage_signer.seal(stage, part) for part in pack(items)]
        await self.publish_sealed(f"slt.{stage}", messages)
        self.telemetry.metrics.sent.add(len(messages), stage=self.service)

    async def publish_sealed(self, subject: str, messages: Sequence[bytes]) -> None:
        """Publish all at once; each under an id of its own bytes, so that only the bus's own retries are absorbed."""
        if len(messages) == 1:
            await self.bus.publish(subject, messages[0], id=_message_id(messages[0]))
            return
        published = await asyncio.gather(
            *(self.bus.publish(subject, message, id=_message_id(message)) for message in messages),
            return_exceptions=True,
        )
        for outcome in published:
            if isinstance(outcome, BaseException):
                raise outcome

    async def park(self, stage: str, delivery: Delivery, *, reason: str, kind: str) -> None:
        """Put `delivery` on slt.parked.<stage> with `reason`; count it under `kind`. The caller then says done."""
        message = Parked(
            stage=stage,
            reason=reason,
            subject=delivery.subject,
            sequence=delivery.sequence,
            attempts=delivery.attempts,
            time_ms=self.now_ms(),
            data=delivery.data[:PARKED_DATA_BYTES_MAX],
            size=len(delivery.data),
        )
        digest = hashlib.sha256(delivery.data).hexdigest()[:16]
        await self.bus.publish(parked(stage), encode(message), id=f"{stage}.{delivery.sequence}.{digest}")
        self.telemetry.metrics.parked.add(stage=stage, reason=kind)
        self.log.error(
            "parked",
            stage=stage,
            reason=reason,
            subject=delivery.subject,
            sequence=delivery.sequence,
            attempts=delivery.attempts,
            size=len(delivery.data),
        )

    async def run(
        self, *stages: Coroutine[Any, Any, None], background: Sequence[Coroutine[Any, Any, None]] = ()
    ) -> None:
        """Run `stages` and `background` until asked to stop; then stages end by themselves, others are cancelled.

        The first exception of any of them cancels the others and comes out, in an ExceptionGroup when there are more.
        """
        try:
            async with asyncio.TaskGroup() as group:
                behind = [group.create_task(coroutine) for coroutine in background]
                front = [group.create_task(coroutine) for coroutine in stages]
                await self.stopping.wait()
                if front:
                    await asyncio.wait(front)
                for task in behind:
                    task.cancel()
        except BaseExceptionGroup as failures:
            if len(failures.exceptions) == 1:
                raise failures.exceptions[0] from None
            raise


@asynccontextmanager
async def start(
    config: BaseConfig, *, service: str, process: str = "", bus: ServiceBus | None = None
) -> AsyncIterator[Runtime]:
    """Everything a service needs, until the context closes. `bus` is given by tests.

    `process`: the name in logs, telemetry and on the broker, where it is not that of the service, whose key it has.

    Raises SettingsError for a genesis, key or certificate that does not fit. Does not wait for the broker: what needs
    it does, and /livez answers meanwhile.
    """
    process = process or service
    log = Log(process, level=config.log_level)
    catch_libraries(log)
    config.data_dir.mkdir(parents=True, exist_ok=True)
    genesis = load_genesis(config)
    identity = load_identity(config, genesis, service)
    log.info("starting", version=slt.__version__, pid=os.getpid(), chain_id=genesis.chain_id, settings=describe(config))
    telemetry = open_telemetry(
        process, otlp_endpoint=config.otlp_endpoint, spans_file=config.spans_file, trace_ratio=config.trace_ratio
    )
    connecting = (
        _given(bus)
        if bus
        else connect(
            config.nats_url,
            name=f"slt-{process}-{config.member}",
            nkey_seed_file=config.nats_seed_file,
            tls=ssl.create_default_context(cafile=config.nats_ca_file) if config.nats_ca_file else None,
            patience_s=config.bus_patience_s,
        )
    )
    try:
        async with connecting as connected:
            runtime = Runtime(
                config=config, service=service, bus=connected, genesis=genesis, identity=identity,
                telemetry=telemetry, log=log, process=process,
            )  # fmt: skip
            _add_checks(runtime, connected)
            async with _Supervision(runtime, connected):
                declaring = asyncio.create_task(_declare(runtime))
                try:
                    yield runtime
                finally:
                    declaring.cancel()
                    with suppress(asyncio.CancelledError):
                        await declaring
        log.info("stopped")
    finally:
        telemetry.close()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `main` to its end on uvloop and exit. The last thing before a bad exit code is a JSON line that says why."""
    log = Log(_service_name())
    gc.freeze()  # what the imports made stays: the collector need not look at it again
    gc.set_threshold(GARBAGE_AFTER)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
    except SettingsError as error:
        log.error("settings", problems=error.problems)
        code = 2
    except KeyboardInterrupt:
        code = 130
    except BaseException as error:  # noqa: BLE001 - whatever ends the process is written down
        log.failure("ended by an error", error)
        code = 1
    else:
        code = 0
    sys.stdout.flush()
    sys.exit(code)


class _Supervision:
    """Signals, the drain's deadline and a bus that is gone for good, while the service runs in the current task."""

    def __init__(self, runtime: Runtime, bus: ServiceBus) -> None:
        self._runtime = runtime
        self._bus = bus
        self._failure: Exception | None = None
        self._watching: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []

    async def __aenter__(self) -> None:
        loop, main = asyncio.get_running_loop(), asyncio.current_task()
        assert main is not None
        self._main = main
        with suppress(NotImplementedError, ValueError, RuntimeError):  # Only a main thread has signals.
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._stop, signal.Signals(number).name)
        self._watching = loop.create_task(self._watch())

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        assert self._watching is not None
        self._watching.cancel()
        for timer in self._timers:
            timer.cancel()
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, ValueError, RuntimeError):
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
        if self._failure is not None and isinstance(error, asyncio.CancelledError):
            raise self._failure

    def _stop(self, why: str) -> None:
        if not self._runtime.stopping.is_set():
            self._runtime.log.info("stopping", signal=why)
            self._runtime.stopping.set()

    async def _watch(self) -> None:
        failed = asyncio.create_task(self._bus.failed.wait())
        stopping = asyncio.create_task(self._runtime.stopping.wait())
        try:
            await asyncio.wait({failed, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                self._runtime.health.stopping = True
                drain_s = self._runtime.config.drain_s
                loop = asyncio.get_running_loop()
                self._timers = [
                    loop.call_later(drain_s, self._end, DrainOverrun(f"not stopped within {drain_s:.0f} s")),
                    loop.call_later(drain_s + LAST_RESORT_S, os._exit, 1),
                ]
                await failed
            self._end(BusClosed(f"the broker has closed our connection for good: {self._bus.last_error}"))
        finally:
            failed.cancel()
            stopping.cancel()

    def _end(self, failure: Exception) -> None:
        if self._failure is None:
            self._failure = failure
            self._main.cancel()


def _add_checks(runtime: Runtime, bus: ServiceBus) -> None:
    runtime.health.live_while("bus", lambda: f"closed: {bus.last_error}" if bus.failed.is_set() else None)
    runtime.health.ready_while("bus", lambda: None if bus.connected else "no connection to the broker")
    runtime.health.ready_while("bus permissions", lambda: bus.forbidden or None)
    runtime.telemetry.metrics.bus_errors.set_function(lambda: float(bus.errors))


async def _declare(runtime: Runtime) -> None:
    """Make the streams, however long the broker is away."""
    while True:
        try:
            await runtime.bus.declare()
        except BusDown as error:
            runtime.log.warning("waiting", reason=str(error))
        else:
            runtime.log.info("streams declared")
            return


@asynccontextmanager
async def _given(bus: ServiceBus) -> AsyncIterator[ServiceBus]:
    yield bus


def _message_id(sealed: bytes) -> str:
    """Of the head, where the signature stands, which makes it unlike any other."""
    return hashlib.sha256(sealed[:MESSAGE_ID_HEAD_BYTES]).hexdigest()[:32]


def _service_name() -> str:
    """`ledger` of `python -m services.ledger`."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    name = spec.name if spec else "slt"
    return name.removesuffix(".__main__").rpartition(".")[2]
