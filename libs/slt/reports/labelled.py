r"""A report as its entries, and an entry as its labels: the model that is read from and written to labelled form.

Canonical form (reports.md 1.1): one entry a line, `\n` at its end, labels ascending, ASCII, nothing between elements.
Writing what was read from a document in canonical form gives the same bytes; reading what was written gives the same
entries. Nothing is judged here: see judgement.py.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from slt.reports.findings import shown
from slt.reports.reader import RawEntry, read_raw, text_of

LabelledEntry: TypeAlias = Mapping[str, str]
"""Label -> content, in ascending order of labels; 001 among them."""

_LABEL: Final = re.compile(r"[0-9]{3}")
_CONTENT: Final = re.compile(r"[^#\r\n]*", re.ASCII)


class Unreadable(ValueError):
    """The document is not made of entries. The message says at which one reading stopped, and why."""


def read_entries(document: bytes) -> Iterator[LabelledEntry]:
    """Yield the entries of a document, one at a time. Raises Unreadable at the first piece that is none."""
    for place, raw in enumerate(read_raw(text_of(document)), start=1):
        labels = dict(raw.elements)
        if fault := _fault(raw, labels):
            raise Unreadable(f"entry {place}: {fault}")
        yield dict(sorted(labels.items()))


def read_report(document: bytes) -> tuple[LabelledEntry, ...]:
    """All entries of a document. Raises Unreadable, also for a document without any."""
    entries = tuple(read_entries(document))
    if not entries:
        raise Unreadable("the document has no entry")
    return entries


def write_entries(entries: Iterable[LabelledEntry]) -> Iterator[bytes]:
    """Yield the line of each entry. Raises ValueError for a label or content that no document can carry."""
    for labels in entries:
        if "001" not in labels:
            raise ValueError("an entry begins with label 001")
        parts = []
        for label in sorted(labels):
            content = labels[label]
            if not _LABEL.fullmatch(label):
                raise ValueError(f"{label!r} is no label of three digits")
            if not content.isascii() or not _CONTENT.fullmatch(content):
                raise ValueError(f"label {label}: {shown(content)!r} has a `#`, a line end or a character beyond ASCII")
            parts.append(f"{label}:{content}#")
        yield "".join([*parts, "\n"]).encode("ascii")


def write_report(entries: Iterable[LabelledEntry]) -> bytes:
    """The document of these entries, in canonical form. Raises ValueError as write_entries does."""
    return b"".join(write_entries(entries))


def _fault(raw: RawEntry, labels: Mapping[str, str]) -> str:
    if raw.leftovers:
        return f"{shown(raw.leftovers[0])!r} is no element"
    if raw.unclosed:
        return "its last element is not closed by `#`"
    if raw.too_many:
        return "it has more elements than there are labels"
    if raw.elements[0][0] != "001":
        return "it does not begin with label 001"
    if len(labels) < len(raw.elements):
        return "a label stands twice in it"
    for label, content in labels.items():
        if not content.isascii() or not _CONTENT.fullmatch(content):
            return f"label {label} has a line end or a character beyond ASCII"
    return ""
