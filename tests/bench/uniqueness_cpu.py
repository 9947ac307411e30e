"""The CPU that uniqueness spends on a report: real admission, evaluation and commit in one process, without a broker.

Consensus is a stand-in whose own time is not counted. What is counted is time.process_time() of all threads, which a
busy machine disturbs less than a clock; still, compare two programs in turns on one machine, and ratios only:

    .venv/bin/python -m tests.bench.uniqueness_cpu
    PYTHONPATH=OTHER:OTHER/libs .venv/bin/python -m tests.bench.uniqueness_cpu      from OTHER, a checkout of the other
"""

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar, cast

from services.uniqueness.admissions import Admissions
from services.uniqueness.config import Config
from services.uniqueness.evaluations import Evaluations
from services.uniqueness.follower import Follower
from services.uniqueness.requests import Requests
from services.uniqueness.service import first_state
from services.uniqueness.store import Store
from services.validation.judging import Bench, judge_all
from services.validation.terms import RULE_SETS
from slt.bus import Delivery
from slt.bus.memory import MemoryBroker
from slt.bus.messages import (
    Block,
    BlockBatch,
    EvaluateBatch,
    EvaluateItem,
    EvaluateReply,
    EvaluateRequest,
    Item,
    Timing,
    decode,
    encode,
)
from slt.bus.stage import StageSigner
from slt.client.folder import Folder
from slt.client.local.settings import service_environment
from slt.consensus.certificates import sign_private
from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.tree import Frontier
from slt.reports.reference import Reference
from slt.runtime.copies import Registry
from slt.runtime.database import open_engine, upgrade
from slt.runtime.run import Runtime, run, start
from slt.runtime.settings import load
from slt.runtime.stage import Batch
from slt.statements.batches import Batch as SignedBatch
from slt.statements.batches import BatchEntry, sign_batch
from slt.statements.cbor import encode as encode_cbor
from slt.statements.genesis import Genesis
from slt.statements.headers import Header, genesis_log_entry
from slt.statements.signatures import signer_from_pem
from slt.statements.statement import parse_statement
from slt.statements.submission import decode_submissions
from slt.statements.tags import list_root
from slt.statements.terms import PrivateCertificate, parse_term
from slt.statements.verdicts import Code, parse_verdict
from tests.bench import load as load_of
from tests.bench.world import STATE, mba_codes, write_world

MESSAGES_AT_ONCE: Final = 4  # what the service gathers (services.uniqueness.service.GATHER)
BATCH_REPORTS: Final = 64
PARTS: Final = ("validate", "admit", "evaluate", "commit")


