"""The checked-in vectors of proofs: what outsiders can hold their verifiers, or ours, against. Recomputed here.

`python -m tests.unit.receipts.test_proof_vectors` writes them anew; a change of any is a change of the format.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from slt.consensus.forms import verify_any
from slt.consensus.receipts import BrokenLink
from slt.merkle.checkpoints import BadCheckpoint, Checkpoint, parse_checkpoint
from slt.merkle.hashing import EMPTY_ROOT, Digest, leaf_hash
from slt.merkle.notes import NoteError, NoteSigner, NoteVerifier, open_note, sign_note
from slt.merkle.policy import parse_policy
from slt.merkle.proofs import LeafTree, ProofError, verify_consistency, verify_inclusion
from slt.statements.genesis import parse_genesis
from slt.statements.receipt_forms import form_of
from slt.statements.receipts import encode_receipt
from tests.support.blocks import make_world, seed
from tests.unit.receipts import forms
from tests.unit.receipts.conftest import Case, make_cases
from tests.unit.receipts.test_broken_links import FORGERIES

FOLDER: Final = Path(__file__).parents[2] / "vectors" / "proofs"
LEAVES: Final = 300
ORIGIN: Final = "log.example/vectors"

Vector = dict[str, Any]


def entry(index: int) -> bytes:
    """Entry `index` of the vectors' log; some are empty, some long."""
    return b"" if index == 3 else f"entry {index}".encode() * (1 + index % 5)


def make_tree() -> LeafTree:
    return LeafTree([leaf_hash(entry(index)) for index in range(LEAVES)])


# merkle.json


def inclusion_vectors(tree: LeafTree) -> Iterator[Vector]:
    def one(name: str, reason: str, index: int, size: int, **changes: Any) -> Vector:
        inside = 0 <= index < size
        vector = {
            "name": name,
            "reason": reason,
            "leaf": leaf_hash(entry(max(index, 0))).hex(),
            "index": index,
            "size": size,
            "path": [digest.hex() for digest in tree.inclusion(index, size)] if inside else [],
            "root": tree.root(size).hex(),
        }
        return vector | changes

    for size in (1, 2, 3, 4, 5, 7, 8, 9):
        for index in range(size):
            yield one(f"entry {index} of {size}", "valid", index, size)
    for size in (255, 256, 257, 299, 300):
        for index in (0, 127, 128, size - 2, size - 1):
            yield one(f"entry {index} of {size}", "valid", index, size)
    good = one("", "", 5, 9)
    yield one("the index is the size", "index-outside", 9, 9)
    yield one("nothing is in the empty tree", "index-outside", 0, 0, root=EMPTY_ROOT.hex())
    yield one("a negative index", "index-outside", -1, 9, leaf=good["leaf"])
    yield one("the path was cut", "wrong-length", 5, 9, path=good["path"][:-1])
    yield one("the path was extended", "wrong-length", 5, 9, path=[*good["path"], "00" * 32])
    yield one("a hash for the only entry", "wrong-length", 0, 1, path=["00" * 32])
    yield one("the path of a larger tree", "wrong-length", 5, 8, path=good["path"])
    yield one("a hash of 31 bytes", "not-a-digest", 5, 9, path=[good["path"][0][:-2], *good["path"][1:]])
    yield one("a hash of 33 bytes", "not-a-digest", 5, 9, path=[f"{good['path'][0]}00", *good["path"][1:]])
    for place in range(len(good["path"])):
        changed = [flipped(digest) if at == place else digest for at, digest in enumerate(good["path"])]
        yield one(f"a flipped bit in hash {place} of the path", "root-mismatch", 5, 9, path=changed)
    yield one("a path upside down", "root-mismatch", 5, 9, path=good["path"][::-1])
    yield one("another entry", "root-mismatch", 5, 9, leaf=leaf_hash(entry(4)).hex())
    yield one("another index", "root-mismatch", 4, 9, leaf=good["leaf"], path=good["path"])
    yield one("another root", "root-mismatch", 5, 9, root=tree.root(8).hex())


