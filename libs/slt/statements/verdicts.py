"""Verdicts: one table of codes, and the record that a block holds for each statement.

The table is in the order of checking: the code of a statement is that of the first check that fails (formats.md).
A *final* verdict is the statement's only one, proved by a receipt. A *void* one is committed with the block and says
nothing about the statement: it spends no id, and a later, better copy is free.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from slt.merkle.hashing import Digest
from slt.statements import shapes
from slt.statements.cbor import DecodeError, Value, encode
from slt.statements.tags import tagged_hash


class Code(IntEnum):
    """Stable numbers: below 100 by hand, a V rule is 100 and a C rule 200 more than its number."""

    ACCEPTED = 0
    DUPLICATE = 1
    OUT_OF_WINDOW = 2
    KEY_UNKNOWN = 3
    BAD_SIGNATURE = 4
    NOT_VALID_AT_IAT = 5  # A02
    MAY_NOT_REPORT = 6  # A03
    ENDORSEMENT_MISSING = 7
    ENDORSEMENT_BAD = 8
    BODY_MISSING = 9
    BODY_WRONG = 10
    NOT_AS_STATED = 11  # A06
    MAY_NOT_GOVERN = 12
    APPROVAL_MISSING = 13
    APPROVAL_BAD = 14
    CHANGE_INVALID = 15
    CHANGE_TOO_LATE = 16
    CHANGE_CONFLICT = 17
    V01 = 101
    V02 = 102
    V03 = 103
    V04 = 104
    V05 = 105
    V06 = 106
    V07 = 107
    V08 = 108
    V09 = 109
    V10 = 110
    V11 = 111
    V12 = 112
    V13 = 113
    V14 = 114
    V15 = 115
    V16 = 116
    V20 = 120
    V21 = 121
    V22 = 122
    V23 = 123
    V24 = 124
    V25 = 125
    V26 = 126
    V27 = 127
    V28 = 128
    V29 = 129
    V30 = 130
    V31 = 131
    V32 = 132
    V33 = 133
    V34 = 134
    V35 = 135
    V36 = 136
    V37 = 137
    V38 = 138
    V39 = 139
    V50 = 150
    V51 = 151
    V52 = 152
    V53 = 153
    V54 = 154
    V55 = 155
    V56 = 156
    V57 = 157
    V58 = 158
    V59 = 159
    V60 = 160
    V61 = 161
    V62 = 162
    C03 = 203
    C01 = 201
    C02 = 202
    C04 = 204
    C05 = 205
    C06 = 206
    C07 = 207
    C08 = 208
    C09 = 209
    C10 = 210
    C11 = 211
    C12 = 212
    C13 = 213
    C14 = 214
    C15 = 215
    C16 = 216
    C17 = 217
    C18 = 218
    C19 = 219
    C20 = 220
    C21 = 221
    C22 = 222
    C23 = 223
    C24 = 224
    C25 = 225
    C26 = 226
    C27 = 227
    C28 = 228
    C29 = 229
    C30 = 230


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is to be known about a code. `rule` is the rule's id, or None where no rule of reports.md is behind it."""

    code: Code
    name: str
    final: bool
    rule: str | None
    next_step: str

    @property
    def label(self) -> str:
        """What a finding shows in its rule column: the rule, or the name."""
        return self.rule or self.name


_AGAIN: Final = "and submit it again under the same number; that makes a new statement."
_CORRECT: Final = f"Correct the file {_AGAIN}"
_BOOKS: Final = f"The ledger's books say otherwise: check the finding, correct the file {_AGAIN}"

