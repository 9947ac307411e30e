"""enrol, revoke, rotate: who may sign on the ledger, and with which key."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from slt.client.certified import check_certificate
from slt.client.commands.governance import Desk, Manner
from slt.client.errors import WrongUse
from slt.client.files import write_durably, write_private
from slt.client.local.keys import (
    Anchor,
    certificate_der,
    certificate_from_pem,
    certificate_pem,
    certify,
    check_issued,
    key_from_pem,
    new_key,
    private_pem,
    seconds,
    spki_of,
)
from slt.client.registry import Registry
from slt.statements.genesis import GenesisError, Identity
from slt.statements.governance import Enrol, Revoke
from slt.statements.signatures import kid_of

OVERLAP_BLOCKS: Final = 20  # for which an old key still counts beside the new one: statements under way are not lost
HEX_DIGITS: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody to enrol. `key` and `certificate` are files; without both a key is made in DIR/keys."""

    name: str
    role: str
    state: str
    mbas: tuple[str, ...]
    key: Path | None = None
    certificate: Path | None = None


def enrol(person: Person, manner: Manner) -> None:
    desk = Desk(manner)
    identity = _identity(person, desk)
    desk.finish([desk.sign(Enrol(identity=identity))])


def revoke(who: str, manner: Manner) -> None:
    """`who` is a name, or enough of the beginning of a kid."""
    desk = Desk(manner)
    desk.finish([desk.sign(Revoke(kid=_registered(who, desk.registry).kid))])


def rotate(who: str, *, key: Path | None, certificate: Path | None, overlap: int, manner: Manner) -> None:
    """Enrol a new key under the same name, and revoke the old one `overlap` blocks later."""
    if manner.out is not None:
        raise WrongUse("A rotation is two changes: make them with slt enrol --out and slt revoke --out")
    desk = Desk(manner)
    old = _registered(who, desk.registry)
    person = Person(name=old.name, role=old.role, state=old.state, mbas=old.mbas, key=key, certificate=certificate)
    new = _identity(person, desk)
    begins = desk.sign(Enrol(identity=new))
    height = begins.statement.announcement.effective_height + overlap
    desk.finish([begins, desk.sign(Revoke(kid=old.kid), height=height)])


def _registered(who: str, registry: Registry) -> Identity:
    found = [one for one in registry.identities if one.name == who]
    if not found and set(who.lower()) <= HEX_DIGITS:
        found = [one for one in registry.identities if one.kid.hex().startswith(who.lower())]
    if not found:
        names = ", ".join(one.name for one in registry.identities)
        raise WrongUse(f"Nobody called {who} is registered, or revoked already; there are {names}")
    if len(found) > 1:
        kids = ", ".join(one.kid.hex()[:16] for one in found)
        raise WrongUse(f"{who} has {len(found)} keys: name the one by its kid ({kids})")
    return found[0]


def _identity(person: Person, desk: Desk) -> Identity:
    """The identity to enrol, certified by its State's anchor. What is made for it is written to DIR/keys."""
    states = list(desk.genesis.anchors)
    if not person.state and len(states) != 1:
        raise WrongUse(f"Say which State with --state; genesis has anchors of {', '.join(states)}")
    person = replace(person, state=person.state or states[0])
    anchor_der = desk.genesis.anchors.get(person.state)
    if anchor_der is None:
        raise WrongUse(f"Genesis has no anchor of {person.state}; there are {', '.join(desk.genesis.anchors)}")
    anchor = x509.load_der_x509_certificate(anchor_der)
    if person.certificate is not None:
        certificate = certificate_from_pem(read_file(person.certificate), called=str(person.certificate))
        check_issued(certificate, anchor, called=str(person.certificate))
    else:
        certificate = _certified(person, anchor, desk)
    try:
        identity = Identity.of(
            name=person.name,
            certificate=certificate_der(certificate),
            role=person.role,
            state=person.state,
            mbas=tuple(sorted(person.mbas)),
            not_before=seconds(certificate.not_valid_before_utc),
            not_after=seconds(certificate.not_valid_after_utc),
        )
    except GenesisError as error:
        raise WrongUse(str(error)) from None
    check_certificate(identity, desk.genesis)
    place = desk.folder.keys / f"{person.name}.{identity.kid.hex()[:8]}.cert.pem"
    write_durably(place, certificate_pem(certificate))
    return identity


def _certified(person: Person, anchor: x509.Certificate, desk: Desk) -> x509.Certificate:
    """A certificate by the State's anchor, whose key must be here, over the key that was named or is made."""
    anchor_key = desk.folder.root / "anchors" / f"{person.state}.pem"
    if not anchor_key.is_file():
        raise WrongUse(
            f"The key of the anchor of {person.state} is not in {anchor_key.parent}: have the certificate made where "
            "it is, and name it with --certificate"
        )
    signing = Anchor(
        state=person.state,
        certificate=anchor,
        key=key_from_pem(read_file(anchor_key), called=str(anchor_key)),
    )
    key = new_key() if person.key is None else key_from_pem(read_file(person.key), called=str(person.key))
    if person.key is None:
        here = desk.folder.key_file(person.name)
        if here.exists():  # of an earlier key, which signs until it is revoked
            here = desk.folder.keys / f"{person.name}.{kid_of(spki_of(key)).hex()[:8]}.pem"
        write_private(here, private_pem(key))
    return certify(person.name, key, signing, now=datetime.now(UTC))


def read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WrongUse(f"{path}: {error.strerror}") from None
