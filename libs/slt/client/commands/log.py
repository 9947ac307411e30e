"""log checkpoint, log prove: what the log says of itself, verified here against genesis and policy."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from slt.client.checkpoints import Memory, NotSigned, open_seen
from slt.client.errors import AnswerIsNo, Unreachable, WrongUse
from slt.client.files import write_durably
from slt.client.folder import Folder, read_genesis
from slt.client.local.network import working_folder
from slt.client.log_policy import policy_of, read_policy
from slt.client.output import Output
from slt.client.services import ask
from slt.client.tiled_log import HttpSource, Log, LogFault, NotThere, Source, source_of
from slt.merkle.cosignatures import CosignedCheckpoint
from slt.merkle.hashing import leaf_hash
from slt.merkle.notes import NoteError, NoteVerifier
from slt.merkle.policy import Policy, PolicyNotMet
from slt.merkle.proofs import ProofError, inclusion_path, verify_inclusion
from slt.merkle.tiles import ENTRIES, WIDTH, BadTile, Tile, decode_bundle, width_at
from slt.merkle.tlog_proof import TlogProof
from slt.statements.cbor import DecodeError
from slt.statements.genesis import Genesis
from slt.statements.headers import genesis_log_entry
from slt.statements.statement import parse_statement

ID_HEX_CHARS: Final = 64
INDEX_CHARS_MAX: Final = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One look at a log by somebody who has a genesis file."""

    genesis: Genesis
    policy: Policy
    folder: Folder | None  # whose memory of checkpoints is kept; None: only a genesis file was given
    source: Source

    def opened(self) -> tuple[str, CosignedCheckpoint]:
        """The checkpoint as served, and what its signatures say, checked against genesis and policy.

        It is compared with the one that the folder remembers. Raises AnswerIsNo, SplitView among it, or Unreachable.
        """
        log = Log(self.source)
        try:
            note = log.checkpoint()
            seen = open_seen(note, self.genesis)
            keys = [NoteVerifier.from_vkey(member.checkpoint_vkey) for member in self.genesis.members]
            opened = self.policy.check(note, keys)
            if self.folder is not None:
                memory = Memory(self.folder, self.genesis)
                memory.refuse_after_split()
                memory.take(seen, log)
        except (NotSigned, NoteError, PolicyNotMet, LogFault) as error:
            raise AnswerIsNo(f"the log's checkpoint does not hold: {error}") from None
        return note, opened


def view_of(*, genesis: Path | None, where: str | None, policy: Path | None, directory: Path) -> View:
    """The log of --log or of the member in DIR, under --genesis or DIR's, and --policy or DIR's. Raises WrongUse."""
    folder = working_folder(directory) if genesis is None else None
    ledger = read_genesis(genesis) if genesis is not None else Folder(directory.resolve()).genesis()
    if where is not None:
        source = source_of(where)
    elif folder is not None:
        url = folder.addresses().http.get("ledger")
        if not url:
            raise Unreachable("the address of the ledger is not known: name it in profile.toml, or its log with --log")
        source = HttpSource(f"{url}/log")
    else:
        raise WrongUse("name the log with --log URL or --log FOLDER, or a working folder with --dir")
    rules = read_policy(policy) if policy is not None else policy_of(folder)
    return View(genesis=ledger, policy=rules, folder=folder, source=source)


def checkpoint(
    *,
    genesis: Path | None,
    where: str | None,
    policy: Path | None,
    out_file: Path | None,
    directory: Path,
    as_json: bool,
) -> None:
    out = Output(as_json=as_json)
    view = view_of(genesis=genesis, where=where, policy=policy, directory=directory)
    note, opened = view.opened()
    if out_file is not None:
        write_durably(out_file, note.encode())
    out.objects([_checkpoint_object(view, opened, note)])
    out.say(
        f"Log {opened.checkpoint.origin}: {opened.checkpoint.size} entries, root {opened.checkpoint.root.hex()}.\n"
        f"  signed by {', '.join(_members(view.genesis, opened))}"
    )
    for one in opened.cosignatures:
        out.say(f"  cosigned by {one.cosigner.name} ({one.cosigner.kind_name}) at {_utc(one.time_s)}")
    out.say("  " + _policy_words(view.policy))


