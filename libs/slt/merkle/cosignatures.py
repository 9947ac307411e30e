"""Cosignatures (c2sp.org/tlog-cosignature): "I saw this log grow to this size and root, and nothing else of that size".

Two kinds, told apart by the type byte of the key: 0x04, Ed25519 over two lines and the note's text; 0x06, ML-DSA-44
over a structure that names the cosigner and covers the first three lines. Either is 8 bytes of time (seconds since 1970
UTC, big-endian) and the signature.
"""

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

from slt.merkle.checkpoints import BadCheckpoint, Checkpoint, parse_checkpoint
from slt.merkle.ed25519 import BadSignature, check_on_curve, public_of, sign_ed25519, verify_ed25519
from slt.merkle.notes import (
    NAME_CHARS_MAX,
    NoteError,
    NoteSignature,
    NoteVerifier,
    check_name,
    open_note,
    split_note,
    strict_b64decode,
)

ED25519_COSIGNATURE: Final = 0x04
ML_DSA_44_COSIGNATURE: Final = 0x06
TIME_S_MAX: Final = 2**63 - 1

_KEY_BYTES: Final = {ED25519_COSIGNATURE: 32, ML_DSA_44_COSIGNATURE: 1312}
_SIGNATURE_BYTES: Final = {ED25519_COSIGNATURE: 64, ML_DSA_44_COSIGNATURE: 2420}
_KIND_NAMES: Final = {ED25519_COSIGNATURE: "Ed25519", ML_DSA_44_COSIGNATURE: "ML-DSA-44"}
_SUBTREE_LABEL: Final = b"subtree/v1\n\0"
_TIME_BYTES: Final = 8
_KEYS_CACHED: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigner:
    """A key that cosigns checkpoints: its name, its kind (the type byte) and its raw public key."""

    name: str
    kind: int
    key_id: bytes
    public_key: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.name.encode()) > NAME_CHARS_MAX:
            raise NoteError(f"the name of a cosigner has at most {NAME_CHARS_MAX} bytes: {self.name[:40]!r}")
        if self.kind not in _KEY_BYTES:
            raise NoteError(f"key {self.name}: cosigner keys have type 0x04 (Ed25519) or 0x06 (ML-DSA-44)")
        if len(self.public_key) != _KEY_BYTES[self.kind]:
            raise NoteError(
                f"key {self.name}: an {self.kind_name} key is {_KEY_BYTES[self.kind]} bytes, not {len(self.public_key)}"
            )
        if self.kind == ED25519_COSIGNATURE:
            try:
                check_on_curve(self.public_key)
            except BadSignature as error:
                raise NoteError(f"key {self.name}: {error}") from None
        if self.key_id != _key_id(self.name, self.kind, self.public_key):
            raise NoteError(f"key {self.name}: the id {self.key_id.hex()} does not belong to this name and key")

    @classmethod
    def of(cls, name: str, kind: int, public_key: bytes) -> "Cosigner":
        return cls(name=name, kind=kind, key_id=_key_id(name, kind, public_key), public_key=public_key)

    @classmethod
    def from_vkey(cls, text: str) -> "Cosigner":
        """Read `name+hex id+base64(type || key)`. Raises NoteError unless `text` is exactly what .vkey would give."""
        name, _, rest = text.partition("+")
        hex_id, _, encoded = rest.partition("+")
        blob = strict_b64decode(encoded, f"verifier key of {name}")
        if not blob:
            raise NoteError(f"verifier key of {name}: it holds no key")
        cosigner = cls.of(name, blob[0], blob[1:])
        if hex_id != cosigner.key_id.hex():
            raise NoteError(f"verifier key of {name}: the id is {cosigner.key_id.hex()}, not {hex_id}")
        return cosigner

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([self.kind]) + self.public_key).decode()}"

    @property
    def kind_name(self) -> str:
        return _KIND_NAMES[self.kind]

    def signed_by(self, line: NoteSignature) -> bool:
        """Whether `line` says that it is this cosigner's. Nothing is verified."""
        return (line.name, line.key_id) == (self.name, self.key_id)

    def verify(self, text: str, line: NoteSignature) -> int:
        """The time of `line`, in seconds, if it is this cosigner's cosignature on the checkpoint `text`.

        Raises NoteError otherwise. A time of 0, by which a cosigner says nothing about the largest size, is refused.
        """
        signature = line.signature[_TIME_BYTES:]
        time_s = int.from_bytes(line.signature[:_TIME_BYTES], "big")
        if not self.signed_by(line) or len(signature) != _SIGNATURE_BYTES[self.kind]:
            raise NoteError(f"the cosignature by {self.name} is not one of its key: {self.kind_name}")
        if not 1 <= time_s <= TIME_S_MAX:
            raise NoteError(f"the cosignature by {self.name} has no time")
        message = cosigned_message(self, text, time_s)
        try:
            if self.kind == ED25519_COSIGNATURE:
                verify_ed25519(self.public_key, message, signature)
            else:
                _ml_dsa_key(self.public_key).verify(signature, message)
        except (BadSignature, InvalidSignature):
            raise NoteError(f"the cosignature by {self.name} does not hold") from None
        return time_s