@dataclass(slots=True)
class Spent:
    """CPU seconds by part of the work."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))

    @contextmanager
    def counted(self, part: str) -> Iterator[None]:
        before = time.process_time()
        try:
            yield
        finally:
            self.seconds[part] += time.process_time() - before


class Consensus:
    """Orders what was admitted and certifies what was evaluated."""

    def __init__(self, folder: Folder, genesis: Genesis) -> None:
        member = folder.member
        self._genesis = genesis
        self._signer = signer_from_pem((member / "keys" / "consensus.pem").read_bytes())
        self._term = parse_term((member / "term.cbor").read_bytes())
        self._chain: tuple[int, bytes] = (0, genesis.chain_id)
        self._parent_id: bytes = genesis.chain_id
        self._height = 0
        self._time_ms = 0
        self._frontier = Frontier.EMPTY.extended([leaf_hash(genesis_log_entry(genesis.origin, genesis.chain_id))])

    def propose(self, items: Sequence[Item]) -> tuple[EvaluateRequest, list[BlockBatch]]:
        made: list[BlockBatch] = []
        asked: list[EvaluateBatch] = []
        for some in _cut(items, BATCH_REPORTS):
            seq, previous = self._chain
            batch = SignedBatch(author=0, seq=seq + 1, previous=Digest(previous), entries=tuple(map(_entry, some)))
            self._chain = (seq + 1, batch.digest)
            signature = sign_batch(batch, self._genesis.chain_id, self._signer)
            made.append(BlockBatch(batch=batch.encoded, signature=signature, items=list(some)))
            evaluated = [EvaluateItem.of(one) for one in some]
            asked.append(EvaluateBatch(author=0, seq=seq + 1, digest=batch.digest, previous=previous, items=evaluated))
        self._time_ms = max(self._time_ms + 1, time.time_ns() // 1_000_000)
        return (
            EvaluateRequest(parent_id=self._parent_id, height=self._height + 1, time_ms=self._time_ms, batches=asked),
            made,
        )

    def finish(self, request: EvaluateRequest, batches: list[BlockBatch], reply: EvaluateReply) -> bytes:
        """The encoded block."""
        assert reply.kind == "evaluated", reply.text
        genesis = self._genesis
        codes = [parse_verdict(verdict).code for verdict in reply.verdicts]
        assert set(codes) == {Code.ACCEPTED}, f"the benchmark's reports are good; verdicts are {set(codes)}"
        statements = [one.statement for batch in batches for one in batch.items]
        self._frontier = self._frontier.extended(list(map(leaf_hash, statements)))
        self._height = request.height
        header = Header(
            chain_id=genesis.chain_id,
            height=request.height,
            parent_id=Digest(request.parent_id),
            epoch=0,
            time_ms=request.time_ms,
            proposer=0,
            members_root=genesis.members_root,
            next_members_root=genesis.members_root,
            parameters_root=Digest(reply.parameters_root),
            batches_root=list_root("batches", [encode_cbor(batch.digest) for batch in request.batches]),
            verdicts_root=list_root("verdicts", reply.verdicts),
            state_root=Digest(reply.state_root),
            log_size=self._frontier.size,
            log_root=self._frontier.root(),
            evidence_root=list_root("evidence", []),
        )
        self._parent_id = header.block_id
        signature = sign_private(
            self._signer,
            chain_id=genesis.chain_id,
            term=self._term.term,
            height=header.height,
            block_id=header.block_id,
        )
        return encode(
            Block(
                height=header.height,
                header=header.encoded,
                certificate=PrivateCertificate(term=self._term, signature=signature).encoded,
                batches=batches,
                verdicts=reply.verdicts,
                findings=reply.findings,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What services.uniqueness.service puts together, without the loops around it."""

    runtime: Runtime
    admissions: Admissions
    requests: Requests
    follower: Follower

    async def admit(self, messages: Sequence[bytes]) -> None:
        """`messages` as validation seals them."""
        opened = tuple(
            (cast(Delivery, _Sequenced(number)), self.runtime.stage_opener.open("validated", data))
            for number, data in enumerate(messages)
        )
        deliveries = tuple(one for one, _ in opened)
        await self.admissions.handle(
            Batch(deliveries=deliveries, opened=opened, received_ms=self.runtime.now_ms()),
        )


@dataclass(frozen=True, slots=True)
class _Sequenced:
    """All that admission looks at of a delivery when nothing is wrong with it."""

    sequence: int


@asynccontextmanager
async def serving(folder: Folder) -> AsyncIterator[Service]:
    environment = service_environment(folder, "uniqueness", nats_url="nats://127.0.0.1", trace_ratio="0.05", extra={})
    config = load(Config, environment | {"SLT_LOG_LEVEL": "warning"})
    broker = MemoryBroker()
    async with start(config, service="uniqueness", bus=broker.bus("uniqueness")) as runtime:
        engine = open_engine(config.data_dir, "uniqueness")
        await upgrade(engine, "services.uniqueness.migrations")
        store = Store(engine)
        head, _ = await store.begin(runtime.genesis.chain_id, lambda: first_state(runtime.genesis, config.openings))
        with ThreadPoolExecutor(1) as executor:
            evaluations = Evaluations(store, head, executor)
            admissions = Admissions(runtime, store, evaluations, hold_s=config.hold_s)
            await admissions.open()
            follower = Follower(runtime, store, evaluations, admissions, block_poll_s=config.block_poll_s)
            requests = Requests(runtime, store, evaluations, follower)
            yield Service(runtime=runtime, admissions=admissions, requests=requests, follower=follower)
        await engine.dispose()


def judged(genesis: Genesis, folder: Folder, mbas: Sequence[str], count: int, spent: Spent) -> list[list[Item]]:
    """`count` reports, 8 of one area to a message, as validation passes them on."""
    prepared = load_of.prepare(genesis, folder.root, mbas, count, per_message=8)
    identities = {one.kid: one for one in genesis.identities}
    registry = Registry(
        height=0,
        block_id=genesis.chain_id,
        identities=identities,
        reference=Reference.of(genesis.mbas, 1),
        members=genesis.members,
        parameters={"body_bytes_max": 1 << 26, "submission_bytes_max": 3 << 20, "facts_bytes_max": 3 << 20},
        rules_version=1,
        reference_version=1,
    )
    bench = Bench.of(registry, RULE_SETS)
    messages: list[list[Item]] = []
    for one in prepared:
        items = [
            _authenticated(submission.id, submission.statement, submission.body_z, one.subject)
            for submission in decode_submissions(one.data)
        ]
        with spent.counted("validate"):
            messages.append(judge_all(items, bench, "20300101"))
    assert all(item.facts_z for items in messages for item in items), "the benchmark's reports are good"
    return messages


