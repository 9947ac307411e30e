r"""The labelled form of a Euratom report: `TAG:content#`, as Code 10 writes `NNN:content#` (README, "Labelled form").

The header's fields come first; each line begins at LINE NUMBER. Line ends and blanks between elements mean nothing.
Canonical form: the header on one line, each report line on one, fields in the order of fields.py, `\n`, ASCII.
"""

import re
from typing import Final

from slt.reports.euratom.declaration import Builder, Declaration, Malformed, fault
from slt.reports.findings import shown

BEGINS: Final = re.compile(rb"[\r\n ]*MBA:")
"""How a labelled Euratom report begins, and nothing else does."""

_ELEMENT: Final = re.compile(r"[\r\n ]*+([A-Z][A-Z_ -]{0,30}):([^#\r\n]{0,2000})#")
_BLANK: Final = re.compile(r"[\r\n ]*+\Z")


def read_labelled(document: bytes) -> Declaration:
    """Raises Malformed for anything that is no report in this form. Time is linear in the document."""
    text = document.decode("latin-1")
    builder = Builder()
    at = 0
    place = 0
    while match := _ELEMENT.match(text, at):
        tag, content = match.groups()
        if tag == "LINE NUMBER":
            builder.begin_line()
            place += 1
        builder.add(tag, content)
        at = match.end()
    if _BLANK.match(text, at) is None:
        raise Malformed(
            fault(
                "V01",
                "This is no element. Each element is a tag in capitals, a colon, its content and `#`, on one line.",
                entry=f"L/{place}" if place else "",
                value=shown(text[at : at + 60].lstrip()),
                expected="TAG:content#",
            )
        )
    return builder.done()


def write_labelled(declaration: Declaration) -> bytes:
    """The report in canonical form."""
    annex = declaration.annex
    rows = [
        "".join(f"{tag}:{fields[tag]}#" for tag in table if tag in fields) + "\n"
        for table, fields in ((annex.header, declaration.header), *((annex.line, line) for line in declaration.lines))
    ]
    return "".join(rows).encode("ascii")
