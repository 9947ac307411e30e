"""What a witness is asked, and how it decides (c2sp.org/tlog-witness, add-checkpoint). The durable part is elsewhere.

Where the tagged version 1.0.0 and the editor's copy differ, the stricter one holds: a trusted key's bad signature
refuses (403), another root at an equal size is 422, an empty log has the empty root, base64 is canonical.
"""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from slt.merkle.checkpoints import BadCheckpoint, Checkpoint, WrongEmptyRoot, parse_checkpoint
from slt.merkle.hashing import Digest
from slt.merkle.notes import NOTE_BYTES_MAX, NoteError, NoteVerifier, open_note, split_note, strict_b64decode
from slt.merkle.proofs import ProofError, verify_consistency
from slt.merkle.tree import SIZE_MAX

PROOF_LINES_MAX: Final = 63
REQUEST_BYTES_MAX: Final = NOTE_BYTES_MAX + 64 * PROOF_LINES_MAX
SIZE_TYPE: Final = "text/x.tlog.size"

_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})")


class Refused(Exception):
    """The answer is an HTTP status other than 200. `size` is there when it is the whole answer (409)."""

    def __init__(self, status: int, reason: str, *, size: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.size = size


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The latest tree of a log that a witness has cosigned, or was about to."""

    size: int
    root: Digest
    time_s: int  # of the cosignature, which never goes back


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """A request: the checkpoint in `note` extends the tree of `old` entries, as `proof` shows."""

    old: int
    proof: tuple[Digest, ...]
    note: str

    @property
    def encoded(self) -> bytes:
        hashes = "".join(f"{b64encode(digest).decode()}\n" for digest in self.proof)
        return f"old {self.old}\n{hashes}\n{self.note}".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A checkpoint that may be cosigned once it is durable that it was seen. `note` has its trusted signatures only."""

    checkpoint: Checkpoint
    text: str
    note: str


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """Read a request body. Raises Refused 400; the note inside is not opened here."""
    if len(data) > REQUEST_BYTES_MAX:
        raise Refused(400, f"a request has at most {REQUEST_BYTES_MAX} bytes")
    try:
        head, empty, note = data.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise Refused(400, "a request is UTF-8 text") from None
    first, *hashes = head.split("\n")
    old = _OLD.fullmatch(first)
    if not empty or old is None or int(old[1]) > SIZE_MAX:
        raise Refused(400, "a request is `old N`, proof lines, an empty line and a checkpoint")
    if len(hashes) > PROOF_LINES_MAX:
        raise Refused(400, f"a proof has at most {PROOF_LINES_MAX} lines")
    try:
        proof = tuple(Digest(strict_b64decode(line, "proof line")) for line in hashes)
    except NoteError as error:
        raise Refused(400, str(error)) from None
    if any(len(digest) != 32 for digest in proof):
        raise Refused(400, "a proof line holds 32 bytes")
    return AddCheckpoint(old=int(old[1]), proof=proof, note=note)


def admit(request: AddCheckpoint, logs: Mapping[str, Sequence[NoteVerifier]], seen: Mapping[str, Seen]) -> Admitted:
    """Decide about `request`, in the order of the specification. Raises Refused.

    `logs` gives the trusted keys of each origin, `seen` what was cosigned last. The caller lets nobody else decide
    about the same origin until what this returns is durable.
    """
    try:
        text, lines = split_note(request.note)
    except NoteError as error:
        raise Refused(400, str(error)) from None
    origin = text.partition("\n")[0]
    trusted = logs.get(origin)
    if trusted is None:
        raise Refused(404, "this witness does not know that log")
    try:
        open_note(request.note, trusted)
    except NoteError as error:
        raise Refused(403, str(error)) from None
    try:
        checkpoint = parse_checkpoint(text)
    except WrongEmptyRoot as error:
        raise Refused(422, str(error)) from None
    except BadCheckpoint as error:
        raise Refused(400, str(error)) from None
    _check_growth(request, checkpoint, seen.get(origin))
    known = {(verifier.name, verifier.key_id) for verifier in trusted}
    kept = "".join(line.line for line in lines if (line.name, line.key_id) in known)
    return Admitted(checkpoint=checkpoint, text=text, note=f"{text}\n{kept}")


def _check_growth(request: AddCheckpoint, checkpoint: Checkpoint, seen: Seen | None) -> None:
    if request.old > checkpoint.size:
        raise Refused(400, f"the old size {request.old} is larger than the checkpoint's, {checkpoint.size}")
    size = 0 if seen is None else seen.size
    if request.old != size:
        raise Refused(409, f"the latest size cosigned here is {size}, not {request.old}", size=size)
    if request.old in (0, checkpoint.size) and request.proof:
        raise Refused(422, "from size 0, and between equal sizes, the proof is empty")
    if request.old == 0 and seen is None:
        return  # the first sight of this log
    assert seen is not None
    try:
        verify_consistency(
            seen.size, checkpoint.size, old_root=seen.root, new_root=checkpoint.root, proof=request.proof
        )
    except ProofError as error:
        raise Refused(422, f"the checkpoint does not extend what was cosigned here: {error}") from None