def prove(
    what: str,
    *,
    genesis: Path | None,
    where: str | None,
    policy: Path | None,
    out_file: Path | None,
    entry_file: Path | None,
    directory: Path,
    as_json: bool,
) -> None:
    out = Output(as_json=as_json)
    view = view_of(genesis=genesis, where=where, policy=policy, directory=directory)
    statement_id, index = _index_of(what, view)
    note, opened = view.opened()
    size, root = opened.checkpoint.size, opened.checkpoint.root
    if index >= size:
        raise Unreachable(f"entry {index} is not under the published checkpoint of {size} entries yet: ask again")
    try:
        entry = _entry(view.source, index, size)
        path = inclusion_path(index, size, Log(view.source).nodes(size))
        verify_inclusion(leaf_hash(entry), index, size, proof=path, root=root)
    except (LogFault, ProofError) as error:
        raise AnswerIsNo(f"the log does not prove entry {index}: {error}") from None
    named = _named(entry, index, view.genesis)
    if statement_id is not None and named != statement_id:
        raise AnswerIsNo(f"entry {index} of the log is {named}, and the ledger said that it is {statement_id}")
    proof = TlogProof(index=index, path=tuple(path), note=note)
    if out_file is not None:
        write_durably(out_file, proof.text().encode())
    if entry_file is not None:
        write_durably(entry_file, entry)
    out.objects(
        [
            {
                "index": index,
                "statement": named,
                "leaf_hash": leaf_hash(entry).hex(),
                "entry_bytes": len(entry),
                "path": [digest.hex() for digest in path],
                "checkpoint": _checkpoint_object(view, opened, note),
            }
        ]
    )
    out.say(
        f"Entry {index} of log {opened.checkpoint.origin} is {named}.\n"
        f"  The path from its leaf hash {leaf_hash(entry).hex()}\n"
        f"  leads, by {len(path)} more, to root {root.hex()} of {size} entries,\n"
        f"  signed by {', '.join(_members(view.genesis, opened))}; {_policy_words(view.policy)}"
    )
    if out_file is not None:
        out.say(f"  Kept as {out_file}.")


def _index_of(what: str, view: View) -> tuple[str | None, int]:
    """The statement id, if one was named, and the index that stands for it."""
    if what.isascii() and what.isdecimal() and len(what) <= INDEX_CHARS_MAX:
        return None, int(what)
    statement_id = what.lower()
    if len(what) != ID_HEX_CHARS or any(char not in "0123456789abcdef" for char in statement_id):
        raise WrongUse(f"{what!r} is neither an index of the log nor a statement id of {ID_HEX_CHARS} hex digits")
    if view.folder is None:
        raise WrongUse("which entry a statement is, its ledger knows: name the index, or a working folder with --dir")
    said = asyncio.run(ask(view.folder.addresses(), "ledger", f"/v1/statements/{statement_id}"))
    if "problem" in said:
        raise (WrongUse if said.get("unknown") else Unreachable)(f"{said['problem']} ({statement_id})")
    for verdict in said["verdicts"]:
        if verdict["log_index"] is not None:
            return str(said["statement_id"]), int(verdict["log_index"])
    raise AnswerIsNo(f"{statement_id} is no entry of the log: {said['verdicts'][-1]['verdict']}, not accepted")


def _entry(source: Source, index: int, size: int) -> bytes:
    """Entry `index` out of its bundle. Nothing is verified. Raises LogFault."""
    bundle = Tile(ENTRIES, index // WIDTH, width_at(ENTRIES, index // WIDTH, size))
    try:
        return read_bundle(source, bundle)[index % WIDTH]
    except BadTile as error:
        raise LogFault(f"{bundle.path}: {error}") from None


def read_bundle(source: Source, bundle: Tile) -> list[bytes]:
    """The entries of a bundle, of which the full one may be all that is left. Raises BadTile or LogFault."""
    for name in dict.fromkeys((bundle.path, bundle.full.path)):
        try:
            return decode_bundle(source.read(name), bundle.width)
        except NotThere:
            continue
    raise LogFault(f"the log lacks {bundle.path}, which its checkpoint covers")


def _named(entry: bytes, index: int, genesis: Genesis) -> str:
    """What an entry is: the statement's id, or the first entry, which names the ledger."""
    if index == 0 and entry == genesis_log_entry(genesis.origin, genesis.chain_id):
        return "the beginning of this ledger"
    try:
        return parse_statement(entry).id.hex()
    except DecodeError:
        return "an entry that is no report's statement"


def _members(genesis: Genesis, opened: CosignedCheckpoint) -> list[str]:
    keys = {log.vkey for log in opened.logs}
    return [member.name for member in genesis.members if member.checkpoint_vkey in keys]


def _policy_words(policy: Policy) -> str:
    return "no cosignatures were asked for" if policy.quorum is None else "the policy's quorum has cosigned"


def _checkpoint_object(view: View, opened: CosignedCheckpoint, note: str) -> dict[str, Any]:
    return {
        "origin": opened.checkpoint.origin,
        "size": opened.checkpoint.size,
        "root": opened.checkpoint.root.hex(),
        "signed_by": _members(view.genesis, opened),
        "cosigned_by": [
            {"name": one.cosigner.name, "kind": one.cosigner.kind_name, "time_s": one.time_s}
            for one in opened.cosignatures
        ],
        "quorum": "none" if view.policy.quorum is None else "met",
        "note": note,
    }


def _utc(time_s: int) -> str:
    try:
        return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{time_s} s after 1970"
