"""What the signatures of an ordered statement say, good or bad, by one registry: pure.

Unlike at the door nothing is refused here: the statement is in a batch, and evaluation gives it its verdict.
"""

from collections.abc import Sequence

from services.authentication.core import Door
from slt.bus.messages import Authenticity, Signature
from slt.statements.cbor import DecodeError
from slt.statements.governance import Ordered, parse_endorsement_of, parse_ordered, verify_ordered
from slt.statements.signatures import BadSignature
from slt.statements.statement import verify_endorsement


def authenticity(raw: bytes, endorsements: Sequence[bytes], door: Door) -> Authenticity:
    """Look at a statement or governance statement and what came as its endorsements or approvals."""
    try:
        statement = parse_ordered(raw)
    except DecodeError:
        return Authenticity(
            signature="bad", endorsers=[], unknown_endorsers=[], bad_endorsement=True, spki=b"", endorser_spkis=[]
        )
    author = door.party(statement.kid)
    good: dict[bytes, bytes] = {}  # kid -> key
    unknown: list[bytes] = []
    bad = False
    for endorsement in endorsements:
        match _endorser(endorsement, statement, door):
            case (kid, spki) if spki and kid not in good:
                good[kid] = spki
            case (kid, b"") if kid not in unknown:
                unknown.append(kid)
            case _:
                bad = True
    return Authenticity(
        signature=_signature(statement, b"" if author is None else author.spki),
        endorsers=list(good),
        unknown_endorsers=unknown,
        bad_endorsement=bad,
        spki=b"" if author is None else author.spki,
        endorser_spkis=list(good.values()),
    )


def _signature(statement: Ordered, spki: bytes) -> Signature:
    if not spki:
        return "no key"
    try:
        verify_ordered(statement, spki)
    except BadSignature:
        return "bad"
    return "good"


def _endorser(raw: bytes, statement: Ordered, door: Door) -> tuple[bytes, bytes] | None:
    """Kid and key of who endorsed `statement` with `raw`; the key is b"" if nobody has it. None: it does not hold."""
    try:
        endorsement = parse_endorsement_of(statement, raw)
    except DecodeError:
        return None
    if (endorsement.aud, endorsement.statement_id) != (door.audience, statement.id):
        return None
    endorser = door.party(endorsement.kid)
    if endorser is None:
        return endorsement.kid, b""
    try:
        verify_endorsement(endorsement, endorser.spki)
    except BadSignature:
        return None
    return endorsement.kid, endorser.spki
