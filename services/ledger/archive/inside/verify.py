"""Check what an archive of a safeguards ledger says about itself. Needs nothing but Python 3.11 or later.

Run it in the folder where the archive was unpacked. It recomputes block ids, parents, batches, verdicts and the log,
compares the end with checkpoint and ledger.json, and prints what held. Signatures are not verified here.
"""

import base64
import hashlib
import importlib
import json
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any


def head(major: int, value: int) -> bytes:
    for code, length in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 24:
            return bytes([major << 5 | value])
        if value < 1 << (8 * length):
            return bytes([major << 5 | code]) + value.to_bytes(length, "big")
    raise ValueError("too large")


def encode(value: Any) -> bytes:
    """Deterministic CBOR of what a ledger's arrays hold."""
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    return head(4, len(value)) + b"".join(map(encode, value))


def decode(data: bytes, at: int = 0) -> tuple[Any, int]:
    """One CBOR item and where the next begins: integers, strings, arrays, maps, tags, true, false, null."""
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        return {20: False, 21: True, 22: None}[info], at
    length = 0 if info < 24 else 1 << (info - 24)
    value = info if info < 24 else int.from_bytes(data[at : at + length], "big")
    at += length
    if major == 0:
        return value, at
    if major == 1:
        return -1 - value, at
    if major == 2:
        return data[at : at + value], at + value
    if major == 3:
        return data[at : at + value].decode(), at + value
    if major == 6:
        return decode(data, at)
    items = []
    for _ in range(value * (2 if major == 5 else 1)):
        item, at = decode(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2], strict=True)) if major == 5 else items), at


def tagged(name: str, data: bytes) -> bytes:
    return hashlib.sha256(f"slt/{name}/v1".encode().ljust(32, b"\0") + data).digest()


class Tree:
    """RFC 9162 tree, kept as the roots of its complete subtrees."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[bytes] = []

    def add(self, entry: bytes) -> None:
        node, size = hashlib.sha256(b"\0" + entry).digest(), self.size
        while size & 1:
            node = hashlib.sha256(b"\1" + self.peaks.pop() + node).digest()
            size >>= 1
        self.peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        *rest, node = self.peaks
        for peak in reversed(rest):
            node = hashlib.sha256(b"\1" + peak + node).digest()
        return node


def list_root(name: str, items: list[bytes]) -> bytes:
    tree = Tree()
    for item in items:
        tree.add(item)
    return tagged(name, len(items).to_bytes(8, "big") + tree.root())


def inflater() -> Callable[[bytes], bytes] | None:
    """What opens bodies, where this Python has it."""
    for name in ("compression.zstd", "zstandard"):
        try:
            module: Any = importlib.import_module(name)
        except ImportError:
            continue
        inflate: Callable[[bytes], bytes] = getattr(module, "decompress", None) or module.ZstdDecompressor().decompress
        return inflate
    return None


def need(holds: bool, height: int, what: str) -> None:
    if not holds:
        sys.exit(f"FAULT at height {height}: {what}")


def blocks_of(folder: pathlib.Path) -> Iterator[list[Any]]:
    for path in sorted(folder.glob("blocks/*.cborseq")):
        data = path.read_bytes()
        at = 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            yield decode(data[at + 4 : at + 4 + length])[0]
            at += 4 + length


def statement_parts(raw: bytes) -> tuple[bytes, bytes]:
    """Statement id and payload of a COSE_Sign1: the id is the hash of what was signed (RFC 9052 section 4.4)."""
    protected, _, payload, _ = decode(raw)[0]
    return hashlib.sha256(encode(["Signature1", protected, b"", payload])).digest(), payload


def check_block(
    block: list[Any],
    parent: bytes,
    heads: dict[int, bytes],
    log: Tree,
    chain_id: bytes,
    inflate: Callable[[bytes], bytes] | None,
) -> tuple[bytes, int]:
    """Check one block on top of `parent`; its id, and how many bodies were compared."""
    height, raw, _, checkpoint, _, _, batches, _, entries = block
    header = decode(raw)[0]
    need(header[1] == chain_id and header[2] == height, height, "its header is of another ledger or height")
    need(header[3] == parent, height, "its parent is not the block before")
    digests, rest = [], iter(entries)
    for author, seq, _, count in batches:
        inside = []
        for _ in range(count):
            statement, endorsements, _, length, digest, *_ = next(rest)
            inside.append([statement, endorsements, length, digest or statement_parts(statement)[1]])
        heads[author] = tagged("batch", encode([author, seq, heads.get(author, chain_id), inside]))
        digests.append(encode(heads[author]))
    need(header[10] == list_root("batches", digests), height, "its batches are not those of its header")
    need(header[11] == list_root("verdicts", [entry[2] for entry in entries]), height, "its verdicts are others")
    bodies = 0
    for entry in entries:
        statement_id, payload = statement_parts(entry[0])
        verdict = decode(entry[2])[0]
        need(verdict[0] == statement_id, height, "a verdict is about another statement")
        if verdict[1] == 0:
            need(verdict[2] == log.size, height, "an accepted statement is not at its place in the log")
            log.add(entry[0])
        if entry[5] is not None and inflate is not None and entry[4] is None:
            need(hashlib.sha256(inflate(entry[5])).digest() == payload, height, "a body is not the one that was signed")
            bodies += 1
    need((header[13], header[14]) == (log.size, log.root()), height, "the log is not that of its header")
    lines = checkpoint.split("\n")
    need(int(lines[1]) == log.size and base64.b64decode(lines[2]) == log.root(), height, "its checkpoint is another")
    return tagged("block", raw), bodies


def main() -> None:
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    said = json.loads((folder / "ledger.json").read_text())
    genesis = (folder / "genesis.cbor").read_bytes()
    chain_id = parent = tagged("genesis", genesis)
    need(chain_id.hex() == said["chain_id"], 0, "ledger.json names another chain id than genesis.cbor has")
    log, inflate = Tree(), inflater()
    heads: dict[int, bytes] = {}
    log.add(encode(["slt", said["origin"], chain_id]))
    height = statements = bodies = 0
    for block in blocks_of(folder):
        if block[0] == 0:
            need(block[1] == genesis, 0, "its first block is not genesis.cbor")
            continue
        need(block[0] == height + 1, height + 1, "a block is missing or out of order")
        parent, some = check_block(block, parent, heads, log, chain_id, inflate)
        height, statements, bodies = block[0], statements + len(block[8]), bodies + some
    need(
        (height, log.size, log.root().hex()) == (said["height"], said["log_size"], said["log_root"]),
        height,
        "ledger.json says that the ledger goes on, or ends otherwise",
    )
    lines = (folder / "checkpoint").read_text().split("\n")
    need(
        lines[:3] == [said["origin"], str(log.size), base64.b64encode(log.root()).decode()],
        height,
        "the checkpoint is of another log",
    )
    print(
        f"{height} blocks, {statements} statements, {log.size} log entries, {bodies} bodies: all of it hangs together"
    )
    print(f"log root {log.root().hex()}; signatures were not verified")
    if inflate is None:
        print("bodies were not compared: this Python has no Zstandard (3.14 has, or install zstandard)")


if __name__ == "__main__":
    main()
