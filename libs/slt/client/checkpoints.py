"""What this folder remembers of its ledger's log, so that nobody can show it one history today and another tomorrow.

The last checkpoint that was seen, and found to extend the one before it, lies in checkpoints/<chain_id>.checkpoint.
Each further one must extend it, or be extended by it, by a consistency proof that our own verifier accepts. What
contradicts it is a split view: both checkpoints and the proof that fails are kept under evidence/, the remembered one
stays, and every command that deals with the ledger says so until a person has moved the evidence away.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from slt.client.errors import AnswerIsNo, Unreachable
from slt.client.files import sync_folder, write_durably
from slt.client.folder import Folder
from slt.client.tiled_log import Log, LogFault
from slt.merkle.checkpoints import BadCheckpoint, Checkpoint, parse_checkpoint
from slt.merkle.hashing import Digest
from slt.merkle.notes import NoteError, NoteVerifier, open_note
from slt.merkle.proofs import ProofError, verify_consistency
from slt.statements.genesis import Genesis

SUFFIX: Final = ".checkpoint"
SPLIT: Final = "split-view-"


class NotSigned(ValueError):
    """A checkpoint that no member of genesis signed, or of another log: it says nothing about our ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A checkpoint that a member of genesis signed."""

    note: str
    checkpoint: Checkpoint
    signed_by: str

    @property
    def size(self) -> int:
        return self.checkpoint.size

    @property
    def root(self) -> Digest:
        return self.checkpoint.root


@dataclass(frozen=True, slots=True, kw_only=True)
class Extends:
    """The log of `new` extends that of `old`: `proof` leads from one to the other. `first`: nothing was remembered."""

    old: Seen
    new: Seen
    proof: tuple[Digest, ...]
    first: bool = False

    @property
    def sentence(self) -> str:
        if self.first:
            return f"The first checkpoint seen here is remembered: {self.new.size} entries, root {self.new.root.hex()}."
        if self.old.size == self.new.size:
            return f"Both checkpoints are of one log: {self.old.size} entries, root {self.old.root.hex()}."
        return (
            f"The log of {self.new.size} entries extends that of {self.old.size}: nothing was changed or removed "
            f"({len(self.proof)} hashes lead from root {self.old.root.hex()} to {self.new.root.hex()})."
        )


class Contradiction(Exception):
    """Two signed checkpoints of one ledger that no honest log can have, or that its log does not join.

    `told` is everything that a third party needs: sizes, roots, the proof that fails, what the log's tiles say instead.
    """

    def __init__(self, old: Seen, new: Seen, sentence: str, told: dict[str, Any], published: str | None) -> None:
        super().__init__(sentence)
        self.old = old
        self.new = new
        self.sentence = sentence
        self.told = told
        self.published = published


class SplitView(AnswerIsNo):
    """The ledger was caught, now or earlier. Carries where the evidence lies."""

    def __init__(self, sentence: str, evidence: Path) -> None:
        super().__init__(
            f"SPLIT VIEW: {sentence} The evidence is in {evidence}: show it to the other members and to your "
            "authority, and move it away only when you know what happened. The remembered checkpoint stays."
        )
        self.evidence = evidence


def open_seen(note: str, genesis: Genesis) -> Seen:
    """The checkpoint in `note`, which may carry cosignatures besides. Raises NotSigned."""
    reason = "genesis names no member"
    for member in genesis.members:
        try:
            checkpoint = parse_checkpoint(open_note(note, [NoteVerifier.from_vkey(member.checkpoint_vkey)]))
        except (NoteError, BadCheckpoint) as error:
            reason = str(error)
            continue
        if checkpoint.origin != genesis.origin:
            raise NotSigned(f"the checkpoint is of log {checkpoint.origin}, not of {genesis.origin}")
        return Seen(note=note, checkpoint=checkpoint, signed_by=member.name)
    raise NotSigned(f"no member of genesis signed the checkpoint: {reason}")


def compare(one: Seen, other: Seen, log: Log | None, genesis: Genesis) -> Extends | None:
    """Prove that one of two checkpoints extends the other. None: that takes a proof, and there is no log to ask.

    Raises Contradiction, and Unreachable or LogFault when the log does not answer or has not come so far.
    """
    old, new = (one, other) if one.size <= other.size else (other, one)
    if old.size == new.size:
        if old.root != new.root:
            told = _told(old, new, proof=[], fails="one size has two roots")
            raise Contradiction(old, new, f"{old.size} entries were signed with two roots.", told, None)
        return Extends(old=old, new=new, proof=())
    if log is None:
        return None
    published = _published(log, genesis)
    if published.size < new.size:
        raise Unreachable(
            f"the log serves {published.size} entries, and {new.size} were signed: ask again; if that stays, it was "
            "put back to an earlier state"
        )
    proof = log.consistency(old.size, new.size, size=published.size)
    try:
        verify_consistency(old.size, new.size, old_root=old.root, new_root=new.root, proof=proof)
    except ProofError as error:
        raise _contradiction(old, new, published, log, proof, error) from error
    return Extends(old=old, new=new, proof=tuple(proof))


def _contradiction(
    old: Seen, new: Seen, published: Seen, log: Log, proof: list[Digest], error: ProofError
) -> Contradiction:
    """Whom the log's own tiles convict: each root that they give is compared with the one that was signed."""
    told = _told(old, new, proof=proof, fails=str(error))
    wrong: list[str] = []
    roots: list[dict[str, Any]] = []
    for seen in (old, new, published):
        has = log.root(seen.size, size=published.size)
        path = log.consistency(seen.size, published.size, size=published.size)
        bound = _joins(has, seen.size, published, path)
        roots.append({"size": seen.size, "root": has.hex(), "signed": seen.root.hex(), "bound": bound})
        roots[-1]["proof_to_published"] = [digest.hex() for digest in path]
        if has != seen.root:
            whose = "the log that was signed since has" if bound else "the log's tiles, which nobody signed, give"
            wrong.append(f"at {seen.size} entries {whose} root {has.hex()}, and {seen.root.hex()} was signed")
    told |= {"published": {"size": published.size, "root": published.root.hex()}, "log": roots}
    # A root that is bound by the published checkpoint and is not the one that was signed convicts the signer.
    told["proves"] = any(one["bound"] and one["root"] != one["signed"] for one in roots)
    sentence = f"The log of {new.size} entries does not extend that of {old.size}: {'; '.join(wrong)}."
    return Contradiction(old, new, sentence, told, published.note)


