"""Lay down a ledger of the private model: keys, certificates, genesis, and what each service needs to run here."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from slt.client.errors import WrongUse
from slt.client.files import sync_folder, write_durably, write_private
from slt.client.folder import MEMBER, SERVICES, Folder, Profile
from slt.client.local.keys import (
    Anchor,
    PrivateKey,
    certificate_der,
    certificate_from_pem,
    certificate_pem,
    certificate_spki,
    certify,
    check_anchor,
    check_issued,
    key_from_pem,
    new_anchor,
    new_cosigner_key,
    new_key,
    private_pem,
    seconds,
    spki_of,
)
from slt.client.local.sample import sample_folder
from slt.client.local.world import World, WorldIdentity, WorldMba, read_world
from slt.client.log_policy import LOG_POLICY, policy_text
from slt.merkle.cosignatures import cosigner_key_from_pem, member_cosigner_name
from slt.merkle.notes import NoteSigner
from slt.reports.openings import opening_from_csv
from slt.reports.rules import RULES_VERSION
from slt.statements.genesis import (
    Genesis,
    GenesisError,
    Identity,
    Mba,
    Member,
    TermAuthority,
    all_parameters,
    genesis_from_toml,
    genesis_to_toml,
    parse_genesis,
)
from slt.statements.openings import Opening
from slt.statements.refusals import make_service_certificate
from slt.statements.signatures import Signer, signer_from_pem
from slt.statements.terms import sign_term

PRIVATE_MODEL: Final = "private"
FIRST_TERM: Final = 1
REFERENCE_VERSION: Final = 1
SERVICE_CERTIFICATE_DAYS: Final = 3653  # ten years: refusals are kept, and a member renews its services' keys at will
DAY_MS: Final = 86_400_000

Openings: TypeAlias = dict[tuple[str, str], Opening]  # (State, MBA) -> its opening inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeIdentity:
    """An identity of genesis, its certificate as PEM, and its private key unless that stays elsewhere."""

    identity: Identity
    certificate: bytes
    key: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberKeys:
    """The secrets of the one member of a private ledger, as PEM."""

    governance: bytes
    consensus: bytes
    checkpoint: bytes
    cosigner: bytes
    term_authority: bytes


def init(target: Path, *, world_file: Path | None, model: str, members: int, now: datetime) -> Genesis:
    """Make the working folder `target`. It appears whole or not at all.

    `world_file` None means the sample world, whose reports come along. Raises WrongUse when `target` is there already
    and not empty, when the model is not made yet, and for whatever is wrong with the world file.
    """
    _check_asked(target, model=model, members=members)
    source = world_file if world_file is not None else sample_folder() / "world.toml"
    world = read_world(source)
    if len(world.members) != members:
        raise WrongUse(f"{source} names {len(world.members)} members, and --members says {members}")
    building = target.with_name(f".{target.name}.init")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        genesis = _build(Folder(building), world, now=now)
        if world_file is None:
            shutil.copytree(source.parent, Folder(building).reports, ignore=_all_but_reports)
        building.replace(target)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    sync_folder(target.parent)
    return genesis


def _check_asked(target: Path, *, model: str, members: int) -> None:
    if model != PRIVATE_MODEL:
        raise WrongUse(f"The {model} model cannot be set up yet; --model private can")
    if members != 1:
        raise WrongUse(f"A private ledger that is set up here has one member, not {members}; standbys come later")
    if target.is_dir() and any(target.iterdir()):
        raise WrongUse(
            f"{target} is there already, and its keys are not made twice: choose another folder, or remove it"
        )
    if target.exists() and not target.is_dir():
        raise WrongUse(f"{target} is a file")
    target.parent.mkdir(parents=True, exist_ok=True)


def _build(folder: Folder, world: World, *, now: datetime) -> Genesis:
    keys = MemberKeys(
        governance=private_pem(new_key()),
        consensus=private_pem(new_key()),
        checkpoint=private_pem(new_key()),
        cosigner=private_pem(new_cosigner_key()),
        term_authority=private_pem(new_key()),
    )
    anchors = _anchors(world, now=now)
    identities = [_identity(one, anchors[one.state], now=now) for one in world.identities]
    with_opening = [one for one in world.mbas if one.opening is not None]
    openings = {(one.state, one.mba): _opening(one) for one in with_opening}
    genesis = _genesis(world, keys, anchors, identities, openings)
    _write_public(folder, genesis, openings)
    _write_identities(folder, anchors, identities)
    _write_member(folder, genesis, keys, now_ms=seconds(now) * 1000)
    for place in (folder.bodies, folder.receipts):
        place.mkdir()
    write_durably(folder.profile_file, Profile().toml.encode())
    return genesis


def _anchors(world: World, *, now: datetime) -> dict[str, Anchor]:
    """Each State's CA: the one that the world file names, or a fresh one."""
    given: dict[str, Anchor] = {}
    for one in world.anchors:
        certificate = certificate_from_pem(one.certificate.read_bytes(), called=str(one.certificate))
        check_anchor(certificate, called=str(one.certificate))
        key = None if one.key is None else key_from_pem(one.key.read_bytes(), called=str(one.key))
        if key is not None and spki_of(key) != certificate_spki(certificate):
            raise WrongUse(f"{one.key} is not the key of {one.certificate}")
        given[one.state] = Anchor(state=one.state, certificate=certificate, key=key)
    return {state: given.get(state) or new_anchor(state, now=now) for state in world.states}


