"""Witnesses both ways: a ledger that cosigns for others, and one that asks others, over HTTP."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from services.ledger.config import Config
from services.ledger.log import cosigning
from slt.bus.memory import MemoryBroker
from slt.merkle.checkpoints import Checkpoint
from slt.merkle.cosignatures import CosignerKey, cosigner_key_from_seed, open_checkpoint
from slt.merkle.hashing import leaf_hash
from slt.merkle.notes import NoteSigner, NoteVerifier, sign_note, signature_lines
from slt.merkle.policy import parse_policy
from slt.merkle.proofs import LeafTree
from slt.merkle.witness import AddCheckpoint
from slt.runtime.settings import SettingsError
from tests.integration.ledger.harness import DEADLINE_S, Running, Sequencer, ledger, sequencer, until
from tests.integration.ledger.log_harness import checkpoint_of, cosigner_of, fill, log_config, published
from tests.support.blocks import World, make_world

LOG = NoteSigner.of("log.example/other", bytes([5]) * 32)
TREE = LeafTree([leaf_hash(bytes([number])) for number in range(50)])
FORK = LeafTree([leaf_hash(bytes([number + 100])) for number in range(50)])


def asked(old: int, size: int, *, tree: LeafTree = TREE) -> bytes:
    note = sign_note(Checkpoint(origin=LOG.name, size=size, root=tree.root(size)).text(), LOG)
    return AddCheckpoint(old=old, proof=tuple(tree.consistency(min(old, size), size)), note=note).encoded


def logs_file(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "logs"
    path.write_text(f"# whom we witness\nlog {LOG.vkey}\nquorum none\n", encoding="utf-8")
    return str(path)


async def post(running: Running, body: bytes) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.post(f"{running.url}/witness/add-checkpoint", content=body, timeout=DEADLINE_S)


@asynccontextmanager
async def member(config: Config, world: World) -> AsyncIterator[tuple[Running, Sequencer]]:
    """A ledger with a bus of its own."""
    bus = MemoryBroker().bus("ledger")
    async with sequencer(world, bus) as sequencing, ledger(config, bus) as running:
        yield running, sequencing


# The witness that we are


@pytest.mark.parametrize("kind", ["ml-dsa-44", "ed25519"])
async def test_a_checkpoint_that_grows_is_cosigned_and_remembered_over_a_restart(
    tmp_path: Path, world: World, kind: str
) -> None:
    config = log_config(tmp_path, world, cosigner=kind, SLT_WITNESS_LOGS=logs_file(tmp_path))
    cosigner = cosigner_of(world, kind).cosigner
    async with member(config, world) as (running, _):
        answer = await post(running, asked(0, 7))
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        (line,) = signature_lines(answer.text)
        assert cosigner.verify(Checkpoint(origin=LOG.name, size=7, root=TREE.root(7)).text(), line) > 1_700_000_000
        assert (await post(running, asked(7, 20))).status_code == 200
    async with member(config, world) as (running, _):
        stale = await post(running, asked(7, 30))
        assert (stale.status_code, stale.headers["content-type"], stale.content) == (409, "text/x.tlog.size", b"20\n")
        assert (await post(running, asked(20, 30))).status_code == 200
        name = hashlib.sha256(LOG.name.encode()).hexdigest()
        note = (await running.get(f"/witness/{name}/checkpoint")).text
        assert open_checkpoint(note, [LOG.verifier], [cosigner]).checkpoint.size == 30
        assert len(open_checkpoint(note, [LOG.verifier], [cosigner]).cosignatures) == 1
        assert (await running.get(f"/witness/{'0' * 64}/checkpoint")).status_code == 404


async def test_every_refusal_has_the_status_of_the_specification(tmp_path: Path, world: World) -> None:
    config = log_config(tmp_path, world, SLT_WITNESS_LOGS=logs_file(tmp_path))
    stranger = NoteSigner.of(LOG.name, bytes([6]) * 32)
    unknown = NoteSigner.of("unknown.example", bytes([6]) * 32)
    text = Checkpoint(origin=LOG.name, size=30, root=TREE.root(30)).text()
    elsewhere = Checkpoint(origin=unknown.name, size=30, root=TREE.root(30)).text()
    async with member(config, world) as (running, _):
        assert (await post(running, asked(0, 20))).status_code == 200
        for body, status in (
            (b"old 20\n", 400),
            (b"x" * 400_000, 400),
            (asked(31, 30), 400),
            (AddCheckpoint(old=20, proof=(), note=sign_note(elsewhere, unknown)).encoded, 404),
            (AddCheckpoint(old=20, proof=(), note=sign_note(text, stranger)).encoded, 403),
            (asked(0, 30), 409),
            (asked(20, 30, tree=FORK), 422),
            (asked(20, 20, tree=FORK), 422),
            (asked(20, 20), 200),
            (asked(20, 30), 200),
        ):
            assert (await post(running, body)).status_code == status, body[:60]


async def test_of_many_at_once_one_history_is_cosigned(tmp_path: Path, world: World) -> None:
    config = log_config(tmp_path, world, SLT_WITNESS_LOGS=logs_file(tmp_path))
    async with member(config, world) as (running, _):
        answers = await asyncio.gather(
            *(post(running, asked(0, size, tree=tree)) for size in (5, 9, 13) for tree in (TREE, FORK))
        )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]


async def test_our_own_log_is_cosigned_only_as_it_is_stored(tmp_path: Path, world: World) -> None:
    async with member(log_config(tmp_path, world), world) as (running, sequencing):
        await fill(sequencing, world, 9)
        note = (await published(running, 10)).partition("\n\n")
        logs_only = note[0] + "\n\n" + note[2].split("\n")[0] + "\n"
        again = await post(running, AddCheckpoint(old=10, proof=(), note=logs_only).encoded)
        assert again.status_code == 200  # as another member's ledger would ask
        future = Checkpoint(origin=world.genesis.origin, size=12, root=TREE.root(12)).text()
        grown = AddCheckpoint(old=10, proof=(TREE.root(1),) * 3, note=sign_note(future, world.checkpoint))
        assert (await post(running, grown.encoded)).status_code in (422, 503)
        assert (await checkpoint_of(running))[0] == 10


async def test_without_a_cosigner_key_the_log_is_published_and_nothing_is_witnessed(
    tmp_path: Path, world: World
) -> None:
    async with member(log_config(tmp_path, world, cosigner=None), world) as (running, sequencing):
        await fill(sequencing, world, 9)
        assert (await published(running, 10)).count("\N{EM DASH}") == 1
        assert (await post(running, asked(0, 7))).status_code == 404


async def test_what_was_seen_and_cannot_be_read_closes_the_witness(tmp_path: Path, world: World) -> None:
    config = log_config(tmp_path, world, SLT_WITNESS_LOGS=logs_file(tmp_path))
    async with member(config, world) as (running, _):
        assert (await post(running, asked(0, 20))).status_code == 200
    state = config.data_dir / "witness" / hashlib.sha256(LOG.name.encode()).hexdigest()
    good = state.read_bytes()
    state.write_bytes(good.replace(b"\n20\n", b"\n19\n"))
    async with member(config, world) as (running, sequencing):
        answer = await post(running, asked(0, 20))
        assert (answer.status_code, "cannot be read" in answer.text) == (503, True)
        await fill(sequencing, world, 3)
        await published(running, 4)  # the log goes on, without our cosignature
        assert "slt_ledger_log_trouble 1" in (await running.get("/metrics")).text


# The witnesses that we ask


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever did not answer is asked again soon."""
    monkeypatch.setattr(cosigning, "PAUSE_S", 0.1)


