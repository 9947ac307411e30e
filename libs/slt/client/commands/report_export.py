"""report export: an accepted report of the ledger as a document again."""

import sys

from slt.client.commands.asking import Asked
from slt.client.errors import WrongUse
from slt.reports.euratom.conversion import FORMS


def export_report(asked: Asked, which: str, *, to: str) -> None:
    """Print report MBA/NUMBER (or STATE/MBA/NUMBER) in a form; what is lost goes to standard error."""
    if to not in FORMS:
        raise WrongUse(f"There is no form {to!r}: choose {', '.join(FORMS)}")
    mba, _, number = which.rpartition("/")
    if not mba or not number.isdigit():
        raise WrongUse(f"{which} names no report: write MBA/NUMBER, as XLR1/42")
    said = asked.ask("/v1/export", mba=mba, number=number, to=to)
    if asked.as_json:
        asked.show([said.result])
        return
    sys.stdout.write(said.result["document"])
    sys.stdout.flush()
    if said.result["source"] == "facts":
        asked.out.trouble("The document is erased: this is made from its facts.")
    for finding in said.result["findings"]:
        place = " ".join(filter(None, (finding["entry"], finding["label"])))
        asked.out.trouble(f"{finding['severity']} {place}: {finding['text']}")
