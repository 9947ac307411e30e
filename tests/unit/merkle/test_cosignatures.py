"""Cosignatures of both kinds: the bytes that C2SP says, and everything that must not pass for one."""

import hashlib
from base64 import b64decode, b64encode
from functools import cache

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa

from slt.merkle.checkpoints import Checkpoint
from slt.merkle.cosignatures import (
    ED25519_COSIGNATURE,
    ML_DSA_44_COSIGNATURE,
    Cosigner,
    CosignerKey,
    cosigner_key_from_pem,
    open_checkpoint,
)
from slt.merkle.hashing import Digest
from slt.merkle.notes import NoteError, NoteSignature, NoteSigner, sign_note, signature_lines

LOG = NoteSigner.of("example.com/behind-the-sofa", bytes([1]) * 32)
CHECKPOINT = Checkpoint(origin=LOG.name, size=20852163, root=Digest(bytes(range(32))))
TEXT = CHECKPOINT.text()
NOTE = sign_note(TEXT, LOG)
TIME_S = 1679315147
KINDS = ("ed25519", "ml-dsa-44")


@cache
def cosigner(kind: str, name: str = "witness.example.com/w1") -> CosignerKey:
    private = ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else mldsa.MLDSA44PrivateKey.generate()
    return cosigner_key_from_pem(name, pem(private))


