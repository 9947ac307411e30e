"""One authentication service inside its member: the services beside it are small stand-ins that a test can silence."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.authentication.again import AuthenticatingAgain
from services.authentication.api import make_router
from services.authentication.config import Config
from services.authentication.service import Authentication
from slt.bus import Bus
from slt.bus.messages import (
    Again,
    AgainReply,
    Item,
    Parked,
    ReceiptGet,
    ReceiptReply,
    StateChanged,
    StateReply,
    decode,
    encode,
)
from slt.bus.packing import REPORTS_MAX
from slt.bus.requests import Dialogue
from slt.bus.stage import StageOpener
from slt.bus.subjects import AGAIN, RECEIPT_GET, STATE_CHANGED, STATE_GET, refused, submit
from slt.runtime.copies import RegistryCopy
from slt.runtime.recent import Recent
from slt.runtime.run import Runtime, start
from slt.runtime.settings import load
from slt.statements.answers import decode_refusals
from slt.statements.cbor import encode as encode_cbor
from slt.statements.genesis import Identity
from slt.statements.refusals import Refusal, make_service_certificate, verify_refusal
from slt.statements.submission import Submission, encode_submissions
from tests.support.blocks import signer
from tests.support.buses import World as Broker
from tests.support.signed import Signed
from tests.unit.authentication import doors
from tests.unit.authentication.doors import genesis
from tests.unit.statements.samples import GOVERNANCE, SERVICE, pem, seed

DEADLINE_S: Final = 60.0  # a process start takes ten seconds and more where the machine is busy
NOW_S: Final = int(time.time())
DAY_MS: Final = 86_400_000

T = TypeVar("T")


async def soon(awaitable: Awaitable[T]) -> T:
    """The result, within the deadline of every wait here."""
    async with asyncio.timeout(DEADLINE_S):
        return await awaitable


async def until(holds: Callable[[], bool]) -> None:
    """Return once `holds()`: for what nobody announces, asked again and again until the deadline."""

    async def look() -> None:
        while not holds():  # noqa: ASYNC110 - a counter or a health page sets no event
            await asyncio.sleep(0.01)

    await soon(look())


def submission(number: int = 0, **changes: Any) -> Submission:
    """A good one of the author's, made now; `number` makes it another."""
    by = changes.pop("by", doors.AUTHOR)
    body = changes.pop("body", doors.BODY + str(number).encode())
    return doors.submission(by, body=body, **{"iat": NOW_S, **changes})


@dataclass(kw_only=True)
class Stubs:
    """Uniqueness and ledger as authentication sees them."""

    identities: tuple[Identity, ...] = ()
    height: int = 3
    receipts: dict[bytes, bytes] = field(default_factory=dict)
    """Statement id -> the receipt of a final verdict."""
    asked: list[bytes] = field(default_factory=list)
    again: list[tuple[bytes, str, str]] = field(default_factory=list)

    async def state(self, _data: bytes) -> bytes:
        chain = genesis()
        return encode(
            StateReply(
                height=self.height,
                block_id=bytes(32),
                identities=[encode_cbor(one.to_value()) for one in self.identities or chain.identities],
                mbas=[encode_cbor(mba.to_value()) for mba in chain.mbas],
                members=[encode_cbor(member.to_value()) for member in chain.members],
                parameters=dict(chain.parameters),
                rules_version=1,
                reference_version=1,
            )
        )

    async def receipt_get(self, data: bytes) -> bytes:
        asked = decode(ReceiptGet, data).statement_ids
        self.asked += asked
        return encode(ReceiptReply(receipts=[self.receipts.get(statement) for statement in asked]))

    async def issue_again(self, data: bytes) -> bytes:
        items = decode(Again, data).items
        self.again += items
        return encode(AgainReply(issued=[statement in self.receipts for statement, _, _ in items]))