_BY_HAND: Final = (
    (Code.ACCEPTED, "accepted", True, None, "Nothing: keep the receipt."),
    (Code.DUPLICATE, "duplicate", False, None, "Nothing: the earlier copy of this statement has the verdict."),
    (
        Code.OUT_OF_WINDOW,
        "out-of-window",
        False,
        "A05",
        "Check the clock of the machine that signs, and submit the same file again; that makes a new statement.",
    ),
    (
        Code.KEY_UNKNOWN,
        "key-unknown",
        False,
        None,
        "Sign with a key that is registered on this ledger, or have your State's authority enrol this one.",
    ),
    (
        Code.BAD_SIGNATURE,
        "bad-signature",
        False,
        "A01",
        "Send the statement exactly as it was signed, or submit the file again; that makes a new statement.",
    ),
    (
        Code.NOT_VALID_AT_IAT,
        "identity-not-valid",
        True,
        "A02",
        "Have your State's authority renew the identity, and submit the same file again; that makes a new statement.",
    ),
    (
        Code.MAY_NOT_REPORT,
        "may-not-report",
        True,
        "A03",
        "Submit the same file as an identity that reports for this MBA; that makes a new statement.",
    ),
    (
        Code.ENDORSEMENT_MISSING,
        "endorsement-missing",
        False,
        "A04",
        "Have your State's authority endorse this statement, and submit it again with the endorsement.",
    ),
    (
        Code.ENDORSEMENT_BAD,
        "endorsement-bad",
        False,
        None,
        "Have your State's authority endorse this statement anew, and submit it again with that endorsement.",
    ),
    (Code.BODY_MISSING, "body-missing", False, None, "Submit the same statement again together with its body."),
    (
        Code.BODY_WRONG,
        "body-wrong",
        False,
        None,
        "Submit the same statement again with the body that it was signed for: salt and document, unchanged.",
    ),
    (
        Code.NOT_AS_STATED,
        "not-as-stated",
        True,
        "A06",
        "Submit the file again, so that the statement names the country, MBA and number that the file holds.",
    ),
    (
        Code.MAY_NOT_GOVERN,
        "may-not-govern",
        True,
        None,
        "Have a State's authority or a member sign the change, under its own name; that makes a new statement.",
    ),
    (
        Code.APPROVAL_MISSING,
        "approval-missing",
        False,
        None,
        "Collect the approvals of those who decide, and submit this statement again with them.",
    ),
    (
        Code.APPROVAL_BAD,
        "approval-bad",
        False,
        None,
        "Submit this statement again without the approval that does not hold, or with a new one.",
    ),
    (Code.CHANGE_INVALID, "change-invalid", True, None, "Correct the change and sign a new statement."),
    (
        Code.CHANGE_TOO_LATE,
        "change-too-late",
        True,
        None,
        "Name a later effective height and sign a new statement.",
    ),
    (
        Code.CHANGE_CONFLICT,
        "change-conflict",
        True,
        None,
        "Look at what is registered and announced, and sign a new statement if the change is still wanted.",
    ),
)

_NEXT_STEP: Final[Mapping[str, str]] = {
    "V15": f"Correct facility and MBA in the file, or have the reference data changed, {_AGAIN}",
    "C03": "Nothing: this document is on the ledger already; the receipt of the first statement is its evidence.",
    "C01": "The number is taken. Give a new report the next free number; correct an accepted one by entries of status "
    "C, D or A in a new report.",
    "C02": "Submit the missing reports first, then this statement again: it is still good.",
    "C05": f"Refer to a live entry: correct label 309 {_AGAIN}",
    "C06": f"The entry was corrected or deleted before: refer to the newest entry of its chain {_AGAIN}",
    "C07": f"Give the added entry a number that is free in the report it joins {_AGAIN}",
}


def _rows() -> dict[Code, Row]:
    rows = {
        code: Row(code=code, name=name, final=final, rule=rule, next_step=step)
        for code, name, final, rule, step in _BY_HAND
    }
    for code in Code:
        if code >= Code.V01:
            step = _NEXT_STEP.get(code.name, _CORRECT if code < Code.C01 else _BOOKS)
            rows[code] = Row(code=code, name=code.name, final=code is not Code.C02, rule=code.name, next_step=step)
    return rows


TABLE: Final[Mapping[Code, Row]] = _rows()
"""Every code in the order of checking."""

