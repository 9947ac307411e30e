"""Every reader of documents against hostile ones: only the errors it states, and work and memory in proportion."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slt.reports import BadFacts, Unreadable, judge, parse_facts, read_report
from slt.reports.euratom import NotExpressible, convert, judge_as, read_labelled, read_xml
from slt.reports.euratom.declaration import Malformed
from slt.reports.openings import BadOpening, opening_from_csv
from slt.statements.cbor import DecodeError
from slt.statements.openings import parse_opening
from slt.statements.statement import CODE10, EURATOM, EURATOM_XML
from tests.support.hostile import calls_of, hostile, peak_of
from tests.unit.reports.euratom_vectors import EURATOM_FOLDER
from tests.unit.reports.samples import FOLDER, REFERENCE, document


class Reader(NamedTuple):
    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    pieces: tuple[bytes, ...]
    expected: tuple[type[Exception], ...]


def _table(data: bytes) -> object:
    return opening_from_csv(data.decode("utf-8", "replace"), "XLR1", "20241215")


def _convert(data: bytes) -> object:
    return [convert(data, media_type, REFERENCE) for media_type in (CODE10, EURATOM, EURATOM_XML)]


def _facts(name: str) -> bytes:
    facts = judge(document(name), REFERENCE).facts
    assert facts is not None
    return facts.encoded


LABELLED = tuple(path.read_bytes() for path in sorted(EURATOM_FOLDER.glob("*.euratom")))
XML = tuple(path.read_bytes() for path in sorted(EURATOM_FOLDER.glob("*.xml")))
SAMPLES = tuple(document(name) for name in ("XLR1-43", "XLF1-102", "XLF1-109", "XLR1-44", "XLR1-46", "XLT1-10"))
TABLES = tuple(path.read_bytes() for path in sorted((FOLDER / "openings").glob("*.csv")))
FACTS = tuple(map(_facts, ("XLR1-43", "XLF1-109", "XLR1-44")))
OPENINGS = tuple(opening_from_csv(text.decode(), "XLR1", "20241215").encoded for text in TABLES)

CODE10_PIECES: tuple[bytes, ...] = (
    b"#",
    b":",
    b"001:OI/XL;1#",
    b"001:NC/XL;1#",
    b"002:1/1#",
    b"309:C/XL;1/1#",
    b"430:",
    b"/",
    b";",
)
CODE10_PIECES += (b"630:1G#", b"391:X#", b" ", b"\n", b"\0", b"\xff", b"999", b"0", b"-", b"099:E/1#", b"390:Y#")
EURATOM_PIECES: tuple[bytes, ...] = (
    b"LINE NUMBER:1#",
    b"CORRECTION:D#",
    b"PREVIOUS ENTRY:1#",
    b"OBLIGATION:P#",
    b"IC CODE:BR#",
    b"#",
    b":",
)
EURATOM_PIECES += (
    b"TRANSACTION ID:1#",
    b"ELEMENT WEIGHT:1#",
    b"BATCH:B1#",
    b"\n",
    b"9",
    b"\xc3\xa9",
    b"REPORT TYPE:I#",
)
XML_PIECES: tuple[bytes, ...] = (
    b"<line>",
    b"</line>",
    b"<",
    b">",
    b"&amp;",
    b"&x;",
    b"&#65;",
    b"<!DOCTYPE a>",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
)
XML_PIECES += (b' xmlns:a="b"', b"<a:b/>", b"<batch>B</batch>", b"\xef\xbb\xbf", b"<?xml", b"9", b"<line><batch>")
CSV_PIECES: tuple[bytes, ...] = (
    b",",
    b'"',
    b"\n",
    b"\r",
    b"\0",
    b"1G",
    b"630,",
    b"obligation,",
    b"batch,",
    b"9",
    b"-1",
    b"\xd9\xa3",
    b"B1,A,",
)
CBOR_PIECES: tuple[bytes, ...] = (
    b"\x80",
    b"\x9f",
    b"\xff",
    b"\x8f",
    b"\x9a\xff\xff\xff\xff",
    b"\x7b\xff",
    b"\x60",
    b"\x00",
    b"\xf5",
    b"\xfb",
)
CBOR_PIECES += (b"\x81", b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff", b"\xc2\x41\x01", b"\x38\x63", b"\xd8\x12", b"a" * 9)

READERS = {
    "judge": Reader(lambda data: judge(data, REFERENCE), SAMPLES, CODE10_PIECES, ()),
    "entries": Reader(read_report, SAMPLES, CODE10_PIECES, (Unreadable,)),
    "judge labelled": Reader(lambda data: judge_as(data, EURATOM, REFERENCE), LABELLED, EURATOM_PIECES, ()),
    "judge xml": Reader(lambda data: judge_as(data, EURATOM_XML, REFERENCE), XML, XML_PIECES, ()),
    "labelled": Reader(read_labelled, LABELLED, EURATOM_PIECES, (Malformed,)),
    "xml": Reader(read_xml, XML, XML_PIECES, (Malformed,)),
    "convert": Reader(
        _convert,
        (*SAMPLES, *LABELLED, *XML),
        (*CODE10_PIECES, *EURATOM_PIECES),
        (Malformed, Unreadable, NotExpressible),
    ),
    "table": Reader(_table, TABLES, CSV_PIECES, (BadOpening,)),
    "facts": Reader(parse_facts, FACTS, CBOR_PIECES, (BadFacts,)),
    "opening": Reader(parse_opening, OPENINGS, CBOR_PIECES, (DecodeError,)),
}

CALLS_PER_BYTE = 40
CALLS_APART = 50_000
BYTES_PER_BYTE = 250
BYTES_APART = 4 << 20

FUZZED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@FUZZED
def test_a_hostile_document_costs_work_in_proportion_and_no_other_error(name: str, data: st.DataObject) -> None:
    reader = READERS[name]
    document = data.draw(hostile(reader.seeds, reader.pieces))
    assert calls_of(reader.read, document, *reader.expected) <= CALLS_PER_BYTE * len(document) + CALLS_APART


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@settings(FUZZED, max_examples=25)
def test_a_hostile_document_takes_memory_in_proportion(name: str, data: st.DataObject) -> None:
    reader = READERS[name]
    document = data.draw(hostile(reader.seeds, reader.pieces))
    assert peak_of(reader.read, document, *reader.expected) <= BYTES_PER_BYTE * len(document) + BYTES_APART


@pytest.mark.parametrize("name", READERS)
def test_four_times_as_much_of_anything_is_at_most_four_times_the_work(name: str) -> None:
    """Of a piece alone, and behind the first half of a good document."""
    reader = READERS[name]
    half = reader.seeds[0][: len(reader.seeds[0]) // 2]
    for start in (b"", half):
        for piece in reader.pieces:
            little, much = (calls_of(reader.read, start + piece * count, *reader.expected) for count in (500, 2_000))
            assert much <= 4.4 * little + 2_000, piece
