"""Reading a labelled document: a stream of elements, cut into entries (reports.md 1.1).

An element is `NNN:content#`; an entry begins at each label 001. Line ends and blanks between elements mean nothing.
The reader takes any bytes and never raises: what is no element comes out as a leftover, and rules V01 and V02 speak
about it. Time is linear in the document, and no more than one entry is held at a time.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

ELEMENTS_MAX: Final = 100
"""Elements of one entry that are looked at. The table has 45 labels, so more than that is no entry."""

BLANKS: Final = "\r\n "

# Possessive throughout: nothing is tried twice, so that no document can make this quadratic.
_NEXT_ENTRY: Final = re.compile(r"#[\r\n ]*+(?=001:)")
_WHOLE_ENTRY: Final = re.compile(r"(?:[\r\n ]*+[0-9]{3}:[^#]*+#)++[\r\n ]*+")
_ELEMENT: Final = re.compile(r"([0-9]{3}):([^#]*+)#")
_LABEL: Final = re.compile(r"[\r\n ]*+([0-9]{3}):")


class RawEntry(NamedTuple):
    """What stands between one label 001 and the next."""

    elements: list[tuple[str, str]]
    """(label, content) in the order of the document, repeated labels included."""
    leftovers: list[str]
    """Text that is no element."""
    unclosed: bool
    """The last element, which is among the elements, lacks its `#`."""
    too_many: bool
    """There are more than ELEMENTS_MAX elements; the others were not read."""


def text_of(document: bytes) -> str:
    """One character for each byte (ISO 8859-1), so that any document has a text. A byte order mark is left out."""
    return document.decode("latin-1").removeprefix("\xef\xbb\xbf")


def read_raw(text: str) -> Iterator[RawEntry]:
    """Yield the entries of a document in order. Nothing for a blank one."""
    start = 0
    for boundary in _NEXT_ENTRY.finditer(text):
        yield _entry(text[start : boundary.end()])
        start = boundary.end()
    rest = text[start:]
    if rest.strip(BLANKS):
        yield _entry(rest)


def first_entry(text: str, kind: str) -> RawEntry | None:
    """The first entry whose 001 begins with `kind` ("OI"), or None."""
    match = re.search(rf"(?:\A|#)[\r\n ]*+(?=001:{kind}/)", text)
    return None if match is None else next(read_raw(text[match.end() : match.end() + _FIRST_ENTRY_LENGTH_MAX]), None)


_FIRST_ENTRY_LENGTH_MAX: Final = 20_000
"""Characters looked at for the first entry of a kind; an accounting entry of the largest labels has about 1,000."""


def labels_of(raw: RawEntry) -> dict[str, str]:
    """Label -> content in the order of the document; of a label that stands twice, the first."""
    labels = dict(raw.elements)
    if len(labels) < len(raw.elements):
        labels = {}
        for label, content in raw.elements:
            labels.setdefault(label, content)
    return labels


def content_of(raw: RawEntry) -> str:
    """What an entry says apart from its report's number and date: its elements without 001 and 003, and a line feed.

    The content of a document is that of its entries, one after the other. For a document in canonical form it is the
    document with the elements 001 and 003 taken out; blanks and line ends between elements make no difference.
    """
    return "".join([f"{label}:{content}#" for label, content in raw.elements if label not in {"001", "003"}]) + "\n"


def _entry(chunk: str) -> RawEntry:
    if chunk.count("#") <= ELEMENTS_MAX and _WHOLE_ENTRY.fullmatch(chunk):
        return RawEntry(_ELEMENT.findall(chunk), [], unclosed=False, too_many=False)
    *closed, rest = chunk.split("#", ELEMENTS_MAX)
    too_many = "#" in rest
    elements = []
    leftovers = []
    for piece in closed:
        if label := _LABEL.match(piece):
            elements.append((label[1], piece[label.end() :]))
        else:
            leftovers.append(piece)
    unclosed = False
    if rest.strip(BLANKS) and not too_many:
        if label := _LABEL.match(rest):
            elements.append((label[1], rest[label.end() :]))
            unclosed = True
        else:
            leftovers.append(rest)
    return RawEntry(elements, leftovers, unclosed, too_many)
