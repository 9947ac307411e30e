"""add-checkpoint, decided: each status of c2sp.org/tlog-witness, in the order of the specification."""

from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.merkle.checkpoints import Checkpoint
from slt.merkle.hashing import EMPTY_ROOT, Digest, leaf_hash
from slt.merkle.notes import NoteSigner, sign_note
from slt.merkle.proofs import LeafTree
from slt.merkle.witness import AddCheckpoint, Admitted, Refused, Seen, admit, parse_add_checkpoint

ORIGIN = "ledger.example/xl"
LOG = NoteSigner.of(ORIGIN, bytes([1]) * 32)
SECOND = NoteSigner.of(ORIGIN, bytes([2]) * 32)
STRANGER = NoteSigner.of(ORIGIN, bytes([3]) * 32)
LOGS = {ORIGIN: [LOG.verifier, SECOND.verifier]}
TREE = LeafTree([leaf_hash(bytes([number])) for number in range(40)])
FORK = LeafTree([leaf_hash(bytes([number + 100])) for number in range(40)])


def note(size: int, *, tree: LeafTree = TREE, by: NoteSigner = LOG) -> str:
    return sign_note(Checkpoint(origin=ORIGIN, size=size, root=tree.root(size)).text(), by)


def seen(size: int) -> dict[str, Seen]:
    return {ORIGIN: Seen(size=size, root=TREE.root(size), time_s=1)}


def ask(old: int, size: int, *, of: LeafTree = TREE, **how: object) -> AddCheckpoint:
    proof = tuple(of.consistency(min(old, size), size))
    request = AddCheckpoint(old=old, proof=proof, note=note(size, tree=of))
    return replace(request, **how)  # type: ignore[arg-type]  # the fields of the request


def refused(request: AddCheckpoint, known: dict[str, Seen]) -> Refused:
    with pytest.raises(Refused) as raised:
        admit(request, LOGS, known)
    return raised.value


@given(st.integers(0, 40), st.integers(0, 40))
def test_every_growth_with_its_proof_is_admitted(one: int, other: int) -> None:
    old, size = sorted((one, other))
    known = seen(old) if old else {}
    admitted = admit(parse_add_checkpoint(ask(old, size).encoded), LOGS, known)
    assert (admitted.checkpoint.size, admitted.checkpoint.root) == (size, TREE.root(size))


def test_only_trusted_signatures_are_kept() -> None:
    both = note(3) + sign_note("x\n", STRANGER).rpartition("\n\n")[2]
    admitted: Admitted = admit(AddCheckpoint(old=0, proof=(), note=both), LOGS, {})
    assert admitted.note == note(3)


def test_either_key_of_a_log_is_enough() -> None:
    assert admit(AddCheckpoint(old=0, proof=(), note=note(3, by=SECOND)), LOGS, {}).checkpoint.size == 3


def test_404_for_a_log_that_nobody_configured() -> None:
    other = NoteSigner.of("other.example", bytes([1]) * 32)
    text = sign_note(Checkpoint(origin="other.example", size=3, root=TREE.root(3)).text(), other)
    assert refused(AddCheckpoint(old=0, proof=(), note=text), {}).status == 404


def test_403_without_a_trusted_signature_and_for_a_trusted_one_that_fails() -> None:
    assert refused(ask(0, 3, note=note(3, by=STRANGER)), {}).status == 403
    lines = note(3) + sign_note(note(4).partition("\n\n")[0] + "\n", SECOND).rpartition("\n\n")[2]
    assert refused(ask(0, 3, note=lines), {}).status == 403


def test_400_when_the_old_size_is_larger() -> None:
    assert refused(ask(5, 4, proof=()), seen(5)).status == 400


@pytest.mark.parametrize(("old", "latest"), [(0, 5), (4, 5), (6, 5), (7, 0)])
def test_409_with_the_latest_size_when_the_old_one_is_another(old: int, latest: int) -> None:
    answer = refused(ask(old, 9), seen(latest) if latest else {})
    assert (answer.status, answer.size) == (409, latest)


def test_422_for_a_proof_that_does_not_verify() -> None:
    good = ask(5, 9)
    flipped = Digest(bytes([good.proof[0][0] ^ 1]) + good.proof[0][1:])
    for proof in (good.proof[:-1], (*good.proof, good.proof[0]), (flipped, *good.proof[1:]), ()):
        assert refused(replace(good, proof=proof), seen(5)).status == 422
    assert refused(ask(5, 9, of=FORK), seen(5)).status == 422


def test_422_for_another_root_at_the_same_size_and_for_a_proof_where_none_belongs() -> None:
    assert refused(ask(5, 5, of=FORK), seen(5)).status == 422
    assert refused(ask(5, 5, proof=(EMPTY_ROOT,)), seen(5)).status == 422
    assert refused(ask(0, 5, proof=(EMPTY_ROOT,)), {}).status == 422


def test_422_for_an_empty_log_with_another_root() -> None:
    text = f"{ORIGIN}\n0\n{b64encode(bytes(32)).decode()}\n"
    assert refused(AddCheckpoint(old=0, proof=(), note=sign_note(text, LOG)), {}).status == 422


def test_an_empty_log_may_be_seen_and_then_grow() -> None:
    assert admit(ask(0, 0), LOGS, {}).checkpoint.root == EMPTY_ROOT
    assert admit(ask(0, 4), LOGS, {ORIGIN: Seen(size=0, root=EMPTY_ROOT, time_s=1)}).checkpoint.size == 4


GOOD = ask(5, 9).encoded


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 5\n",
        GOOD.replace(b"old 5", b"old 05"),
        GOOD.replace(b"old 5", b"old +5"),
        GOOD.replace(b"old 5", b"old  5"),
        GOOD.replace(b"old 5", b"Old 5"),
        GOOD.replace(b"old 5", b"old 9999999999999999999"),
        GOOD.replace(b"old 5\n", b"old 5\r\n"),
        GOOD.replace(b"old 5\n", b"old 5\nAA==\n"),
        GOOD.replace(b"old 5\n", b"old 5\n" + (b64encode(bytes(32)) + b"\n") * 64),
        GOOD.replace(b"=\n", b"\n", 1),
        GOOD + b"\xff",
        GOOD + b"x" * 300_000,
    ],
)
def test_400_for_a_body_that_is_not_one(body: bytes) -> None:
    with pytest.raises(Refused) as raised:
        parse_add_checkpoint(body)
    assert raised.value.status == 400


def test_400_for_a_note_that_is_none_or_no_checkpoint() -> None:
    assert refused(ask(0, 3, note="nothing\n"), {}).status == 400
    extended = sign_note(f"{note(3).partition(chr(10) * 2)[0]}\nan extension\n", LOG)
    assert refused(ask(0, 3, note=extended), {}).status == 400


def test_a_request_reads_back() -> None:
    assert parse_add_checkpoint(GOOD) == ask(5, 9)
    assert parse_add_checkpoint(ask(0, 9, proof=()).encoded).old == 0
