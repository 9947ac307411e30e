"""receipt, trace, verify: what became of a report, and the proof of it."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from slt.client.answer_table import answer_object, answer_row, findings_of, next_step, refusal_of
from slt.client.commands.history import History
from slt.client.errors import AnswerIsNo, Unreachable, WrongUse
from slt.client.files import write_durably
from slt.client.folder import SERVICES, Folder, read_genesis
from slt.client.local.network import working_folder
from slt.client.outbox import Entry, Outbox
from slt.client.output import Output
from slt.client.services import fetch_receipt
from slt.client.trace import Stage, ask_everybody, blocked_by, stages_of
from slt.client.verification import Verified, verify_file
from slt.consensus.forms import verify_any
from slt.consensus.links import Line
from slt.consensus.proof import Proof
from slt.consensus.receipts import BrokenLink, VerifierCache, verify_receipt
from slt.statements.genesis import Genesis
from slt.statements.receipt_forms import FORMS, NotInTheLog, as_tlog_proof
from slt.statements.receipts import parse_receipt
from slt.statements.verdicts import TABLE

ID_HEX_CHARS: Final = 64
STATEMENT: Final = "statement"  # beside the forms of a receipt: the log's entry, which a bare tlog-proof is about


def verify_receipts(
    receipts: Sequence[Path],
    *,
    genesis: Path | None,
    body: Path | None,
    statement: Path | None,
    policy: Path | None,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Offline, but for `directory`: then the checkpoints are also compared with the one remembered there."""
    out = Output(as_json=as_json)
    for option, file in (("--body", body), ("--statement", statement)):
        if file is not None and len(receipts) != 1:
            raise WrongUse(f"{option} belongs to a single receipt: verify them one by one")
    folder = None if directory is None else working_folder(directory)
    if genesis is None and folder is None:
        raise WrongUse("name the ledger that you trust: --genesis FILE, or --dir of a working folder")
    ledger = read_genesis(genesis) if genesis is not None else folder.genesis() if folder is not None else None
    assert ledger is not None
    history = None if folder is None else History(folder, ledger)
    cache = VerifierCache()
    broken = 0
    for receipt in receipts:
        verified = verify_file(receipt, ledger, body=body, statement=statement, policy=policy, cache=cache)
        lines = verified.lines
        if history is not None and verified.found is not None:
            lines = (*lines, history.line_of(receipt))
        out.objects([{**verified.to_json(), "links": [line.to_json() for line in lines]}])
        out.say("\n".join((f"{receipt}: {_headline(verified)}", *map(link_row, lines), *_next_steps(verified))))
        broken += verified.found is None
    if history is not None:
        history.end(out)
    if broken:
        raise AnswerIsNo(f"{broken} of {len(receipts)} do not hold")


def link_row(line: Line) -> str:
    """`  holds       certificate          The block is final ...`"""
    word = {True: "holds", False: "BROKEN", None: "not proved"}[line.holds]
    return f"  {word:<11} {line.link:<20} {line.text}"


def _headline(verified: Verified) -> str:
    if verified.broken is not None:
        return f"THE PROOF DOES NOT HOLD. Broken link: {verified.broken.link}. {verified.broken.message}"
    assert verified.found is not None
    if verified.found.bare:
        return "the proof holds: the statement is in the log. What was decided about it, a bare proof does not prove."
    return f"the proof holds, the verdict is {verified.found.standing}."


def _next_steps(verified: Verified) -> tuple[str, ...]:
    if verified.proof is None or verified.proof.accepted:
        return ()
    return (f"  What to do: {TABLE[verified.proof.code].next_step}",)