def _identity(one: WorldIdentity, anchor: Anchor, *, now: datetime) -> MadeIdentity:
    """Take certificate and key from the world file, or make what it does not name. The chain is checked either way."""
    key: PrivateKey | None = None
    if one.key is not None:
        key = key_from_pem(one.key.read_bytes(), called=str(one.key))
    elif one.certificate is None:
        key = new_key()
    if one.certificate is not None:
        called = str(one.certificate)
        certificate = certificate_from_pem(one.certificate.read_bytes(), called=called)
        check_issued(certificate, anchor.certificate, called=called)
        if key is not None and spki_of(key) != certificate_spki(certificate):
            raise WrongUse(f"{one.key} is not the key of {called}")
    else:
        assert key is not None
        certificate = certify(one.name, key, anchor, now=now)
    identity = Identity.of(
        name=one.name,
        certificate=certificate_der(certificate),
        role=one.role,
        state=one.state,
        mbas=one.mbas,
        not_before=seconds(certificate.not_valid_before_utc),
        not_after=seconds(certificate.not_valid_after_utc),
    )
    return MadeIdentity(
        identity=identity,
        certificate=certificate_pem(certificate),
        key=None if key is None else private_pem(key),
    )


def _opening(one: WorldMba) -> Opening:
    assert one.opening is not None
    try:
        return opening_from_csv(one.opening.read_text(encoding="utf-8"), one.mba, one.last_pit)
    except ValueError as error:
        raise WrongUse(f"{one.opening}: {error}") from None


def _genesis(
    world: World,
    keys: MemberKeys,
    anchors: dict[str, Anchor],
    identities: Sequence[MadeIdentity],
    openings: Openings,
) -> Genesis:
    def mba(one: WorldMba) -> Mba:
        return Mba(
            state=one.state,
            mba=one.mba,
            facility=one.facility,
            type=one.type,
            kind=one.kind,
            flow_kmps=one.flow_kmps,
            inventory_kmps=one.inventory_kmps,
            opened=one.opened,
            closed=one.closed,
            profile=one.profile,
            endorsement=one.endorsement,
            unified=one.unified,
            last_report_number=one.last_report_number,
            last_pit=one.last_pit,
            opening=openings[one.state, one.mba].digest if (one.state, one.mba) in openings else None,
        )

    member = Member(
        id=MEMBER,
        name=world.members[0],
        consensus_key=signer_from_pem(keys.consensus).public,
        weight=1,
        checkpoint_vkey=_checkpoint_signer(world.origin, keys.checkpoint).verifier.vkey,
        governance_key=signer_from_pem(keys.governance).public,
        address="",
    )
    try:
        return Genesis(
            origin=world.origin,
            model=PRIVATE_MODEL,
            parameters=all_parameters(world.parameters),
            members=(member,),
            term_authority=TermAuthority(threshold=1, keys=(signer_from_pem(keys.term_authority).public,)),
            anchors={state: certificate_der(anchor.certificate) for state, anchor in anchors.items()},
            identities=tuple(one.identity for one in identities),
            mbas=tuple(mba(one) for one in world.mbas),
            rules_version=RULES_VERSION,
            reference_version=REFERENCE_VERSION,
        )
    except GenesisError as error:
        raise WrongUse(f"This world makes no ledger: {error}") from None


