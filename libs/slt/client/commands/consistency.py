"""log consistency, log key: does the log only grow, and with which key do others check that?"""

import re
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import serialization

from slt.client.checkpoints import Contradiction, Extends, Memory, NotSigned, Seen, compare, open_seen
from slt.client.errors import AnswerIsNo, Unreachable, WrongUse
from slt.client.folder import Addresses, Folder, read_genesis
from slt.client.local.network import working_folder
from slt.client.output import Output
from slt.client.tiled_log import HttpSource, Log, LogFault, source_of
from slt.client.verification import read
from slt.merkle.checkpoints import Checkpoint
from slt.merkle.notes import NoteVerifier
from slt.merkle.tlog_proof import BadTlogProof, parse_tlog_proof
from slt.statements.cbor import DecodeError
from slt.statements.cose_receipts import detach
from slt.statements.genesis import Genesis
from slt.statements.receipt_forms import form_of
from slt.statements.receipts import parse_receipt
from slt.statements.registry import Member
from slt.statements.signatures import ed25519_spki, kid_of

SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


def log_of(addresses: Addresses) -> Log | None:
    """The log of the member in DIR, or None where its address is not known."""
    url = addresses.http.get("ledger")
    return Log(HttpSource(f"{url}/log")) if url else None


def consistency(old: str, new: str, *, genesis: Path | None, where: str | None, directory: Path, as_json: bool) -> None:
    """Prove that the log of NEW extends that of OLD; each is a file with a checkpoint in it, or a size."""
    out = Output(as_json=as_json)
    memory: Memory | None = None
    if genesis is None:
        folder = working_folder(directory)
        ledger = folder.genesis()
        memory = Memory(folder, ledger)
        memory.refuse_after_split()
    else:
        ledger = read_genesis(genesis)
    log = _log(where, None if genesis is not None else Folder(directory.resolve()))
    try:
        first, last = (_seen(word, ledger, log) for word in (old, new))
        if first.size > last.size:
            raise WrongUse(f"{old} has {first.size} entries and {new} only {last.size}: name the smaller one first")
        found = compare(first, last, log, ledger)
        if found is None:
            raise WrongUse("to compare two sizes takes the log: name it with --log URL or --dir")
        if memory is not None:
            for seen in (first, last):
                if seen.note:
                    memory.take(seen, log)
    except Contradiction as split:
        out.objects([{"holds": False, "text": split.sentence, **split.told}])
        if memory is not None:
            raise memory.convicted(split) from None
        raise AnswerIsNo(f"SPLIT VIEW: {split.sentence} Keep both: they are the evidence.") from None
    except LogFault as error:
        out.objects([{"holds": False, "text": str(error)}])
        raise AnswerIsNo(f"The log does not hold together: {error}") from None
    out.objects([_object(found)])
    out.say(found.sentence)
    for seen in (found.old, found.new):
        whose = f"signed by {seen.signed_by}" if seen.note else "as the log's tiles give it, unsigned"
        out.say(f"  {seen.size} entries, root {seen.root.hex()}, {whose}.")


def show_keys(*, genesis: Path | None, directory: Path, pem: Path | None, as_json: bool) -> None:
    """The key under which each member signs checkpoints and COSE receipts, as outside tools want it."""
    out = Output(as_json=as_json)
    ledger = working_folder(directory).genesis() if genesis is None else read_genesis(genesis)
    if pem is not None and len(ledger.members) != 1:
        raise WrongUse("--pem writes the key of the one member of a private ledger; --json has the keys of all")
    for member in ledger.members:
        text = pem_of(member)
        kid = kid_of(_spki_of(member)).hex()
        out.objects([{"member": member.name, "vkey": member.checkpoint_vkey, "kid": kid, "pem": text}])
        out.say(f"{member.name}\n  vkey  {member.checkpoint_vkey}\n  kid   {kid}\n{text.rstrip()}")
        if pem is not None:
            pem.write_text(text, encoding="ascii")


def _log(where: str | None, folder: Folder | None) -> Log | None:
    if where is not None:
        return Log(source_of(where))
    if folder is None:
        return None
    try:
        return log_of(folder.addresses())
    except Unreachable:
        return None


def _seen(word: str, genesis: Genesis, log: Log | None) -> Seen:
    """A size asks the log for its root, which nobody has signed; a file has its checkpoint. Raises WrongUse."""
    if not SIZE.fullmatch(word):
        try:
            return open_seen(checkpoint_in(read(Path(word)), word), genesis)
        except NotSigned as error:
            raise AnswerIsNo(f"{word}: {error}") from None
    if log is None:
        raise WrongUse(f"the root of the log at {word} entries is known to the log only: name it with --log or --dir")
    try:
        published = open_seen(log.checkpoint(), genesis)
    except NotSigned as error:
        raise LogFault(f"the log's checkpoint: {error}") from None
    if int(word) == published.size:
        return published
    if int(word) > published.size:
        raise Unreachable(f"the log has {published.size} entries so far, not {word}")
    root = log.root(int(word), size=published.size)
    checkpoint = Checkpoint(origin=genesis.origin, size=int(word), root=root)
    return Seen(note="", checkpoint=checkpoint, signed_by="")


def checkpoint_in(data: bytes, name: str) -> str:
    """The signed checkpoint in a file: a note, or a receipt in any form. Raises WrongUse."""
    try:
        match form_of(data):
            case "tlog-proof":
                return parse_tlog_proof(data).note
            case "cose":
                evidence = detach(data).evidence
                if evidence is None:
                    raise WrongUse(f"{name} is a bare COSE receipt: it holds no checkpoint")
                return parse_receipt(evidence).checkpoint
            case "v1":
                return parse_receipt(data).checkpoint if data[:1] == b"\x8d" else data.decode()
    except (BadTlogProof, DecodeError, UnicodeDecodeError) as error:
        raise WrongUse(f"{name} is neither a checkpoint nor a receipt: {error}") from None


def _object(found: Extends) -> dict[str, Any]:
    return {
        "holds": True,
        "old": _side(found.old),
        "new": _side(found.new),
        "proof": [digest.hex() for digest in found.proof],
        "text": found.sentence,
    }


def _side(seen: Seen) -> dict[str, Any]:
    return {"size": seen.size, "root": seen.root.hex(), "signed_by": seen.signed_by or None}


def pem_of(member: Member) -> str:
    """The public key under which `member` signs checkpoints and COSE receipts."""
    key = serialization.load_der_public_key(_spki_of(member))
    encoded = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded.decode("ascii")


def _spki_of(member: Member) -> bytes:
    return ed25519_spki(NoteVerifier.from_vkey(member.checkpoint_vkey).public_key)
