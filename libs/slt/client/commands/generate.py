"""generate: a synthetic world of facilities, with all their reports, for tests, benchmarks and training."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.progress import Progress

from slt.client.errors import WrongUse
from slt.client.generate import BadPlan, Plan, Summary, write_world
from slt.client.generate.report import Report
from slt.client.output import Output, console

KINDS: Final = {"I": "inventory changes", "P": "physical inventories", "M": "material balances"}


def generate(directory: Path, plan: dict[str, int], *, as_json: bool) -> None:
    """Write the world that `plan` (fields of slt.client.generate.Plan) asks for below `directory`, and say what it is.

    Raises WrongUse for a plan that cannot be, and for a folder that holds something already.
    """
    out = Output(as_json=as_json)
    try:
        asked = Plan(**plan)
        with Progress(console=console(stderr=True), transient=True, disable=as_json or not sys.stderr.isatty()) as bar:
            task = bar.add_task("reports", total=12 * asked.years)

            def told(report: Report) -> None:
                month = 12 * (int(report.period_to[:4]) - asked.first_year) + int(report.period_to[4:6])
                bar.update(task, completed=month)

            summary = write_world(asked, directory, told=told)
    except (BadPlan, FileExistsError) as error:
        raise WrongUse(str(error)) from None
    out.objects([asdict(summary)])
    _tell(out, directory, summary)


def _tell(out: Output, directory: Path, summary: Summary) -> None:
    rows = [
        (what, f"{summary.reports.get(kind, 0):,}", f"{summary.entries.get(kind, 0):,}") for kind, what in KINDS.items()
    ]
    total = ("together", f"{sum(summary.reports.values()):,}", f"{summary.total:,}")
    out.table(f"{len(summary.areas)} areas in {directory}", ("", "reports#", "entries#"), [*rows, total])
    transits = summary.transits
    out.say(
        f"{summary.entries_per_year:,} entries a year, the largest report has {summary.largest_report:,}; "
        f"{summary.bytes / 2**20:.1f} MiB of documents."
    )
    out.say(
        f"Shipments: {transits['domestic']:,} within a State and {transits['foreign']:,} between States are received, "
        f"{transits['on_the_way']} on their way at the end; {transits['imported']:,} came from and "
        f"{transits['exported']:,} went to a State outside the ledger."
    )
    out.say(
        f"{len(summary.unaccounted)} balances have material unaccounted for (summary.json); all others close to zero."
    )
    out.say(f"Next: slt init LEDGER --from {directory / 'world.toml'}; the order of the reports is in order.txt.")
