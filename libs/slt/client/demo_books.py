"""What the demonstration shows of the books: balances, transits, a correction and a rejection.

Everything comes through the commands' own code: the same questions, the same tables.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from slt.bus.jetstream import connect
from slt.client.answer_table import answer_row, findings_of
from slt.client.client import Client, open_client
from slt.client.commands.asking import Said, as_day, ask_books
from slt.client.commands.balance import all_balances, tell_summary
from slt.client.commands.convert import FINDING_NAMES
from slt.client.commands.duties import tell_chains, tell_transits
from slt.client.commands.reports import queue
from slt.client.errors import Unreachable
from slt.client.folder import Addresses, Folder
from slt.client.outbox import Entry
from slt.client.output import Output
from slt.client.services import ask
from slt.client.submission import check
from slt.inventory.questions.amounts import MATERIALS
from slt.reports import day_anywhere, read_report, write_report
from slt.statements.genesis import Genesis

POLL_S: Final = 0.1
BOOKS_WITHIN_S: Final = 10.0  # the books take a block a moment after the ledger answered for it
ANSWER_WITHIN_S: Final = 30.0  # one report needs a tenth of a second

ON_THE_WAY: Final = "20250930"  # fresh fuel has left the plant, and has not come to the reactor
CORRECTION: Final = "XLR1-46"  # of the receipt of that fuel, by two grams of uranium-235
CORRECTED: Final = ("XLR1", "20251031", "42/3")  # the area, a day after the receipt, the entry
SHIPPED: Final = "XLR1-41"  # spent fuel to the store; the demonstration ships its first assembly once more
AGAIN: Final = {"001": "OI/XL;47", "002": "1/1", "003": "20260205", "015": "20260101/20260131", "412": "20260110"}


async def show_year(addresses: Addresses, height: int, out: Output) -> None:
    """The balances of the year, and one transit that is matched and one that is open on a day in between."""
    areas = await _books(addresses, height, "/v1/areas")

    def asked(path: str, **question: object) -> Said:
        return ask_books(addresses, path, as_of_height=height, **question)

    balances = await asyncio.to_thread(all_balances, asked, areas.result, pit="")
    out.say(f"\n5. The balances of the year in grams, as of block {height} (slt balance).")
    tell_summary(balances, out)
    lines = (await asyncio.to_thread(asked, "/v1/transits", date=ON_THE_WAY)).result
    out.say(
        f"\n   Seen on {as_day(ON_THE_WAY)}: {len(lines)} transits, of which a matched and an open one (slt transit)."
    )
    matched = [line for line in lines if line["state"] == "matched"]
    still_open = [line for line in lines if line["state"] == "open shipment" and line["due"]]
    tell_transits([*matched[:1], *still_open[:1]], out)


async def show_changes(folder: Folder, genesis: Genesis, addresses: Addresses, out: Output) -> None:
    """A correction that changes the book of a past day, and a report that the books refuse."""
    async with (
        connect(addresses.nats, name="slt-demo") as bus,
        open_client(folder, bus, trouble=out.trouble) as client,
    ):
        sender = Sender(folder=folder, genesis=genesis, addresses=addresses, client=client, out=out)
        await _correction(sender)
        await _rejection(sender)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What it takes to submit a report and show its answer."""

    folder: Folder
    genesis: Genesis
    addresses: Addresses
    client: Client
    out: Output

    async def submit(self, name: str, document: bytes) -> Entry:
        """Sign, send, wait; show the answer and every finding."""
        checked = check(name, document, self.genesis, today=day_anywhere(time.time()))
        statement_ids = queue([checked], self.folder, self.genesis, self.client.outbox, called="", new=False)
        await self.client.resume()
        (row,) = await self.client.answers(statement_ids, within_s=ANSWER_WITHIN_S)
        answer = answer_row(row, self.client.outbox)
        block = f" in block {row.height}" if row.height is not None else ""
        self.out.say(f"   {row.report}: {answer[3]}{block}. {answer[7]}")
        for finding in await self._findings(row):
            where = " ".join(filter(None, (finding["entry"], finding["label"])))
            self.out.say(f"   {finding['rule']} ({finding['severity']}) {where}: {finding['text']}")
        return row

    async def _findings(self, row: Entry) -> list[dict[str, str]]:
        """A refusal brings its findings along; those of a receipt the ledger keeps in full."""
        if row.height is None:
            return [
                dict(zip(FINDING_NAMES, one.to_wire(), strict=True)) for one in findings_of(row, self.client.outbox)
            ]
        said = await ask(self.addresses, "ledger", f"/v1/reports/{row.statement_id.hex()}")
        return list(said.get("findings", ()))


async def _correction(sender: Sender) -> None:
    """Submit a correction, and show the book of a past day before and after it."""
    out, addresses = sender.out, sender.addresses
    mba, day, which = CORRECTED
    out.say(f"\n7. A correction, {CORRECTION}: two grams of uranium-235 more were received than report {which} says.")
    name = f"{CORRECTION}.code10"
    row = await sender.submit(f"reports/{name}", (sender.folder.reports / name).read_bytes())
    if row.height is None:
        return
    number, _, entry = which.partition("/")
    chain = await _books(addresses, row.height, "/v1/corrections", mba=mba, number=number, entry=entry)
    tell_chains(chain.result, out)
    before, after = [
        _amounts(await _books(addresses, row.height, "/v1/inventory", mba=mba, date=day, as_of_height=height))
        for height in (row.height - 1, row.height)
    ]
    out.say(f"   The book of {mba} on {as_day(day)}, as the ledger knew it before and knows it now (--as-of-height).")
    rows = [(str(label), MATERIALS[label], before.get(label, ""), quantity) for label, quantity in after.items()]
    out.table("", ("label#", "material", f"as of block {row.height - 1}#", f"as of block {row.height}#"), rows)


async def _rejection(sender: Sender) -> None:
    """Submit a report that ships an assembly which has left already."""
    first = read_report((sender.folder.reports / f"{SHIPPED}.code10").read_bytes())[0]
    sender.out.say(f"\n8. A report that cannot be: {first['446']}, which left with {SHIPPED}, is shipped once more.")
    await sender.submit("XLR1-47.code10", write_report([{**first, **AGAIN}]))


async def _books(addresses: Addresses, height: int, path: str, **question: object) -> Said:
    """Ask once the books have come to `height`. Raises Unreachable when they do not."""
    deadline = time.monotonic() + BOOKS_WITHIN_S
    while True:
        said = await asyncio.to_thread(ask_books, addresses, "/v1/areas")
        if said.height >= height:
            return await asyncio.to_thread(ask_books, addresses, path, **question)
        if time.monotonic() > deadline:
            raise Unreachable(f"the books stand at block {said.height} and do not come to {height}")
        await asyncio.sleep(POLL_S)


def _amounts(said: Said) -> Mapping[int, str]:
    lines: list[Any] = said.result[0]["lines"]
    return {line["label"]: line["quantity"] for line in lines}
