"""One validation service inside its member: the services beside it are small stand-ins that a test can silence."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.validation.again import JudgingAgain
from services.validation.api import make_router
from services.validation.config import Config
from services.validation.service import Validation
from services.validation.terms import RULE_SETS, Judge
from slt.bus import Bus
from slt.bus.messages import Again, AgainReply, Item, ReceiptGet, ReceiptReply, StateReply, decode, encode
from slt.bus.requests import Dialogue
from slt.bus.stage import StageOpener, StageSigner
from slt.bus.subjects import AGAIN, AUTHENTICATED, RECEIPT_GET, STATE_GET, refused
from slt.reports import RULES_VERSION
from slt.runtime.copies import RegistryCopy
from slt.runtime.recent import Recent
from slt.runtime.run import Runtime, start
from slt.runtime.settings import load
from slt.statements.answers import decode_refusals
from slt.statements.cbor import encode as encode_cbor
from slt.statements.governance import Announcement
from slt.statements.refusals import Refusal, make_service_certificate, verify_refusal
from slt.statements.registry import PARAMETERS
from tests.support.blocks import VALID_S, World, make_world, seed, signer
from tests.support.buses import World as Broker
from tests.support.signed import Signed
from tests.unit.reports.samples import areas

DEADLINE_S: Final = 60.0  # a process start takes ten seconds and more where the machine is busy
LEDGER: Final[World] = make_world()

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


def item(number: int, data: bytes, *, mba: str = "XLR1") -> Item:
    """A submission as authentication passes it on."""
    full = LEDGER.item(number, mba=mba, document=data)
    return msgspec.structs.replace(
        full, facts_z=b"", no_facts=0, findings=[], findings_salt=b"", facts_salt=b"", timings=full.timings[:1]
    )


@dataclass(kw_only=True)
class Stubs:
    """Uniqueness and ledger as validation sees them."""

    receipts: dict[bytes, bytes] = field(default_factory=dict)
    """Statement id -> the receipt of a final verdict."""
    again: list[bytes] = field(default_factory=list)
    """Statements whose receipts were asked to be issued again."""
    parameters: dict[str, int | str] = field(default_factory=dict)
    rules_version: int = RULES_VERSION
    announced: list[Announcement] = field(default_factory=list)

    async def state(self, _data: bytes) -> bytes:
        return encode(
            StateReply(
                height=3,
                block_id=bytes(32),
                identities=[],
                mbas=[encode_cbor(mba.to_value()) for mba in areas()],
                members=[encode_cbor(member.to_value()) for member in LEDGER.genesis.members],
                parameters={**{entry.name: entry.default for entry in PARAMETERS.values()}, **self.parameters},
                rules_version=self.rules_version,
                reference_version=1,
                announced=[one.encoded for one in self.announced],
            )
        )

    async def receipt_get(self, data: bytes) -> bytes:
        asked = decode(ReceiptGet, data).statement_ids
        return encode(ReceiptReply(receipts=[self.receipts.get(statement) for statement in asked]))

    async def issue_again(self, data: bytes) -> bytes:
        items = decode(Again, data).items
        self.again += [statement for statement, _, _ in items]
        return encode(AgainReply(issued=[statement in self.receipts for statement, _, _ in items]))


class Member:
    """What a test holds: it speaks as authentication and listens as uniqueness and as a facility."""

    def __init__(self, broker: Broker, bus: Bus, stubs: Stubs, folder: Path, stack: AsyncExitStack) -> None:
        self.broker = broker
        self.bus = bus
        self.stubs = stubs
        self.folder = folder
        self._stack = stack
        self._sealer = service_signer("authentication")
        self._opener = StageOpener(LEDGER.genesis, member=0)

    async def uniqueness_answers(self) -> None:
        answering = speaking(self.bus, "uniqueness").serving(STATE_GET, self.stubs.state, concurrency=1)
        await self._stack.enter_async_context(answering)

    @asynccontextmanager
    async def ledger_answers(self) -> AsyncIterator[None]:
        ledger = speaking(self.bus, "ledger")
        async with (
            ledger.serving(RECEIPT_GET, self.stubs.receipt_get, concurrency=1),
            ledger.serving(AGAIN, self.stubs.issue_again, concurrency=1),
        ):
            yield

    async def authenticated(self, *items: Item, sealer: StageSigner | None = None) -> None:
        """Publish one message as authentication."""
        await self.bus.publish(AUTHENTICATED, (sealer or self._sealer).seal("authenticated", items))

    async def validated(self, count: int) -> list[Item]:
        """The next `count` different submissions that were passed on."""
        found: dict[bytes, Item] = {}

        async def read() -> None:
            async for delivery in self.bus.deliveries("uniqueness", in_flight=16):
                for passed in self._opener.open("validated", delivery.data):
                    found.setdefault(passed.submission_id, passed)
                await delivery.done()
                if len(found) >= count:
                    return

        await soon(read())
        return list(found.values())

    async def refused(self, count: int, *, mba: str = "XLR1") -> list[Refusal]:
        """The first `count` refusals of an area, verified against genesis."""
        found: list[Refusal] = []

        async def read() -> None:
            async with self.bus.answers([refused("XL", mba)], after=0) as answers:
                async for delivery in answers:
                    for refusal, signature, certificate in decode_refusals(delivery.data):
                        found.append(verify_refusal(refusal, signature, certificate, LEDGER.genesis))
                    if len(found) >= count:
                        return

        await soon(read())
        return found

    @asynccontextmanager
    async def service(self, *, gather: int = 4, rule_sets: Mapping[int, Judge] = RULE_SETS) -> AsyncIterator["Running"]:
        """The service in this process, with everything but its __main__."""
        bus = await self.broker.bus("validation")
        config = config_of(self.folder)
        with (
            ThreadPoolExecutor(1) as judging,
            ThreadPoolExecutor(1) as judging_again,
            ThreadPoolExecutor(1) as checking,
        ):
            async with start(config, service="validation", bus=bus) as runtime:
                copy = RegistryCopy(runtime, poll_s=0.1)
                recent = Recent()
                validation = Validation(runtime, copy, judging, recent, gather=gather, rule_sets=rule_sets)
                again = JudgingAgain(runtime, copy, validation.bench, judging_again)
                router = make_router(copy, checking, recent, waiting_max=2)
                async with (
                    again.answering(at_once=1),
                    runtime.serve_http(router) as url,
                    asyncio.TaskGroup() as group,
                ):
                    group.create_task(runtime.run(validation.run(), background=[copy.run()]))
                    yield Running(runtime=runtime, url=url, copy=copy)
                    runtime.stopping.set()


@dataclass(frozen=True, kw_only=True)
class Running:
    runtime: Runtime
    url: str
    copy: RegistryCopy

    async def waits_for(self, word: str) -> None:
        """Return once the stage says that it waits, in a sentence with `word`."""
        await until(lambda: word in self.runtime.health.waiting.get("validation", ""))


@asynccontextmanager
async def member(broker: Broker, folder: Path) -> AsyncIterator[Member]:
    """A member whose uniqueness answers; the ledger answers inside `ledger_answers`."""
    async with AsyncExitStack() as stack:
        bus = await broker.bus("member")
        yield Member(broker, bus, Stubs(), folder, stack)


def service_signer(service: str, *, key: str | None = None) -> StageSigner:
    """The stage key of a service; `key` names another key than its own."""
    own = signer(f"{service} service")
    return StageSigner(
        LEDGER.genesis.chain_id, 0, service, signer(key) if key else own, certificate_of(service, own.public)
    )


def speaking(bus: Bus, service: str) -> Signed:
    """The questions and answers of a service."""
    own = signer(f"{service} service")
    certificate = certificate_of(service, own.public)
    return Signed(bus, Dialogue(LEDGER.genesis, member=0, service=service, signer=own, certificate=certificate))


def certificate_of(service: str, public: bytes) -> bytes:
    return make_service_certificate(
        LEDGER.governance,
        chain_id=LEDGER.genesis.chain_id,
        member=0,
        service=service,
        key=public,
        not_before=VALID_S[0] * 1000,
        not_after=VALID_S[1] * 1000,
    ).encoded


def environment(folder: Path, nats_url: str = "nats://127.0.0.1:4222") -> dict[str, str]:
    """The settings of the service as a process would get them; makes the files that they name."""
    folder.mkdir(parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.from_private_bytes(seed("validation service")).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "genesis.cbor").write_bytes(LEDGER.genesis.encoded)
    (folder / "validation.pem").write_bytes(pem)
    (folder / "validation.cert").write_bytes(certificate_of("validation", signer("validation service").public))
    return {
        "SLT_GENESIS": str(folder / "genesis.cbor"),
        "SLT_SERVICE_KEY": str(folder / "validation.pem"),
        "SLT_SERVICE_CERTIFICATE": str(folder / "validation.cert"),
        "SLT_DATA_DIR": str(folder / "data"),
        "SLT_NATS_URL": nats_url,
        "SLT_ADDRESS_FILE": str(folder / "address.json"),
        "SLT_STATE_POLL_S": "0.1",
        "SLT_LINGER_MS": "1",
    }


def config_of(folder: Path) -> Config:
    return load(Config, environment(folder))
