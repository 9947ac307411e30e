"""endorse: a State's authority puts its signature under a statement of one of its facilities.

Where authority and facility share a folder that is one command. Otherwise two files travel: the statement to the
authority (`--request`), and its endorsement back.
"""

import time
from contextlib import closing
from pathlib import Path

from slt.client.commands.answers import find
from slt.client.commands.reports import send_and_show
from slt.client.errors import WrongUse
from slt.client.files import write_durably
from slt.client.folder import Folder
from slt.client.local.network import working_folder
from slt.client.outbox import Entry, Outbox
from slt.client.output import Output
from slt.client.proposals import Signatory, authorities
from slt.client.submission import submission_of
from slt.statements.cbor import DecodeError, encode
from slt.statements.genesis import Genesis
from slt.statements.statement import (
    Endorsement,
    Statement,
    make_endorsement,
    parse_endorsement,
    parse_statement,
)
from slt.statements.submission import Submission


def endorse(
    what: str,
    *,
    called: str,
    request: Path | None,
    out_file: Path | None,
    wait_s: float,
    directory: Path,
    as_json: bool,
) -> None:
    """`what` is a file (a statement, or an endorsement), or the beginning of a statement id of the outbox."""
    out = Output(as_json=as_json)
    folder = working_folder(directory)
    genesis = folder.genesis()
    read = _read(Path(what)) if Path(what).is_file() else None
    if isinstance(read, Statement):
        _endorse_file(read, Path(what), out_file, folder, genesis, out, called=called)
        return
    with closing(Outbox(folder.outbox_file)) as outbox:
        row = _row(read.statement_id.hex() if read is not None else what, outbox)
        if request is not None:
            write_durably(request, row.statement)
            out.objects([{"statement": row.statement_id.hex(), "file": str(request)}])
            out.say(
                f"The statement about {row.report} is in {request}: the authority endorses it with "
                f"`slt endorse {request.name}`; what comes back is added with `slt endorse FILE`."
            )
            return
        raw = read.raw if read is not None else _made(row.statement_id, _authority(folder, genesis, called), genesis)
        _attach(row, raw, outbox)
        send_and_show([row.statement_id], folder, outbox, out, wait_s=wait_s)


def _endorse_file(
    statement: Statement,
    file: Path,
    out_file: Path | None,
    folder: Folder,
    genesis: Genesis,
    out: Output,
    *,
    called: str,
) -> None:
    """The authority's side: read a statement, write its endorsement beside it."""
    if statement.aud != genesis.audience:
        raise WrongUse(f"{file} was made for ledger {statement.aud}, not for {genesis.audience}")
    by = _authority(folder, genesis, called)
    target = out_file or file.with_name(file.name + ".endorsement")
    write_durably(target, _made(statement.id, by, genesis))
    out.objects([{"statement": statement.id.hex(), "endorsed_by": by.name, "file": str(target)}])
    out.say(f"{by.name} endorses statement {statement.id.hex()} of {statement.iss}: {target}")


def _read(path: Path) -> Statement | Endorsement:
    data = path.read_bytes()
    try:
        return parse_statement(data)
    except DecodeError as no_statement:
        try:
            return parse_endorsement(data)
        except DecodeError:
            raise WrongUse(f"{path} is neither a statement ({no_statement}) nor an endorsement") from None


def _row(identifier: str, outbox: Outbox) -> Entry:
    row = find(identifier, outbox)
    if row is None:
        raise WrongUse(f"No statement with an id that begins with {identifier} was signed here (slt outbox list)")
    if row.code is not None:
        raise WrongUse(f"{row.report} has its receipt already: an endorsement changes nothing any more")
    return row


def _authority(folder: Folder, genesis: Genesis, called: str) -> Signatory:
    here = authorities(folder, genesis.identities)
    found = [one for one in here if one.name == called] if called else here
    if len(found) != 1:
        names = ", ".join(one.name for one in here) or "none"
        raise WrongUse(f"Say which authority endorses with --as NAME; with a key in {folder.keys}: {names}")
    return found[0]


def _made(statement_id: bytes, by: Signatory, genesis: Genesis) -> bytes:
    return make_endorsement(
        by.signer,
        iss=by.name,
        aud=genesis.audience,
        iat=time.time_ns() // 1_000_000_000,
        statement_id=statement_id,
    )


def _attach(row: Entry, raw: bytes, outbox: Outbox) -> None:
    """Put the endorsement to the row, in place of an older one by the same key."""
    kid = parse_endorsement(raw).kid
    others = [one for one in submission_of(row).endorsements if parse_endorsement(one).kid != kid]
    endorsements = (*others, raw)
    submission = Submission(statement=row.statement, endorsements=endorsements, body_z=row.body_z)
    if not outbox.endorse(row.statement_id, endorsements=encode(list(endorsements)), submission_id=submission.id):
        raise WrongUse(f"{row.report} has its receipt already: an endorsement changes nothing any more")
