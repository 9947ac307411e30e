"""The signer: what it has signed it signs again; anything else at or below its watermark it refuses."""

import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from services.consensus.credentials import KeyLock
from services.consensus.disk import OsDisk
from services.consensus.signer import FILE, FileSigner, Refused, WatermarkUnreadable
from slt.consensus.certificates import private_sign_bytes
from slt.consensus.effects import Sign
from slt.merkle.ed25519 import verify_ed25519
from slt.merkle.hashing import Digest
from slt.runtime.files import AlreadyRunning, FatalStorage
from slt.statements.batches import batch_sign_bytes
from tests.unit.consensus.world import GENESIS, SEQUENCER, signer

CHAIN_ID = GENESIS.chain_id


def digest(name: str) -> Digest:
    return Digest(sha256(name.encode()).digest())


FIRST = Sign(term=1, height=5, block_id=digest("block 5"), first_seq=1, batch_digests=(digest("a"), digest("b")))
NEXT = Sign(term=1, height=6, block_id=digest("block 6"), first_seq=3, batch_digests=(digest("c"),))


def open_signer(folder: Path) -> FileSigner:
    return FileSigner(OsDisk(folder), SEQUENCER, CHAIN_ID)


def test_signatures_hold_for_the_block_and_each_batch(tmp_path: Path) -> None:
    signatures = open_signer(tmp_path).sign(FIRST)
    verify_ed25519(SEQUENCER.public, private_sign_bytes(CHAIN_ID, 1, 5, FIRST.block_id), signatures.block)
    for signed, signature in zip(FIRST.batch_digests, signatures.batches, strict=True):
        verify_ed25519(SEQUENCER.public, batch_sign_bytes(CHAIN_ID, signed), signature)


def test_32_the_same_request_gives_the_stored_signatures_also_after_a_restart(tmp_path: Path) -> None:
    first = open_signer(tmp_path)
    signatures = first.sign(FIRST)
    assert first.sign(FIRST) == signatures
    again = open_signer(tmp_path)
    assert again.watermark == first.watermark
    assert again.sign(FIRST) == signatures


def test_w2_the_watermark_is_durable_before_a_signature_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise FatalStorage("no room")

    signing = open_signer(tmp_path)
    monkeypatch.setattr(OsDisk, "replace", refuse)
    with pytest.raises(FatalStorage):
        signing.sign(FIRST)
    assert open_signer(tmp_path).watermark is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"height": 4}, "height 5 is signed"),
        ({"block_id": digest("rival")}, "is signed there"),
        ({"batch_digests": (digest("a"),)}, "other batches"),
        ({"batch_digests": (digest("a"), digest("x"))}, "other batches"),
        ({"first_seq": 2}, "other batches"),
        ({"term": 0}, "under term 0"),
        ({"term": 0, "height": 6, "first_seq": 3}, "under term 0"),
        ({"height": 6}, "the next one is 3"),
        ({"height": 6, "first_seq": 4}, "the next one is 3"),
    ],
)
def test_w3_anything_lower_or_different_is_refused(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    open_signer(tmp_path).sign(FIRST)
    for signing in (open_signer(tmp_path), open_signer(tmp_path)):
        with pytest.raises(Refused, match=sentence):
            signing.sign(replace(FIRST, **change))
    assert open_signer(tmp_path).sign(NEXT).batches


def test_a_later_term_signs_the_same_block_anew(tmp_path: Path) -> None:
    signing = open_signer(tmp_path)
    before, after = signing.sign(FIRST), signing.sign(replace(FIRST, term=2))
    assert before.block != after.block and before.batches == after.batches
    with pytest.raises(Refused, match="under term 1"):
        signing.sign(NEXT)


def test_a_block_without_batches_leaves_their_numbers_alone(tmp_path: Path) -> None:
    signing = open_signer(tmp_path)
    signing.sign(replace(FIRST, batch_digests=()))
    assert signing.sign(replace(NEXT, first_seq=1)).batches


def test_a_watermark_with_any_byte_changed_is_not_read(tmp_path: Path) -> None:
    open_signer(tmp_path).sign(FIRST)
    path = tmp_path / FILE
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(WatermarkUnreadable):
            open_signer(tmp_path)
    for size in (0, 10, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(WatermarkUnreadable):
            open_signer(tmp_path)


def test_a_watermark_of_another_key_or_ledger_is_not_read(tmp_path: Path) -> None:
    open_signer(tmp_path).sign(FIRST)
    with pytest.raises(WatermarkUnreadable, match="another key's"):
        FileSigner(OsDisk(tmp_path), signer("another"), CHAIN_ID)
    with pytest.raises(WatermarkUnreadable, match="another ledger's"):
        FileSigner(OsDisk(tmp_path), SEQUENCER, digest("other ledger"))


def test_37_a_second_process_cannot_take_the_key(tmp_path: Path) -> None:
    path = tmp_path / "consensus.pem"
    path.write_text("key")
    code = (
        "import sys; from pathlib import Path; from services.consensus.credentials import KeyLock\n"
        "with KeyLock(Path(sys.argv[1])): print('taken', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None and other.stdout.readline() == b"taken\n"
        with pytest.raises(AlreadyRunning, match="another process signs"), KeyLock(path):
            pytest.fail("two processes hold the key")
    finally:
        other.kill()
        other.communicate(timeout=10)
    with KeyLock(path):
        pass
