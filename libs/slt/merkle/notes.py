"""C2SP signed notes with Ed25519 keys: a text and, below an empty line, signatures that name their keys.

c2sp.org/signed-note: lines "— name base64(key id || signature)"; the key id is the first 4 bytes of
SHA-256(name || 0x0A || 0x01 || public key). The separator is the last empty line.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from slt.merkle.ed25519 import SIGNATURE_BYTES, BadSignature, check_on_curve, public_of, sign_ed25519, verify_ed25519

ED25519_NOTE = b"\x01"
NOTE_BYTES_MAX = 256 * 1024  # 32 signatures of a post-quantum key, in base64, and a text.
SIGNATURES_MAX = 32  # The specification asks for at least 16.
NAME_CHARS_MAX = 255  # A cosignature message gives the length of a name in one byte.
_KEY_ID_BYTES = 4
_DASH = "\N{EM DASH} "


class NoteError(ValueError):
    """The note, the signature or the key text is not what it has to be. The text says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteVerifier:
    """A key that may sign notes: its name, its id (4 bytes) and its Ed25519 public key (32 bytes)."""

    name: str
    key_id: bytes
    public_key: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        try:
            check_on_curve(self.public_key)
        except BadSignature as error:
            raise NoteError(f"key {self.name}: {error}") from None
        if self.key_id != key_id(self.name, self.public_key):
            raise NoteError(f"key {self.name}: the id {self.key_id.hex()} does not belong to this name and key")

    @classmethod
    def of(cls, name: str, public_key: bytes) -> "NoteVerifier":
        return cls(name=name, key_id=key_id(name, public_key), public_key=public_key)

    @classmethod
    def from_vkey(cls, text: str) -> "NoteVerifier":
        """Read `name+hex id+base64(type || key)`. Raises NoteError unless `text` is exactly what .vkey would give."""
        name, _, rest = text.partition("+")
        hex_id, _, encoded = rest.partition("+")
        blob = strict_b64decode(encoded, f"verifier key of {name}")
        if blob[:1] != ED25519_NOTE or len(blob) != 33:
            raise NoteError(f"verifier key of {name}: only Ed25519 note keys (type 0x01, 32 bytes) are read")
        verifier = cls.of(name, blob[1:])
        if hex_id != verifier.key_id.hex():
            raise NoteError(f"verifier key of {name}: the id is {verifier.key_id.hex()}, not {hex_id}")
        return verifier

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(ED25519_NOTE + self.public_key).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSigner:
    """Signs notes under `name` with the Ed25519 key of `seed` (32 bytes)."""

    verifier: NoteVerifier
    seed: bytes

    def __repr__(self) -> str:
        return f"NoteSigner({self.verifier.vkey})"  # The seed stays out of logs.

    @classmethod
    def of(cls, name: str, seed: bytes) -> "NoteSigner":
        if len(seed) != 32:
            raise NoteError(f"a seed is 32 bytes, not {len(seed)}")
        return cls(verifier=NoteVerifier.of(name, public_of(seed)), seed=seed)

    @property
    def name(self) -> str:
        return self.verifier.name

    @property
    def vkey(self) -> str:
        return self.verifier.vkey

    def sign(self, text: str) -> bytes:
        return sign_ed25519(self.seed, self.verifier.public_key, text.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line: whose it says to be, and the bytes behind the key id. Nothing is verified."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """With its newline."""
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.signature).decode()}\n"


def key_id(name: str, public_key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + ED25519_NOTE + public_key).digest()[:_KEY_ID_BYTES]


def sign_note(text: str, *signers: NoteSigner) -> str:
    """`text`, which ends in a newline, with one signature line for each of `signers`."""
    _check_text(text)
    lines = [
        f"{_DASH}{signer.name} {b64encode(signer.verifier.key_id + signer.sign(text)).decode()}\n" for signer in signers
    ]
    if not lines:
        raise NoteError("a note has at least one signature")
    return text + "\n" + "".join(lines)


def open_note(note: str, verifiers: Sequence[NoteVerifier], *, exact: bool = False) -> str:
    """The text of `note`, signed by at least one of `verifiers`.

    A signature by an unknown key is ignored; one by a known key that does not hold, or that comes twice, refuses the
    note. With `exact` the note carries exactly one signature for each verifier, in the verifiers' order, and nothing
    else, so that no byte of it is free. Raises NoteError.
    """
    text, lines = split_note(note)
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    signed: list[NoteVerifier] = []
    for line in lines:
        verifier = known.get((line.name, line.key_id))
        if verifier is None:
            if exact:
                raise NoteError(
                    f"the note carries a signature by {line.name} {line.key_id.hex()}, whom nobody asked for"
                )
            continue
        if verifier in signed:
            raise NoteError(f"the note carries two signatures by {line.name}")
        if len(line.signature) != SIGNATURE_BYTES:
            raise NoteError(f"the signature by {line.name} is not 64 bytes")
        try:
            verify_ed25519(verifier.public_key, text.encode(), line.signature)
        except BadSignature as error:
            raise NoteError(f"the signature by {line.name} does not hold: {error}") from None
        signed.append(verifier)
    if exact and signed != list(verifiers):
        raise NoteError("the note does not carry exactly one signature by each expected key, in their order")
    if not signed:
        raise NoteError("the note carries no signature by a known key")
    return text


def split_note(note: str) -> tuple[str, list[NoteSignature]]:
    """The text of `note`, with its last newline, and its signature lines, none of them verified. Raises NoteError."""
    text, lines = _parted(note)
    return text, [_signature_line(line) for line in lines]


def signature_lines(text: str) -> list[NoteSignature]:
    """Signature lines that travel without a note, as a witness answers. Raises NoteError unless there is 1 at least."""
    if not text.endswith("\n") or len(text) > NOTE_BYTES_MAX:
        raise NoteError("signature lines end in a newline each")
    lines = text.split("\n")[:-1]
    if len(lines) > SIGNATURES_MAX:
        raise NoteError(f"at most {SIGNATURES_MAX} signature lines, not {len(lines)}")
    return [_signature_line(line) for line in lines]


def strict_b64decode(text: str, what: str) -> bytes:
    """Standard base64 with padding, exactly as an encoder writes it: spare bits are zero. Raises NoteError."""
    try:
        data = b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise NoteError(f"{what}: not base64") from None
    if b64encode(data).decode() != text:
        raise NoteError(f"{what}: base64 whose spare bits are not zero")
    return data


def _parted(note: str) -> tuple[str, list[str]]:
    """The text with its last newline, and the signature lines without theirs."""
    if len(note) > NOTE_BYTES_MAX:
        raise NoteError(f"a note has at most {NOTE_BYTES_MAX} bytes")
    at = note.rfind("\n\n")
    if at < 0 or not note.endswith("\n"):
        raise NoteError("a note ends in signature lines behind an empty line")
    text, tail = note[: at + 1], note[at + 2 :]
    _check_text(text)
    lines = tail.split("\n")[:-1]
    if not 1 <= len(lines) <= SIGNATURES_MAX:
        raise NoteError(f"a note has 1 to {SIGNATURES_MAX} signatures, not {len(lines)}")
    return text, lines


def _signature_line(line: str) -> NoteSignature:
    if not line.startswith(_DASH):
        raise NoteError("a signature line begins with an em dash and a space")
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not space:
        raise NoteError("a signature line is a dash, a key name and base64")
    check_name(name)
    blob = strict_b64decode(encoded, f"signature by {name}")
    if len(blob) <= _KEY_ID_BYTES:
        raise NoteError(f"the signature by {name} is empty")
    return NoteSignature(name=name, key_id=blob[:_KEY_ID_BYTES], signature=blob[_KEY_ID_BYTES:])


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise NoteError("the text of a note ends in a newline")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise NoteError("the text of a note is UTF-8") from None
    if size > NOTE_BYTES_MAX:
        raise NoteError(f"a note has at most {NOTE_BYTES_MAX} bytes")
    if any((char < " " and char != "\n") or char == "\x7f" for char in text):
        raise NoteError("the text of a note holds no control character but newline")


def check_name(name: str) -> None:
    """Raise NoteError unless `name` can name a key."""
    if not 1 <= len(name) <= NAME_CHARS_MAX or "+" in name or any(char.isspace() or char < " " for char in name):
        raise NoteError(f"a key name is 1 to {NAME_CHARS_MAX} characters without space and '+': {name[:40]!r}")
