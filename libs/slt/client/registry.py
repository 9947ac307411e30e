"""What the ledger knows now, as its uniqueness service says: areas, identities, members, parameters, waiting changes.

Genesis is where a ledger began; whoever proposes a change, or signs with a key that was enrolled since, needs to know
where it stands. The answer is one member's word: the ledger judges by its own state, whatever a client was told.
"""

from dataclasses import dataclass
from typing import Any

from slt.client.errors import Unreachable, WrongUse
from slt.client.folder import Addresses
from slt.client.services import ask
from slt.statements.cbor import DecodeError
from slt.statements.genesis import GenesisError, Identity, Mba
from slt.statements.governance import Announcement, parse_announcement


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The registry after the block of `height`."""

    height: int
    rules_version: int
    reference_version: int
    parameters: dict[str, int]
    areas: tuple[Mba, ...]
    identities: tuple[Identity, ...]  # without those that are revoked
    members: tuple[tuple[str, bytes], ...]  # name, kid of the governance key
    announced: tuple[Announcement, ...]  # in the order in which they take effect

    def area(self, name: str) -> Mba:
        """The area called "XL/XLR1", or "XLR1" where one State has it. Raises WrongUse."""
        found = [one for one in self.areas if name in (f"{one.state}/{one.mba}", one.mba)]
        if len(found) != 1:
            there = ", ".join(f"{one.state}/{one.mba}" for one in self.areas)
            raise WrongUse(f"{name} is not one area of this ledger; there are {there}")
        return found[0]


async def fetch_registry(addresses: Addresses) -> Registry:
    """Raises Unreachable when the member does not answer, or with something else."""
    said = await ask(addresses, "uniqueness", "/v1/registry")
    if "problem" in said:
        raise Unreachable(f"The registry cannot be asked for: {said['problem']}")
    try:
        return read_registry(said)
    except (KeyError, TypeError, ValueError, DecodeError, GenesisError) as error:
        raise Unreachable(
            f"The registry as uniqueness gives it cannot be read: {error}. Is this slt up to date?"
        ) from None


def read_registry(said: dict[str, Any]) -> Registry:
    """Read the object of GET /v1/registry. Raises KeyError, TypeError, ValueError, DecodeError, GenesisError."""
    return Registry(
        height=int(said["height"]),
        rules_version=int(said["rules_version"]),
        reference_version=int(said["reference_version"]),
        parameters={str(name): int(value) for name, value in said["parameters"].items()},
        areas=tuple(_area(one) for one in said["areas"]),
        identities=tuple(_identity(one) for one in said["identities"]),
        members=tuple((str(one["name"]), bytes.fromhex(one["kid"])) for one in said["members"]),
        announced=tuple(parse_announcement(bytes.fromhex(one["payload"])) for one in said["announced"]),
    )


def _area(said: dict[str, Any]) -> Mba:
    opening = said["opening"]
    lists = {name: tuple(said[name]) for name in ("flow_kmps", "inventory_kmps")}
    return Mba(**{**said, **lists, "opening": None if opening is None else bytes.fromhex(opening)})


def _identity(said: dict[str, Any]) -> Identity:
    return Identity.of(
        name=said["name"],
        certificate=bytes.fromhex(said["certificate"]),
        role=said["role"],
        state=said["state"],
        mbas=tuple(said["mbas"]),
        not_before=said["not_before"],
        not_after=said["not_after"],
    )