def save_receipt(identifier: str, *, form: str, out_file: Path, bare: bool, directory: Path, as_json: bool) -> None:
    """Write a receipt in one of its forms, or the statement that is the log's entry. What was written was verified."""
    out = Output(as_json=as_json)
    if form not in (*FORMS, STATEMENT):
        raise WrongUse(f"--as is one of {', '.join((*FORMS, STATEMENT))}")
    if out_file.exists():
        raise WrongUse(f"{out_file} is there already, and nothing is overwritten")
    folder = working_folder(directory)
    genesis = folder.genesis()
    statement_id = _whole_id(identifier, folder)
    receipt = _receipt_of(statement_id, folder)
    try:
        proof = verify_receipt(receipt, genesis)
        if form == STATEMENT:
            data = parse_receipt(receipt).statement
        elif form == "tlog-proof":
            data = as_tlog_proof(receipt, bare=bare)
        elif form == "cose":
            data = asyncio.run(fetch_receipt(folder.addresses(), statement_id, form="cose", bare=bare))
        else:
            data = receipt
        if form in FORMS:
            verify_any(data, genesis, entry=parse_receipt(receipt).statement)
    except BrokenLink as broken:
        raise AnswerIsNo(f"The receipt does not hold. {broken.link}: {broken.message}") from None
    except NotInTheLog as error:
        raise AnswerIsNo(f"{str(error).capitalize()}") from None
    write_durably(out_file, data)
    out.objects([{"statement": statement_id, "form": form, "bare": bare, "file": str(out_file), "bytes": len(data)}])
    kind = f"bare {form}" if bare and form in ("tlog-proof", "cose") else form
    out.say(f"{out_file}: {kind}, {len(data)} bytes, of statement {statement_id}, which was {_verdict(proof)}.")


def _whole_id(identifier: str, folder: Folder) -> str:
    if folder.outbox_file.exists():
        with closing(Outbox(folder.outbox_file)) as outbox:
            row = find(identifier, outbox)
        if row is not None:
            return row.statement_id.hex()
    if len(identifier) != ID_HEX_CHARS:
        raise WrongUse(f"No report with a statement id that begins with {identifier} was signed here (slt outbox list)")
    return identifier.lower()


def _receipt_of(statement_id: str, folder: Folder) -> bytes:
    """The receipt v1 that is kept here, or the ledger's."""
    try:
        return folder.receipt_file(bytes.fromhex(statement_id)).read_bytes()
    except FileNotFoundError:
        return asyncio.run(fetch_receipt(folder.addresses(), statement_id))
    except ValueError:
        raise WrongUse(f"{statement_id} is no statement id: it has 64 hex digits") from None


def _verdict(proof: Proof) -> str:
    return "accepted" if proof.accepted else "rejected"


def show_receipt(identifier: str, *, directory: Path, as_json: bool) -> None:
    out = Output(as_json=as_json)
    folder = working_folder(directory)
    genesis = folder.genesis()
    with closing(Outbox(folder.outbox_file)) as outbox:
        row = find(identifier, outbox)
        if row is None:
            _show_from_ledger(identifier, folder, genesis, out)
            return
        out.objects([answer_object(row, outbox, folder)])
        out.say(f"{_title(row)}, signed by {row.identity}: {answer_row(row, outbox)[3]}")
        path = folder.receipt_file(row.statement_id)
        if path.exists():
            body = folder.body_file(row.statement_id)
            verified = verify_file(path, genesis, body=body if body.exists() else None)
            if verified.broken is not None:
                raise AnswerIsNo(
                    f"{path} does not hold. Broken link: {verified.broken.link}. {verified.broken.message}"
                )
            assert verified.proof is not None
            out.say("\n".join((*(f"  {line}" for line in verified.proof.lines), f"  Kept as {path}.")))
        else:
            _show_refusal(row, outbox, out)
        out.say(f"Next: {next_step(row, outbox)}")
        if row.standing in ("rejected", "refused"):
            raise AnswerIsNo(f"{row.report} was {row.standing}")


def _show_from_ledger(identifier: str, folder: Folder, genesis: Genesis, out: Output) -> None:
    """The receipt of a report that was signed elsewhere, as the ledger has it. Nothing is kept."""
    if len(identifier) != ID_HEX_CHARS:
        raise WrongUse(f"No report with a statement id that begins with {identifier} was signed here (slt outbox list)")
    receipt = asyncio.run(fetch_receipt(folder.addresses(), identifier.lower()))
    try:
        proof = verify_receipt(receipt, genesis)
    except BrokenLink as broken:
        raise AnswerIsNo(f"The ledger's receipt does not hold. {broken.link}: {broken.message}") from None
    out.objects([{"statement": identifier.lower(), "answer": _verdict(proof), "lines": list(proof.lines)}])
    out.say("\n".join(proof.lines))
    if not proof.accepted:
        raise AnswerIsNo("It was rejected")