def pem(private: ed25519.Ed25519PrivateKey | mldsa.MLDSA44PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def blob(line: str) -> bytes:
    return b64decode(line.split(" ")[2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_cosigned_checkpoint_opens_and_says_who_and_when(kind: str) -> None:
    key = cosigner(kind)
    opened = open_checkpoint(NOTE + key.cosign(TEXT, TIME_S).line, [LOG.verifier], [key.cosigner])
    assert opened.checkpoint == CHECKPOINT
    assert opened.logs == (LOG.verifier,)
    assert [(one.cosigner, one.time_s) for one in opened.cosignatures] == [(key.cosigner, TIME_S)]


def test_the_ed25519_message_is_the_published_one() -> None:
    """Verified here with the library alone, over bytes written out by hand."""
    key = cosigner("ed25519")
    signed = blob(key.cosign(TEXT, TIME_S).line)
    message = f"cosignature/v1\ntime 1679315147\n{TEXT}".encode()
    assert signed[:4] == hashlib.sha256(b"witness.example.com/w1\n\x04" + key.cosigner.public_key).digest()[:4]
    assert signed[4:12] == TIME_S.to_bytes(8, "big")
    assert len(signed) == 4 + 72
    ed25519.Ed25519PublicKey.from_public_bytes(key.cosigner.public_key).verify(signed[12:], message)


def test_the_ml_dsa_message_is_the_published_one() -> None:
    key = cosigner("ml-dsa-44")
    signed = blob(key.cosign(TEXT, TIME_S).line)
    message = (
        b"subtree/v1\n\0\x16witness.example.com/w1"
        + TIME_S.to_bytes(8, "big")
        + b"\x1bexample.com/behind-the-sofa"
        + bytes(8)
        + (20852163).to_bytes(8, "big")
        + bytes(range(32))
    )
    assert signed[:4] == hashlib.sha256(b"witness.example.com/w1\n\x06" + key.cosigner.public_key).digest()[:4]
    assert len(signed) == 4 + 8 + 2420
    mldsa.MLDSA44PublicKey.from_public_bytes(key.cosigner.public_key).verify(signed[12:], message)


@pytest.mark.parametrize("kind", KINDS)
def test_a_verifier_key_reads_back_and_no_changed_one_does(kind: str) -> None:
    vkey = cosigner(kind).cosigner.vkey
    assert Cosigner.from_vkey(vkey) == cosigner(kind).cosigner
    assert len(b64decode(vkey.split("+", 2)[2])) == 1 + (32 if kind == "ed25519" else 1312)
    for at in [*range(60), len(vkey) - 1]:
        for other in ("A", "b", "+"):
            if other != vkey[at]:
                with pytest.raises(NoteError):
                    Cosigner.from_vkey(vkey[:at] + other + vkey[at + 1 :])


@pytest.mark.parametrize("kind", KINDS)
def test_a_cosignature_on_anything_else_refuses_the_note(kind: str) -> None:
    key = cosigner(kind)
    bigger = Checkpoint(origin=LOG.name, size=20852164, root=CHECKPOINT.root).text()
    other_root = Checkpoint(origin=LOG.name, size=20852163, root=Digest(bytes(32))).text()
    other_log = Checkpoint(origin="example.com/other", size=20852163, root=CHECKPOINT.root).text()
    for text in (bigger, other_root, other_log):
        with pytest.raises(NoteError, match="does not hold"):
            open_checkpoint(NOTE + key.cosign(text, TIME_S).line, [LOG.verifier], [key.cosigner])


@pytest.mark.parametrize("kind", KINDS)
def test_the_time_is_signed(kind: str) -> None:
    key = cosigner(kind)
    (line,) = signature_lines(key.cosign(TEXT, TIME_S).line)
    for time_s in (TIME_S + 1, 0, 2**63, 2**64 - 1):
        changed = NoteSignature(
            name=line.name, key_id=line.key_id, signature=time_s.to_bytes(8, "big") + line.signature[8:]
        )
        with pytest.raises(NoteError):
            key.cosigner.verify(TEXT, changed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_or_lengthened_cosignature_is_refused(kind: str) -> None:
    key = cosigner(kind)
    line = key.cosign(TEXT, TIME_S)
    for signature in (line.signature[:-1], line.signature + b"\0", line.signature[:8], b"\0"):
        with pytest.raises(NoteError, match="not one of its key"):
            key.cosigner.verify(TEXT, NoteSignature(name=line.name, key_id=line.key_id, signature=signature))


def test_the_name_of_an_ml_dsa_cosigner_is_signed() -> None:
    private = mldsa.MLDSA44PrivateKey.generate()
    one, other = cosigner_key_from_pem("witness.example/1", pem(private)), cosigner_key_from_pem("other", pem(private))
    line = one.cosign(TEXT, TIME_S)
    renamed = NoteSignature(name="other", key_id=other.cosigner.key_id, signature=line.signature)
    with pytest.raises(NoteError, match="does not hold"):
        other.cosigner.verify(TEXT, renamed)


def test_a_cosignature_that_comes_twice_is_refused_and_an_unknown_one_is_not_looked_at() -> None:
    key, stranger = cosigner("ml-dsa-44"), cosigner("ml-dsa-44", "stranger.example")
    line = key.cosign(TEXT, TIME_S).line
    with pytest.raises(NoteError, match="two cosignatures"):
        open_checkpoint(NOTE + line + line, [LOG.verifier], [key.cosigner])
    noise = stranger.cosign(TEXT.replace("20852163", "1"), TIME_S).line
    assert len(open_checkpoint(NOTE + noise + line, [LOG.verifier], [key.cosigner]).cosignatures) == 1


def test_without_the_log_no_cosignature_counts() -> None:
    key = cosigner("ml-dsa-44")
    alone = TEXT + "\n" + key.cosign(TEXT, TIME_S).line
    with pytest.raises(NoteError, match="no signature by a known key"):
        open_checkpoint(alone, [LOG.verifier], [key.cosigner])
    with pytest.raises(NoteError, match="not expected here"):
        open_checkpoint(NOTE, [NoteSigner.of("example.com/other", bytes(32)).verifier], [key.cosigner])


def test_a_log_key_is_no_cosigner_and_a_cosigner_key_is_no_log() -> None:
    with pytest.raises(NoteError, match="0x04"):
        Cosigner.from_vkey(LOG.vkey)
    with pytest.raises(NoteError):
        Cosigner.of("name", ML_DSA_44_COSIGNATURE, bytes(32))
    with pytest.raises(NoteError, match="name"):
        Cosigner.of("with space", ED25519_COSIGNATURE, LOG.verifier.public_key)


def test_only_keys_that_can_cosign_are_read() -> None:
    with pytest.raises(ValueError, match="ML-DSA-44 or Ed25519"):
        cosigner_key_from_pem("name", pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(NoteError, match="255"):
        cosigner_key_from_pem("é" * 200, pem(ed25519.Ed25519PrivateKey.generate()))


def test_sixteen_post_quantum_cosignatures_fit_one_note() -> None:
    keys = [cosigner("ml-dsa-44", f"witness.example/{number}") for number in range(16)]
    note = NOTE + "".join(key.cosign(TEXT, TIME_S).line for key in keys)
    assert len(open_checkpoint(note, [LOG.verifier], [key.cosigner for key in keys]).cosignatures) == 16


def test_neither_a_representation_nor_an_error_shows_a_private_key() -> None:
    seed = bytes(range(100, 132))
    private = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    said = repr(cosigner_key_from_pem("name", pem(private)))
    assert seed.hex() not in said and b64encode(seed).decode() not in said and str(seed) not in said
