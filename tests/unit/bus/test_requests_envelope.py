"""Nobody forges a question or an answer, nor says what was said to one question to another."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from slt.bus.messages import Malformed, Said, decode, encode
from slt.bus.requests import REASON_CHARACTERS_MAX, Declined, Dialogue, said_bytes
from slt.bus.stage import PARTIES, Forged
from slt.bus.subjects import (
    AGAIN,
    BLOCK_GET,
    BLOCK_YOUNG,
    EVALUATE,
    RECEIPT_GET,
    STATE_GET,
    VET_AUTHENTICATION,
    VET_VALIDATION,
)
from slt.statements.refusals import make_service_certificate
from tests.support.blocks import make_world, signer
from tests.support.services import YEAR_MS, certificate_of
from tests.support.signed import dialogue

WORLD = make_world()
README = Path(__file__).parents[3] / "libs/slt/bus/README.md"
SERVICES = ("authentication", "validation", "uniqueness", "consensus", "ledger")
NONCE = bytes(range(32))
LEDGER, CONSENSUS, UNIQUENESS = (dialogue(WORLD, service) for service in ("ledger", "consensus", "uniqueness"))
ASK = LEDGER.ask(BLOCK_YOUNG, b"question", nonce=NONCE)
ANSWER = CONSENSUS.answer(BLOCK_YOUNG, ASK, b"answer")


def altered(data: bytes, **changes: object) -> bytes:
    return encode(msgspec.structs.replace(decode(Said, data), **changes))


def test_the_asker_is_who_the_certificate_names_and_the_answer_comes_back() -> None:
    asked = CONSENSUS.open_ask(BLOCK_YOUNG, ASK)
    assert (asked.asker, asked.payload) == ("ledger", b"question")
    assert LEDGER.open_answer(BLOCK_YOUNG, ASK, ANSWER) == b"answer"


@pytest.mark.parametrize("subject", PARTIES)
@pytest.mark.parametrize("service", SERVICES)
def test_only_those_in_the_table_ask_and_answer(subject: str, service: str) -> None:
    parties, speaker = PARTIES[subject], dialogue(WORLD, service)
    ask = speaker.ask(subject, b"question", nonce=NONCE)
    if service in parties.askers:
        assert dialogue(WORLD, parties.answerer).open_ask(subject, ask).asker == service
    else:
        with pytest.raises(Forged, match=f"'{service}' may not ask on {subject}"):
            dialogue(WORLD, parties.answerer).open_ask(subject, ask)
    asker = dialogue(WORLD, min(parties.askers))
    ask = asker.ask(subject, b"question", nonce=NONCE)
    if service == parties.answerer:
        assert asker.open_answer(subject, ask, speaker.answer(subject, ask, b"answer")) == b"answer"
    else:
        with pytest.raises(Forged, match=f"'{service}' does not answer on {subject}"):
            asker.open_answer(subject, ask, speaker.answer(subject, ask, b"answer"))


def test_every_subject_of_requests_is_in_the_table() -> None:
    assert set(PARTIES) == {
        EVALUATE,
        VET_AUTHENTICATION,
        VET_VALIDATION,
        STATE_GET,
        BLOCK_YOUNG,
        BLOCK_GET,
        RECEIPT_GET,
        AGAIN,
    }


def test_the_readme_has_the_table() -> None:
    rows = [
        f"| `{subject}` | {', '.join(sorted(parties.askers))} | {parties.answerer} |"
        for subject, parties in PARTIES.items()
    ]
    assert "\n".join(rows) in README.read_text()


def test_an_answer_to_another_question_is_refused() -> None:
    other = LEDGER.ask(BLOCK_YOUNG, b"another question", nonce=NONCE)
    with pytest.raises(Forged, match="another question"):
        LEDGER.open_answer(BLOCK_YOUNG, other, ANSWER)


def test_an_answer_to_the_same_question_asked_before_is_refused() -> None:
    again = LEDGER.ask(BLOCK_YOUNG, b"question", nonce=bytes(32))
    with pytest.raises(Forged, match="another question"):
        LEDGER.open_answer(BLOCK_YOUNG, again, ANSWER)
    with pytest.raises(Forged, match="does not fit"):
        LEDGER.open_answer(BLOCK_YOUNG, again, altered(ANSWER, bound=sha256(again).digest()))


def test_an_answer_to_another_service_that_asks_the_same_is_refused() -> None:
    theirs = UNIQUENESS.ask(BLOCK_YOUNG, b"question", nonce=NONCE)
    with pytest.raises(Forged, match="another question"):
        UNIQUENESS.open_answer(BLOCK_YOUNG, theirs, ANSWER)


def test_what_is_said_on_one_subject_is_nothing_on_another() -> None:
    """Uniqueness may ask both for blocks; the ledger answers on three subjects."""
    ask = UNIQUENESS.ask(BLOCK_YOUNG, b"question", nonce=NONCE)
    with pytest.raises(Forged, match=r"said on 'slt\.block\.young'"):
        LEDGER.open_ask(BLOCK_GET, ask)
    with pytest.raises(Forged, match="does not fit"):
        LEDGER.open_ask(BLOCK_GET, altered(ask, subject=BLOCK_GET))
    question = UNIQUENESS.ask(RECEIPT_GET, b"question", nonce=NONCE)
    with pytest.raises(Forged, match=r"said on 'slt\.again'"):
        UNIQUENESS.open_answer(RECEIPT_GET, question, LEDGER.answer(AGAIN, question, b"answer"))


def test_a_question_is_no_answer_and_an_answer_no_question() -> None:
    with pytest.raises(Forged, match="no answer"):
        LEDGER.open_answer(BLOCK_YOUNG, ASK, ASK)
    with pytest.raises(Forged, match="no question"):
        CONSENSUS.open_ask(BLOCK_YOUNG, ANSWER)
    with pytest.raises(Forged, match="does not fit"):
        LEDGER.open_answer(BLOCK_YOUNG, ASK, altered(ANSWER, kind="decline"))


def test_a_decline_is_raised_with_its_reason_and_is_bound_like_an_answer() -> None:
    declined = CONSENSUS.decline(BLOCK_YOUNG, ASK, "ask for less" + "!" * 1000)
    with pytest.raises(Declined) as caught:
        LEDGER.open_answer(BLOCK_YOUNG, ASK, declined)
    assert caught.value.reason.startswith("ask for less!") and len(caught.value.reason) == REASON_CHARACTERS_MAX
    with pytest.raises(Forged, match="does not fit"):
        LEDGER.open_answer(BLOCK_YOUNG, ASK, altered(declined, kind="answer"))


def test_a_neighbour_cannot_ask_in_the_ledgers_name() -> None:
    """The forged `stored` that would make consensus drop blocks."""
    validation = signer("service validation")
    for certificate, fault in (
        (certificate_of(WORLD, "validation"), "certificate is that of 'validation'"),
        (certificate_of(WORLD, "ledger"), "does not fit"),
    ):
        neighbour = Dialogue(WORLD.genesis, member=0, service="ledger", signer=validation, certificate=certificate)
        with pytest.raises(Forged, match=fault):
            CONSENSUS.open_ask(BLOCK_YOUNG, neighbour.ask(BLOCK_YOUNG, b"question", nonce=NONCE))


def test_a_certificate_that_nobody_in_genesis_signed_is_refused() -> None:
    made = make_service_certificate(
        signer("somebody"), chain_id=WORLD.genesis.chain_id, member=0, service="ledger",
        key=signer("service ledger").public, not_before=0, not_after=4_000_000_000_000,
    ).encoded  # fmt: skip
    with pytest.raises(Forged, match="certificate does not hold"):
        CONSENSUS.open_ask(BLOCK_YOUNG, altered(ASK, certificate=made))


def test_a_question_of_another_ledger_or_member_is_refused() -> None:
    elsewhere = dialogue(make_world("another"), "ledger").ask(BLOCK_YOUNG, b"question", nonce=NONCE)
    with pytest.raises(Forged, match="certificate does not hold"):
        CONSENSUS.open_ask(BLOCK_YOUNG, elsewhere)
    for member in (1, -1, 2**63):
        with pytest.raises(Forged, match=f"sealed by member {member}"):
            CONSENSUS.open_ask(BLOCK_YOUNG, altered(ASK, member=member))


def test_a_certificate_out_of_date_is_refused_even_when_it_is_known() -> None:
    now = [2_000_000_000_000]
    certificate = certificate_of(WORLD, "ledger", now_ms=now[0])
    by = Dialogue(WORLD.genesis, member=0, service="ledger", signer=signer("service ledger"), certificate=certificate)
    ask = by.ask(BLOCK_YOUNG, b"question", nonce=NONCE)
    reader = Dialogue(
        WORLD.genesis, member=0, service="consensus", signer=signer("service consensus"),
        certificate=certificate_of(WORLD, "consensus"), now_ms=lambda: now[0],
    )  # fmt: skip
    assert reader.open_ask(BLOCK_YOUNG, ask).payload == b"question"
    now[0] += 2 * YEAR_MS
    with pytest.raises(Forged, match="not valid now"):
        reader.open_ask(BLOCK_YOUNG, ask)


@pytest.mark.parametrize(
    ("data", "read"),
    [(ASK, lambda data: CONSENSUS.open_ask(BLOCK_YOUNG, data)),
     (ANSWER, lambda data: LEDGER.open_answer(BLOCK_YOUNG, ASK, data))],
    ids=["question", "answer"],
)  # fmt: skip
def test_every_flipped_byte_is_refused(data: bytes, read: Callable[[bytes], object]) -> None:
    for position in range(len(data)):
        broken = bytearray(data)
        broken[position] ^= 1
        with pytest.raises((Forged, Malformed)):
            read(bytes(broken))


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"garbage" * 100, ASK[:-1], ASK + b"\x00", encode(decode(Said, ASK))[1:]]
)
def test_bytes_that_nobody_signed_are_refused(data: bytes) -> None:
    with pytest.raises((Forged, Malformed)):
        CONSENSUS.open_ask(BLOCK_YOUNG, data)
    with pytest.raises((Forged, Malformed)):
        LEDGER.open_answer(BLOCK_YOUNG, ASK, data)


@pytest.mark.parametrize("nonce", [b"", bytes(31), bytes(33)])
def test_a_nonce_of_another_length_is_refused(nonce: bytes) -> None:
    with pytest.raises(Forged, match=f"bound to {len(nonce)} bytes"):
        CONSENSUS.open_ask(BLOCK_YOUNG, LEDGER.ask(BLOCK_YOUNG, b"question", nonce=nonce))


def test_a_long_name_is_malformed_and_never_quoted() -> None:
    with pytest.raises(Malformed) as caught:
        CONSENSUS.open_ask(BLOCK_YOUNG, altered(ASK, service="x" * 1_000_000))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("kind", ["ask", "answer", "decline"])
def test_the_signature_covers_what_the_docstring_says(kind: str) -> None:
    """Byte by byte, so that a service in another language can be written from it."""
    payload = sha256(b"payload").digest()
    expected = (
        f"slt/{kind.upper()}/v1".encode().ljust(32, b"\0")
        + WORLD.genesis.chain_id
        + bytes([0, 0, 0, 12])
        + b"slt.evaluate"
        + bytes([0, 0, 0, 9])
        + b"consensus"
        + bytes([0, 0, 0, 0, 0, 0, 0, 3])
        + NONCE
        + payload
    )
    chain_id = WORLD.genesis.chain_id
    assert said_bytes(kind, chain_id, "slt.evaluate", "consensus", 3, NONCE, payload) == expected  # type: ignore[arg-type]  # a parameter is str