Answer = Callable[[bytes], Awaitable[tuple[int, str, bytes]]]


@asynccontextmanager
async def outsider(answer: Answer) -> AsyncIterator[str]:
    """A witness of the test's own: it answers each body with what `answer` gives."""

    async def app(_scope: object, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        status, kind, content = await answer(body)
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started, "the witness listens")
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


def policy_file(folder: Path, lines: list[str]) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "policy"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def opened_by(note: str, world: World, *cosigners: CosignerKey) -> list[str]:
    log = NoteVerifier.from_vkey(world.genesis.members[0].checkpoint_vkey)
    opened = open_checkpoint(note, [log], [one.cosigner for one in cosigners])
    return [one.cosigner.name for one in opened.cosignatures]


async def test_a_second_ledger_cosigns_the_first_one_s_log(tmp_path: Path, world: World) -> None:
    """The whole way, with a second key: two services that know each other by policy files and nothing else."""
    other = make_world("second", origin="second.example/log")
    logs = tmp_path / "logs"
    logs.write_text(f"log {world.genesis.members[0].checkpoint_vkey}\nquorum none\n", encoding="utf-8")
    second = log_config(tmp_path / "second", other, name="second", SLT_WITNESS_LOGS=str(logs))
    async with AsyncExitStack() as stack:
        witness, _ = await stack.enter_async_context(member(second, other))
        lines = [
            f"witness region {cosigner_of(other).cosigner.vkey} {witness.url}/witness/",
            f"witness own {cosigner_of(world).cosigner.vkey}",
            "group both all region own",
            "quorum both",
        ]
        first = log_config(tmp_path / "first", world, SLT_WITNESS_POLICY=policy_file(tmp_path, lines))
        running, sequencing = await stack.enter_async_context(member(first, world))
        for size in (6, 300):
            await fill(sequencing, world, size - sequencing.chain.frontier.size)
            note = await published(running, size)
            assert opened_by(note, world, cosigner_of(other), cosigner_of(world)) == [
                cosigner_of(world).cosigner.name,
                cosigner_of(other).cosigner.name,
            ]
            policy = parse_policy("".join(f"{one}\n" for one in lines).encode())
            log = NoteVerifier.from_vkey(world.genesis.members[0].checkpoint_vkey)
            assert policy.check(note, [log]).checkpoint.size == size
        assert "slt_ledger_cosignatures_total" in (await running.get("/metrics")).text


