"""Every receipt of the demo's ledger holds for four verifiers that we did not write, and a forged one for none."""

from pathlib import Path
from typing import Any

import pytest

from slt.merkle.hashing import leaf_hash
from slt.merkle.tlog_proof import parse_tlog_proof
from slt.statements.cose_receipts import detach
from tests.interop.conftest import Demo
from tests.interop.running import go, sigstore
from tests.support.others import Inclusion, Pymerkle, ScittCose, root_in
from tests.support.proof_cases import flipped

pytestmark = pytest.mark.timeout(600)  # the demo runs once, on whichever test comes first


def test_pymerkle_makes_the_same_log_and_the_same_proofs(demo: Demo) -> None:
    theirs = Pymerkle(demo.entries)
    for one in demo.given:
        proof = parse_tlog_proof(one.tlog_proof)
        size, root = root_in(proof.note)
        assert theirs.root(size) == root
        assert theirs.path(proof.index, size) == list(proof.path)
        leaf = leaf_hash(one.receipt.statement)
        held = Inclusion(leaf=leaf, index=proof.index, size=size, path=proof.path, root=root)
        assert theirs.inclusion(held) == ""
        forged = Inclusion(leaf=flipped(leaf), index=proof.index, size=size, path=proof.path, root=root)
        assert theirs.inclusion(forged) != ""


def test_scitt_cose_verifies_every_cose_receipt(demo: Demo) -> None:
    for one, other in zip(demo.given, [*demo.given[1:], demo.given[0]], strict=True):
        parted = detach(one.cose)
        (receipt,) = parted.receipts
        assert ScittCose.receipt(receipt, parted.statement, demo.vkey) == ""
        assert ScittCose.receipt(receipt, other.receipt.statement, demo.vkey) != ""


def test_gos_tlog_and_note_verify_every_tlog_proof(demo: Demo, tmp_path: Path) -> None:
    cases = [_case(demo, number) for number in range(len(demo.given))]
    for case, entry in zip(cases, demo.entries[1:], strict=True):
        case["leaf"] = leaf_hash(entry).hex()
    said = go({"checkpoints": [*cases, *map(_forged, cases)]}, tmp_path / "go")["checkpoints"]
    assert said[: len(cases)] == [""] * len(cases)
    assert "" not in said[len(cases) :]


def test_sigstores_javascript_verifies_every_tlog_proof(demo: Demo) -> None:
    cases = [_case(demo, number) for number in range(len(demo.given))]
    said = sigstore([*cases, *map(_forged, cases)])
    assert said[: len(cases)] == [""] * len(cases)
    assert "" not in said[len(cases) :]


def _case(demo: Demo, number: int) -> dict[str, Any]:
    one = demo.given[number]
    proof = parse_tlog_proof(one.tlog_proof)
    return {
        "vkey": demo.vkey,
        "origin": demo.genesis.origin,
        "note": proof.note,
        "leaf": one.receipt.statement.hex(),
        "index": proof.index,
        "path": [digest.hex() for digest in proof.path],
    }


def _forged(case: dict[str, Any]) -> dict[str, Any]:
    """Another hash in the path; where the path is the whole of the proof, that is all there is to forge."""
    first = int(case["path"][0][:2], 16) ^ 1
    return {**case, "path": [f"{first:02x}{case['path'][0][2:]}", *case["path"][1:]]}
