"""The world file: what a person writes to make a ledger, read by `slt init --from WORLD.toml`.

    origin = "ledger.example/xl"              the log's name; keys and notes carry it
    [parameters]                              optional: any of the table in slt.statements.genesis
    [[member]]      name                      one in private; default: a member with the origin's name
    [[anchor]]      state, certificate, key   optional: a State's CA made elsewhere (PEM files); without `key` its
                                              identities bring certificates
    [[identity]]    name, role, state, mbas, certificate, key
                                              neither file: both are made here; `key` alone: certified here;
                                              `certificate` alone: the key stays elsewhere, signing happens there
    [[mba]]         state, mba, facility, type, kind, flow_kmps, inventory_kmps, opened, closed, profile, endorsement,
                    unified, last_report_number, last_pit, opening

File names are relative to the world file. Dates are "YYYYMMDD". `opening` is a CSV of the last physical inventory.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from slt.client.errors import WrongUse
from slt.reports.profiles import PROFILES

ROLES: Final = ("reporter", "authority", "inspector", "auditor", "operator")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldAnchor:
    state: str
    certificate: Path
    key: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldIdentity:
    name: str
    role: str
    state: str
    mbas: tuple[str, ...]
    certificate: Path | None
    key: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldMba:
    state: str
    mba: str
    facility: str
    type: str
    kind: str
    flow_kmps: tuple[str, ...]
    inventory_kmps: tuple[str, ...]
    opened: str
    closed: str
    profile: str
    endorsement: str
    unified: bool
    last_report_number: int
    last_pit: str
    opening: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    origin: str
    members: tuple[str, ...]
    anchors: tuple[WorldAnchor, ...]
    identities: tuple[WorldIdentity, ...]
    mbas: tuple[WorldMba, ...]
    parameters: dict[str, int] = field(default_factory=dict)

    @property
    def states(self) -> tuple[str, ...]:
        """Every State that has an identity or an anchor, sorted."""
        return tuple(sorted({one.state for one in self.identities} | {one.state for one in self.anchors}))


def read_world(path: Path) -> World:
    """Read and check a world file. Raises WrongUse, naming the place, at the first thing that cannot be meant."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WrongUse(f"{path} is missing") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongUse(f"{path}: {error}") from None
    except RecursionError:
        raise WrongUse(f"{path}: brackets stand within brackets without end") from None
    root = _Table(str(path), table, path.parent)
    world = World(
        origin=root.text("origin"),
        members=tuple(_member(one) for one in root.tables("member")) or (root.text("origin"),),
        anchors=tuple(_anchor(one) for one in root.tables("anchor")),
        identities=tuple(_identity(one) for one in root.tables("identity")),
        mbas=tuple(_mba(one) for one in root.tables("mba")),
        parameters=_parameters(root),
    )
    root.nothing_left()
    _check(path, world)
    return world


def _parameters(root: "_Table") -> dict[str, int]:
    given = root.taken("parameters", {})
    if not isinstance(given, dict) or not all(type(value) is int for value in given.values()):
        raise WrongUse(f"{root.place}: [parameters] are whole numbers, name = value")
    return given


def _member(table: "_Table") -> str:
    name = table.text("name")
    table.nothing_left()
    return name


def _anchor(table: "_Table") -> WorldAnchor:
    certificate = table.file("certificate")
    if certificate is None:
        raise WrongUse(f"{table.place}: certificate is missing (an anchor that is made here needs no entry)")
    anchor = WorldAnchor(state=table.text("state"), certificate=certificate, key=table.file("key"))
    table.nothing_left()
    return anchor


def _identity(table: "_Table") -> WorldIdentity:
    identity = WorldIdentity(
        name=table.text("name"),
        role=table.text("role"),
        state=table.text("state"),
        mbas=table.texts("mbas", ()),
        certificate=table.file("certificate"),
        key=table.file("key"),
    )
    table.nothing_left()
    if identity.role not in ROLES:
        raise WrongUse(f"{table.place}: role {identity.role!r} is not one of {', '.join(ROLES)}")
    if "/" in identity.name or identity.name.startswith(".") or not identity.name.isprintable():
        raise WrongUse(f"{table.place}: {identity.name!r} cannot be the name of an identity (it names a key file)")
    return identity


