"""balance, statement: a period's balance beside its report, the drafted report, the half-yearly statement."""

import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from slt.client.commands.asking import Asked, Row, Said, as_day, ask_document, day_of
from slt.client.errors import WrongUse
from slt.client.local.network import working_folder
from slt.client.output import Output
from slt.inventory.questions.amounts import MATERIALS
from slt.reports.quantities import format_mg, unit_of
from slt.reports.signs import book_sign


def show_balances(asked: Asked, *, pit: str) -> None:
    """The balance of every area in one table; areas that have none yet are left out."""
    areas = asked.ask("/v1/areas")
    balances = all_balances(asked.ask, areas.result, pit=day_of(pit) if pit else "")
    asked.show(summary_rows(balances))
    tell_summary(balances, asked.out)
    asked.out.say(f"As of block {areas.as_of_height} of {areas.height}. `slt balance MBA` shows the lines of one.")


def all_balances(ask: Callable[..., Said], areas: Iterable[Any], *, pit: str) -> list[Any]:
    """The balances of those areas that have one and hold material."""
    found = []
    for area in areas:
        try:
            balance = ask("/v1/balances", mba=f"{area['state']}/{area['mba']}", date=pit, check="false").result
        except WrongUse:
            continue  # The books know no balance of it then.
        if balance["lines"]:
            found.append(balance)
    return found


def summary_rows(balances: Iterable[Any]) -> list[Row]:
    """One row for each element and isotope of each balance: as reported, or as it follows while nothing is reported."""
    rows = []
    for balance in balances:
        for label in dict.fromkeys(line["label"] for line in balance["lines"]):
            lines = [line for line in balance["lines"] if line["label"] == label]
            unit = unit_of(label)
            totals = dict.fromkeys(_SUMMARY, 0)
            for line in lines:
                mg = line["derived_mg"] if balance["report"] is None else line["reported_mg"]
                name, sign = _place_of(line)
                totals[name] += sign * (mg or 0)
            heading = {name: balance[name] for name in ("state", "mba", "first", "pit", "report")}
            rows.append({**heading, "label": label, **{name: format_mg(mg, unit) for name, mg in totals.items()}})
    return rows


def tell_summary(balances: Iterable[Any], out: Output) -> None:
    rows = [
        (row["mba"], as_day(row["pit"]), str(row["label"]), MATERIALS[row["label"]], *(row[name] for name in _SUMMARY))
        for row in summary_rows(balances)
    ]
    out.table("", ("MBA", "ends on", "label#", "material", *(f"{name}#" for name in _SUMMARY)), rows)


_SUMMARY: Final = ("PB", "increases", "decreases", "DI", "BA", "PE", "MUF")


def _place_of(line: Any) -> tuple[str, int]:
    """The column of a line, and its sign there."""
    code = line["code"]
    if code in ("PB", "DI", "BA", "PE"):
        return code, 1
    if code == "MF":
        return "MUF", 1
    sign = 0 if code == "BE" else book_sign(code, line["category"])
    return ("increases", 1) if sign > 0 else ("decreases", -sign)


def show_balance(asked: Asked, mba: str, *, pit: str, check: bool) -> None:
    """The balance that ends with a physical inventory; without one named, the latest."""
    day = day_of(pit) if pit else ""
    said = asked.ask("/v1/balances", mba=mba, date=day)
    balance = said.result
    heading = {name: balance[name] for name in ("state", "mba", "first", "pit", "as_of")}
    if check:
        asked.show([{**heading, **line} for line in balance["check"]])
        tell_check(balance, asked.out)
        return
    asked.show([{**heading, **line} for line in balance["lines"]])
    tell_balance(balance, asked.out)


