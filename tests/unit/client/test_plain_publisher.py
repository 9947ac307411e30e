"""The README's plain publisher, run as it stands there, makes the same bytes as our own client."""

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from slt.bus.compression import inflate
from slt.client.local.sample import sample_folder
from slt.statements.signatures import signer_from_seed
from slt.statements.statement import CODE10, body_digest, make_body, make_statement, parse_statement, subject_of
from slt.statements.submission import Submission, decode_submissions, message_id

README = Path(__file__).parents[3] / "libs/slt/client/README.md"
AUDIENCE = "safeguards.example/xl#" + "11" * 32
SEED, SALT, IAT = bytes(range(32)), bytes(range(16)), 1_700_000_000


def publisher() -> Callable[..., tuple[bytes, bytes, bytes, bytes]]:
    """The function `publishable` of the README's code block."""
    (code,) = re.findall(r"```python\n(import base64.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(README), "exec"), names)
    function: Callable[..., tuple[bytes, bytes, bytes, bytes]] = names["publishable"]
    return function


def example() -> tuple[bytes, bytes, bytes, bytes]:
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    return publisher()(key, "xlf1", AUDIENCE, "XL/XLF1/104", _document(), SALT, IAT)


def test_the_readme_gives_the_bytes_that_its_code_makes() -> None:
    statement_id, submission_id, message, msg_id = example()
    text = README.read_text(encoding="utf-8")
    for what, value in (
        ("statement id", f"`{statement_id.hex()}`"),
        ("submission id", f"`{submission_id.hex()}`"),
        ("message", f"{len(message)} bytes, SHA-256 `{sha256(message).hexdigest()}`"),
        ("Nats-Msg-Id", f"`{msg_id.hex()}`"),
    ):
        assert f"| {what} | {value} |" in text
    assert f"{len(_document())} bytes" in text


def test_the_plain_publisher_makes_the_statement_that_our_client_makes() -> None:
    statement_id, submission_id, message, msg_id = example()
    (theirs,) = decode_submissions(message)
    body = make_body(SALT, _document())
    ours = make_statement(
        signer_from_seed(SEED),
        iss="xlf1",
        sub=subject_of(SALT, "XL/XLF1/104"),
        aud=AUDIENCE,
        iat=IAT,
        media_type=CODE10,
        digest=body_digest(body),
    )
    assert theirs.statement == ours
    assert parse_statement(ours).id == statement_id
    assert inflate(theirs.body_z, bytes_max=len(body)) == body
    assert Submission(statement=ours, endorsements=(), body_z=theirs.body_z).id == submission_id
    assert message_id([submission_id], 0) == msg_id.hex()


def _document() -> bytes:
    return (sample_folder() / "XLF1-104.code10").read_bytes()