def _joins(root: Digest, size: int, published: Seen, path: list[Digest]) -> bool:
    try:
        verify_consistency(size, published.size, old_root=root, new_root=published.root, proof=path)
    except ProofError:
        return False
    return True


def _published(log: Log, genesis: Genesis) -> Seen:
    try:
        return open_seen(log.checkpoint(), genesis)
    except NotSigned as error:
        raise LogFault(f"the log's checkpoint: {error}") from None


def _told(old: Seen, new: Seen, *, proof: list[Digest], fails: str) -> dict[str, Any]:
    return {
        "origin": old.checkpoint.origin,
        "old": {"size": old.size, "root": old.root.hex(), "signed_by": old.signed_by},
        "new": {"size": new.size, "root": new.root.hex(), "signed_by": new.signed_by},
        "proof": [digest.hex() for digest in proof],
        "fails": fails,
        "proves": True,
    }


class Memory:
    """The remembered checkpoint of one ledger in one working folder. Several processes may use the folder."""

    def __init__(self, folder: Folder, genesis: Genesis) -> None:
        self._genesis = genesis
        self._folder = folder.checkpoints
        self._evidence = folder.evidence
        self._file = folder.checkpoints / f"{genesis.chain_id.hex()}{SUFFIX}"

    def last(self) -> Seen | None:
        """The remembered checkpoint. Raises AnswerIsNo when the file is there and is not one that a member signed."""
        try:
            note = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            note = ""
        try:
            return open_seen(note, self._genesis)
        except NotSigned as error:
            raise AnswerIsNo(
                f"{self._file} is not what this program wrote ({error}): put back the file from a copy. Without it, "
                "a checkpoint seen earlier is forgotten"
            ) from None

    def evidence(self) -> list[Path]:
        """Folders of split views that were found and not moved away."""
        return sorted(self._evidence.glob(f"{SPLIT}*/")) if self._evidence.is_dir() else []

    def refuse_after_split(self) -> None:
        """Raises SplitView while evidence of one lies here."""
        if found := self.evidence():
            raise SplitView("This ledger has shown two histories, found earlier.", found[0])

    def take(self, seen: Seen, log: Log | None) -> Extends | None:
        """Compare `seen` with what is remembered, and remember the larger one; durable on return.

        The first one is remembered as it is. None: nothing could be proved without a log, and nothing changed. Raises
        SplitView with the evidence kept, and while evidence lies here; Unreachable and LogFault as `compare`.
        """
        with self._alone():
            self.refuse_after_split()  # until a person has looked, nothing is remembered and no evidence heaped up
            last = self.last()
            if last is None:
                write_durably(self._file, seen.note.encode())
                return Extends(old=seen, new=seen, proof=(), first=True)
            try:
                found = compare(last, seen, log, self._genesis)
            except Contradiction as split:
                raise self.convicted(split) from split
            if found is not None and found.new.size > last.size:
                write_durably(self._file, found.new.note.encode())
            return found

    def convicted(self, split: Contradiction) -> SplitView:
        """Keep the evidence of a contradiction; durable on return. What it returns is to be raised."""
        return SplitView(split.sentence, self._keep(split))

    def _keep(self, split: Contradiction) -> Path:
        """Write the evidence, once for each contradiction."""
        known = {"old": split.old.note, "new": split.new.note, "published": split.published}
        notes = {f"{name}{SUFFIX}": note for name, note in known.items() if note}  # a size alone was not signed
        texts = split.old.checkpoint.text() + split.new.checkpoint.text()  # cosignatures come and go
        name = sha256(texts.encode()).hexdigest()[:16]
        target = self._evidence / f"{SPLIT}{split.old.size}-{split.new.size}-{name}"
        target.mkdir(parents=True, exist_ok=True)
        sync_folder(self._evidence.parent)
        sync_folder(self._evidence)
        for file, note in notes.items():
            write_durably(target / file, note.encode())
        write_durably(target / "genesis.cbor", self._genesis.encoded)
        write_durably(target / "contradiction.json", (json.dumps(split.told, indent=2) + "\n").encode())
        write_durably(target / "README.txt", _README.format(sentence=split.sentence).encode())
        return target

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time reads, compares and writes."""
        self._folder.mkdir(exist_ok=True)
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


_README: Final = """Evidence of a split view.

{sentence}

old.checkpoint and new.checkpoint are signed notes (c2sp.org/signed-note) by a member of the ledger whose genesis file
is beside them; nobody else can have made them. published.checkpoint, where it is there, is what the log served when it
was asked. contradiction.json has the consistency proof (RFC 9162 section 2.1.4) that the log's tiles give and that does
not lead from the old root to the new one. Where it says "proves": true, an honest log cannot have signed all of this:
one size has two roots, by signatures. Where it says false, the log's tiles do not fit its checkpoint: it may be broken.
Any tool for C2SP logs can check this, and so can
    slt log consistency old.checkpoint new.checkpoint --genesis genesis.cbor --log URL
"""
