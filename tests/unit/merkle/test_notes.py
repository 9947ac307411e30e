"""Signed notes and checkpoints: what C2SP says, and nothing beside it."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.merkle.checkpoints import BadCheckpoint, Checkpoint, parse_checkpoint
from slt.merkle.hashing import EMPTY_ROOT, Digest
from slt.merkle.notes import NoteError, NoteSigner, NoteVerifier, open_note, sign_note

ALICE = NoteSigner.of("ledger.example/xl", bytes([1]) * 32)
BOB = NoteSigner.of("witness.example", bytes([2]) * 32)
TEXT = "ledger.example/xl\n7\n" + b64encode(bytes(32)).decode() + "\n"
NOTE = sign_note(TEXT, ALICE)

# The example of the Go package golang.org/x/mod/sumdb/note, from which the C2SP format was taken.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_published_example_opens() -> None:
    verifier = NoteVerifier.from_vkey(PETER)
    assert verifier.vkey == PETER
    assert open_note(PETERS_NOTE, [verifier], exact=True) == PETERS_NOTE.partition("\n\n")[0] + "\n"


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=80))
def test_what_is_signed_opens_to_the_same_text(line: str) -> None:
    text = f"{line}\n\nlast line\n"  # The separator is the last empty line: the text may have its own.
    assert open_note(sign_note(text, ALICE), [ALICE.verifier], exact=True) == text


def test_a_note_by_two_opens_for_either_and_both() -> None:
    note = sign_note(TEXT, ALICE, BOB)
    for verifiers in ([ALICE.verifier], [BOB.verifier], [ALICE.verifier, BOB.verifier]):
        assert open_note(note, verifiers) == TEXT
    assert open_note(note, [ALICE.verifier, BOB.verifier], exact=True) == TEXT


def test_no_changed_character_of_a_note_opens_exactly() -> None:
    for at, char in enumerate(NOTE):
        for other in ("A", "B", "\n", " ", "é"):
            if other != char:
                with pytest.raises(NoteError):
                    open_note(NOTE[:at] + other + NOTE[at + 1 :], [ALICE.verifier], exact=True)
        with pytest.raises(NoteError):
            open_note(NOTE[:at] + NOTE[at + 1 :], [ALICE.verifier], exact=True)


def test_no_flipped_bit_of_a_note_opens_exactly() -> None:
    data = NOTE.encode()
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            note = changed.decode()
        except UnicodeDecodeError:
            continue
        with pytest.raises(NoteError):
            open_note(note, [ALICE.verifier], exact=True)


def test_exactly_means_each_verifier_once_and_nobody_else() -> None:
    both = sign_note(TEXT, ALICE, BOB)
    with pytest.raises(NoteError, match="nobody asked for"):
        open_note(both, [ALICE.verifier], exact=True)
    with pytest.raises(NoteError, match="exactly one"):
        open_note(NOTE, [ALICE.verifier, BOB.verifier], exact=True)
    with pytest.raises(NoteError, match="order"):
        open_note(both, [BOB.verifier, ALICE.verifier], exact=True)


def test_a_known_key_that_fails_refuses_the_note_although_another_holds() -> None:
    forged = sign_note(TEXT, ALICE) + sign_note(TEXT.replace("7", "8"), BOB).rpartition("\n\n")[2]
    assert open_note(forged, [ALICE.verifier]) == TEXT
    with pytest.raises(NoteError, match="does not hold"):
        open_note(forged, [ALICE.verifier, BOB.verifier])


def test_a_signature_that_comes_twice_is_refused() -> None:
    with pytest.raises(NoteError, match="two signatures"):
        open_note(sign_note(TEXT, ALICE, ALICE), [ALICE.verifier])


def test_nobody_known_is_not_enough() -> None:
    with pytest.raises(NoteError, match="no signature by a known key"):
        open_note(NOTE, [BOB.verifier])


def test_a_key_of_the_same_name_is_another_key() -> None:
    with pytest.raises(NoteError, match="no signature by a known key"):
        open_note(NOTE, [NoteSigner.of("ledger.example/xl", bytes([3]) * 32).verifier])


def test_the_spare_bits_of_base64_are_not_free() -> None:
    line = NOTE.removesuffix("\n")
    assert line.endswith("=")
    last = line[-2]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(last) ^ 1]
    with pytest.raises(NoteError, match="spare bits"):
        open_note(line[:-2] + other + "=\n", [ALICE.verifier])


@pytest.mark.parametrize("text", ["", "no newline", "tab\there\n", "carriage\r\n", "nul\0\n", "del\x7f\n"])
def test_a_text_that_cannot_be_signed_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        sign_note(text, ALICE)


def test_a_note_has_a_bounded_number_of_signatures() -> None:
    line = NOTE.rpartition("\n\n")[2]
    with pytest.raises(NoteError, match="1 to 32"):
        open_note(TEXT + "\n" + line * 33, [ALICE.verifier])
    with pytest.raises(NoteError):
        open_note(TEXT + "\n", [ALICE.verifier])


@pytest.mark.parametrize("name", ["", "with space", "with+plus", "with\u2003space", "with\nline", "x" * 256])
def test_a_name_that_would_break_a_line_is_refused(name: str) -> None:
    with pytest.raises(NoteError):
        NoteSigner.of(name, bytes(32))


def test_no_changed_character_of_a_verifier_key_is_the_same_key() -> None:
    for at in range(len(PETER)):
        for other in ("A", "b", "+", "0"):
            if other != PETER[at]:
                with pytest.raises(NoteError):
                    NoteVerifier.from_vkey(PETER[:at] + other + PETER[at + 1 :])


def test_the_seed_of_a_signer_is_not_shown() -> None:
    assert ALICE.seed.hex() not in repr(ALICE) and str(ALICE.seed) not in repr(ALICE)


# Checkpoints


@given(st.integers(min_value=1, max_value=2**63 - 1), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_round_trips(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin="ledger.example/xl", size=size, root=Digest(root))
    assert parse_checkpoint(checkpoint.text()) == checkpoint


ROOT = b64encode(EMPTY_ROOT).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"origin\n0\n{ROOT}",
        f"origin\n0\n{ROOT}\n\n",
        f"origin\n0\n{ROOT}\nextension\n",
        f"\n0\n{ROOT}\n",
        f"two words\n0\n{ROOT}\n",
        f"a+b\n0\n{ROOT}\n",
        f"a#b\n0\n{ROOT}\n",
        f"origin\n00\n{ROOT}\n",
        f"origin\n07\n{ROOT}\n",
        f"origin\n+7\n{ROOT}\n",
        f"origin\n-7\n{ROOT}\n",
        f"origin\n 7\n{ROOT}\n",
        f"origin\n٧\n{ROOT}\n",
        f"origin\n{2**63}\n{ROOT}\n",
        f"origin\n{10**30}\n{ROOT}\n",
        f"origin\n7\n{ROOT[:-1]}\n",
        f"origin\n7\n{ROOT[:-2]}V=\n",
        f"origin\n7\n{b64encode(bytes(31)).decode()}\n",
        f"origin\n0\n{b64encode(bytes(32)).decode()}\n",
    ],
)
def test_what_is_not_exactly_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        parse_checkpoint(text)
