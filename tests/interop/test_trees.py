"""Go's x/mod/sumdb and npm's @sigstore/verify agree with us on trees up to 300 entries, and on every vector."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slt.merkle.checkpoints import Checkpoint
from slt.merkle.notes import NoteSigner, sign_note
from tests.interop.running import go, sigstore
from tests.support.blocks import seed
from tests.support.others import Consistency, Inclusion
from tests.support.proof_cases import LEAVES, consistencies, entry, flipped, inclusions, make_tree
from tests.unit.receipts.test_proof_vectors import load

pytestmark = pytest.mark.timeout(600)

ORIGIN = "log.example/interop"


def test_go_grows_the_same_tree_and_holds_every_proof(tmp_path: Path) -> None:
    tree = make_tree()
    included, grown = list(inclusions(tree)), list(consistencies(tree))
    said = go(
        {
            "entries": [entry(index).hex() for index in range(LEAVES)],
            "roots": [tree.root(size).hex() for size in range(LEAVES + 1)],
            "inclusion": list(map(_inclusion, included)),
            "consistency": list(map(_consistency, grown)),
        },
        tmp_path / "go",
    )
    assert set(said["trees"]) == set(said["inclusion"]) == set(said["consistency"]) == {""}
    assert (len(said["trees"]), len(said["inclusion"])) == (LEAVES, len(included))
    wrong = go(
        {
            "inclusion": [_inclusion(replace(one, root=flipped(one.root))) for one in included],
            "consistency": [_consistency(replace(one, new_root=flipped(one.new_root))) for one in grown],
        },
        tmp_path / "go",
    )
    assert "" not in wrong["inclusion"] and "" not in wrong["consistency"]


def test_go_gives_the_vectors_the_same_reasons_to_be_refused(tmp_path: Path) -> None:
    vectors = load("merkle")
    notes = load("checkpoints")
    checkpoints = [{"vkey": notes["vkey"], "origin": notes["origin"], "note": one["note"]} for one in notes["cases"]]
    said = go({**vectors, "checkpoints": checkpoints}, tmp_path / "go")
    assert set(said["trees"]) == {""}
    for kind in ("inclusion", "consistency"):
        for one, found in zip(vectors[kind], said[kind], strict=True):
            if kind == "consistency" and one["old"] == 0:
                continue  # Go has no proof from the empty tree
            assert (found == "") == (one["reason"] == "valid"), f"{one['name']}: {found}"
    for one, found in zip(notes["cases"], said["checkpoints"], strict=True):
        assert (found == "") == (one["reason"] == "valid" or one["name"] in GO_TAKES), f"{one['name']}: {found}"


# Go reads a note's base64 with any spare bits, counts a second signature by one key once, and leaves the checkpoint to
# its caller, who here reads only as much of it as the test needs.
GO_TAKES = {
    "signed twice by one key",
    "with spare bits in the base64 of the signature",
    "with a size that begins with zero",
    "with a root of 31 bytes",
}


def test_sigstore_holds_every_proof_and_no_forged_one() -> None:
    tree = make_tree()
    signer = NoteSigner.of(ORIGIN, seed("interop"))
    notes = {
        size: sign_note(Checkpoint(origin=ORIGIN, size=size, root=tree.root(size)).text(), signer)
        for size in range(1, LEAVES + 1)
    }
    included = list(inclusions(tree))
    cases = [_with_note(one, notes[one.size], signer) for one in included]
    assert set(sigstore(cases)) == {""}
    forged = [{**case, "leaf": entry(one.index + 1).hex()} for one, case in zip(included, cases, strict=True)] + [
        {**case, "note": case["note"].replace(f"\n{one.size}\n", f"\n{one.size + 1}\n")}
        for one, case in zip(included, cases, strict=True)
    ]
    assert "" not in sigstore(forged)


def _with_note(one: Inclusion, note: str, signer: NoteSigner) -> dict[str, Any]:
    return {
        "vkey": signer.vkey,
        "note": note,
        "leaf": entry(one.index).hex(),
        "index": one.index,
        "path": [digest.hex() for digest in one.path],
    }


def _inclusion(one: Inclusion) -> dict[str, Any]:
    path = [digest.hex() for digest in one.path]
    return {"leaf": one.leaf.hex(), "index": one.index, "size": one.size, "path": path, "root": one.root.hex()}


def _consistency(one: Consistency) -> dict[str, Any]:
    return {
        "old": one.old,
        "new": one.new,
        "old_root": one.old_root.hex(),
        "new_root": one.new_root.hex(),
        "path": [digest.hex() for digest in one.path],
    }
