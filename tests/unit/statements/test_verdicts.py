"""The table of codes, and the record of a verdict."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.merkle.hashing import Digest
from slt.statements.cbor import DecodeError, Value, decode, encode
from slt.statements.verdicts import (
    TABLE,
    Code,
    Verdict,
    code_of_rule,
    facts_digest,
    facts_salt,
    findings_digest,
    findings_salt,
    is_final,
    parse_verdict,
    place_of,
    rule_of,
)

DIGESTS = st.binary(min_size=32, max_size=32).map(Digest)
VOID = {
    Code.DUPLICATE,
    Code.OUT_OF_WINDOW,
    Code.KEY_UNKNOWN,
    Code.BAD_SIGNATURE,
    Code.ENDORSEMENT_MISSING,
    Code.ENDORSEMENT_BAD,
    Code.BODY_MISSING,
    Code.BODY_WRONG,
    Code.APPROVAL_MISSING,
    Code.APPROVAL_BAD,
    Code.C02,
}


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    code = draw(st.sampled_from(list(Code)))
    return Verdict(
        statement_id=draw(DIGESTS),
        code=code,
        log_index=draw(st.integers(min_value=1, max_value=2**63 - 1)) if code == Code.ACCEPTED else None,
        evidence=draw(st.none() | DIGESTS),
        rules_version=draw(st.integers(min_value=0, max_value=2**32 - 1)),
        facts_digest=draw(st.none() | DIGESTS),
        findings_digest=draw(st.none() | DIGESTS),
    )


def test_every_code_has_its_row_in_the_order_of_checking() -> None:
    assert list(TABLE) == list(Code)
    names = [row.name for row in TABLE.values()]
    assert len(set(names)) == len(names)
    assert all(row.next_step.endswith(".") for row in TABLE.values())


def test_exactly_these_verdicts_are_void() -> None:
    assert {code for code in Code if not is_final(code)} == VOID
    assert {row.code for row in TABLE.values() if not row.final} == VOID


def test_the_order_is_that_of_formats() -> None:
    """Formats.md: duplicate, out of window, key, signature, A02, A03, endorsement, body, V, C03, C01, C02, other C."""
    wanted = [
        Code.DUPLICATE, Code.OUT_OF_WINDOW, Code.KEY_UNKNOWN, Code.BAD_SIGNATURE, code_of_rule("A02"),
        code_of_rule("A03"), Code.ENDORSEMENT_MISSING, Code.BODY_MISSING, Code.V01, Code.V62, Code.C03, Code.C01,
        Code.C02, Code.C04, Code.C30,
    ]  # fmt: skip
    places = [place_of(code) for code in wanted]
    assert places == sorted(places)


def test_numbers_and_rules_lead_to_each_other() -> None:
    for rule, number in (("V07", 107), ("V62", 162), ("C01", 201), ("C30", 230), ("A05", 2)):
        assert code_of_rule(rule) == number
        assert rule_of(number) == rule
    assert rule_of(Code.ACCEPTED) is None
    with pytest.raises(KeyError):
        code_of_rule("V17")
    for unknown in (-1, 18, 99, 117, 231):
        with pytest.raises(ValueError):
            rule_of(unknown)
        with pytest.raises(ValueError):
            is_final(unknown)


@given(verdicts())
def test_a_verdict_round_trips(verdict: Verdict) -> None:
    assert Verdict.from_value(decode(encode(verdict.to_value()))) == verdict
    assert parse_verdict(verdict.encoded) == verdict


def test_a_verdict_has_a_log_index_exactly_when_it_is_accepted() -> None:
    common: dict[str, Any] = {"statement_id": Digest(bytes(32)), "rules_version": 1}
    with pytest.raises(ValueError, match="log index"):
        Verdict(code=Code.ACCEPTED, **common)
    with pytest.raises(ValueError, match="log index"):
        Verdict(code=Code.V07, log_index=1, **common)
    with pytest.raises(ValueError, match="no verdict code"):
        Verdict(code=18, **common)
    values: list[Value] = [[bytes(32), 18, None, None, 1, None, None], [bytes(32), 0, None, None, 1, None, None]]
    for value in values:
        with pytest.raises(DecodeError):
            Verdict.from_value(value)


def test_the_salts_separate_statements_bodies_and_purposes() -> None:
    seen = {
        facts_salt(bytes(16), bytes(32)),
        facts_salt(bytes(16), b"\1" * 32),
        facts_salt(b"\1" * 16, bytes(32)),
        findings_salt(bytes(16), bytes(32)),
    }
    assert len(seen) == 4


def test_the_digests_depend_on_salt_and_content() -> None:
    rows = [["V07", "error", "OI/3", "446"]]
    assert findings_digest(bytes(32), rows) != findings_digest(b"\1" * 32, rows)
    assert findings_digest(bytes(32), rows) != findings_digest(bytes(32), [])
    assert facts_digest(bytes(32), b"a") != facts_digest(bytes(32), b"b")
    with pytest.raises(ValueError, match="row"):
        findings_digest(bytes(32), [["V07", "error", "OI/3"]])
