"""A door with two States, five areas and everybody who might knock: what the tests of authentication stand on."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from services.authentication.core import Door
from services.authentication.governance import parties_of
from slt.bus.compression import compress
from slt.reports import Reference
from slt.statements.genesis import Genesis
from slt.statements.signatures import Signer
from slt.statements.statement import (
    CODE10,
    body_digest,
    make_body,
    make_endorsement,
    make_statement,
    parse_statement,
    subject_of,
)
from slt.statements.submission import Submission
from tests.unit.statements.samples import (
    BEGIN,
    DOCUMENT,
    IAT,
    SALT,
    anchor,
    es256_signer,
    genesis_fields,
    identity,
    mba,
    ml_dsa_signer,
    signer,
)

NOW_S = IAT + 60
AUTHOR, SECOND, AUTHORITY, FOREIGN_AUTHORITY, INSPECTOR, EXPIRED, STRANGER = (
    signer(number) for number in range(40, 47)
)
BODY = make_body(SALT, DOCUMENT)


@cache
def genesis() -> Genesis:
    empty = {"last_pit": "", "opening": None}
    return Genesis(
        **genesis_fields(
            parameters={"body_bytes_max": 100_000, "submission_bytes_max": 50_000},
            anchors={"XL": anchor(), "XF": anchor()},
            mbas=(mba(), mba(mba="XLS1", endorsement="state", **empty), mba(mba="XLT1", **empty),
                  mba(state="XF", mba="XFR1", **empty)),
            identities=(
                identity("author", AUTHOR.spki, mbas=("XLR1", "XLS1")),
                identity("second", SECOND.spki, mbas=("XLT1",)),
                identity("authority", AUTHORITY.spki, role="authority", mbas=()),
                identity("foreign authority", FOREIGN_AUTHORITY.spki, role="authority", state="XF", mbas=()),
                identity("inspector", INSPECTOR.spki, role="inspector", mbas=("XLR1",)),
                identity("expired", EXPIRED.spki, not_after=int(BEGIN.timestamp()) + 1),
                identity("P-256", es256_signer().spki),
                identity("ML-DSA", ml_dsa_signer().spki),
            ),
        )
    )  # fmt: skip


def door(**changes: Any) -> Door:
    chain = genesis()
    fields: dict[str, Any] = {
        "audience": chain.audience,
        "identities": {one.kid: one for one in chain.identities},
        "reference": Reference.of(chain.mbas, 1),
        "parameters": dict(chain.parameters),
        "now_s": NOW_S,
        "members": parties_of(chain.members),
    }
    return Door(**{**fields, **changes})


def statement(by: Signer = AUTHOR, **changes: Any) -> bytes:
    names = {one.kid: one.name for one in genesis().identities}
    fields: dict[str, Any] = {
        "iss": names.get(by.kid, "stranger"),
        "sub": subject_of(SALT, "XL/XLR1/41"),
        "aud": genesis().audience,
        "iat": IAT,
        "media_type": CODE10,
        "digest": body_digest(BODY),
    }
    return make_statement(by, **{**fields, **changes})


def submission(by: Signer = AUTHOR, *, body: bytes = BODY, **changes: Any) -> Submission:
    return Submission(statement=statement(by, digest=body_digest(body), **changes), body_z=compress(body))


def endorsed(one: Submission, *endorsers: Signer, **changes: Any) -> Submission:
    fields: dict[str, Any] = {
        "iss": "authority",
        "aud": genesis().audience,
        "iat": IAT + 1,
        "statement_id": parse_statement(one.statement).id,
    }
    made: Callable[[Signer], bytes] = lambda by: make_endorsement(by, **{**fields, **changes})  # noqa: E731 - one use
    return replace(one, endorsements=(*one.endorsements, *map(made, endorsers)))