def tell_balance(balance: Any, out: Output) -> None:
    """The lines as an accountant prints them, the MUF, and what wants a look."""
    report = "not reported yet" if balance["report"] is None else f"report {balance['report']}"
    out.say(
        f"{balance['state']}/{balance['mba']}, {as_day(balance['first'])} to {as_day(balance['pit'])}: {report}, "
        f"as of block {balance['as_of']}."
    )
    rows = [
        (
            str(line["label"]),
            MATERIALS[line["label"]],
            line["code"],
            line["reported"],
            line["adjustment"],
            line["derived"],
            "" if f"{line['code']} {line['label']}" not in balance["differing"] else "differs",
        )
        for line in balance["lines"]
    ]
    out.table("", ("label#", "material", "line", "reported#", "RA#", "follows#", ""), rows)
    out.say(f"MUF {muf_of(balance)}.")
    if rounded := [line for line in balance["lines"] if line["code"] == "MF" and not _same(line)]:
        follows = ", ".join(f"{line['derived']} {MATERIALS[line['label']]}" for line in rounded)
        out.say(f"Without rounding and with every correction since, {follows} would follow.")
    if balance["differing"]:
        out.say(
            f"The report does not say what follows from the other reports in {', '.join(balance['differing'])}: one of "
            "them wants a correction (309 C)."
        )
    if balance["check"]:
        out.say(f"Batches that are not listed as the book has them: {len(balance['check'])}. See --check.")


def muf_of(balance: Any) -> str:
    """The MUF in words."""
    if not balance["muf"]:
        return "is not known before the physical inventory is listed"
    return ", ".join(f"{one['quantity']} {MATERIALS[one['label']]}" for one in balance["muf"])


def _same(line: Any) -> bool:
    return line["reported_mg"] is None or line["derived_mg"] in (None, line["reported_mg"])


def tell_check(balance: Any, out: Output) -> None:
    """The listing against the book, batch by batch."""
    rows = [
        (
            line["batch"],
            line["kmp"],
            line["state"],
            " ".join(line["differing"]),
            str(line["listed_items"]),
            str(line["book_items"]),
            _weights(line["listed"]),
            _weights(line["book"]),
        )
        for line in balance["check"]
    ]
    if not rows:
        out.say("Every batch is listed as the book has it.")
        return
    out.table("", ("batch", "KMP", "state", "differs in", "listed#", "book#", "listed weights", "book weights"), rows)


def _weights(pairs: Iterable[tuple[int, int]]) -> str:
    return " ".join(f"{label}:{format_mg(mg, unit_of(label))}" for label, mg in pairs)


def print_draft(asked: Asked, mba: str, *, pit: str, encoder: str, number: int | None, rounded: bool) -> None:
    """The drafted balance report as Code 10, ready for a file; nothing else goes to standard output."""
    if asked.as_json or asked.as_csv:
        raise WrongUse("A draft is Code 10: leave --json and --csv out")
    addresses = working_folder(asked.directory).addresses()
    document = ask_document(
        addresses,
        "/v1/draft",
        mba=mba,
        date=day_of(pit) if pit else "",
        encoder=encoder,
        number=number,
        rounded="true" if rounded else "",
        as_of_height=asked.as_of,
    )
    sys.stdout.write(document.decode("ascii"))
    sys.stdout.flush()
    asked.out.trouble(
        "A draft: look at it, put your name into label 006, and run slt check on it before you submit it."
    )


def show_statement(asked: Asked, mba: str, *, date: str) -> None:
    """Statements of book inventory of the last half-year that is over (INFCIRC/153 paragraph 66)."""
    said = asked.ask("/v1/statement", mba=mba, date=day_of(date))
    names = ("state", "mba", "first", "last", "as_of", "effective_kg", "significant_quantities")
    asked.show([{**{name: one[name] for name in names}, **line} for one in said.result for line in one["lines"]])
    rows = [
        (
            one["mba"],
            str(line["label"]),
            MATERIALS[line["label"]],
            line["begin"],
            line["increases"],
            line["decreases"],
            line["adjusted"],
            line["end"],
        )
        for one in said.result
        for line in one["lines"]
    ]
    first, last = (said.result[0][name] for name in ("first", "last")) if said.result else ("", "")
    asked.out.table(
        f"Book inventory, {as_day(first)} to {as_day(last)}, as of block {said.as_of_height}",
        ("MBA", "label#", "material", "begin#", "increases#", "decreases#", "inventory taken#", "end#"),
        rows,
    )
    sums = [(one["mba"], one["effective_kg"], one["significant_quantities"]) for one in said.result if one["lines"]]
    asked.out.table("", ("MBA", "effective kg#", "significant quantities#"), sums)
