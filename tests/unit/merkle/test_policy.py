"""Policies: a State, a region and the IAEA as groups; and every line that the format does not allow."""

from itertools import combinations

import pytest

from slt.merkle.checkpoints import Checkpoint
from slt.merkle.cosignatures import CosignerKey, cosigner_key_from_seed
from slt.merkle.hashing import Digest
from slt.merkle.notes import NoteError, NoteSigner, sign_note
from slt.merkle.policy import BadPolicy, PolicyNotMet, parse_policy

LOG = NoteSigner.of("ledger.example/xl", bytes([1]) * 32)
TEXT = Checkpoint(origin=LOG.name, size=7, root=Digest(bytes(32))).text()
KEYS = {name: cosigner_key_from_seed(f"{name}.example", bytes([10 + at]) * 32) for at, name in enumerate("abcdefgh")}


def key(name: str) -> CosignerKey:
    return KEYS[name]


def vkey(name: str) -> str:
    return KEYS[name].cosigner.vkey


WITNESSES = "".join(f"witness {name} {vkey(name)}\n" for name in "abcdefgh")
# Two of three State authorities, one of the region's two, and the IAEA.
SAFEGUARDS = (
    f"# who must have seen it\nlog {LOG.vkey} https://ledger.example/log\n{WITNESSES}"
    "group states 2 a b c\n  group\tregion any d e  \n\ngroup everybody all states region f\nquorum everybody\n"
).encode()


def note(*names: str) -> str:
    return sign_note(TEXT, LOG) + "".join(key(name).cosign(TEXT, 1_700_000_000).line for name in names)


def test_a_quorum_is_met_by_exactly_the_sets_that_the_groups_say() -> None:
    policy = parse_policy(SAFEGUARDS)
    for count in range(9):
        for names in combinations("abcdefgh", count):
            chosen = set(names)
            expected = len(chosen & set("abc")) >= 2 and bool(chosen & set("de")) and "f" in chosen
            assert policy.is_met({key(name).cosigner for name in names}) == expected
            assert (policy.missing({key(name).cosigner for name in names}) == "") == expected


def test_a_checkpoint_that_meets_the_policy_opens_and_one_that_does_not_names_who_is_absent() -> None:
    policy = parse_policy(SAFEGUARDS)
    assert policy.check(note("a", "c", "e", "f")).checkpoint.size == 7
    with pytest.raises(PolicyNotMet, match=r"states \(1 of the 2 that it needs; absent: b, c\)"):
        policy.check(note("a", "e", "f"))
    with pytest.raises(PolicyNotMet, match="7 entries"):
        policy.check(note())


def test_a_cosignature_that_does_not_hold_refuses_the_checkpoint_although_enough_others_do() -> None:
    forged = key("b").cosign(TEXT.replace("7", "8"), 1).line
    with pytest.raises(NoteError, match="does not hold"):
        parse_policy(SAFEGUARDS).check(note("a", "c", "e", "f") + forged)


def test_the_log_must_be_one_of_the_policy_or_given_beside_it() -> None:
    stranger = NoteSigner.of(LOG.name, bytes([9]) * 32)
    policy = parse_policy(SAFEGUARDS)
    with pytest.raises(NoteError, match="known key"):
        policy.check(sign_note(TEXT, stranger))
    none = parse_policy(b"quorum none\n")
    assert none.check(sign_note(TEXT, stranger), [stranger.verifier]).logs == (stranger.verifier,)
    with pytest.raises(NoteError):
        none.check(sign_note(TEXT, stranger))


def test_names_are_octets() -> None:
    kelvin = "\u212a".encode()
    text = f"witness K {vkey('a')}\n".encode() + b"witness " + kelvin + f" {vkey('b')}\n".encode()
    policy = parse_policy(text + b"witness \xff\xfe " + vkey("c").encode() + b"\nquorum " + kelvin + b"\n")
    assert policy.is_met({key("b").cosigner}) and not policy.is_met({key("a").cosigner})
    assert [witness.name for witness in policy.witnesses] == [b"K", kelvin, b"\xff\xfe"]