def _mba(table: "_Table") -> WorldMba:
    mba = WorldMba(
        state=table.text("state"),
        mba=table.text("mba"),
        facility=table.text("facility"),
        type=table.text("type"),
        kind=table.text("kind"),
        flow_kmps=table.texts("flow_kmps"),
        inventory_kmps=table.texts("inventory_kmps"),
        opened=table.text("opened"),
        closed=table.text("closed", ""),
        profile=table.text("profile", "iaea"),
        endorsement=table.text("endorsement", "none"),
        unified=table.flag("unified"),
        last_report_number=table.number("last_report_number", 0),
        last_pit=table.text("last_pit", ""),
        opening=table.file("opening"),
    )
    table.nothing_left()
    if mba.profile not in PROFILES:
        raise WrongUse(f"{table.place}: profile {mba.profile!r} is not one of {', '.join(sorted(PROFILES))}")
    if mba.opening is not None and not mba.last_pit:
        raise WrongUse(f"{table.place}: an opening inventory needs its date (last_pit)")
    return mba


def _check(path: Path, world: World) -> None:
    if not world.mbas:
        raise WrongUse(f"{path}: no [[mba]], so nobody could report")
    for what, names in (
        ("identity", [one.name for one in world.identities]),
        ("mba", [f"{one.state}/{one.mba}" for one in world.mbas]),
        ("anchor", [one.state for one in world.anchors]),
        ("member", list(world.members)),
    ):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise WrongUse(f"{path}: [[{what}]] {', '.join(twice)} stands there more than once")
    known = {(one.state, one.mba) for one in world.mbas}
    for one in world.identities:
        if strangers := [mba for mba in one.mbas if (one.state, mba) not in known]:
            raise WrongUse(
                f"{path}: identity {one.name} names {', '.join(strangers)}, which is no [[mba]] of {one.state}"
            )


class _Table:
    """One table of the file. Every value is taken once; what nobody took is an error, not a silence."""

    def __init__(self, place: str, table: dict[str, Any], base: Path) -> None:
        self.place = place
        self._left = dict(table)
        self._base = base

    def taken(self, name: str, default: Any) -> Any:
        return self._left.pop(name, default)

    def text(self, name: str, default: str | None = None) -> str:
        value = self.taken(name, default)
        if not isinstance(value, str) or (default is None and not value):
            raise WrongUse(f"{self.place}: {name} is missing, or is no text in quotes")
        return value

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        value = self.taken(name, default)
        if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
            raise WrongUse(f'{self.place}: {name} is missing, or is no list of texts ({name} = ["..."])')
        return tuple(value)

    def number(self, name: str, default: int) -> int:
        value = self.taken(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise WrongUse(f"{self.place}: {name} is no whole number from 0")
        return value

    def flag(self, name: str) -> bool:
        value = self.taken(name, False)
        if not isinstance(value, bool):
            raise WrongUse(f"{self.place}: {name} is true or false")
        return value

    def file(self, name: str) -> Path | None:
        """The file that `name` names, which must be there; None when it names none."""
        value = self.text(name, "")
        if not value:
            return None
        path = self._base / value
        if not path.is_file():
            raise WrongUse(f"{self.place}: {name} names {value}, and there is no such file")
        return path

    def tables(self, name: str) -> list["_Table"]:
        value = self.taken(name, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise WrongUse(f"{self.place}: {name} is written as [[{name}]]")
        return [_Table(f"{self.place}: [[{name}]] number {n}", one, self._base) for n, one in enumerate(value, 1)]

    def nothing_left(self) -> None:
        if self._left:
            raise WrongUse(f"{self.place}: nobody reads {', '.join(sorted(self._left))}; is it misspelt?")
