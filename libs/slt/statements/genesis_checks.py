"""What must hold inside a genesis. Each function raises GenesisError with a sentence that names field and fix."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from slt.merkle.checkpoints import BadCheckpoint, check_origin
from slt.merkle.ed25519 import BadSignature, check_on_curve
from slt.merkle.notes import NoteError, NoteVerifier
from slt.statements.cose import NAME_CHARS_MAX
from slt.statements.registry import (
    CODE,
    ENDORSEMENTS,
    KMP,
    MBA_KINDS,
    MBA_TYPES,
    NAME,
    PARAMETERS,
    ROLES,
    GenesisError,
    Identity,
    Mba,
    Member,
    TermAuthority,
    read_certificate,
)
from slt.statements.signatures import algorithm_of, kid_of

MODELS: Final = ("private", "consortium", "public")
STATE_CHARS: Final = 2
"""Of a State code: the country of label 001 (reports.md 1.3)."""
AREA_CHARS: Final = 4
"""Of a facility and of an MBA code: labels 207 and 307."""
REPORT_NUMBER_MAX: Final = 999_999_999
"""Largest report number that label 001 can hold."""

Anchors = Mapping[str, bytes]


def check_head(origin: str, model: str, rules_version: int, reference_version: int) -> None:
    try:
        check_origin(origin)
    except BadCheckpoint as error:
        raise GenesisError(f"origin: {error}") from None
    _one_of(model, MODELS, "model")
    for name, number in (("rules_version", rules_version), ("reference_version", reference_version)):
        if not 1 <= number < 2**32:
            raise GenesisError(f"{name}: must be an integer from 1, not {number}")


def check_parameters(values: Mapping[str, int]) -> None:
    for name, value in values.items():
        known = PARAMETERS[name]
        if type(value) is not int or not known.low <= value <= known.high:
            raise GenesisError(f"parameters: {name} must be {known.low} to {known.high} {known.unit}, not {value}")
    if values["submission_bytes_max"] + values["facts_bytes_max"] > values["block_bytes_max"]:
        raise GenesisError(
            "parameters: submission_bytes_max and facts_bytes_max together must fit block_bytes_max; "
            f"lower them or raise it from {values['block_bytes_max']}"
        )


def check_members(members: Sequence[Member], authority: TermAuthority, *, origin: str, model: str) -> None:
    """Members, and the term authority that a private ledger has."""
    keys = check_member_list(members, origin=origin, model=model)
    if model == "private":
        if not 1 <= authority.threshold <= len(authority.keys):
            raise GenesisError(
                f"term_authority: threshold must be 1 to {len(authority.keys)}, the number of its keys, "
                f"not {authority.threshold}"
            )
        for index, key in enumerate(authority.keys):
            _ed25519(key, f"term_authority: key {index}", keys)
    elif authority.threshold or authority.keys:
        raise GenesisError(f"term_authority: only a private ledger has one; remove it from this {model} ledger")


def check_member_list(members: Sequence[Member], *, origin: str, model: str) -> dict[bytes, str]:
    """Members by themselves. Returns their keys, and whose each is."""
    if not members:
        raise GenesisError("members: there must be at least one")
    if len(members) > 256:
        raise GenesisError(f"members: at most 256, not {len(members)}")
    ids = [member.id for member in members]
    if ids != sorted(set(ids)):
        raise GenesisError(f"members: ids must ascend and be unique, not {ids}")
    _unique([member.name for member in members], "members: name")
    keys: dict[bytes, str] = {}
    for member in members:
        _check_member(member, origin, model, keys)
    return keys


def check_anchors(anchors: Anchors) -> None:
    for state, certificate in anchors.items():
        _code(state, "anchors: State", STATE_CHARS)
        read_certificate(certificate, f"anchor of {state}")


def check_identities(identities: Sequence[Identity], anchors: Anchors, mbas: Sequence[Mba]) -> None:
    _unique([identity.name for identity in identities], "identities: name")
    _unique([identity.kid.hex() for identity in identities], "identities: key (kid)")
    areas = {(mba.state, mba.mba) for mba in mbas}
    for identity in identities:
        what = f"identity {identity.name}"
        check_identity(identity)
        if identity.state not in anchors:
            raise GenesisError(f"{what}: State {identity.state!r} has no anchor; add one or correct the State")
        for mba in identity.mbas:
            if (identity.state, mba) not in areas:
                raise GenesisError(f"{what}: there is no MBA {mba} in State {identity.state}")
        _check_key(identity, what)


def check_identity(identity: Identity) -> None:
    """An identity by itself, without its certificate: what every member sees alike, whatever X.509 library it has."""
    what = f"identity {identity.name}"
    _name(identity.name, "identities: name")
    _one_of(identity.role, ROLES, f"{what}: role")
    _code(identity.state, f"{what}: State", STATE_CHARS)
    _unique(identity.mbas, f"{what}: mbas")
    if identity.role == "reporter" and not identity.mbas:
        raise GenesisError(f"{what}: a reporter names at least one MBA in mbas")
    if not identity.not_before < identity.not_after:
        raise GenesisError(
            f"{what}: not_before ({identity.not_before}) and not_after ({identity.not_after}) must come in this order"
        )
    try:
        algorithm_of(identity.spki)
    except BadSignature as error:
        raise GenesisError(f"{what}: {error}; use an Ed25519, P-256 or ML-DSA-65 key") from None


def check_issued(identities: Sequence[Identity], anchors: Anchors) -> None:
    """Each identity's certificate is issued directly by its State's anchor: for whoever makes or approves a genesis."""
    loaded = {state: x509.load_der_x509_certificate(certificate) for state, certificate in anchors.items()}
    for identity in identities:
        certificate = x509.load_der_x509_certificate(identity.certificate)
        try:
            certificate.verify_directly_issued_by(loaded[identity.state])
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
            raise GenesisError(
                f"identity {identity.name}: its certificate is not issued by the anchor of State {identity.state}; "
                "give a certificate issued by it, or make the issuing CA the anchor"
            ) from None


def check_mbas(mbas: Sequence[Mba]) -> None:
    _unique([f"{mba.state}/{mba.mba}" for mba in mbas], "mbas: State and MBA")
    for mba in mbas:
        check_mba(mba)


def check_mba(mba: Mba) -> None:
    """An area by itself."""
    what = f"mba {mba.state}/{mba.mba}"
    _code(mba.state, f"{what}: state", STATE_CHARS)
    _code(mba.mba, f"{what}: mba", AREA_CHARS)
    _code(mba.facility, f"{what}: facility", AREA_CHARS)
    _one_of(mba.type, MBA_TYPES, f"{what}: type")
    _one_of(mba.kind, MBA_KINDS, f"{what}: kind")
    _one_of(mba.endorsement, ENDORSEMENTS, f"{what}: endorsement")
    if not 1 <= len(mba.profile) <= 32 or not NAME.fullmatch(mba.profile):
        raise GenesisError(f"{what}: profile must be 1 to 32 characters, for example 'iaea'")
    for kmps in (mba.flow_kmps, mba.inventory_kmps):
        if not all(KMP.fullmatch(kmp) for kmp in kmps):
            raise GenesisError(f"{what}: a KMP is 1 or 2 characters of A-Z 0-9, not {list(kmps)}")
        _unique(kmps, f"{what}: KMP")
    if not 0 <= mba.last_report_number < REPORT_NUMBER_MAX:
        raise GenesisError(
            f"{what}: last_report_number must be 0 (none) or the number of the last report, below "
            f"{REPORT_NUMBER_MAX}, which is the last one there can be; not {mba.last_report_number}"
        )
    _check_dates(mba, what)


def _check_dates(mba: Mba, what: str) -> None:
    _date(mba.opened, f"{what}: opened")
    if mba.closed:
        _date(mba.closed, f"{what}: closed")
        if mba.closed < mba.opened:
            raise GenesisError(f"{what}: closed ({mba.closed}) is before opened ({mba.opened})")
    if mba.last_pit:
        _date(mba.last_pit, f"{what}: last_pit")
        if mba.last_pit < mba.opened:
            raise GenesisError(f"{what}: last_pit ({mba.last_pit}) is before opened ({mba.opened})")
    if mba.opening is not None:
        if len(mba.opening) != 32:
            raise GenesisError(f"{what}: opening is the digest of its file, 32 bytes (64 hex digits)")
        if not mba.last_pit:
            raise GenesisError(f"{what}: an opening inventory needs last_pit, the date it was taken")


def _check_member(member: Member, origin: str, model: str, keys: dict[bytes, str]) -> None:
    what = f"member {member.name}"
    _name(member.name, "members: name")
    if not 0 <= member.id < 2**32:
        raise GenesisError(f"{what}: id must be 0 to {2**32 - 1}, not {member.id}")
    if not 1 <= member.weight < 2**32:
        raise GenesisError(f"{what}: weight must be at least 1, not {member.weight}")
    if len(member.address) > 512:
        raise GenesisError(f"{what}: address must be at most 512 characters")
    _ed25519(member.consensus_key, f"{what}: consensus_key", keys)
    _ed25519(member.governance_key, f"{what}: governance_key", keys)
    try:
        verifier = NoteVerifier.from_vkey(member.checkpoint_vkey)
    except NoteError as error:
        raise GenesisError(f"{what}: checkpoint_vkey: {error}") from None
    _ed25519(verifier.public_key, f"{what}: checkpoint_vkey", keys)
    if model == "private" and verifier.name != origin:
        raise GenesisError(
            f"{what}: checkpoint_vkey must have the origin {origin!r} as its name, not {verifier.name!r}"
        )


def _check_key(identity: Identity, what: str) -> None:
    certificate = read_certificate(identity.certificate, what)
    spki = certificate.spki
    if spki != identity.spki:
        raise GenesisError(f"{what}: the certificate holds another key than the one given as spki")
    if identity.kid != kid_of(spki):
        raise GenesisError(f"{what}: kid must be {kid_of(spki).hex()}, the SHA-256 of the certificate's key")
    first, last = certificate.not_before, certificate.not_after
    if not first <= identity.not_before < identity.not_after <= last:
        raise GenesisError(
            f"{what}: not_before ({identity.not_before}) and not_after ({identity.not_after}) must lie, in this order, "
            f"within the certificate's validity, {first} to {last} (seconds since 1970 UTC)"
        )


def _ed25519(key: bytes, what: str, seen: dict[bytes, str]) -> None:
    try:
        check_on_curve(key)
    except BadSignature as error:
        raise GenesisError(f"{what}: {error}; make a new key") from None
    if key in seen:
        raise GenesisError(f"{what}: is the same key as {seen[key]}; every key is used for one thing only")
    seen[key] = what


def _unique(names: Sequence[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise GenesisError(f"{what}: {name!r} comes twice; each must be unique")
        seen.add(name)


def _one_of(value: str, allowed: Sequence[str], what: str) -> None:
    if value not in allowed:
        raise GenesisError(f"{what}: must be one of {', '.join(allowed)}, not {value!r}")


def _name(value: str, what: str) -> None:
    if not 1 <= len(value) <= NAME_CHARS_MAX or not NAME.fullmatch(value):
        raise GenesisError(f"{what}: must be 1 to {NAME_CHARS_MAX} characters without control characters")


def _code(value: str, what: str, length: int) -> None:
    """Reports write these codes in labels of fixed length (V06, V07): an area with a shorter one could never report."""
    if not CODE.fullmatch(value) or len(value) != length:
        raise GenesisError(f"{what}: must be {length} characters of A-Z 0-9 - (fill with -), not {value!r}")


def _date(value: str, what: str) -> None:
    try:
        parsed = date.fromisoformat(f"{value[:4]}-{value[4:6]}-{value[6:]}")
    except ValueError:
        raise GenesisError(f"{what}: must be a date YYYYMMDD, not {value!r}") from None
    if parsed.strftime("%Y%m%d") != value:
        raise GenesisError(f"{what}: must be a date YYYYMMDD, not {value!r}")