def _show_refusal(row: Entry, outbox: Outbox, out: Output) -> None:
    refusal = refusal_of(row, outbox)
    if refusal is None:
        out.say("  No answer yet.")
        return
    out.say(f"  The {refusal.stage} service of member {refusal.member} says, at height {refusal.height}:")
    for finding in findings_of(row, outbox):
        place = " ".join(part for part in (finding.entry, finding.label) if part)
        out.say(f"  {finding.rule} {place}: {finding.text}")


def show_trace(identifier: str, *, directory: Path, as_json: bool) -> None:
    out = Output(as_json=as_json)
    folder = working_folder(directory)
    row = None
    if folder.outbox_file.exists():
        with closing(Outbox(folder.outbox_file)) as outbox:
            row = find(identifier, outbox)
    if row is None and len(identifier) != ID_HEX_CHARS:
        raise WrongUse(f"{identifier} was not signed here; the trace of another's report needs its whole statement id")
    statement = row.statement_id.hex() if row is not None else identifier.lower()
    submission = row.submission_id.hex() if row is not None else ""
    said = asyncio.run(ask_everybody(folder.addresses(), statement=statement, submission=submission))
    stages = stages_of(said)
    blocked = blocked_by(row, said, stages)
    out.objects(
        [{"statement": statement, "stages": [one.to_json() for one in stages], "services": said, "blocked": blocked}]
    )
    if row is not None:
        out.say(f"{_title(row)}, statement {statement}: {row.standing}, sent {row.attempts} times")
    show_stages(stages, said, out)
    out.say(blocked)
    if all("problem" in said[service] and not said[service].get("unknown") for service in SERVICES):
        raise Unreachable("No service answers: is the member up? (slt status)")


def show_stages(stages: Sequence[Stage], said: dict[str, dict[str, Any]], out: Output) -> None:
    """One line for each stage: when it got the report, how long it had it, what it says of it now."""
    by_name = {stage.name: stage for stage in stages}
    rows = []
    for service in SERVICES:
        stage = by_name.get(service)
        rows.append(
            (
                service,
                "" if stage is None else stage.received,
                "" if stage is None else f"{stage.took_ms} ms",
                "" if stage is None or stage.waited_ms is None else f"{stage.waited_ms} ms",
                _sentence(said.get(service, {}), passed=stage is not None),
            )
        )
    out.table("", ("stage", "received (UTC)", "worked#", "on the way before#", "what it knows"), rows)


def _sentence(said: dict[str, Any], *, passed: bool) -> str:
    """What a service says of a report, in a few words: ids and lists are for --json.

    Some services remember a report only while they have it, or until they are restarted.
    """
    if "problem" in said:
        return "passed on" if passed and said.get("unknown") else str(said["problem"])
    verdict = said.get("verdict")
    words = [str(verdict.get("verdict", ""))] if isinstance(verdict, dict) else []
    words += [
        f"{name} {value}"
        for name, value in said.items()
        if isinstance(value, (str, int)) and not _is_id(value) and name not in _SHOWN_ELSEWHERE
    ]
    return ", ".join(words)


_SHOWN_ELSEWHERE: Final = ("stage", "service", "state", "mba", "area", "received_ms", "done_ms", "traceparent")


def _is_id(value: object) -> bool:
    return isinstance(value, str) and len(value) >= ID_HEX_CHARS


def _title(row: Entry) -> str:
    """What it is about, and the file it was read from; a change of the ledger was read from none."""
    return f"{row.report} ({row.file})" if row.mba else row.report


def find(identifier: str, outbox: Outbox) -> Entry | None:
    """The one row whose statement id begins so. Raises WrongUse when there are several."""
    rows = outbox.by_statement(identifier)
    if len(rows) > 1:
        raise WrongUse(f"{identifier} is the beginning of {len(rows)} statement ids: give more of it")
    return rows[0] if rows else None
