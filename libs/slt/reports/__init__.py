"""Reports: reading, writing and judging Code 10 (SG-FM-1172) documents. Pure.

`judge` answers with every problem of a document, and with its facts when it has no errors. Start with judgement.py.
"""

from slt.reports.dates import day_anywhere
from slt.reports.facts import BadFacts, EntryFacts, Facts, parse_facts
from slt.reports.findings import Finding, Judgement, Severity
from slt.reports.judgement import FINDINGS_MAX, judge
from slt.reports.labelled import LabelledEntry, Unreadable, read_entries, read_report, write_entries, write_report
from slt.reports.reference import Reference
from slt.reports.rules import RULES_VERSION, RULES_VERSIONS

__all__ = [
    "FINDINGS_MAX",
    "RULES_VERSION",
    "RULES_VERSIONS",
    "BadFacts",
    "EntryFacts",
    "Facts",
    "Finding",
    "Judgement",
    "LabelledEntry",
    "Reference",
    "Severity",
    "Unreadable",
    "day_anywhere",
    "judge",
    "parse_facts",
    "read_entries",
    "read_report",
    "write_entries",
    "write_report",
]
