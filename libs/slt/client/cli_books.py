"""The commands of `slt` that ask the books: names and options. Their work stands in slt.client.commands."""

from pathlib import Path
from typing import Annotated

import typer

from slt.client.errors import WrongUse
from slt.client.options import AnyArea, Area, AsOf, Csv, Date, Dir, Json

report = typer.Typer(help="Accepted reports of the ledger.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands, in the order in which `slt --help` lists them."""
    app.command("inventory")(_inventory)
    app.command("batch")(_batch)
    app.command("balance")(_balance)
    app.command("transit")(_transit)
    app.command("due")(_due)
    app.command("corrections")(_corrections)
    app.command("statement")(_statement)
    app.add_typer(report, name="report")


def _inventory(
    mba: AnyArea = "",
    by: Annotated[str, typer.Option(help="category, kmp or batch.")] = "category",
    batch: Annotated[str, typer.Option(metavar="NAME", help="Of this batch only.")] = "",
    date: Annotated[str, typer.Option(metavar="YYYYMMDD", help="Accounting date. Default: all that is reported.")] = "",
    as_of_height: AsOf = None,
    directory: Dir = Path(),
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """The book inventory on a day, by category, measurement point or batch."""
    from slt.client.commands import inventory
    from slt.client.commands.asking import Asked

    asked = Asked(directory=directory, as_of=as_of_height, as_json=as_json, as_csv=as_csv)
    inventory.show_inventory(asked, mba, by=by, date=date, batch=batch)


def _batch(
    name: Annotated[str, typer.Argument(metavar="BATCH", help="The name in label 446.")],
    mba: Annotated[str, typer.Option(help="The area to begin in. Default: every area that has the name.")] = "",
    as_of_height: AsOf = None,
    directory: Dir = Path(),
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """The history of a batch across facilities: shipments, receipts, rebatching, listings."""
    from slt.client.commands import inventory
    from slt.client.commands.asking import Asked

    asked = Asked(directory=directory, as_of=as_of_height, as_json=as_json, as_csv=as_csv)
    inventory.show_batch(asked, name, mba=mba)


def _balance(
    mba: Annotated[
        str, typer.Argument(metavar="[MBA]", help="XLR1, or XL/XLR1. Default: one line for each area.")
    ] = "",
    pit: Annotated[
        str, typer.Option(metavar="YYYYMMDD", help="The physical inventory that ends it. Default: the latest.")
    ] = "",
    check: Annotated[bool, typer.Option("--check", help="Show the listing against the book, batch by batch.")] = False,
    draft: Annotated[bool, typer.Option("--draft", help="Print the balance report that follows, as Code 10.")] = False,
    encoder: Annotated[str, typer.Option(metavar="NAME", help="Label 006 of the draft.")] = "DRAFT",
    number: Annotated[
        int | None, typer.Option(min=1, help="Report number of the draft. Default: the next one of the area.")
    ] = None,
    rounded: Annotated[bool, typer.Option("--rounded", help="A draft in whole units, with RAxx.")] = False,
    as_of_height: AsOf = None,
    directory: Dir = Path(),
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """The balance of a period and its MUF: as reported, and as it follows from the other reports."""
    from slt.client.commands import balance
    from slt.client.commands.asking import Asked

    asked = Asked(directory=directory, as_of=as_of_height, as_json=as_json, as_csv=as_csv)
    if not mba and (draft or check):
        raise WrongUse("Name the area: slt balance MBA")
    if not mba:
        balance.show_balances(asked, pit=pit)
    elif draft:
        balance.print_draft(asked, mba, pit=pit, encoder=encoder, number=number, rounded=rounded)
    else:
        balance.show_balance(asked, mba, pit=pit, check=check)


def _transit(
    mba: AnyArea = "",
    state: Annotated[str, typer.Option(help="Only open, matched, different or overdue ones.")] = "",
    since: Annotated[
        str, typer.Option("--from", metavar="YYYYMMDD", help="What moved since. Default: for a year.")
    ] = "",
    date: Date = "",
    as_of_height: AsOf = None,
    directory: Dir = Path(),
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """What is on its way between areas: open, matched, different, overdue."""
    from slt.client.commands import duties
    from slt.client.commands.asking import Asked

    asked = Asked(directory=directory, as_of=as_of_height, as_json=as_json, as_csv=as_csv)
    duties.show_transits(asked, mba, date=date, since=since, state=state)


def _due(
    mba: AnyArea = "",
    date: Date = "",
    as_of_height: AsOf = None,
    directory: Dir = Path(),
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Reports that are due or late on a day, and what came late."""
    from slt.client.commands import duties
    from slt.client.commands.asking import Asked

    asked = Asked(directory=directory, as_of=as_of_height, as_json=as_json, as_csv=as_csv)
    duties.show_due(asked, mba, date=date)


def _corrections(
    mba: Area,
    which: Annotated[str, typer.Argument(metavar="[REPORT[/ENTRY]]", help="42, or 42/3. Default: all.")] = "",
    as_of_height: AsOf = None,
    directory: Dir = Path(),
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """What became of entries: chains of corrections, deletions and additions."""
    from slt.client.commands import duties
    from slt.client.commands.asking import Asked

    asked = Asked(directory=directory, as_of=as_of_height, as_json=as_json, as_csv=as_csv)
    duties.show_corrections(asked, mba, which)


def _statement(
    mba: AnyArea = "",
    date: Date = "",
    as_of_height: AsOf = None,
    directory: Dir = Path(),
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """The semi-annual statement of book inventory (INFCIRC/153 paragraph 66), of the last half-year that is over."""
    from slt.client.commands import balance
    from slt.client.commands.asking import Asked

    asked = Asked(directory=directory, as_of=as_of_height, as_json=as_json, as_csv=as_csv)
    balance.show_statement(asked, mba, date=date)


@report.command("export")
def _report_export(
    which: Annotated[str, typer.Argument(metavar="MBA/NUMBER", help="XLR1/42, or XL/XLR1/42.")],
    to: Annotated[str, typer.Option(metavar="FORM", help="code10, euratom or euratom-xml.")] = "code10",
    as_of_height: AsOf = None,
    directory: Dir = Path(),
    as_json: Json = False,
) -> None:
    """Print an accepted report, in its own form or another, and on standard error what is lost."""
    from slt.client.commands import report_export
    from slt.client.commands.asking import Asked

    report_export.export_report(
        Asked(directory=directory, as_of=as_of_height, as_json=as_json, as_csv=False), which, to=to
    )
