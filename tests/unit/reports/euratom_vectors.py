"""The samples in both Euratom forms: `python -m tests.unit.reports.euratom_vectors` writes the folder anew."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from slt.reports import read_report
from slt.reports.euratom import NotExpressible, convert
from slt.reports.euratom.writing import Numbering
from slt.statements.statement import EURATOM, EURATOM_XML
from tests.unit.reports.samples import NAMES, REFERENCE, document

EURATOM_FOLDER = Path(__file__).parents[2] / "vectors" / "euratom"
SUFFIX = {EURATOM: ".euratom", EURATOM_XML: ".euratom.xml"}


def earlier(area: str) -> Numbering:
    """The lines of the entries of every sample of an area, for the reports that correct them."""
    numbering: dict[tuple[int, int], Sequence[int]] = {}
    for name in NAMES:
        if name.startswith(area) and read_report(document(name))[0].get("010") != "T":
            numbering |= convert(document(name), EURATOM, REFERENCE).numbering
    return numbering


def vectors() -> Iterator[tuple[str, bytes]]:
    """(file name, content) of everything in the folder but its README."""
    lost: dict[str, list[list[str]] | str] = {}
    for name in NAMES:
        numbering = earlier(name.partition("-")[0])
        for media_type, suffix in SUFFIX.items():
            try:
                made = convert(document(name), media_type, REFERENCE, earlier=numbering)
            except NotExpressible as error:
                lost[name] = str(error)
                continue
            yield name + suffix, made.document
            if made.findings:
                lost[name] = [[one.entry, one.label, one.value, one.expected] for one in made.findings]
    yield "lost.json", (json.dumps(lost, indent=1) + "\n").encode()


def main() -> None:
    for name, content in vectors():
        (EURATOM_FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
