"""`.tlog-proof` files: what is written is read again, and nothing else reads as the same proof."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.merkle.hashing import Digest
from slt.merkle.notes import NoteSigner, sign_note
from slt.merkle.tlog_proof import BadTlogProof, TlogProof, parse_tlog_proof
from tests.support.blocks import seed

NOTE = sign_note("log.example/proofs\n9\nAAAA\n", NoteSigner.of("log.example/proofs", seed("log")))

PROOFS = st.builds(
    TlogProof,
    index=st.integers(0, 2**63 - 2),
    path=st.lists(st.binary(min_size=32, max_size=32).map(Digest), max_size=63).map(tuple),
    note=st.just(NOTE),
    extra=st.none() | st.binary(max_size=100),
)


@given(PROOFS)
def test_a_proof_is_read_as_it_was_written(proof: TlogProof) -> None:
    assert parse_tlog_proof(proof.text().encode()) == proof


@given(PROOFS, st.data())
def test_no_other_text_reads_as_the_same_proof(proof: TlogProof, data: st.DataObject) -> None:
    text = bytearray(proof.text().encode())
    text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(BadTlogProof):
        assert parse_tlog_proof(bytes(text)) != proof


@given(st.binary(max_size=300))
def test_any_bytes_are_a_proof_or_are_refused_in_a_sentence(junk: bytes) -> None:
    with pytest.raises(BadTlogProof, match=r"\w"):
        parse_tlog_proof(junk)
    with pytest.raises(BadTlogProof, match=r"\w"):
        parse_tlog_proof(b"c2sp.org/tlog-proof@v1\n" + junk)


def test_a_proof_larger_than_any_is_refused_before_it_is_read() -> None:
    with pytest.raises(BadTlogProof, match="at most"):
        parse_tlog_proof(b"c2sp.org/tlog-proof@v1\n" + b"A" * 12_000_000)
