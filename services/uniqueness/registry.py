"""GET /v1/registry: who and what the ledger knows now, and which changes wait for their height.

What somebody needs who makes or approves a governance change: the areas as they are, parameters, versions, members.
"""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from services.uniqueness.evaluations import Evaluations
from services.uniqueness.store import Store
from slt.inventory.books import REGISTRY_KINDS, registry_of
from slt.inventory.books import RegistryCopy as Registry
from slt.inventory.keys import prefix
from slt.statements.genesis import Identity, Mba, Member
from slt.statements.governance import Announcement, in_words
from slt.statements.signatures import ed25519_spki, kid_of


class AnnouncedOf(BaseModel):
    kind: str
    effective_height: int
    change: str  # in words
    payload: str  # hex: CBOR of the change


class RegistryOf(BaseModel):
    height: int
    rules_version: int
    reference_version: int
    parameters: dict[str, int]
    areas: list[dict[str, Any]]  # fields of genesis.toml, [[mba]]
    identities: list[dict[str, Any]]  # without revoked ones
    members: list[dict[str, Any]]
    announced: list[AnnouncedOf]  # in the order in which they take effect


async def read_registry(store: Store) -> Registry:
    """The registry after the last final block."""
    return registry_of([record for kind in REGISTRY_KINDS for record in await store.under(prefix(kind))])


def add_registry_route(router: APIRouter, store: Store, evaluations: Evaluations) -> None:
    """The route, read at each question: a person asks it, seldom."""

    @router.get("/registry", summary="Areas, identities, members, parameters, and the changes that wait")
    async def registry() -> RegistryOf:
        found = await read_registry(store)
        return RegistryOf(
            height=evaluations.final.height,
            rules_version=found.parameters["rules_version"],
            reference_version=found.parameters["reference_version"],
            parameters=found.parameters,
            areas=[_area(mba) for mba in found.mbas],
            identities=[_identity(one) for one in found.identities],
            members=[_member(one) for one in found.members],
            announced=[_announced(one) for one in found.announced],
        )


def _area(mba: Mba) -> dict[str, Any]:
    fields = {name: getattr(mba, name) for name in mba.__dataclass_fields__}
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}


def _identity(one: Identity) -> dict[str, Any]:
    return {
        "kid": one.kid.hex(),
        "name": one.name,
        "role": one.role,
        "state": one.state,
        "mbas": list(one.mbas),
        "not_before": one.not_before,
        "not_after": one.not_after,
        "certificate": one.certificate.hex(),
    }


def _member(one: Member) -> dict[str, Any]:
    return {"id": one.id, "name": one.name, "weight": one.weight, "kid": kid_of(ed25519_spki(one.governance_key)).hex()}


def _announced(one: Announcement) -> AnnouncedOf:
    return AnnouncedOf(
        kind=one.kind.name.lower(),
        effective_height=one.effective_height,
        change=in_words(one.change),
        payload=one.encoded.hex(),
    )
