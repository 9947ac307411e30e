"""The demonstration: a year of three linked facilities, from signed reports to receipts that verify offline.

    python -m slt.client.demo --dir .demo           run the ledger, submit, show everything, stop
    python -m slt.client.demo --dir .demo --stay    the same, and leave the ledger running (slt down .demo stops it)

What it makes stays in the folder, for a person to go on with. Run again, it goes on with that folder.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from slt.bus.jetstream import connect
from slt.client.answer_table import answer_row
from slt.client.client import Client, open_client
from slt.client.commands.answers import show_stages
from slt.client.commands.consistency import log_of
from slt.client.commands.network import show_addresses
from slt.client.commands.reports import queue
from slt.client.demo_books import show_changes, show_year
from slt.client.demo_others import show_others
from slt.client.errors import ANSWER_IS_NO, ClientError, Unreachable
from slt.client.folder import Addresses, Folder
from slt.client.local.init import init, now_utc
from slt.client.local.lock import holder_of
from slt.client.local.network import UP_LOCK, stop_elsewhere, working_folder
from slt.client.local.sample import YEAR
from slt.client.outbox import Entry
from slt.client.output import Output
from slt.client.submission import check
from slt.client.trace import TIMELINE, ask_everybody, stages_of
from slt.client.verification import verify_file
from slt.consensus.receipts import VerifierCache
from slt.reports import day_anywhere
from slt.statements.genesis import Genesis

UP_WITHIN_S: Final = 90.0
POLL_S: Final = 0.1
ANSWER_WITHIN_S: Final = 30.0  # one report needs a tenth of a second
TRACED: Final = "XLS1-22"  # the encapsulation of four assemblies: five changes and a concise note


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("--dir", type=Path, required=True, help="the folder to make, or to go on with")
    asked.add_argument("--stay", action="store_true", help="leave the ledger running")
    words = asked.parse_args()
    folder = working_folder(words.dir)
    out = Output(as_json=False)
    try:
        code = asyncio.run(demo(folder, out, shown=words.dir, stay=words.stay))
    except ClientError as error:
        sys.exit(_failed(str(error), error.exit_code))
    sys.exit(code)


def _failed(sentence: str, code: int) -> int:
    sys.stderr.write(f"demo: {sentence}\n")
    return code


async def demo(folder: Folder, out: Output, *, shown: Path, stay: bool) -> int:
    """The exit code: 0 when every report was accepted and every receipt holds, for others too."""
    began = time.monotonic()
    genesis = _ledger(folder, out, shown=shown)
    addresses = await _up(folder, out)
    try:
        rows = await _reports(folder, genesis, addresses, out)
        proved = _proofs(folder, genesis, rows, out)
        await show_year(addresses, max((row.height or 0 for row in rows), default=0), out)
        await _journey(addresses, rows, out)
        await show_changes(folder, genesis, addresses, out)
        agreed = await show_others(folder, genesis, addresses, rows[0], out)
    finally:
        if not stay:
            out.say("\nStopping ...")
            await stop_elsewhere(folder)
    accepted = sum(row.standing == "accepted" for row in rows)
    took_s = time.monotonic() - began
    out.say(f"\n{accepted} of {len(rows)} reports accepted, {proved} receipts verified, in {took_s:.1f} s.")
    out.say(f"Everything stays in {shown}.")
    _go_on(rows[-1], folder, out, shown=shown, stay=stay)
    return 0 if agreed and accepted == proved == len(YEAR) else ANSWER_IS_NO


def _ledger(folder: Folder, out: Output, *, shown: Path) -> Genesis:
    if folder.genesis_file.exists():
        genesis = folder.genesis()
        out.say(f"1. The ledger in {shown} is there already: going on with it.")
    else:
        genesis = init(folder.root, world_file=None, model="private", members=1, now=now_utc())
        out.say(f"1. A ledger in {shown}: keys, certificates, genesis, the opening books of {len(genesis.mbas)} areas.")
    out.say(f"   {genesis.origin}, chain id {genesis.chain_id.hex()}")
    return genesis


async def _up(folder: Folder, out: Output) -> Addresses:
    """Start `slt up` in the background, unless it runs; wait until it is ready."""
    out.say("\n2. One member: a broker, five services and the books, each its own process.")
    if holder_of(folder.root / UP_LOCK) is None:
        folder.addresses_file.unlink(missing_ok=True)
        folder.logs.mkdir(exist_ok=True)
        with (folder.logs / "up.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: ASYNC220 - it outlives us on purpose, and starting it takes no time
                [sys.executable, "-m", "slt.client.cli", "up", str(folder.root), "--trace-ratio", "1.0"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "NO_COLOR": "1"},
                start_new_session=True,
            )
        await _until_up(folder, process)
    addresses = folder.addresses()
    show_addresses(addresses, out)
    return addresses


async def _until_up(folder: Folder, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + UP_WITHIN_S
    while not folder.addresses_file.exists():
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            if not ended:
                process.send_signal(signal.SIGTERM)
            words = (folder.logs / "up.log").read_text(encoding="utf-8", errors="replace")[-3000:]
            raise Unreachable(f"the ledger did not come up:\n{words}")
        await asyncio.sleep(POLL_S)


async def _reports(folder: Folder, genesis: Genesis, addresses: Addresses, out: Output) -> list[Entry]:
    """Submit the year in the order in which its State would, each facility as itself, waiting for each answer."""
    out.say(f"\n3. {len(YEAR)} reports, signed by their facilities, in the order in which they were written.")
    out.say(f"   {'report':<10} {'signed by':<10} {'answer':<12} {'block':>5} {'entry':>5} {'ms':>5}  what it is")
    async with (
        connect(addresses.nats, name="slt-demo") as bus,
        open_client(folder, bus, log_of=lambda: log_of(addresses), trouble=out.trouble) as client,
    ):
        return [await _report(folder, genesis, client, name, out) for name in YEAR]


async def _report(folder: Folder, genesis: Genesis, client: Client, name: str, out: Output) -> Entry:
    file = folder.reports / f"{name}.code10"
    checked = check(str(file.relative_to(folder.root)), file.read_bytes(), genesis, today=day_anywhere(time.time()))
    began = time.monotonic()
    statement_ids = queue([checked], folder, genesis, client.outbox, called="", new=False)
    await client.resume()
    (row,) = await client.answers(statement_ids, within_s=ANSWER_WITHIN_S)
    took_ms = (time.monotonic() - began) * 1000
    answer = answer_row(row, client.outbox)[3]
    height = "" if row.height is None else row.height
    index = "" if row.log_index is None else row.log_index
    facts = checked.judgement.facts
    what = "" if facts is None else f"{_KINDS[facts.kind]}, {len(facts.entries)} entries"
    out.say(f"   {name:<10} {row.identity:<10} {answer:<12} {height:>5} {index:>5} {took_ms:>5.0f}  {what}")
    return row


_KINDS: Final = {"I": "inventory changes", "P": "physical inventory", "M": "material balance", "T": "text"}


def _proofs(folder: Folder, genesis: Genesis, rows: Sequence[Entry], out: Output) -> int:
    """Verify every receipt with nothing but its bytes, the body and genesis. How many hold."""
    out.say("\n4. Every receipt, verified offline: body, statement, verdict, block, certificate, log, checkpoint.")
    cache = VerifierCache()
    held = 0
    began = time.monotonic()
    for row in rows:
        if row.code is None:
            continue
        verified = verify_file(
            folder.receipt_file(row.statement_id), genesis, body=folder.body_file(row.statement_id), cache=cache
        )
        if verified.broken is not None:
            out.say(f"   {row.report}: DOES NOT HOLD. {verified.broken.link}: {verified.broken.message}")
        held += verified.proof is not None
    took_ms = (time.monotonic() - began) * 1000
    out.say(f"   {held} of {len(rows)} hold, in {took_ms:.0f} ms together. The first one proves:")
    first = verify_file(folder.receipt_file(rows[0].statement_id), genesis, body=folder.body_file(rows[0].statement_id))
    if first.proof is not None:
        out.say("\n".join(f"     {line}" for line in first.proof.lines))
    return held


async def _journey(addresses: Addresses, rows: Sequence[Entry], out: Output) -> None:
    """One report's way through the five services, and the time it spent in each."""
    row = next(row for row in rows if row.file.endswith(f"{TRACED}.code10"))
    said = await ask_everybody(addresses, statement=row.statement_id.hex(), submission=row.submission_id.hex())
    stages = stages_of(said)
    out.say(f"\n6. The journey of {row.report}, statement {row.statement_id.hex()}.")
    show_stages(stages, said, out)
    if stages:
        out.say(f"   {stages[-1].done_ms - stages[0].received_ms} ms from the door to the ledger.")
    elif "problem" in said[TIMELINE]:
        out.say(f"   {said[TIMELINE]['problem']}")


def _go_on(last: Entry, folder: Folder, out: Output, *, shown: Path, stay: bool) -> None:
    receipt = shown / "receipts" / folder.receipt_file(last.statement_id).name
    out.say("Go on with:")
    if not stay:
        out.say(f"  make up                                       or: .venv/bin/slt up {shown}")
    out.say(
        f"  .venv/bin/slt inventory --dir {shown} XLR1 --by batch\n"
        f"  .venv/bin/slt submit --dir {shown} {shown}/reports/XLF1-110.code10\n"
        f"  .venv/bin/slt trace --dir {shown} {last.statement_id.hex()[:12]}\n"
        f"  .venv/bin/slt verify {receipt} --genesis {shown}/genesis.cbor"
    )


if __name__ == "__main__":
    main()
