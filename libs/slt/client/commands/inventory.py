"""inventory, batch: what the books hold on a day, and where a batch came from and went to."""

from typing import Any, Final
from urllib.parse import quote

from slt.client.commands.asking import Asked, Row, as_day, day_of, pivot
from slt.client.errors import WrongUse
from slt.client.output import Output
from slt.inventory.questions.amounts import MATERIALS

BYS: Final = ("category", "kmp", "batch")
KEYS: Final = {
    "category": ("mba",),
    "kmp": ("mba", "kmp", "items"),
    "batch": ("mba", "batch", "kmp", "material", "items"),
}
HEADINGS: Final = {"mba": "MBA", "kmp": "KMP", "batch": "batch", "material": "material", "items": "items#"}


def show_inventory(asked: Asked, mba: str, *, by: str, date: str, batch: str) -> None:
    """The book inventory of an area, or of all. By category every element and isotope has its own line."""
    if by not in BYS:
        raise WrongUse(f"There is no inventory by {by!r}: choose {', '.join(BYS)}")
    day = day_of(date) if date else ""
    said = asked.ask("/v1/inventory", mba=mba, by="batch" if batch else by, date=day, batch=batch)
    asked.show(
        [
            {"date": one["date"], "as_of_height": said.as_of_height, "pit": one["pit"], **line}
            for one in said.result
            for line in one["lines"]
        ]
    )
    tell_inventory(said.result, asked.out, by="batch" if batch else by)
    asked.out.say(f"As of block {said.as_of_height} of {said.height}. {_BASIS}")


_BASIS: Final = "The book stands on the last physical inventory, and on the changes reported since."


def tell_inventory(inventories: list[Any], out: Output, *, by: str = "category") -> None:
    """A table for people: a line for each element or isotope, or for each batch or measurement point."""
    lines: list[Row] = [
        {**line, "stands_on": as_day(one["pit"]) or "nothing yet"} for one in inventories for line in one["lines"]
    ]
    if empty := [one["mba"] for one in inventories if not one["lines"]]:
        out.say(f"Nothing on the books then: {', '.join(empty)}.")
    if not lines:
        return
    if by == "category":
        rows = [
            (line["mba"], line["stands_on"], str(line["label"]), MATERIALS[line["label"]], line["quantity"])
            for line in lines
        ]
        out.table("", ("MBA", "stands on the inventory of", "label#", "material", "book#"), rows)
        return
    weights, rows_of = pivot(lines, KEYS[by])
    out.table("", (*(HEADINGS[name] for name in KEYS[by]), *weights), rows_of)


def show_batch(asked: Asked, batch: str, *, mba: str) -> None:
    """Everything that was reported of a batch, and of what it came from and went into, by date."""
    said = asked.ask(f"/v1/batches/{quote(batch, safe='')}", mba=mba)
    found = said.result
    asked.show(found["events"])
    rows = [
        (
            as_day(event["date"]),
            event["mba"],
            event["batch"],
            event["what"],
            event["partner"],
            f"{event['kind']} {event['report']}/{event['entry']}" if event["report"] else "genesis",
            str(event["items"]),
            " ".join(f"{one['label']}:{one['quantity']}" for one in event["weights"]),
        )
        for event in found["events"]
    ]
    asked.out.table("", ("date", "MBA", "batch", "what", "partner", "report/entry", "items#", "weights"), rows)
    if not found["complete"]:
        asked.out.trouble("There is more than one answer holds: ask for one area, or for a batch further on.")
