"""Options that several commands of `slt` have, written once."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]
Dir = Annotated[Path, typer.Option("--dir", envvar="SLT_DIR", help="The working folder that `slt init` made.")]

# Questions about the books
Csv = Annotated[bool, typer.Option("--csv", help="CSV with a heading, for spreadsheets.")]
AsOf = Annotated[
    int | None,
    typer.Option("--as-of-height", metavar="N", min=0, help="What the ledger knew after block N. Default: the last."),
]
Date = Annotated[str, typer.Option("--date", metavar="YYYYMMDD", help="Accounting date. Default: today.")]
Area = Annotated[str, typer.Argument(metavar="MBA", help="XLR1, or XL/XLR1 where two States have one.")]
AnyArea = Annotated[str, typer.Argument(metavar="[MBA]", help="XLR1, or XL/XLR1. Default: every area.")]