def test_an_empty_policy_with_a_quorum_of_none_is_one_and_urls_are_kept() -> None:
    assert parse_policy(b"quorum none\n").is_met(())
    policy = parse_policy(f"witness a {vkey('a')} https://witness.example/\nquorum a\n".encode())
    assert policy.witnesses[0].url == "https://witness.example/"
    assert parse_policy(SAFEGUARDS).logs[0].url == "https://ledger.example/log"


def test_256_witnesses_are_read_and_257_are_not() -> None:
    keys = [cosigner_key_from_seed("w", number.to_bytes(32, "big")).cosigner.vkey for number in range(1, 258)]
    lines = [f"witness w{at} {vkey}\n" for at, vkey in enumerate(keys)]
    assert len(parse_policy(("".join(lines[:256]) + "quorum none\n").encode()).witnesses) == 256
    with pytest.raises(BadPolicy, match="line 257: at most 256 witness"):
        parse_policy(("".join(lines) + "quorum none\n").encode())


ONE = f"witness a {vkey('a')}\n"
TWO = ONE + f"witness b {vkey('b')}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no quorum line"),
        (ONE, "no quorum line"),
        ("quorum none", "may have been cut"),
        ("quorum none\r\n", "control characters"),
        ("quorum\x00none\n", "control characters"),
        ("quorum none\x7f\n", "control characters"),
        ("Quorum none\n", "begins no line"),
        ("quorum\u00a0none\n", "begins no line"),
        ("quorum\n", "a quorum line is"),
        ("quorum none none\n", "a quorum line is"),
        ("quorum none\nquorum none\n", "already"),
        (f"quorum a\n{ONE}", "line 1: a is no witness or group of an earlier line"),
        (f"{ONE}quorum b\n", "line 2: b is no witness"),
        (f"{ONE}quorum A\n", "A is no witness"),
        (f"witness none {vkey('a')}\nquorum none\n", "names nobody"),
        (f"{ONE}witness a {vkey('b')}\nquorum a\n", "named by an earlier line"),
        (f"{ONE}witness b {vkey('a')}\nquorum a\n", "would count twice"),
        (f"{ONE}group a all a\nquorum a\n", "named by an earlier line"),
        (f"{ONE}group g all g\nquorum g\n", "g is no witness"),
        (f"{ONE}group g all none\nquorum g\n", "none is no witness"),
        (f"{ONE}group g all\nquorum a\n", "a group line is"),
        (f"{ONE}group g 0 a\nquorum g\n", "all, any, or 1 to 1"),
        (f"{ONE}group g 2 a\nquorum g\n", "all, any, or 1 to 1"),
        (f"{ONE}group g 01 a\nquorum g\n", "all, any, or 1 to 1"),
        (f"{ONE}group g +1 a\nquorum g\n", "all, any, or 1 to 1"),
        (f"{ONE}group g ALL a\nquorum g\n", "all, any, or 1 to 1"),
        (f"{TWO}group g 2 a a\nquorum g\n", "member already"),
        (f"{TWO}group g any a b\ngroup h any a\nquorum g\n", "member already"),
        (f"witness a {LOG.vkey}\nquorum a\n", "cosigner keys have type"),
        (f"log {vkey('a')}\nquorum none\n", "only Ed25519 note keys"),
        (f"log {LOG.vkey}\nlog {LOG.vkey}\nquorum none\n", "earlier line"),
        (f"log {LOG.vkey} url more\nquorum none\n", "a log line is"),
        (f"witness a {vkey('a')} url more\nquorum a\n", "a witness line is"),
        ("witness a\nquorum none\n", "a witness line is"),
        (f"witness a {vkey('a')[:-3]}\nquorum a\n", "line 1"),
    ],
)
def test_what_is_not_a_policy_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(BadPolicy, match=why):
        parse_policy(text.encode())


def test_the_same_key_as_two_logs_under_two_names_is_refused() -> None:
    other = NoteSigner.of("ledger.example/other", bytes([1]) * 32)
    with pytest.raises(BadPolicy, match="earlier line"):
        parse_policy(f"log {LOG.vkey}\nlog {other.vkey}\nquorum none\n".encode())
