"""V01 and V02: is the document made of elements, and the elements of entries? (reports.md 1.1, 3.1)"""

from collections.abc import Iterator

from slt.reports.findings import shown
from slt.reports.reader import ELEMENTS_MAX, RawEntry
from slt.reports.rules.registry import Problem, raw_rule


@raw_rule("V01", "reports.md 3.1; SG-FM-1172 data elements")
def whole_elements(raw: RawEntry) -> Iterator[Problem]:
    """The document splits fully into elements `NNN:content#`; nothing is left over."""
    for text in raw.leftovers:
        yield Problem(
            "This text belongs to no data element. Each element is three digits, a colon, its content and `#`; "
            "a `#` must not stand inside a content. Remove the text, or complete the element.",
            value=shown(text.strip()) if text.strip() else "##",
            expected="NNN:content#",
        )
    if raw.unclosed:
        label, content = raw.elements[-1]
        yield Problem(
            "The last element is not closed. Add `#` at its end; if the file was cut short, send it again.",
            label=label,
            value=shown(content),
            expected="#",
        )


@raw_rule("V02", "reports.md 3.1; SG-FM-1172 reports and entries")
def entries_of_distinct_labels(raw: RawEntry) -> Iterator[Problem]:
    """Every entry starts with 001, and no label stands in it twice."""
    elements = raw.elements
    if elements and elements[0][0] != "001":
        label, content = elements[0]
        yield Problem(
            "The document does not begin with label 001. Put the reference number of the report first in each entry.",
            label=label,
            value=shown(content),
            expected="001",
        )
    if raw.too_many:
        yield Problem(
            f"The entry has more than {ELEMENTS_MAX} elements, and there are not as many labels. "
            "Begin each entry with label 001.",
            expected=f"at most {ELEMENTS_MAX} elements",
        )
    seen: set[str] = set()
    for label, content in elements:
        if label in seen:
            yield Problem(
                f"Label {label} stands twice in this entry. Keep one of the two; "
                "or begin a new entry with label 001 where the second one belongs to another entry.",
                label=label,
                value=shown(content),
                expected="once",
            )
        seen.add(label)
