"""The XML form of a Euratom report, ours (README, "XML form"): one element a field, `line` for each line.

Strict and safe: no document type, entity, processing instruction, comment, CDATA section or attribute; UTF-8 or ASCII;
three levels; every text and every count bounded. Elements stand in the order of the schema, which is checked.
"""

from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import Final, NoReturn
from xml.parsers import expat

from slt.reports.euratom.declaration import Builder, Declaration, Line, Malformed, fault
from slt.reports.euratom.fields import ANNEXES, BY_ROOT, Annex, Field
from slt.reports.findings import shown

NAMESPACE: Final = "urn:slt:euratom-302-2005:v1"
LINE: Final = "line"

TEXT_MAX: Final = 1_000
"""Characters of one element's text that are kept: the longest field has 256."""

_CHUNK: Final = 1 << 16
"""Bytes given to the parser at a time, so that a refusal comes early."""

_ENCODINGS: Final = frozenset({"", "UTF-8", "US-ASCII", "ASCII"})

_TAGS: Final = MappingProxyType(
    {
        annex.kind: MappingProxyType({field.element: field for field in (*annex.header.values(), *annex.line.values())})
        for annex in ANNEXES.values()
    }
)


def read_xml(document: bytes) -> Declaration:
    """Raises Malformed for anything that is no report in this form. Time is linear in the document."""
    return _Reading().read(document)


def write_xml(declaration: Declaration) -> bytes:
    """The report in canonical form: UTF-8, one element a line for the header, one line for each line."""
    annex = declaration.annex
    rows = [f'<?xml version="1.0" encoding="UTF-8"?>\n<{annex.root} xmlns="{NAMESPACE}">\n']
    rows += [f"  {one}\n" for one in _elements(annex.header, declaration.header)]
    rows += [f"  <{LINE}>{''.join(_elements(annex.line, line))}</{LINE}>\n" for line in declaration.lines]
    rows.append(f"</{annex.root}>\n")
    return "".join(rows).encode("utf-8")


def _elements(table: Mapping[str, Field], contents: Line) -> list[str]:
    return [
        f"<{field.element}>{escape(contents[tag], quote=False)}</{field.element}>"
        for tag, field in table.items()
        if tag in contents
    ]


class _Reading:
    """One pass over a document."""

    def __init__(self) -> None:
        self._builder = Builder()
        self._annex: Annex | None = None
        self._depth = 0
        self._place = 0
        self._field: str | None = None  # the element whose text is being read
        self._text: list[str] = []
        self._length = 0
        self._order = -1  # position of the last field, within the header or the line

    def read(self, document: bytes) -> Declaration:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declared
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = lambda *_: self._refuse("a document type")
        parser.EntityDeclHandler = lambda *_: self._refuse("an entity")
        parser.ExternalEntityRefHandler = lambda *_: self._refuse("an external entity")
        parser.SkippedEntityHandler = lambda *_: self._refuse("an entity")
        parser.ProcessingInstructionHandler = lambda *_: self._refuse("a processing instruction")
        parser.CommentHandler = lambda *_: self._refuse("a comment")
        parser.StartCdataSectionHandler = lambda *_: self._refuse("a CDATA section")
        try:
            for start in range(0, len(document), _CHUNK):
                parser.Parse(document[start : start + _CHUNK], False)
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            why = expat.errors.messages.get(error.code, "no XML")
            raise Malformed(
                fault("V01", f"The XML cannot be read: {why}, in line {error.lineno} of the file. Correct it.")
            ) from None
        return self._builder.done()

    def _declared(self, version: str, encoding: str | None, _standalone: int) -> None:
        if version != "1.0" or (encoding or "").upper() not in _ENCODINGS:
            self._refuse(f"version {version} in {encoding}")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        space, _, element = name.rpartition(" ")
        if space != NAMESPACE:
            self._wrong(f"The element {shown(name)} is not of the namespace of this form.", f'xmlns="{NAMESPACE}"')
        if attributes:
            self._wrong(f"The element {element} has an attribute. Leave it out.", "")
        if self._depth == 1:
            if element not in BY_ROOT:
                self._wrong(f"The report begins with {shown(element)}.", " ".join(BY_ROOT))
            self._annex = BY_ROOT[element]
        elif self._depth == 2 and element == LINE:
            self._builder.begin_line()
            self._place += 1
            self._order = -1
        elif self._depth > 3 or (self._depth == 3 and self._field is not None):
            self._wrong(f"The element {shown(element)} stands inside a field.", "")
        elif self._depth == 2 and self._place:
            self._wrong(f"The element {shown(element)} of the header stands behind a line.", "")
        else:
            self._field, self._text, self._length = element, [], 0

    def _characters(self, text: str) -> None:
        if self._field is None:
            if text.strip(" \t\r\n"):
                self._wrong(f"Text stands between elements: {shown(text.strip())}.", "")
            return
        self._length += len(text)
        if self._length <= TEXT_MAX:
            self._text.append(text)

    def _end(self, _name: str) -> None:
        self._depth -= 1
        if self._field is None:
            return
        element, self._field = self._field, None
        annex = self._annex
        assert annex is not None, "expat begins with the root"
        field = _TAGS[annex.kind].get(element)
        content = "".join(self._text)
        if field is None:
            self._wrong(f"{shown(element)} is no element of annex {annex.number}.", "")
        table = list(annex.line if self._place else annex.header)
        if field.tag in table:
            order = table.index(field.tag)
            if order < self._order:
                self._wrong(f"The element {element} stands after one that it comes before.", "the order of the schema")
            self._order = order
        if field.tag == "REPORT TYPE" and content != annex.kind:
            self._wrong(f"A {annex.root} has report type {annex.kind}.", annex.kind)
        self._builder.add(field.tag, content)

    def _refuse(self, what: str) -> NoReturn:
        self._wrong(f"The XML has {what}, which this form does not allow. Leave it out.", "elements and text only")

    def _wrong(self, text: str, expected: str) -> NoReturn:
        entry = f"L/{self._place}" if self._place else ""
        raise Malformed(fault("V01", text, entry=entry, expected=expected))
