import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.bus.nkey import BadNKey, nkey_from_seed, nkey_seed
from slt.statements.signatures import verify_ed25519

# The worked example of the nkeys project's README.
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def test_a_published_example() -> None:
    assert nkey_from_seed(f"{SEED}\n").public == PUBLIC


@given(st.binary(min_size=32, max_size=32))
def test_a_seed_comes_back_from_its_text(seed: bytes) -> None:
    text = nkey_seed(seed)
    assert text.startswith("SU")
    key = nkey_from_seed(text)
    assert (key.signer.seed, key.public[0], len(key.public)) == (seed, "U", 56)


def test_the_nonce_is_signed() -> None:
    key = nkey_from_seed(SEED)
    verify_ed25519(key.signer.public, b"nonce", base64.b64decode(key.signature("nonce")))


@pytest.mark.parametrize("text", ["", "nonsense!", SEED[:-1], SEED[:-1] + "A", SEED.lower(), PUBLIC, "SA" + SEED[2:]])
def test_what_is_no_users_seed_is_named_and_not_quoted(text: str) -> None:
    with pytest.raises(BadNKey) as caught:
        nkey_from_seed(text)
    assert not text or text not in str(caught.value)
