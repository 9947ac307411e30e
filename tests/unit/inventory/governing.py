"""Changes for the tests of governance: announced, signed and approved, as vetting hands them over."""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Any

from slt.inventory.keys import Kind, key
from slt.inventory.vetting import Vetted
from slt.statements.governance import Announcement, Change
from slt.statements.registry import Identity, Mba
from slt.statements.signatures import Signer, signer_from_seed
from tests.unit.inventory.building import NOW_S, Ledger, area, governor, identity

AUTHORITY = identity("authority", role="authority", mbas=())
FOREIGN_AUTHORITY = identity("authority of XM", role="authority", state="XM", mbas=())

_nonces = iter(range(10**9))


def registered(name: str, number: int, *, role: str = "reporter", mbas: tuple[str, ...] = ("XLR1",)) -> Identity:
    """An identity with a key that can be registered: the one of `signer(number)`."""
    made = signer(number)
    return replace(identity(name, role=role, mbas=mbas), spki=made.spki, kid=made.kid)


def signer(number: int) -> Signer:
    return signer_from_seed(bytes([number]) * 32)


def change(
    what: Change,
    *,
    at: int,
    by: Identity | Signer | None = None,
    iss: str | None = None,
    approvals: Iterable[Identity | Signer] = (),
    unknown: tuple[bytes, ...] = (),
    bad: bool = False,
    signature: str = "good",
    iat: int = NOW_S,
) -> Vetted:
    """A governance statement that takes effect `at` a height, by the only member unless `by` says otherwise."""
    author = governor() if by is None else by
    announcement = Announcement(change=what, effective_height=at, nonce=next(_nonces).to_bytes(16, "big"))
    name = author.name if isinstance(author, Identity) else "member 0"
    return Vetted(
        statement_id=sha256(announcement.encoded + author.kid).digest(),
        kid=author.kid,
        iss=name if iss is None else iss,
        iat=iat,
        endorsers=tuple(one.kid for one in approvals),
        unknown_endorsers=unknown,
        bad_endorsement=bad,
        signature=signature,  # type: ignore[arg-type]  # a word of the three
        change=announcement.encoded,
        facts=None,
        no_facts=0,
        findings=(),
        findings_salt=b"",
        facts_salt=b"",
    )


def governed(**fields: Any) -> Ledger:
    """A ledger with an authority of XL and one of XM, two areas, and what `fields` say."""
    given: dict[str, Any] = {
        "identities": (identity(), AUTHORITY, FOREIGN_AUTHORITY),
        "mbas": (area("XLR1"), area("XLF1", last_report_number=100)),
    }
    return Ledger(**{**given, **fields})


def wait_for(ledger: Ledger, height: int) -> None:
    """Empty blocks up to and with `height`."""
    while ledger.head.height < height:
        ledger.block_of()


def has(ledger: Ledger, kind: Kind, *values: str | int | bytes) -> bool:
    return key(kind, *values) in ledger.records


def closed(mba: Mba, day: str) -> Mba:
    return replace(mba, closed=day)