_RULES: Final = {row.rule: row.code for row in TABLE.values() if row.rule is not None}
_ORDER: Final = {code: place for place, code in enumerate(TABLE)}
_FINAL: Final = frozenset(int(row.code) for row in TABLE.values() if row.final)
_KNOWN: Final = frozenset(int(code) for code in Code)


def code_of_rule(rule: str) -> Code:
    """The code of a rule such as "V07". Raises KeyError for a rule that has none."""
    return _RULES[rule]


def rule_of(code: int) -> str | None:
    """The rule behind `code`, or None where there is none. Raises ValueError for a number that is no code."""
    return TABLE[Code(code)].rule


def is_final(code: int) -> bool:
    """Whether `code` is a statement's only verdict. Raises ValueError for a number that is no code."""
    if code not in _KNOWN:
        raise ValueError(f"{code} is no verdict code")
    return code in _FINAL


def place_of(code: int) -> int:
    """The place of `code` in the order of checking: of several failed checks the one with the lowest place counts."""
    return _ORDER[Code(code)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the ledger decided about an ordered statement.

    `log_index` is there exactly when it was accepted. `evidence` is the statement that stands against it, if one does.
    Both digests are None when there is no body.
    """

    statement_id: Digest
    code: int
    log_index: int | None = None
    evidence: Digest | None = None
    rules_version: int
    facts_digest: Digest | None = None
    findings_digest: Digest | None = None

    def __post_init__(self) -> None:
        if self.code not in _KNOWN:
            raise ValueError(f"{self.code} is no verdict code")
        if (self.log_index is not None) != (self.code == Code.ACCEPTED):
            raise ValueError("a verdict has a log index exactly when it is 'accepted'")

    @property
    def final(self) -> bool:
        return self.code in _FINAL

    def to_value(self) -> list[Value]:
        return [
            self.statement_id,
            int(self.code),
            self.log_index,
            self.evidence,
            self.rules_version,
            self.facts_digest,
            self.findings_digest,
        ]

    @property
    def encoded(self) -> bytes:
        return encode(self.to_value())

    @classmethod
    def from_value(cls, value: Value) -> "Verdict":
        """Read the array of a verdict. Raises DecodeError."""
        statement_id, code, log_index, evidence, rules_version, facts, findings = shapes.array(value, "verdict", 7)
        try:
            return cls(
                statement_id=shapes.digest(statement_id, "verdict: statement id"),
                code=shapes.integer(code, "verdict: code"),
                log_index=None
                if log_index is None
                else shapes.integer(log_index, "verdict: log index", high=shapes.HEIGHT_MAX),
                evidence=shapes.digest_or_none(evidence, "verdict: evidence"),
                rules_version=shapes.integer(rules_version, "verdict: rules version", high=2**32 - 1),
                facts_digest=shapes.digest_or_none(facts, "verdict: facts digest"),
                findings_digest=shapes.digest_or_none(findings, "verdict: findings digest"),
            )
        except DecodeError:
            raise
        except ValueError as error:
            raise DecodeError(f"verdict: {error}") from None


def parse_verdict(data: bytes) -> Verdict:
    return Verdict.from_value(shapes.opened(data, "verdict", 7, bytes_max=256))


def facts_salt(salt: bytes, statement_id: bytes) -> Digest:
    """The salt'' of formats.md, kept beside the facts."""
    return tagged_hash("facts-salt", salt + statement_id)


def findings_salt(salt: bytes, statement_id: bytes) -> Digest:
    """The salt' of formats.md; the author gets it with the findings."""
    return tagged_hash("finding-salt", salt + statement_id)


def facts_digest(salt: bytes, facts: bytes) -> Digest:
    """`salt` is facts_salt(), `facts` the CBOR of the facts."""
    return tagged_hash("facts", salt + facts)


def findings_digest(salt: bytes, rows: Sequence[Sequence[str]]) -> Digest:
    """`salt` is findings_salt(), `rows` are `[rule, severity, entry, label]` of each finding, in order."""
    if any(len(row) != 4 for row in rows):
        raise ValueError("a row is rule, severity, entry and label")
    return tagged_hash("findings", salt + encode([list(row) for row in rows]))
