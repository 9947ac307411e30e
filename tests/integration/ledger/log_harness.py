"""A ledger service whose log is published fast, and a reader of logs that knows C2SP's pages and nothing of ours."""

import asyncio
import hashlib
from base64 import b64decode
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

from services.ledger.config import Config
from slt.merkle.cosignatures import CosignerKey, cosigner_key_from_pem, member_cosigner_name
from slt.runtime.settings import load
from tests.integration.ledger.harness import DEADLINE_S, Running, Sequencer, ledger_env
from tests.support.blocks import World, accepted, seed


def cosigner_pem(kind: str, name: str) -> bytes:
    """The key of that name, the same each time."""
    private = (
        mldsa.MLDSA44PrivateKey.from_seed_bytes(seed(name))
        if kind == "ml-dsa-44"
        else ed25519.Ed25519PrivateKey.from_private_bytes(seed(name))
    )
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def cosigner_of(world: World, kind: str = "ml-dsa-44") -> CosignerKey:
    """The cosigner of the ledger that `log_config` makes."""
    name = member_cosigner_name(world.genesis.origin, 0)
    return cosigner_key_from_pem(name, cosigner_pem(kind, f"{world.genesis.origin} {kind}"))


def log_config(
    folder: Path, world: World, *, name: str = "world", cosigner: str | None = "ml-dsa-44", **extra: str
) -> Config:
    env = ledger_env(folder, world, name) | {"SLT_LOG_PUBLISH_S": "0.02", "SLT_LOG_SCRUB_S": "0.01"}
    if cosigner is not None:
        path = folder / "ledger" / "cosigner.pem"
        path.write_bytes(cosigner_pem(cosigner, f"{world.genesis.origin} {cosigner}"))
        env |= {"SLT_COSIGNER_KEY": str(path)}
    return load(Config, env | extra)


async def fill(sequencing: Sequencer, world: World, count: int, *, blocks: int = 1) -> None:
    """Order `count` accepted reports more, in `blocks` blocks."""
    first = sequencing.chain.frontier.size
    for some in range(blocks):
        numbers = range(first + some * count // blocks, first + (some + 1) * count // blocks)
        await sequencing.order([accepted(world.item(number)) for number in numbers])


async def checkpoint_of(running: Running) -> tuple[int, bytes, str]:
    """Size, root and note of what is served; size 0 while nothing is."""
    answer = await running.get("/log/checkpoint")
    if answer.status_code != 200:
        return 0, b"", answer.text
    lines = answer.text.split("\n")
    return int(lines[1]), b64decode(lines[2]), answer.text


async def published(running: Running, size: int) -> str:
    """The note, once `size` entries are under the checkpoint that is served."""
    async with asyncio.timeout(DEADLINE_S):
        while not running.served.done():
            found, _, note = await checkpoint_of(running)
            if found >= size:
                return note
            await asyncio.sleep(0.02)  # between two looks; what is waited for is behind HTTP
    running.served.result()
    raise AssertionError("the ledger has ended")


@dataclass
class StaticReader:
    """Reads a folder of tiles as c2sp.org/tlog-tiles says, recomputes every hash, and trusts nothing."""

    folder: Path
    entries: list[bytes] = field(default_factory=list)

    def verify(self) -> int:
        """The size of the log under `checkpoint`, once every tile that such a log has was found and is right."""
        note = (self.folder / "checkpoint").read_text(encoding="utf-8").split("\n")
        size, root = int(note[1]), b64decode(note[2])
        self.entries = []
        row = []
        for index in range(-(-size // 256)):
            width = min(256, size - 256 * index)
            data = self._read("entries", index, width)
            for _ in range(width):
                length = int.from_bytes(data[:2], "big")
                self.entries.append(data[2 : 2 + length])
                row.append(hashlib.sha256(b"\0" + data[2 : 2 + length]).digest())
                data = data[2 + length :]
            assert data == b""
        assert mth(row) == root
        level = 0
        while row:
            for index in range(-(-len(row) // 256)):
                part = row[256 * index : 256 * index + 256]
                assert self._read(str(level), index, len(part)) == b"".join(part), (level, index)
            row = [mth(row[at : at + 256]) for at in range(0, len(row) - len(row) % 256, 256)]
            level += 1
        return size

    def _read(self, level: str, index: int, width: int) -> bytes:
        groups = f"{index:03d}" if index < 1000 else f"x{index // 1000:03d}/{index % 1000:03d}"
        return (self.folder / "tile" / level / (groups + ("" if width == 256 else f".p/{width}"))).read_bytes()


def mth(hashes: list[bytes]) -> bytes:
    """The Merkle tree hash of RFC 6962 section 2.1, as it is written there."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()