def consistency_vectors(tree: LeafTree) -> Iterator[Vector]:
    def one(name: str, reason: str, old: int, new: int, **changes: Any) -> Vector:
        vector = {
            "name": name,
            "reason": reason,
            "old": old,
            "new": new,
            "old_root": tree.root(old).hex(),
            "new_root": tree.root(new).hex(),
            "path": [digest.hex() for digest in tree.consistency(old, new)] if old <= new else [],
        }
        return vector | changes

    for old, new in (
        *((0, 0), (0, 1), (0, 9), (1, 1), (1, 2), (1, 9), (2, 3), (3, 4), (3, 7), (4, 8), (4, 9), (6, 8), (7, 8)),
        *((8, 9), (9, 9), (128, 256), (255, 256), (256, 257), (129, 300), (256, 300), (299, 300), (300, 300)),
    ):
        yield one(f"{old} to {new}", "valid", old, new)
    good = one("", "", 6, 9)
    yield one("the new tree is the smaller one", "sizes-reversed", 9, 6)
    yield {**one("a negative size", "sizes-reversed", 0, 9), "old": -1}
    yield one("a proof from the empty tree", "wrong-length", 0, 9, path=["00" * 32])
    yield one("a proof between equal trees", "wrong-length", 9, 9, path=["00" * 32])
    yield one("the path was cut", "wrong-length", 6, 9, path=good["path"][:-1])
    yield one("the path was extended", "wrong-length", 6, 9, path=[*good["path"], "00" * 32])
    yield one("a hash of 31 bytes", "not-a-digest", 6, 9, path=[good["path"][0][:-2], *good["path"][1:]])
    for place in range(len(good["path"])):
        changed = [flipped(digest) if at == place else digest for at, digest in enumerate(good["path"])]
        yield one(f"a flipped bit in hash {place} of the path", "root-mismatch", 6, 9, path=changed)
    yield one("another old root", "root-mismatch", 6, 9, old_root=flipped(good["old_root"]))
    yield one("another new root", "root-mismatch", 6, 9, new_root=flipped(good["new_root"]))
    yield one(
        "old root and new root swapped", "root-mismatch", 6, 9, old_root=good["new_root"], new_root=good["old_root"]
    )
    yield one("two roots for one size: a split view", "root-mismatch", 9, 9, new_root=flipped(good["new_root"]))
    yield one("a root for the empty tree", "root-mismatch", 0, 9, old_root="00" * 32)
    yield one("a power of two with another old root", "root-mismatch", 4, 9, old_root=flipped(tree.root(4).hex()))


def merkle() -> Vector:
    tree = make_tree()
    return {
        "entries": [entry(index).hex() for index in range(LEAVES)],
        "roots": [tree.root(size).hex() for size in range(LEAVES + 1)],
        "inclusion": list(inclusion_vectors(tree)),
        "consistency": list(consistency_vectors(tree)),
    }


# checkpoints.json


def checkpoints() -> Vector:
    log, stranger = NoteSigner.of(ORIGIN, seed("log")), NoteSigner.of("witness.example", seed("witness"))
    text = Checkpoint(origin=ORIGIN, size=9, root=make_tree().root(9)).text()
    note = sign_note(text, log)
    line = note.rpartition("\n\n")[2]
    cosigned = sign_note(text, log, stranger)
    cases = [
        ("a checkpoint", "valid", note),
        ("with a cosignature by a key that is not known here", "valid", cosigned),
        ("by an unknown key", "note", sign_note(text, stranger)),
        ("by another key under the log's name", "note", sign_note(text, NoteSigner.of(ORIGIN, seed("mallory")))),
        ("with another size", "note", note.replace("\n9\n", "\n8\n")),
        ("with a signature that was changed", "note", note.replace(line, f"{line[:-8]}AAA=\n")),
        ("signed twice by one key", "note", note + line),
        ("without a signature", "note", text + "\n"),
        ("without the empty line", "note", text + line),
        ("without the last newline", "note", note[:-1]),
        ("with a control character", "note", note.replace("\n9\n", "\n9\r\n")),
        ("with a hyphen instead of the em dash", "note", note.replace("\N{EM DASH}", "-")),
        ("with spare bits in the base64 of the signature", "note", spare_bits(note, line)),
        ("a note that is no checkpoint", "checkpoint", sign_note("good day\n", log)),
        ("with an extension line", "checkpoint", sign_note(f"{text}extension\n", log)),
        ("with a size that begins with zero", "checkpoint", sign_note(text.replace("\n9\n", "\n09\n"), log)),
        ("with a root of 31 bytes", "checkpoint", sign_note(re.sub(r"\n[^\n]+\n$", f"\n{'A' * 40}AA==\n", text), log)),
    ]
    return {
        "vkey": log.vkey,
        "origin": ORIGIN,
        "cases": [{"name": name, "reason": reason, "note": made} for name, reason, made in cases],
    }


