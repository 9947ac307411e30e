"""Changes of the ledger on their way: signed here, approved by others in files, sent through the outbox.

A proposal file is the submission message itself: `[1, [[governance statement, [approval...], ""]]]`. Whoever approves
adds an approval to a copy; copies of one statement are put together before it is sent.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from slt.client.errors import WrongUse
from slt.client.files import write_durably
from slt.client.folder import MEMBER, Folder
from slt.client.outbox import Entry
from slt.client.signers import read_signer, signer_of
from slt.statements.cbor import DecodeError, encode
from slt.statements.genesis import Genesis, Identity
from slt.statements.governance import (
    NONCE_BYTES,
    Announcement,
    Change,
    Enrol,
    GovernanceStatement,
    Revoke,
    in_words,
    make_approval,
    make_governance,
    parse_approval,
    parse_governance,
)
from slt.statements.signatures import Signer, ed25519_spki, kid_of
from slt.statements.submission import Submission, decode_submissions, encode_submissions

AREAS: Final = ("", "")  # in the place of State and MBA: a change is about no one area


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatory:
    """Somebody who may sign changes, and whose key is here: an authority, or a member by its governance key."""

    name: str
    signer: Signer
    state: str = ""  # of an authority; "" = a member


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A signed change and the approvals that were collected for it."""

    statement: GovernanceStatement
    approvals: tuple[bytes, ...] = ()

    @property
    def submission(self) -> Submission:
        return Submission(statement=self.statement.raw, endorsements=self.approvals, body_z=b"")

    @property
    def title(self) -> str:
        """What it does, for people."""
        announced = self.statement.announcement
        return f"{in_words(announced.change)}, from block {announced.effective_height} on"

    @property
    def approvers(self) -> list[str]:
        return [parse_approval(raw).iss for raw in self.approvals]

    def save(self, path: Path) -> None:
        write_durably(path, encode_submissions([self.submission]))


def propose(change: Change, by: Signatory, genesis: Genesis, *, effective_height: int, now_ms: int) -> Proposal:
    """Sign `change`. Raises WrongUse when it is too large for one statement."""
    announcement = Announcement(change=change, effective_height=effective_height, nonce=os.urandom(NONCE_BYTES))
    try:
        raw = make_governance(
            by.signer, iss=by.name, aud=genesis.audience, iat=now_ms // 1000, announcement=announcement
        )
    except ValueError as error:
        raise WrongUse(str(error)) from None
    return Proposal(statement=parse_governance(raw))


def approve(proposal: Proposal, by: Signatory, genesis: Genesis, *, now_ms: int) -> Proposal:
    """The proposal with the approval of `by`. Raises WrongUse when that is there already."""
    if proposal.statement.aud != genesis.audience:
        raise WrongUse(f"The change was made for ledger {proposal.statement.aud}, not for {genesis.audience}")
    signed = {proposal.statement.kid, *(parse_approval(raw).kid for raw in proposal.approvals)}
    if by.signer.kid in signed:
        raise WrongUse(f"{by.name} has signed this already")
    approval = make_approval(
        by.signer, iss=by.name, aud=genesis.audience, iat=now_ms // 1000, statement_id=proposal.statement.id
    )
    return replace(proposal, approvals=(*proposal.approvals, approval))


def read_proposal(path: Path) -> Proposal:
    """Raises WrongUse for a file that holds no change, or that cannot be read."""
    try:
        (submission,) = decode_submissions(path.read_bytes())
        for raw in submission.endorsements:
            parse_approval(raw)
        return Proposal(statement=parse_governance(submission.statement), approvals=submission.endorsements)
    except OSError as error:
        raise WrongUse(f"{path}: {error.strerror}") from None
    except (DecodeError, ValueError) as error:
        raise WrongUse(f"{path} is no proposal of a change (slt propose --out makes one): {error}") from None


def put_together(proposals: Iterable[Proposal]) -> list[Proposal]:
    """One proposal for each statement, with the approvals of all its copies, one by each key."""
    found: dict[bytes, Proposal] = {}
    for one in proposals:
        known = found.get(one.statement.id, replace(one, approvals=()))
        kids = {parse_approval(raw).kid for raw in known.approvals}
        new = tuple(raw for raw in one.approvals if parse_approval(raw).kid not in kids)
        found[one.statement.id] = replace(known, approvals=(*known.approvals, *new))
    return list(found.values())


def entry_of(proposal: Proposal, *, label: str, now_ms: int) -> Entry:
    """The row of the outbox: from there it is sent until it is answered."""
    statement, submission = proposal.statement, proposal.submission
    return Entry(
        statement_id=statement.id,
        submission_id=submission.id,
        state=AREAS[0],
        mba=AREAS[1],
        number=0,
        file=label,
        identity=statement.iss,
        document_digest=sha256(statement.payload).digest(),
        statement=statement.raw,
        endorsements=encode(list(proposal.approvals)),
        body_z=b"",
        iat=statement.iat,
        created_ms=now_ms,
    )


def choose_signatory(
    genesis: Genesis, folder: Folder, identities: Sequence[Identity], change: Change, *, called: str
) -> Signatory:
    """Who signs `change`: `called`, or whoever decides about it and has a key here.

    A State's authority decides about its reporters, the members about everything else. Raises WrongUse.
    """
    here = [*authorities(folder, identities), *members(genesis, folder)]
    if called:
        found = [one for one in here if one.name == called]
        what = f"No key of an authority or a member called {called} is here"
    else:
        state = _deciding_state(change, identities)
        found = [one for one in here if one.state == state]
        decides = f"the authority of {state}" if state else "a member"
        what = f"This is decided by {decides}, and no key of that is here"
    if not found:
        names = ", ".join(one.name for one in here) or "nobody"
        raise WrongUse(f"{what}. With a key in {folder.root}: {names} (--as NAME)")
    return found[0]


def authorities(folder: Folder, identities: Iterable[Identity]) -> list[Signatory]:
    """The authorities whose keys are in DIR/keys."""
    return [
        Signatory(name=one.name, signer=signer, state=one.state)
        for one in identities
        if one.role == "authority" and (signer := signer_of(one, folder)) is not None
    ]


def members(genesis: Genesis, folder: Folder) -> list[Signatory]:
    """The member that runs here, by its governance key."""
    path = folder.member / "keys" / "governance.pem"
    if not path.is_file():
        return []
    signer = read_signer(path)
    own = genesis.member(MEMBER)
    return [Signatory(name=own.name, signer=signer)] if kid_of(ed25519_spki(own.governance_key)) == signer.kid else []


def _deciding_state(change: Change, identities: Iterable[Identity]) -> str:
    """The State whose authority decides; "" = the members do."""
    identity = change.identity if isinstance(change, Enrol) else None
    if isinstance(change, Revoke):
        identity = next((one for one in identities if one.kid == change.kid), None)
    return identity.state if identity is not None and identity.role == "reporter" else ""