def _checkpoint_signer(origin: str, pem: bytes) -> NoteSigner:
    seed = signer_from_pem(pem).seed
    assert seed is not None
    return NoteSigner.of(origin, seed)


def _write_public(folder: Folder, genesis: Genesis, openings: Openings) -> None:
    """genesis.toml for people, genesis.cbor for programs. Both are read back: what nobody can read is not a genesis."""
    toml = genesis_to_toml(genesis)
    assert parse_genesis(genesis.encoded).chain_id == genesis.chain_id
    assert genesis_from_toml(toml).chain_id == genesis.chain_id
    write_durably(folder.root / "genesis.toml", toml.encode())
    write_durably(folder.genesis_file, genesis.encoded)
    folder.openings.mkdir()
    for (state, mba), opening in openings.items():  # two States may use one code
        write_durably(folder.openings / f"{state}-{mba}.cbor", opening.encoded)


def _write_identities(folder: Folder, anchors: dict[str, Anchor], identities: Sequence[MadeIdentity]) -> None:
    folder.keys.mkdir(mode=0o700)
    for one in identities:
        write_durably(folder.keys / f"{one.identity.name}.cert.pem", one.certificate)
        if one.key is not None:
            write_private(folder.key_file(one.identity.name), one.key)
    place = folder.root / "anchors"
    place.mkdir(mode=0o700)
    for state, anchor in anchors.items():
        write_durably(place / f"{state}.cert.pem", certificate_pem(anchor.certificate))
        if anchor.key is not None:
            write_private(place / f"{state}.pem", private_pem(anchor.key))


def _write_member(folder: Folder, genesis: Genesis, keys: MemberKeys, *, now_ms: int) -> None:
    """The member's own keys, the services' keys with their certificates, and the sequencer's term certificate."""
    for place in (folder.root / "term-authority", folder.member / "keys", folder.member / "services"):
        place.mkdir(parents=True, mode=0o700)
    write_private(folder.root / "term-authority" / "0.pem", keys.term_authority)
    for name, pem in (
        ("governance", keys.governance),
        ("consensus", keys.consensus),
        ("checkpoint", keys.checkpoint),
        ("cosigner", keys.cosigner),
    ):
        write_private(folder.member / "keys" / f"{name}.pem", pem)
    cosigner = cosigner_key_from_pem(member_cosigner_name(genesis.origin, MEMBER), keys.cosigner).cosigner
    write_durably(folder.root / LOG_POLICY, policy_text(genesis, cosigner).encode())
    governance = signer_from_pem(keys.governance)
    for service in SERVICES:
        pem = private_pem(new_key())
        write_private(folder.member / "services" / f"{service}.pem", pem)
        certificate = _service_certificate(genesis, governance, service, pem, now_ms=now_ms)
        write_durably(folder.member / "services" / f"{service}.cert", certificate)
    term = sign_term(
        [(0, signer_from_pem(keys.term_authority))],
        chain_id=genesis.chain_id,
        term=FIRST_TERM,
        sequencer_key=signer_from_pem(keys.consensus).public,
        start_height=1,
        parent_id=genesis.chain_id,
        not_after=None,
    )
    write_durably(folder.member / "term.cbor", term.encoded)


def _service_certificate(genesis: Genesis, governance: Signer, service: str, pem: bytes, *, now_ms: int) -> bytes:
    certificate = make_service_certificate(
        governance,
        chain_id=genesis.chain_id,
        member=MEMBER,
        service=service,
        key=signer_from_pem(pem).public,
        not_before=now_ms - DAY_MS,
        not_after=now_ms + SERVICE_CERTIFICATE_DAYS * DAY_MS,
    )
    return certificate.encoded


def _all_but_reports(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if not name.endswith(".code10")}


def now_utc() -> datetime:
    return datetime.now(UTC)
