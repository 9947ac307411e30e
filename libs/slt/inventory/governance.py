"""Governance: who decides about a change, how it waits for its height, and when it takes effect (statements README).

    failures       the checks that a governance statement fails, in the order of the verdict table
    announce       an accepted one waits for its height
    take_effect    at the start of a block: what was announced for its height

An accepted change cannot fail at its height: what it stands against is refused when it is ordered, and until then
no other change about the same thing (its *targets*) is taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from slt.inventory.authorisation import Failed, is_authority
from slt.inventory.changes import Now, apply, is_announced_ahead, keys_of_change, objections, targets_of
from slt.inventory.keys import Kind, key
from slt.inventory.members import MemberSet, find_members, find_signatory
from slt.inventory.registry import find_identity, find_ledger
from slt.inventory.state import Draft, Value, require
from slt.inventory.vetting import Vetted
from slt.statements.governance import Announcement, Change, Enrol, Revoke, SetParameter, parse_announcement
from slt.statements.registry import Identity
from slt.statements.verdicts import Code

AHEAD_BLOCKS_MAX: Final = 1_000_000
"""How far ahead a change can be announced: eleven days at a block a second. A mistake must end some day."""
CHANGES_PER_HEIGHT_MAX: Final = 64
"""Changes that take effect with one block: they are applied before anything is judged. Who comes later chooses another
height, so nobody can keep others from changing anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The block that a change is judged in."""

    height: int
    time_ms: int
    activation_blocks: int


def failures(draft: Draft, vetted: Vetted, moment: Moment) -> Iterator[Failed]:
    """Every check that it fails after those of duplicate and window. Raises NeedRecords.

    What it says is looked at only when those who decide have approved it.
    """
    announcement = vetted.read_change()
    assert announcement is not None, "asked for governance statements only"
    members = find_members(draft)
    sound = True
    for failed in _signed(draft, vetted, announcement.change, members):
        sound = False
        yield failed
    if not sound:
        return
    now = Now(draft=draft, statement_id=vetted.statement_id, time_ms=moment.time_ms)
    found = [*objections(now, members, announcement.change), *_in_time(draft, announcement, moment)]
    found += _taken(draft, announcement.change)
    order = (Code.CHANGE_INVALID, Code.CHANGE_TOO_LATE, Code.CHANGE_CONFLICT)
    yield from sorted(found, key=lambda failed: order.index(failed.code))


def announce(draft: Draft, vetted: Vetted) -> None:
    """Write that it waits for its height. Requires that it fails no check."""
    announcement = vetted.read_change()
    assert announcement is not None, "asked for governance statements only"
    due = key(Kind.DUE, announcement.effective_height)
    draft.put(due, [*(draft.get(due) or []), vetted.statement_id])
    draft.put(key(Kind.ANNOUNCED, vetted.statement_id), [vetted.change])
    for target in targets_of(announcement.change):
        draft.put(key(Kind.TARGET, target), [vetted.statement_id])


def take_effect(draft: Draft, *, height: int, time_ms: int, forgotten_iat: int) -> None:
    """Apply what was announced for `height`, in the order of acceptance. Raises NeedRecords.

    `forgotten_iat`: statements with an iat below it have left the state (seconds). Each change of areas moves the
    version of the reference data by one.
    """
    due = key(Kind.DUE, height)
    announced: list[bytes] = draft.get(due) or []
    window_changed = False
    require(draft.parent, [key(Kind.ANNOUNCED, statement_id) for statement_id in announced])
    changes = {one: parse_announcement(_payload(draft, one)).change for one in announced}
    require(draft.parent, set[bytes]().union(*map(keys_of_change, changes.values())))
    for statement_id, change in changes.items():
        now = Now(draft=draft, statement_id=statement_id, time_ms=time_ms)
        if apply(now, change):
            version = key(Kind.PARAMETER, "reference_version")
            draft.put(version, [_known(draft.get(version))[0] + 1])
        window_changed |= isinstance(change, SetParameter) and change.name == "submission_window_s"
        draft.put(key(Kind.ANNOUNCED, statement_id), None)
        for target in targets_of(change):
            draft.put(key(Kind.TARGET, target), None)
    if not announced:
        return
    draft.put(due, None)
    if window_changed:
        _remember_what_is_forgotten(draft, forgotten_iat)


def _signed(draft: Draft, vetted: Vetted, change: Change, members: MemberSet) -> Iterator[Failed]:
    """Key, signature, author, approvals."""
    author = find_signatory(draft, members, vetted.kid)
    if author is None:
        yield Failed(Code.KEY_UNKNOWN, f"The key {vetted.kid.hex()} is not registered on this ledger.")
        return
    if vetted.signature != "good":
        yield Failed(Code.BAD_SIGNATURE, "The signature is not one of the registered key over this statement.")
    if isinstance(author, Identity):
        if not author.not_before <= vetted.iat <= author.not_after:
            yield Failed(
                Code.NOT_VALID_AT_IAT,
                f"The identity {author.name} is not valid at the time of the statement (seconds since 1970).",
                value=str(vetted.iat),
                expected=f"{author.not_before} to {author.not_after}",
            )
        elif draft.get(key(Kind.REVOKED, vetted.kid)) is not None:
            yield Failed(Code.NOT_VALID_AT_IAT, f"The identity {author.name} is revoked.")
        if author.role != "authority":
            yield Failed(
                Code.MAY_NOT_GOVERN,
                f"The identity {author.name} changes nothing on this ledger.",
                value=author.role,
                expected="authority",
            )
    if author.name != vetted.iss:
        yield Failed(
            Code.MAY_NOT_GOVERN,
            "The statement names another issuer than the one whose key signed it.",
            value=vetted.iss,
            expected=author.name,
        )
    yield from _approved(draft, vetted, change, members)
    if vetted.bad_endorsement or vetted.unknown_endorsers:
        yield Failed(
            Code.APPROVAL_BAD,
            "An approval does not hold: its signature is bad, its key unknown, or it is of another statement.",
        )


def _approved(draft: Draft, vetted: Vetted, change: Change, members: MemberSet) -> Iterator[Failed]:
    """Its author's own signature counts: whoever cannot sign it at all is told so by another check."""
    kids = {vetted.kid, *vetted.endorsers}
    state = _deciding_state(draft, change)
    if state is not None:
        if not any(is_authority(draft, find_identity(draft, kid), state, vetted.iat) for kid in kids):
            yield Failed(
                Code.APPROVAL_MISSING, f"The authority of {state} decides about its reporters, and has not signed this."
            )
        return
    given, whole = members.decide(kids)
    if 3 * given <= 2 * whole:
        yield Failed(
            Code.APPROVAL_MISSING,
            "Members with more than 2/3 of the weight decide about this.",
            value=f"{given} of {whole}",
            expected=f"{2 * whole // 3 + 1} of {whole}",
        )