def _authenticated(submission_id: bytes, raw: bytes, body_z: bytes, subject: str) -> Item:
    statement = parse_statement(raw)
    return Item(
        submission_id=submission_id,
        statement_id=statement.id,
        statement=raw,
        body_z=body_z,
        state=STATE,
        mba=subject.rpartition(".")[2],
        timings=[Timing(stage="authentication", received_ms=1, done_ms=2)],
        kid=statement.kid,
        iss=statement.iss,
        iat=statement.iat,
        body_length=4096,
        body_digest=statement.body_digest,
    )


T = TypeVar("T")


def _cut(things: Sequence[T], at_once: int) -> Iterator[Sequence[T]]:
    return (things[at : at + at_once] for at in range(0, len(things), at_once))


def _entry(item: Item) -> BatchEntry:
    return BatchEntry(
        statement=item.statement,
        endorsements=(),
        body_length=item.body_length,
        body_digest=Digest(item.body_digest),
    )


async def measure(folder: Folder, *, mbas: int, reports: int, block_reports: int, spent: Spent) -> None:
    genesis = folder.genesis()
    messages = judged(genesis, folder, mba_codes(mbas), reports, spent)
    keys = folder.member / "services"
    validation, sequencer = (
        StageSigner(
            genesis.chain_id,
            0,
            name,
            signer_from_pem((keys / f"{name}.pem").read_bytes()),
            (keys / f"{name}.cert").read_bytes(),
        )
        for name in ("validation", "consensus")
    )
    consensus = Consensus(folder, genesis)
    blocks = list(_cut(messages, block_reports // 8))
    gc.collect()
    gc.freeze()  # what was prepared is nobody's work
    async with serving(folder) as service:
        await _admit(service, validation, blocks[0], spent)
        for number, block in enumerate(blocks):
            if number + 1 < len(blocks):
                await _admit(service, validation, blocks[number + 1], spent)
            request, batches = consensus.propose([item for items in block for item in items])
            asked = encode(request)
            with spent.counted("evaluate"):
                answered = encode(await service.requests.evaluate(decode(EvaluateRequest, asked), "consensus"))
            made = sequencer.seal_bytes("block", consensus.finish(request, batches, decode(EvaluateReply, answered)))
            with spent.counted("commit"):
                final = decode(Block, service.runtime.stage_opener.open_bytes("block", made))
                await service.follower.take(final)
            assert service.follower.alarm is None, service.follower.alarm


async def _admit(service: Service, validation: StageSigner, block: Sequence[list[Item]], spent: Spent) -> None:
    sealed = [validation.seal("validated", items) for items in block]
    for some in _cut(sealed, MESSAGES_AT_ONCE):
        with spent.counted("admit"):
            await service.admit(some)


def main() -> None:
    """Print milliseconds of CPU for each report, by part, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.uniqueness_cpu", description=__doc__)
    parser.add_argument("--reports", type=int, default=4096)
    parser.add_argument("--mbas", type=int, default=64)
    parser.add_argument("--block-reports", type=int, default=256)
    asked = parser.parse_args()
    spent = Spent()
    with tempfile.TemporaryDirectory(prefix="slt-bench-") as name:
        root = Path(name)
        world = write_world(root / "world", mba_codes(asked.mbas))
        init = [sys.executable, "-m", "slt.client.cli", "init", str(root / "net"), "--from", str(world)]
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
        work = partial(
            measure,
            Folder(root / "net"),
            mbas=asked.mbas,
            reports=asked.reports,
            block_reports=asked.block_reports,
            spent=spent,
        )
        try:
            run(work)  # as a service's process runs
        except SystemExit as ended:
            if ended.code:
                raise
    figures = {part: round(1000 * seconds / asked.reports, 4) for part, seconds in spent.seconds.items()}
    figures["uniqueness"] = round(sum(figures[part] for part in ("admit", "evaluate", "commit")), 4)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