@dataclass(frozen=True, slots=True, kw_only=True)
class CosignerKey:
    """A cosigner with its private key."""

    cosigner: Cosigner
    _sign: Callable[[bytes], bytes] = field(repr=False, compare=False)

    def cosign(self, text: str, time_s: int) -> NoteSignature:
        """The cosignature on the checkpoint `text` at `time_s`. The caller has made durable that it saw that size."""
        if not 1 <= time_s <= TIME_S_MAX:
            raise ValueError(f"a cosignature has a time, not {time_s}")
        signature = self._sign(cosigned_message(self.cosigner, text, time_s))
        blob = time_s.to_bytes(_TIME_BYTES, "big") + signature
        return NoteSignature(name=self.cosigner.name, key_id=self.cosigner.key_id, signature=blob)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """A cosignature that holds."""

    cosigner: Cosigner
    time_s: int
    line: NoteSignature


@dataclass(frozen=True, slots=True, kw_only=True)
class CosignedCheckpoint:
    """A checkpoint that its log has signed, and the cosignatures on it that hold."""

    checkpoint: Checkpoint
    text: str
    logs: tuple[NoteVerifier, ...]  # whose signature it carries; one at least
    cosignatures: tuple[Cosignature, ...]


def member_cosigner_name(origin: str, member: int) -> str:
    """The name under which member `member` of the ledger `origin` cosigns."""
    return f"{origin}/member/{member}"


def cosigner_key_from_pem(name: str, pem: bytes) -> CosignerKey:
    """The cosigner `name` with the unencrypted PKCS#8 PEM of an Ed25519 or ML-DSA-44 key. Raises ValueError."""
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("the private key is encrypted; give it as an unencrypted PKCS#8 PEM") from None
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return cosigner_key_from_seed(name, private.private_bytes_raw())
    if isinstance(private, mldsa.MLDSA44PrivateKey):
        cosigner = Cosigner.of(name, ML_DSA_44_COSIGNATURE, private.public_key().public_bytes_raw())
        return CosignerKey(cosigner=cosigner, _sign=private.sign)
    raise ValueError("a cosigner key must be ML-DSA-44 or Ed25519")


def cosigner_key_from_seed(name: str, seed: bytes) -> CosignerKey:
    """The Ed25519 cosigner of `seed`, 32 bytes. Its key signs nothing else: the name is not in what it signs."""
    public = public_of(seed)

    def sign(message: bytes) -> bytes:
        return sign_ed25519(seed, public, message)

    return CosignerKey(cosigner=Cosigner.of(name, ED25519_COSIGNATURE, public), _sign=sign)


def cosigned_message(cosigner: Cosigner, text: str, time_s: int) -> bytes:
    """What `cosigner` signs at `time_s` for the checkpoint `text`. Raises NoteError if `text` is no checkpoint."""
    if cosigner.kind == ED25519_COSIGNATURE:
        return f"cosignature/v1\ntime {time_s}\n{text}".encode()
    checkpoint = _checkpoint(text)
    name, origin = cosigner.name.encode(), checkpoint.origin.encode()
    return b"".join(
        (
            _SUBTREE_LABEL,
            bytes([len(name)]),
            name,
            time_s.to_bytes(8, "big"),
            bytes([len(origin)]),
            origin,
            (0).to_bytes(8, "big"),  # start: a checkpoint covers the log from its first entry
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def open_checkpoint(note: str, logs: Sequence[NoteVerifier], cosigners: Sequence[Cosigner] = ()) -> CosignedCheckpoint:
    """The checkpoint in `note`, signed by at least one of `logs`, whose names are its origin.

    Signatures by unknown keys are ignored. Raises NoteError when a known key's signature does not hold or comes twice,
    when no log has signed, and when the text is no checkpoint.
    """
    text, lines = split_note(note)
    checkpoint = _checkpoint(text)
    of_origin = [log for log in logs if log.name == checkpoint.origin]
    if not of_origin:
        raise NoteError(f"the checkpoint is of log {checkpoint.origin}, which is not expected here")
    open_note(note, of_origin)
    signed = tuple(log for log in of_origin if any((one.name, one.key_id) == (log.name, log.key_id) for one in lines))
    held: dict[Cosigner, Cosignature] = {}
    for line in lines:
        for cosigner in cosigners:
            if cosigner.signed_by(line):
                if cosigner in held:
                    raise NoteError(f"the note carries two cosignatures by {cosigner.name}")
                held[cosigner] = Cosignature(cosigner=cosigner, time_s=cosigner.verify(text, line), line=line)
    return CosignedCheckpoint(checkpoint=checkpoint, text=text, logs=signed, cosignatures=tuple(held.values()))


def _checkpoint(text: str) -> Checkpoint:
    try:
        return parse_checkpoint(text)
    except BadCheckpoint as error:
        raise NoteError(f"the note is no checkpoint: {error}") from None


def _key_id(name: str, kind: int, public_key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:4]


@lru_cache(_KEYS_CACHED)
def _ml_dsa_key(public_key: bytes) -> mldsa.MLDSA44PublicKey:
    return mldsa.MLDSA44PublicKey.from_public_bytes(public_key)
