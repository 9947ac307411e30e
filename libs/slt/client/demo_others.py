"""The end of the demonstration: one receipt in the published forms, verified by us and by a program of others."""

import asyncio
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from slt.client.commands.consistency import pem_of
from slt.client.files import write_durably
from slt.client.folder import Addresses, Folder
from slt.client.outbox import Entry
from slt.client.output import Output
from slt.client.services import fetch_receipt
from slt.consensus.forms import verify_any
from slt.consensus.receipts import BrokenLink
from slt.statements.cose_receipts import detach
from slt.statements.genesis import Genesis
from slt.statements.receipt_forms import SUFFIX_OF, Form

OTHER: Final = "scitt_cose"  # the package scitt-cose, of the development group; run as a program, never imported
OTHER_WITHIN_S: Final = 60.0


async def show_others(folder: Folder, genesis: Genesis, addresses: Addresses, row: Entry, out: Output) -> bool:
    """Whether the receipt of `row` holds for everybody who was asked. The files stay in DIR/published."""
    out.say(f"\n9. The receipt of {row.report} in published forms, for tools that we did not write.")
    published = folder.root / "published"
    published.mkdir(exist_ok=True)
    holds = True
    for form in ("tlog-proof", "cose"):
        holds &= await _ours(form, published, genesis, addresses, row, out)
    return holds and await asyncio.to_thread(_theirs, published, genesis, row, out)


async def _ours(form: Form, published: Path, genesis: Genesis, addresses: Addresses, row: Entry, out: Output) -> bool:
    name = row.statement_id.hex()
    data = await fetch_receipt(addresses, name, form=form)
    file = published / f"{name}{SUFFIX_OF[form]}"
    write_durably(file, data)
    try:
        found = verify_any(data, genesis)
    except BrokenLink as broken:
        out.say(f"   {file.name}: DOES NOT HOLD. {broken.link}: {broken.message}")
        return False
    links = [line.link for line in found.lines if line.holds]
    out.say(f"   ours: {len(links)} links hold of the {form} ({len(data)} bytes), among them {', '.join(links[-2:])}.")
    return True


def _theirs(published: Path, genesis: Genesis, row: Entry, out: Output) -> bool:
    """The COSE receipt alone, with the member's key and the log's entry: all that an outsider needs."""
    if importlib.util.find_spec(OTHER) is None:
        out.say("   theirs: not asked. pip install scitt-cose brings one; `make interop` asks four.")
        return True
    name = row.statement_id.hex()
    parted = detach((published / f"{name}{SUFFIX_OF['cose']}").read_bytes())
    receipt, key = published / f"{name}.receipt.cose", published / "log.pem"
    write_durably(receipt, parted.receipts[0])
    write_durably(key, pem_of(genesis.members[0]).encode("ascii"))
    asked = subprocess.run(
        [
            *(sys.executable, "-m", f"{OTHER}.cli", "--json"),
            *("--receipt", str(receipt), "--receipt-log-pubkey", str(key), "--leaf-entry-hex", parted.statement.hex()),
        ],
        capture_output=True,
        text=True,
        timeout=OTHER_WITHIN_S,
        check=False,
    )
    if asked.returncode != 0:
        out.say(f"   theirs: scitt-cose refuses it. {asked.stdout}{asked.stderr}")
        return False
    said = json.loads(asked.stdout)["receipt"]
    out.say(
        f"   theirs: scitt-cose verified the COSE receipt (RFC 9942): entry {said['leaf_index']} of a log of "
        f"{said['tree_size']}, root {said['root']}."
    )
    return True
