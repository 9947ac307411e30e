import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.bus import messages
from slt.bus.messages import (
    Again,
    Authenticity,
    Block,
    BlockBatch,
    BlockGet,
    EvaluateReply,
    Item,
    Malformed,
    Message,
    ReceiptReply,
    StateReply,
    Timing,
    Validity,
    VetAuthentication,
    VetAuthenticationReply,
    VetValidation,
    VetValidationReply,
    decode,
    encode,
)

ITEM = Item(submission_id=b"s" * 32, statement_id=b"i" * 32, statement=b"cose", state="XL", mba="XLR1")
TOP_LEVEL = [
    Block(
        height=3, header=b"h", certificate=b"c", batches=[BlockBatch(batch=b"b", signature=b"s", items=[ITEM])],
        verdicts=[b"v"], findings=[[("V07", "error", "OI/1", "411", "x", "y", "z")]],
    ),
    BlockGet(from_height=7, count=3),
    EvaluateReply(kind="need_vetting", kids=[b"k" * 32], stale=[b"i" * 32], rules_version=2, reference_version=3),
    VetAuthentication(items=[ITEM]),
    VetAuthenticationReply(
        found=[
            Authenticity(
                signature="good",
                endorsers=[b"e"],
                unknown_endorsers=[b"u"],
                bad_endorsement=False,
                spki=b"p",
                endorser_spkis=[b"q"],
            )
        ]
    ),
    VetValidation(rules_version=2, reference_version=3, items=[ITEM]),
    VetValidationReply(found=[Validity.of(ITEM)]),
    StateReply(
        height=1, block_id=b"b", identities=[b"i"], mbas=[], members=[], parameters={"skew_s": 300, "name": "x"},
        rules_version=1, reference_version=1,
    ),
    ReceiptReply(receipts=[b"r", None]),
    Again(items=[(b"i" * 32, "XL", "XLR1")]),
]  # fmt: skip


@pytest.mark.parametrize("message", TOP_LEVEL, ids=lambda message: type(message).__name__)
def test_every_message_comes_back_as_it_was(message: Message) -> None:
    assert decode(type(message), encode(message)) == message


@pytest.mark.parametrize("message", TOP_LEVEL, ids=lambda message: type(message).__name__)
def test_another_version_is_malformed(message: Message) -> None:
    newer = msgspec.structs.replace(message, v=2)
    with pytest.raises(Malformed, match="of version 2; this program reads version 1"):
        decode(type(message), encode(newer))


@pytest.mark.parametrize("message", TOP_LEVEL, ids=lambda message: type(message).__name__)
def test_bytes_behind_a_message_are_malformed(message: Message) -> None:
    with pytest.raises(Malformed):
        decode(type(message), encode(message) + b"\x00")


def test_every_message_begins_with_its_version_where_it_has_one() -> None:
    structs = [kind for kind in vars(messages).values() if isinstance(kind, type) and issubclass(kind, Message)]
    versioned = [kind for kind in structs if "v" in kind.__struct_fields__]
    assert len(versioned) >= 14
    assert all(kind.__struct_fields__[0] == "v" for kind in versioned)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    for kind in (Block, StateReply, EvaluateReply, list[Item]):
        try:
            decode(kind, data)
        except Malformed:
            continue


@given(st.lists(st.tuples(st.text(max_size=9), st.integers(0, 2**53), st.integers(0, 2**53)), max_size=5), st.binary())
def test_an_item_with_any_content_comes_back(timings: list[tuple[str, int, int]], body: bytes) -> None:
    item = msgspec.structs.replace(
        ITEM, body_z=body, timings=[Timing(stage=s, received_ms=r, done_ms=d) for s, r, d in timings]
    )
    assert decode(list[Item], encode([item])) == [item]
