"""May this statement be said, by this key, for this area? (reports.md 3.5, formats.md)

Validity is judged at the statement's iat and revocation at the state that is judged against. Who approved an enrolment
has built and checked the certificate chain; here only registry, dates and roles count, so that no version of a library
can make members disagree.
"""

from collections.abc import Iterator
from typing import NamedTuple

from slt.inventory.keys import Kind, key
from slt.inventory.registry import find_identity, find_mba
from slt.inventory.state import Draft
from slt.inventory.vetting import Vetted
from slt.statements.genesis import Identity
from slt.statements.verdicts import Code


class Failed(NamedTuple):
    """One check that the statement fails. The next step stands in the table of verdicts."""

    code: Code
    text: str
    value: str = ""
    expected: str = ""
    evidence: bytes | None = None
    """The statement that stands against it, where its author may know of it."""


def failures(draft: Draft, vetted: Vetted) -> Iterator[Failed]:
    """Every check of key, signature, identity and endorsement that fails, in the order of formats.md.

    What depends on the area is checked when there are facts: without them nobody knows the area, and a later check
    fails anyway. Raises NeedRecords.
    """
    identity = find_identity(draft, vetted.kid)
    if identity is None:
        yield Failed(Code.KEY_UNKNOWN, f"The key {vetted.kid.hex()} is not registered on this ledger.")
        return
    if vetted.signature != "good":
        yield Failed(Code.BAD_SIGNATURE, "The signature is not one of the registered key over this statement.")
    yield from _valid(draft, identity, vetted)
    yield from _may_report(identity, vetted)
    yield from _endorsed(draft, vetted)


def _valid(draft: Draft, identity: Identity, vetted: Vetted) -> Iterator[Failed]:
    """A02."""
    if not identity.not_before <= vetted.iat <= identity.not_after:
        yield Failed(
            Code.NOT_VALID_AT_IAT,
            f"The identity {identity.name} is not valid at the time of the statement (seconds since 1970).",
            value=str(vetted.iat),
            expected=f"{identity.not_before} to {identity.not_after}",
        )
    elif draft.get(key(Kind.REVOKED, vetted.kid)) is not None:
        yield Failed(Code.NOT_VALID_AT_IAT, f"The identity {identity.name} is revoked.")


def _may_report(identity: Identity, vetted: Vetted) -> Iterator[Failed]:
    """A03."""
    if identity.name != vetted.iss:
        yield Failed(
            Code.MAY_NOT_REPORT,
            "The statement names another issuer than the one whose key signed it.",
            value=vetted.iss,
            expected=identity.name,
        )
    if identity.role != "reporter":
        yield Failed(
            Code.MAY_NOT_REPORT,
            f"The identity {identity.name} does not report for facilities.",
            value=identity.role,
            expected="reporter",
        )
    facts = vetted.read_facts()
    if facts is not None and (facts.country != identity.state or facts.mba not in identity.mbas):
        yield Failed(
            Code.MAY_NOT_REPORT,
            f"The identity {identity.name} may not report for this material balance area.",
            value=f"{facts.country}/{facts.mba}",
            expected=", ".join(f"{identity.state}/{mba}" for mba in identity.mbas),
        )


def _endorsed(draft: Draft, vetted: Vetted) -> Iterator[Failed]:
    """A04: the policy of the area is `none` or `state`."""
    facts = vetted.read_facts()
    mba = None if facts is None else find_mba(draft, facts.country, facts.mba)
    if mba is not None and mba.endorsement == "state":
        endorsers = (find_identity(draft, kid) for kid in vetted.endorsers)
        if not any(is_authority(draft, endorser, mba.state, vetted.iat) for endorser in endorsers):
            yield Failed(
                Code.ENDORSEMENT_MISSING,
                f"The area {mba.mba} reports with an endorsement of the authority of {mba.state}; none is good.",
            )
    if vetted.bad_endorsement or vetted.unknown_endorsers:
        yield Failed(
            Code.ENDORSEMENT_BAD,
            "An endorsement does not hold: its signature is bad, its key unknown, or it is of another statement.",
        )


def is_authority(draft: Draft, identity: Identity | None, state: str, iat: int) -> bool:
    """Whether this identity speaks for `state` at `iat` (seconds), and is not revoked."""
    return (
        identity is not None
        and identity.role == "authority"
        and identity.state == state
        and identity.not_before <= iat <= identity.not_after
        and draft.get(key(Kind.REVOKED, identity.kid)) is None
    )