def spare_bits(note: str, line: str) -> str:
    """The signature's base64 ends in one `=`: of its last digit two bits are spare."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    padding = len(line) - 1 - len(line.rstrip("=\n"))
    assert padding, "68 bytes leave a remainder"
    last = line[-2 - padding]
    return note.replace(
        line, line.replace(f"{last}{'=' * padding}\n", f"{digits[digits.index(last) + 1]}{'=' * padding}\n")
    )


# receipts.json


def receipts() -> Vector:
    accepted, rejected = make_cases(make_world("receipts", authorities=3, threshold=2))
    cases = [*good_receipts(accepted, rejected), *wrong_receipts(accepted), *wrong_forms(accepted, rejected)]
    return {"genesis": accepted.genesis.encoded.hex(), "cases": cases}


def good_receipts(accepted: Case, rejected: Case) -> Iterator[Vector]:
    for name, (standing, make) in forms.GOOD.items():
        yield {**shown(name, "valid", make(accepted, rejected)), "proves": standing}


def wrong_receipts(accepted: Case) -> Iterator[Vector]:
    read = forms.read(accepted)
    for name, (link, _, forge) in FORGERIES.items():
        made = forms.Shown(data=encode_receipt(forge(read, accepted)))
        yield shown(f"a receipt v1 {name}", link, made)
    yield shown("a receipt v1 of a later version", "receipt", forms.Shown(data=b"\x8d\x02" + accepted.receipt[2:]))
    yield shown("a receipt v1 with a byte behind it", "receipt", forms.Shown(data=accepted.receipt + b"\0"))
    yield shown("a receipt v1 and another body", "body", forms.Shown(data=accepted.receipt, body=b"another body"))
    statement = bytearray(read.statement)
    statement[-40] ^= 1
    forged = accepted.receipt.replace(read.statement, bytes(statement))
    yield shown("a receipt v1 whose statement its author did not sign", "signature", forms.Shown(data=forged))


def wrong_forms(accepted: Case, rejected: Case) -> Iterator[Vector]:
    for name, (link, _, make) in forms.WRONG.items():
        yield shown(name, link, make(accepted, rejected))


def shown(name: str, link: str, made: forms.Shown) -> Vector:
    return {
        "name": name,
        "form": form_of(made.data),
        "reason": link.replace(" ", "-"),
        "file": made.data.hex(),
        "statement": None if made.entry is None else made.entry.hex(),
        "body": None if made.body is None else made.body.hex(),
        "policy": None if made.policy is None else made.policy.decode(),
    }


def flipped(digest: str) -> str:
    return f"{int(digest[0], 16) ^ 1:x}{digest[1:]}"


MAKERS: Final[dict[str, Callable[[], Vector]]] = {
    "merkle": merkle,
    "checkpoints": checkpoints,
    "receipts": receipts,
}


def text_of(vector: Vector) -> str:
    return json.dumps(vector, indent=1, ensure_ascii=False) + "\n"


def load(name: str) -> Vector:
    found: Vector = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


# The tests


@pytest.mark.parametrize("name", MAKERS)
def test_the_file_is_what_this_program_makes(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == text_of(MAKERS[name]())


def test_our_verifier_of_inclusion_says_the_same() -> None:
    for one in load("merkle")["inclusion"]:
        assert _reason_of(_inclusion, one) == one["reason"], one["name"]


def test_our_verifier_of_consistency_says_the_same() -> None:
    for one in load("merkle")["consistency"]:
        assert _reason_of(_consistency, one) == one["reason"], one["name"]


def test_our_verifier_of_checkpoints_says_the_same() -> None:
    vectors = load("checkpoints")
    key = NoteVerifier.from_vkey(vectors["vkey"])
    for one in vectors["cases"]:
        reason = "valid"
        try:
            parse_checkpoint(open_note(one["note"], [key]))
        except NoteError:
            reason = "note"
        except BadCheckpoint:
            reason = "checkpoint"
        assert reason == one["reason"], one["name"]


def test_our_verifier_of_receipts_says_the_same() -> None:
    vectors = load("receipts")
    genesis = parse_genesis(bytes.fromhex(vectors["genesis"]))
    for one in vectors["cases"]:
        said = {"reason": "valid"}
        try:
            found = verify_any(
                bytes.fromhex(one["file"]),
                genesis,
                body=_octets(one["body"]),
                entry=_octets(one["statement"]),
                policy=None if one["policy"] is None else parse_policy(one["policy"].encode()),
            )
            said["proves"] = found.standing
        except BrokenLink as broken:
            said["reason"] = broken.link.replace(" ", "-")
        assert said == {key: one[key] for key in said}, one["name"]


def test_every_reason_of_our_verifiers_has_a_vector_and_stands_in_the_readme() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    reasons = {one["reason"] for kind in ("inclusion", "consistency") for one in load("merkle")[kind]}
    reasons |= {one["reason"] for name in ("checkpoints", "receipts") for one in load(name)["cases"]}
    assert reasons >= {_code(kind.__name__) for kind in ProofError.__subclasses__()}
    assert {reason for reason in reasons if f"`{reason}`" not in readme} == set()


def _inclusion(one: Vector) -> None:
    leaf, root = Digest(bytes.fromhex(one["leaf"])), Digest(bytes.fromhex(one["root"]))
    verify_inclusion(leaf, one["index"], one["size"], proof=_path(one["path"]), root=root)


def _consistency(one: Vector) -> None:
    old_root, new_root = (Digest(bytes.fromhex(one[name])) for name in ("old_root", "new_root"))
    verify_consistency(one["old"], one["new"], old_root=old_root, new_root=new_root, proof=_path(one["path"]))


def _reason_of(verify: Callable[[Vector], None], one: Vector) -> str:
    try:
        verify(one)
    except ProofError as error:
        return _code(type(error).__name__)
    return "valid"


def _code(name: str) -> str:
    """RootMismatch -> root-mismatch."""
    return re.sub(r"(?<=.)([A-Z])", r"-\1", name).lower()


def _path(path: Sequence[str]) -> list[Digest]:
    return [Digest(bytes.fromhex(digest)) for digest in path]


def _octets(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, make in MAKERS.items():
        (FOLDER / f"{name}.json").write_text(text_of(make()), encoding="utf-8")