def _deciding_state(draft: Draft, change: Change) -> str | None:
    """The State whose authority decides alone; None: the members do."""
    identity: Identity | None = None
    if isinstance(change, Enrol):
        identity = change.identity
    elif isinstance(change, Revoke):
        identity = find_identity(draft, change.kid)
    return identity.state if identity is not None and identity.role == "reporter" else None


def _in_time(draft: Draft, announcement: Announcement, moment: Moment) -> Iterator[Failed]:
    height = announcement.effective_height
    ahead = moment.activation_blocks if is_announced_ahead(announcement.change) else 1
    earliest = moment.height + ahead
    latest = moment.height + AHEAD_BLOCKS_MAX
    if height < earliest:
        yield Failed(
            Code.CHANGE_TOO_LATE,
            f"A change like this is announced at least {ahead} blocks ahead, and it is ordered in block "
            f"{moment.height}.",
            value=str(height),
            expected=f"{earliest} or later",
        )
    elif height > latest:
        yield Failed(
            Code.CHANGE_INVALID,
            f"A change is announced at most {AHEAD_BLOCKS_MAX} blocks ahead, and it is ordered in block "
            f"{moment.height}.",
            value=str(height),
            expected=f"{earliest} to {latest}",
        )
    elif len(draft.get(key(Kind.DUE, height)) or []) >= CHANGES_PER_HEIGHT_MAX:
        yield Failed(
            Code.CHANGE_CONFLICT,
            f"{CHANGES_PER_HEIGHT_MAX} changes wait for height {height}, and no more take effect at once.",
            value=str(height),
            expected="another height",
        )


def _taken(draft: Draft, change: Change) -> Iterator[Failed]:
    for target in targets_of(change):
        other = draft.get(key(Kind.TARGET, target))
        if other is not None:
            yield Failed(
                Code.CHANGE_CONFLICT,
                f"The change announced by statement {other[0].hex()} is about the same thing and has not taken effect.",
                evidence=other[0],
            )


def _remember_what_is_forgotten(draft: Draft, forgotten_iat: int) -> None:
    """A window that grows must not let in again what had its verdict under the shorter one."""
    ledger = find_ledger(draft)
    if forgotten_iat > ledger.oldest_iat:
        draft.put(key(Kind.LEDGER), replace(ledger, oldest_iat=forgotten_iat).to_value())


def _payload(draft: Draft, statement_id: bytes) -> bytes:
    payload: bytes = _known(draft.get(key(Kind.ANNOUNCED, statement_id)))[0]
    return payload


def _known(value: Value | None) -> Value:
    assert value is not None, "what a record of the state names is in the state"
    return value
