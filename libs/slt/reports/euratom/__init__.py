"""Reports of Regulation (Euratom) 302/2005, annexes III to V: into and out of the entries that Code 10 gives.

`read` and `write` convert; `judge_as` judges a document of any of the three forms by the same rules. Start with
reading.py and writing.py.
"""

from slt.reports.euratom.area import Area
from slt.reports.euratom.conversion import Converted, convert, read
from slt.reports.euratom.declaration import Declaration, Malformed
from slt.reports.euratom.judging import form_of, judge_as
from slt.reports.euratom.labelled import read_labelled, write_labelled
from slt.reports.euratom.markup import read_xml, write_xml
from slt.reports.euratom.reading import Reading, read_declaration
from slt.reports.euratom.writing import NotExpressible, Written, write_declaration

__all__ = [
    "Area",
    "Converted",
    "Declaration",
    "Malformed",
    "NotExpressible",
    "Reading",
    "Written",
    "convert",
    "form_of",
    "judge_as",
    "read",
    "read_declaration",
    "read_labelled",
    "read_xml",
    "write_declaration",
    "write_labelled",
    "write_xml",
]