async def test_nothing_is_published_before_the_quorum_and_everything_after_it(
    tmp_path: Path, world: World, impatient: None
) -> None:
    key = cosigner_key_from_seed("iaea.example", bytes([9]) * 32)
    away = asyncio.Event()
    bodies: list[bytes] = []

    async def answer(body: bytes) -> tuple[int, str, bytes]:
        bodies.append(body)
        if not away.is_set():
            return 500, "text/plain", b"away\n"
        text = body.partition(b"\n\n")[2].partition(b"\n\n")[0].decode() + "\n"
        return 200, "text/plain", key.cosign(text, 1_700_000_000).line.encode()

    async with outsider(answer) as url:
        lines = [f"witness IAEA {key.cosigner.vkey} {url}", "quorum IAEA"]
        config = log_config(tmp_path, world, SLT_WITNESS_POLICY=policy_file(tmp_path, lines))
        async with member(config, world) as (running, sequencing):
            await fill(sequencing, world, 4)
            await until(lambda: bodies, "the witness is asked")
            answered = await running.get("/log/checkpoint")
            assert (answered.status_code, answered.headers["retry-after"]) == (503, "2")
            assert not (config.data_dir / "log" / "checkpoint").exists()
            assert (await running.get("/v1/status")).json()["log_size"] >= 1  # the ledger itself goes on
            away.set()
            note = await published(running, 5)
            assert opened_by(note, world, key) == ["iaea.example"]


async def test_a_wrong_or_lying_witness_is_passed_over(tmp_path: Path, world: World) -> None:
    """One signs something else, one claims a size that we do not have, one is silent, one tells an older size."""
    keys = [cosigner_key_from_seed(f"w{number}.example", bytes([20 + number]) * 32) for number in range(4)]
    told, over = asyncio.Event(), asyncio.Event()

    async def forger(_body: bytes) -> tuple[int, str, bytes]:
        text = Checkpoint(origin=world.genesis.origin, size=5, root=TREE.root(5)).text()
        return 200, "text/plain", keys[0].cosign(text, 1_700_000_000).line.encode()

    async def ahead(_body: bytes) -> tuple[int, str, bytes]:
        return 409, "text/x.tlog.size", b"4000\n"

    async def silent(_body: bytes) -> tuple[int, str, bytes]:
        await asyncio.wait_for(over.wait(), DEADLINE_S)
        return 500, "text/plain", b""

    async def remembers(body: bytes) -> tuple[int, str, bytes]:
        if body.startswith(b"old 0\n"):
            return 409, "text/x.tlog.size", b"1\n"
        assert body.startswith(b"old 1\n")
        told.set()
        text = body.partition(b"\n\n")[2].partition(b"\n\n")[0].decode() + "\n"
        return 200, "text/plain", keys[3].cosign(text, 1_700_000_000).line.encode()

    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(outsider(one)) for one in (forger, ahead, silent, remembers)]
        lines = [
            f"witness w{at} {key.cosigner.vkey} {url}" for at, (key, url) in enumerate(zip(keys, urls, strict=True))
        ]
        policy = policy_file(tmp_path, [*lines, "quorum none"])
        config = log_config(tmp_path, world, SLT_WITNESS_POLICY=policy, SLT_WITNESS_WAIT_S="0.5")
        running, sequencing = await stack.enter_async_context(member(config, world))
        await fill(sequencing, world, 4)
        note = await published(running, 5)
        assert set(opened_by(note, world, *keys)) <= {"w3.example"}
        await asyncio.wait_for(told.wait(), DEADLINE_S)
        over.set()


# Settings


@pytest.mark.parametrize(
    ("setting", "content", "why"),
    [
        ("SLT_COSIGNER_KEY", b"junk", "SLT_COSIGNER_KEY"),
        ("SLT_WITNESS_POLICY", b"quorum nobody\n", "line 1: nobody is no witness"),
        ("SLT_WITNESS_LOGS", b"witness\n", "SLT_WITNESS_LOGS"),
    ],
)
async def test_a_setting_that_cannot_be_used_is_said_at_the_start(
    tmp_path: Path, world: World, setting: str, content: bytes, why: str
) -> None:
    path = tmp_path / "given"
    path.write_bytes(content)
    with pytest.raises((SettingsError, ExceptionGroup)) as raised:
        async with member(log_config(tmp_path, world, **{setting: str(path)}), world):
            pass
    error = raised.value
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, SettingsError) and why in str(error)


async def test_the_checkpoint_key_is_no_cosigner_key(tmp_path: Path, world: World) -> None:
    config = log_config(tmp_path, world, SLT_COSIGNER_KEY=str(tmp_path / "ledger" / "checkpoint.pem"))
    with pytest.raises((SettingsError, ExceptionGroup)):
        async with member(config, world):
            pass
