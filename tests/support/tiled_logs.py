"""Logs as folders of tiles, with as many members as a test wants to see lie."""

from collections.abc import Sequence
from pathlib import Path

from slt.merkle.checkpoints import Checkpoint
from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.notes import NoteSigner, sign_note
from slt.merkle.proofs import LeafTree
from slt.merkle.tiles import RightEdge, encode_tile


def leaves_of(names: Sequence[str]) -> list[Digest]:
    return [leaf_hash(name.encode()) for name in names]


def signed(signer: NoteSigner, leaves: Sequence[Digest], *, origin: str | None = None) -> str:
    """The checkpoint over `leaves` by `signer`."""
    checkpoint = Checkpoint(origin=origin or signer.name, size=len(leaves), root=LeafTree(leaves).root())
    return sign_note(checkpoint.text(), signer)


def write_log(folder: Path, leaves: Sequence[Digest], signer: NoteSigner, *, checkpoint: str = "") -> Path:
    """The tiles of a log with `leaves`, grown at once, and its checkpoint; another one, if it is to lie."""
    _, tiles = RightEdge.EMPTY.extended(leaves)
    for tile, hashes in tiles:
        path = folder / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_tile(hashes))
    (folder / "checkpoint").write_text(checkpoint or signed(signer, leaves), encoding="utf-8")
    return folder
