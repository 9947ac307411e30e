"""transit, due, corrections: what is on its way, what is owed, and what became of entries."""

from typing import Any, Final

from slt.client.commands.asking import Asked, Row, as_day, day_of
from slt.client.errors import WrongUse
from slt.client.output import Output

TRANSIT_STATES: Final = {
    "open": ("open shipment", "open receipt", "overdue"),
    "matched": ("matched",),
    "different": ("different",),
    "overdue": ("overdue",),
}


def show_transits(asked: Asked, mba: str, *, date: str, since: str, state: str) -> None:
    """Transits of an area, or of all, as one sees them on a day."""
    if state and state not in TRANSIT_STATES:
        raise WrongUse(f"There are no transits {state!r}: choose {', '.join(TRANSIT_STATES)}")
    day = day_of(date)
    said = asked.ask("/v1/transits", mba=mba, date=day, since=day_of(since) if since else "")
    lines = [line for line in said.result if not state or line["state"] in TRANSIT_STATES[state]]
    asked.show([_flat(line) for line in lines])
    tell_transits(lines, asked.out)
    asked.out.say(f"{len(lines)} on {as_day(day)}, as of block {said.as_of_height}.")


def tell_transits(lines: list[Any], out: Output) -> None:
    rows = [
        (
            line["state"],
            line["batch"],
            line["shipper"],
            line["receiver"],
            _side(line["shipment"]),
            _side(line["receipt"]),
            as_day(line["due"]),
            _differs(line),
        )
        for line in lines
    ]
    columns = ("state", "batch", "shipper", "receiver", "shipped", "received", "overdue after", "differs in")
    out.table("", columns, rows)


def _side(side: Any) -> str:
    return "" if side is None else f"{as_day(side['date'])} ({side['report']}/{side['entry']})"


def _differs(line: Any) -> str:
    """The labels in which two sides differ, with what each says."""
    parts = []
    for label in line["differing"]:
        values = [_value(line[side], label) for side in ("shipment", "receipt")]
        parts.append(f"{label}: {values[0]} sent, {values[1]} received")
    return "; ".join(parts)


def _value(side: Any, label: str) -> str:
    if label in ("412", "430", "470"):
        return str({"412": side["date"], "430": side["material"], "470": side["items"]}[label])
    grams = dict(map(tuple, side["weights"])).get(int(label), 0)
    return f"{grams / 1000:g} g" if grams % 1000 else f"{grams // 1000} g"


def _flat(line: Row) -> Row:
    """Both sides beside each other: a table has no tables in it."""
    flat = {name: value for name, value in line.items() if name not in ("shipment", "receipt")}
    for side in ("shipment", "receipt"):
        flat |= {f"{side}_{name}": value for name, value in (line[side] or {}).items()}
    return flat


def show_due(asked: Asked, mba: str, *, date: str) -> None:
    """Reports that are due or late on a day, and what came late."""
    day = day_of(date)
    said = asked.ask("/v1/due", mba=mba, date=day)
    asked.show(said.result)
    rows = [
        (
            line["standing"],
            f"{line['state']}/{line['mba']}",
            line["what"],
            as_day(line["of"]) if len(line["of"]) == 8 else f"{line['of'][:4]}-{line['of'][4:]}",
            as_day(line["due"]),
            "" if line["report"] is None else f"report {line['report']} of {as_day(line['written'])}",
            line["term"],
            line["rule"],
        )
        for line in said.result
    ]
    asked.out.table("", ("standing", "MBA", "report", "of", "due", "came", "term", "rule"), rows)
    asked.out.say(f"{len(rows)} on {as_day(day)}, as of block {said.as_of_height}.")


def show_corrections(asked: Asked, mba: str, which: str) -> None:
    """Chains of corrections of an area, of a report (42) or of an entry (42/3)."""
    number, _, entry = which.partition("/")
    if which and not (number.isdigit() and (entry.isdigit() or "/" not in which)):
        raise WrongUse(f"{which} is no report or entry: write 42, or 42/3 for its third entry")
    said = asked.ask("/v1/corrections", mba=mba, number=number, entry=entry)
    asked.show(
        [
            {**{name: chain[name] for name in ("state", "mba", "as_of")}, **link}
            for chain in said.result
            for link in chain["links"]
        ]
    )
    tell_chains(said.result, asked.out)


def tell_chains(chains: list[Any], out: Output) -> None:
    rows = [
        (
            f"{link['report']}/{link['entry']}",
            link["status"],
            link["names"],
            link["standing"],
            str(link["from_height"]),
            "" if link["to_height"] is None else str(link["to_height"]),
            as_day(link["date"]),
            link["code"],
            link["batch"],
            _weights(link["weights"]),
            _weights(link["change"]) if place else "",
        )
        for chain in chains
        for place, link in enumerate(chain["links"])
    ]
    columns = ("report/entry", "309", "names", "standing", "from block#", "to block#", "date", "code", "batch")
    if not rows:
        out.say("Nothing was corrected.")
        return
    out.table("", (*columns, "weights", "changed by"), rows)


def _weights(amounts: list[Any]) -> str:
    return " ".join(f"{one['label']}:{one['quantity']}" for one in amounts)
