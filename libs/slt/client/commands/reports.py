"""check, submit, outbox list: a facility's reports on their way out."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from slt.bus.jetstream import connect
from slt.client.answer_table import (
    answer_columns,
    answer_object,
    answer_row,
    check_object,
    finding_rows,
    findings_of,
)
from slt.client.checkpoints import Memory
from slt.client.client import keep, open_client
from slt.client.commands.consistency import log_of
from slt.client.errors import AnswerIsNo, Unreachable, WrongUse
from slt.client.folder import Folder, read_genesis
from slt.client.local.network import working_folder
from slt.client.outbox import FINAL, WAITING, Entry, Outbox
from slt.client.output import Output, console
from slt.client.registry import Registry, fetch_registry
from slt.client.submission import SALT_BYTES, Checked, check, choose_identity, sign
from slt.reports import Reference, day_anywhere
from slt.statements.genesis import Genesis, Identity
from slt.statements.verdicts import Code, code_of_rule

SENT_WITHIN_S: Final = 15.0  # --no-wait still waits for the broker
FINDING_COLUMNS: Final = ("file", "rule", "severity", "entry", "label", "value", "expected", "what is wrong")
# A refusal for one of these says nothing against the statement: the same one may be sent again.
_STILL_GOOD: Final = (Code.C02, Code.ENDORSEMENT_MISSING, Code.ENDORSEMENT_BAD, Code.BODY_MISSING, Code.BODY_WRONG)


def check_files(files: Sequence[Path], *, genesis: Path | None, directory: Path, as_json: bool) -> None:
    out = Output(as_json=as_json)
    ledger = read_genesis(genesis) if genesis is not None else working_folder(directory).genesis()
    today = day_anywhere(time.time())
    reference = None if genesis is not None else _reference(_registry(working_folder(directory)))
    checked = [check(str(file), _read(file), ledger, today=today, reference=reference) for file in files]
    out.objects(check_object(one) for one in checked)
    out.table("", FINDING_COLUMNS, [row for one in checked for row in finding_rows(one)])
    for one in checked:
        out.say(f"{one.file}: {one.judgement.verdict}")
    if any(one.judgement.verdict == "reject" for one in checked):
        raise AnswerIsNo("The ledger would refuse this: correct the file and check it again")


def submit_files(
    files: Sequence[Path], *, called: str, wait_s: float, new: bool, directory: Path, as_json: bool
) -> None:
    out = Output(as_json=as_json)
    folder = working_folder(directory)
    genesis = folder.genesis()
    memory = Memory(folder, genesis)
    memory.refuse_after_split()
    identity = called or folder.profile().identity
    today = day_anywhere(time.time())
    registry = _registry(folder) if files else None
    reference = _reference(registry)
    checked = [check(str(file), _read(file), genesis, today=today, reference=reference) for file in files]
    with closing(Outbox(folder.outbox_file)) as outbox:
        _stop_on_errors(checked, out)
        identities = registry.identities if registry is not None else None
        queued = queue(checked, folder, genesis, outbox, called=identity, new=new, identities=identities)
        asked_for = queued or [row.statement_id for row in outbox.waiting()]
        if not asked_for:
            out.say("The outbox holds nothing that waits for an answer.")
            return
        rows = _sent_and_shown(asked_for, folder, outbox, out, wait_s=wait_s)
    memory.refuse_after_split()
    _end(rows, folder, waited_s=wait_s)


def send_and_show(
    statement_ids: Sequence[bytes], folder: Folder, outbox: Outbox, out: Output, *, wait_s: float
) -> None:
    """Send what waits of these rows, wait, show the answers. Raises AnswerIsNo, Unreachable as `slt submit` ends."""
    memory = Memory(folder, folder.genesis())
    memory.refuse_after_split()
    rows = _sent_and_shown(statement_ids, folder, outbox, out, wait_s=wait_s)
    memory.refuse_after_split()
    _end(rows, folder, waited_s=wait_s)


def _sent_and_shown(
    statement_ids: Sequence[bytes], folder: Folder, outbox: Outbox, out: Output, *, wait_s: float
) -> list[Entry]:
    if any(row.standing == WAITING for row in outbox.get(statement_ids)):
        asyncio.run(_send(folder, statement_ids, out, wait_s=wait_s))
    rows = _in_order(outbox.get(statement_ids), statement_ids)
    show_answers(rows, outbox, folder, out)
    return rows


def _registry(folder: Folder) -> Registry | None:
    """What counts now, as the member says; None, and so what genesis says, while nobody answers."""
    try:
        return asyncio.run(fetch_registry(folder.addresses()))
    except Unreachable:
        return None


def _reference(registry: Registry | None) -> Reference | None:
    return None if registry is None else Reference.of(registry.areas, registry.reference_version)


def queue(
    checked: Iterable[Checked],
    folder: Folder,
    genesis: Genesis,
    outbox: Outbox,
    *,
    called: str,
    new: bool,
    identities: Sequence[Identity] | None = None,
) -> list[bytes]:
    """Sign what was not signed before and put it into the outbox; find the rows of what was.

    Returns statement ids in the order of the documents: all of them are in the outbox, and those that wait are sent by
    whoever opens a client next.
    A document with a receipt keeps it, one that waits goes on waiting. One that was refused is sent again: the same
    statement where it is still good, a new one otherwise. `new` makes a new statement in any case.
    """
    asked_for: list[bytes] = []
    signed = []
    seen: set[bytes] = set()
    for one in checked:
        if one.digest in seen:
            continue  # the same document named twice
        seen.add(one.digest)
        before = None if new else _before(one, outbox, called=called)
        if before is not None:
            outbox.send_again([before.statement_id])
            asked_for.append(before.statement_id)
            continue
        now_ms = time.time_ns() // 1_000_000
        identity, signer = choose_identity(
            genesis, folder, state=one.state, mba=one.mba, called=called, now_s=now_ms // 1000, identities=identities
        )
        made = sign(
            one,
            signer,
            identity=identity.name,
            genesis=genesis,
            salt=os.urandom(SALT_BYTES),
            now_ms=now_ms,
        )
        signed.append(made)
        asked_for.append(made.entry.statement_id)
    keep(folder, outbox, signed)
    return asked_for


def _before(checked: Checked, outbox: Outbox, *, called: str) -> Entry | None:
    """The row to go on with for a document that was signed before."""
    rows = outbox.by_document(checked.digest)
    if called:
        rows = [row for row in rows if row.identity == called]
    for standing in (FINAL, (WAITING,)):
        for row in rows:
            if row.standing in standing:
                return row
    return next((row for row in rows if _still_good(row, outbox)), None)


def _still_good(row: Entry, outbox: Outbox) -> bool:
    """Whether a refused statement may be sent once more, judged by the newest refusal."""
    rules = [finding.rule for finding in findings_of(row, outbox) if finding.severity == "error"]
    try:
        return bool(rules) and all(code_of_rule(rule) in _STILL_GOOD for rule in rules)
    except KeyError:
        return False


async def _send(folder: Folder, statement_ids: Sequence[bytes], out: Output, *, wait_s: float) -> None:
    addresses = folder.addresses()
    with _progress(len(statement_ids), out) as advance:

        def answered(row: Entry) -> None:
            if row.statement_id in wanted:
                advance()

        wanted = set(statement_ids)
        async with (
            connect(addresses.nats, name="slt") as bus,
            open_client(
                folder, bus, log_of=lambda: log_of(addresses), answered=answered, trouble=out.trouble
            ) as client,
        ):
            if wait_s > 0:
                await client.answers(statement_ids, within_s=wait_s)
            elif not await client.all_sent(within_s=SENT_WITHIN_S):
                raise Unreachable(
                    f"The broker at {addresses.nats} has not taken everything: run slt submit again, nothing is lost"
                )


@contextmanager
def _progress(total: int, out: Output) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, nothing otherwise."""
    if out.as_json or not sys.stderr.isatty():
        yield lambda: None
        return
    columns = (TextColumn("answers"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("answers", total=total)
        yield lambda: bar.advance(task)


def show_answers(rows: Sequence[Entry], outbox: Outbox, folder: Folder, out: Output) -> None:
    """The table of answers, and below it why something was refused or rejected."""
    out.objects(answer_object(row, outbox, folder) for row in rows)
    out.table("", answer_columns(), [answer_row(row, outbox) for row in rows])
    reasons = [
        (row.file, *finding.to_wire())
        for row in rows
        if row.standing != "accepted"
        for finding in findings_of(row, outbox)
    ]
    if reasons:
        out.say("")
        out.table("Findings", FINDING_COLUMNS, reasons)


def _end(rows: Sequence[Entry], folder: Folder, *, waited_s: float) -> None:
    """The exit code: 1 when an answer is no, 3 when one is missing that was waited for, 0 otherwise."""
    if any(row.standing in ("rejected", "refused") for row in rows):
        raise AnswerIsNo("Not everything was accepted")
    missing = sum(row.standing == WAITING for row in rows)
    if missing and waited_s > 0:
        raise Unreachable(
            f"{missing} of {len(rows)} have no answer after {waited_s:.0f} s. Nothing is lost: "
            f"`slt submit --dir {folder.root}` goes on, `slt trace ID` says what blocks one"
        )


def list_outbox(directory: Path, *, as_json: bool) -> None:
    out = Output(as_json=as_json)
    folder = working_folder(directory)
    folder.genesis()
    with closing(Outbox(folder.outbox_file)) as outbox:
        rows = outbox.entries()
        out.objects(answer_object(row, outbox, folder) for row in rows)
        out.table("", answer_columns(), [answer_row(row, outbox) for row in rows])
        out.say(f"{len(rows)} signed here, {sum(row.standing == WAITING for row in rows)} waiting.")


def _stop_on_errors(checked: Sequence[Checked], out: Output) -> None:
    wrong = [one for one in checked if one.judgement.verdict == "reject"]
    flagged = [one for one in checked if one.judgement.verdict == "flag"]
    if wrong:
        out.objects(check_object(one) for one in wrong)
    if wrong or flagged:
        out.table("", FINDING_COLUMNS, [row for one in [*wrong, *flagged] for row in finding_rows(one)])
    if wrong:
        names = ", ".join(one.file for one in wrong)
        raise AnswerIsNo(f"Nothing was signed: correct {names} and submit again")


def _in_order(rows: Iterable[Entry], statement_ids: Sequence[bytes]) -> list[Entry]:
    by_id = {row.statement_id: row for row in rows}
    return [by_id[one] for one in statement_ids]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise WrongUse(f"{file}: {error.strerror}") from None