class Member:
    """What a test holds: it submits as a facility, and listens as validation, as a facility and as an operator."""

    def __init__(self, broker: Broker, bus: Bus, folder: Path, stack: AsyncExitStack) -> None:
        self.broker = broker
        self.bus = bus
        self.stubs = Stubs()
        self.folder = folder
        self._stack = stack
        self._opener = StageOpener(genesis(), member=0)

    async def uniqueness_answers(self) -> None:
        answering = speaking(self.bus, "uniqueness").serving(STATE_GET, self.stubs.state, concurrency=1)
        await self._stack.enter_async_context(answering)

    async def state_changed(self) -> None:
        self.stubs.height += 1
        await self.bus.notify(STATE_CHANGED, encode(StateChanged(height=self.stubs.height)))

    @asynccontextmanager
    async def ledger_answers(self) -> AsyncIterator[None]:
        ledger = speaking(self.bus, "ledger")
        async with (
            ledger.serving(RECEIPT_GET, self.stubs.receipt_get, concurrency=1),
            ledger.serving(AGAIN, self.stubs.issue_again, concurrency=1),
        ):
            yield

    async def submits(self, *items: Submission, state: str = "XL", mba: str = "XLR1", traceparent: str = "") -> None:
        """Publish one message as a facility."""
        await self.bus.publish(submit(state, mba), encode_submissions(items), traceparent=traceparent)

    async def authenticated(self, count: int) -> list[Item]:
        """Everything passed on until `count` different submissions were, repeats included."""
        found: list[Item] = []

        async def read() -> None:
            async for delivery in self.bus.deliveries("validation", in_flight=64):
                items = self._opener.open("authenticated", delivery.data)
                assert 1 <= len(items) <= REPORTS_MAX
                found.extend(items)
                await delivery.done()
                if len({item.submission_id for item in found}) >= count:
                    return

        await soon(read())
        return found

    async def refused(self, count: int, *, state: str = "XL", mba: str = "XLR1") -> list[Refusal]:
        """The refusals of the first `count` refused submissions of an area, verified against genesis."""
        found: dict[bytes, Refusal] = {}

        async def collect() -> None:
            async with self.bus.answers([refused(state, mba)], after=0) as answers:
                async for delivery in answers:
                    for refusal, signature, certificate in decode_refusals(delivery.data):
                        read = verify_refusal(refusal, signature, certificate, genesis())
                        found.setdefault(read.submission_id, read)
                    if len(found) >= count:
                        return

        await soon(collect())
        return list(found.values())

    @asynccontextmanager
    async def service(self) -> AsyncIterator["Running"]:
        """The service in this process, with everything but its __main__."""
        bus = await self.broker.bus("authentication")
        config = load(Config, environment(self.folder))
        with ThreadPoolExecutor(config.threads) as pool, ThreadPoolExecutor(config.vets_at_once) as beside:
            async with start(config, service="authentication", bus=bus) as runtime:
                copy = RegistryCopy(runtime, poll_s=config.state_poll_s)
                recent = Recent()
                authentication = Authentication(runtime, copy, pool, recent, gather=config.gather)
                again = AuthenticatingAgain(runtime, copy, authentication.door, beside)
                async with (
                    again.answering(at_once=config.vets_at_once),
                    runtime.serve_http(make_router(runtime, copy, recent)) as url,
                    asyncio.TaskGroup() as group,
                ):
                    group.create_task(runtime.run(authentication.run(), background=[copy.run()]))
                    yield Running(runtime=runtime, url=url, copy=copy)
                    runtime.stopping.set()


@dataclass(frozen=True, kw_only=True)
class Running:
    runtime: Runtime
    url: str
    copy: RegistryCopy

    async def waits_for(self, word: str) -> None:
        """Return once the stage says that it waits, in a sentence with `word`."""
        await until(lambda: word in self.runtime.health.waiting.get("authentication", ""))

    async def counts(self, line: str) -> None:
        """Return once /metrics has `line`."""
        await until(lambda: line in self.runtime.telemetry.exposition().decode().splitlines())


@asynccontextmanager
async def member(broker: Broker, folder: Path) -> AsyncIterator[Member]:
    """A member whose ledger answers inside `ledger_answers`, and its uniqueness after `uniqueness_answers`."""
    async with AsyncExitStack() as stack:
        yield Member(broker, await broker.bus("member"), folder, stack)


async def parked(bus: Bus, stored: Callable[[], Sequence[bytes]]) -> list[Parked]:
    """What stands in PARKED, once there is something; `stored` gives the messages that the broker has."""
    await until(lambda: bool(stored()))
    return [decode(Parked, data) for data in stored()]


def speaking(bus: Bus, service: str) -> Signed:
    """The questions and answers of a service."""
    own = signer(f"{service} service")
    certificate = _certificate(service, own.public)
    return Signed(bus, Dialogue(genesis(), member=0, service=service, signer=own, certificate=certificate))


def environment(folder: Path, nats_url: str = "nats://127.0.0.1:4222") -> dict[str, str]:
    """The settings of the service as a process would get them; makes the files that they name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "genesis.cbor").write_bytes(genesis().encoded)
    (folder / "authentication.pem").write_bytes(pem(Ed25519PrivateKey.from_private_bytes(seed(4))))
    (folder / "authentication.cert").write_bytes(_certificate("authentication", SERVICE.public))
    return {
        "SLT_GENESIS": str(folder / "genesis.cbor"),
        "SLT_SERVICE_KEY": str(folder / "authentication.pem"),
        "SLT_SERVICE_CERTIFICATE": str(folder / "authentication.cert"),
        "SLT_DATA_DIR": str(folder / "data"),
        "SLT_NATS_URL": nats_url,
        "SLT_ADDRESS_FILE": str(folder / "address.json"),
        "SLT_SPANS_FILE": str(folder / "spans.jsonl"),
        "SLT_TRACE_RATIO": "1",
        "SLT_STATE_POLL_S": "0.2",
        "SLT_LINGER_MS": "2",
    }


def _certificate(service: str, public: bytes) -> bytes:
    return make_service_certificate(
        GOVERNANCE,
        chain_id=genesis().chain_id,
        member=0,
        service=service,
        key=public,
        not_before=NOW_S * 1000 - DAY_MS,
        not_after=NOW_S * 1000 + DAY_MS,
    ).encoded
