"""The readable source of a genesis. Keys are hex, certificates base64 (PEM is read too), dates are TOML dates."""

import json
import tomllib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from slt.statements.registry import GenesisError, Identity, Mba, Member, TermAuthority

Table = Mapping[str, Any]

_TOP: Final = frozenset(
    {
        "origin",
        "model",
        "rules_version",
        "reference_version",
        "parameters",
        "term_authority",
        "anchors",
        "member",
        "identity",
        "mba",
    }
)
_MEMBER: Final = frozenset({"id", "name", "consensus_key", "weight", "checkpoint_vkey", "governance_key", "address"})
_IDENTITY: Final = frozenset({"name", "certificate", "kid", "role", "state", "mbas", "not_before", "not_after"})
_MBA: Final = frozenset(Mba.__dataclass_fields__)


def read(text: str) -> dict[str, Any]:
    """The fields of a Genesis out of its TOML. Raises GenesisError, naming the field, for whatever is not one."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GenesisError(f"the genesis is not TOML: {error}") from None
    except RecursionError:
        raise GenesisError("the genesis is not TOML: brackets stand within brackets without end") from None
    _only(table, _TOP, "genesis")
    authority = _table(table, "term_authority", "genesis")
    _only(authority, frozenset({"threshold", "keys"}), "term_authority")
    anchors = _table(table, "anchors", "genesis")
    return {
        "origin": _text(table, "origin", "genesis"),
        "model": _text(table, "model", "genesis"),
        "parameters": _integers(_table(table, "parameters", "genesis")),
        "members": tuple(_member(item) for item in _tables(table, "member")),
        "term_authority": TermAuthority(
            threshold=_integer(authority, "threshold", "term_authority", 0),
            keys=tuple(_hex(key, "term_authority: keys") for key in _texts(authority, "keys", "term_authority")),
        ),
        "anchors": {state: _der(text, f"anchor of {state}") for state, text in anchors.items()},
        "identities": tuple(_identity(item) for item in _tables(table, "identity")),
        "mbas": tuple(_mba(item) for item in _tables(table, "mba")),
        "rules_version": _integer(table, "rules_version", "genesis", 1),
        "reference_version": _integer(table, "reference_version", "genesis", 1),
    }


def write(
    *,
    origin: str,
    model: str,
    rules_version: int,
    reference_version: int,
    parameters: Mapping[str, int],
    term_authority: TermAuthority,
    anchors: Mapping[str, bytes],
    members: Sequence[Member],
    identities: Sequence[Identity],
    mbas: Sequence[Mba],
) -> str:
    """The TOML that read() gives back as the same fields."""
    lines = [
        f"origin = {_quoted(origin)}",
        f"model = {_quoted(model)}",
        f"rules_version = {rules_version}",
        f"reference_version = {reference_version}",
        "",
        "[parameters]",
        *(f"{name} = {value}" for name, value in parameters.items()),
        "",
        "[term_authority]",
        f"threshold = {term_authority.threshold}",
        f"keys = {_list([key.hex() for key in term_authority.keys])}",
        "",
        "[anchors]  # State = its CA certificate",
        *(f"{_quoted(state)} = {_quoted(b64encode(der).decode())}" for state, der in anchors.items()),
    ]
    for member in members:
        lines += _member_lines(member)
    for identity in identities:
        lines += _identity_lines(identity)
    for mba in mbas:
        lines += _mba_lines(mba)
    return "\n".join(lines) + "\n"


def read_areas(text: str) -> list[Mba]:
    """The areas of a TOML text with [[mba]] tables and nothing else, for a governance change. Raises GenesisError."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GenesisError(str(error)) from None
    except RecursionError:
        raise GenesisError("brackets stand within brackets without end") from None
    _only(tables, frozenset({"mba"}), "file of areas")
    areas = [_mba(table) for table in _tables(tables, "mba")]
    if not areas:
        raise GenesisError("there is no [[mba]] in it")
    return areas


def write_areas(areas: Sequence[Mba]) -> str:
    """The text that `read_areas` reads."""
    return "\n".join(line for mba in areas for line in _mba_lines(mba)).lstrip() + "\n"


def _member_lines(member: Member) -> list[str]:
    return [
        "",
        "[[member]]",
        f"id = {member.id}",
        f"name = {_quoted(member.name)}",
        f"consensus_key = {_quoted(member.consensus_key.hex())}",
        f"weight = {member.weight}",
        f"checkpoint_vkey = {_quoted(member.checkpoint_vkey)}",
        f"governance_key = {_quoted(member.governance_key.hex())}",
        f"address = {_quoted(member.address)}",
    ]


def _identity_lines(identity: Identity) -> list[str]:
    return [
        "",
        "[[identity]]",
        f"name = {_quoted(identity.name)}",
        f"role = {_quoted(identity.role)}",
        f"state = {_quoted(identity.state)}",
        f"mbas = {_list(identity.mbas)}",
        f"not_before = {_moment(identity.not_before)}",
        f"not_after = {_moment(identity.not_after)}",
        f"kid = {_quoted(identity.kid.hex())}  # SHA-256 of the certificate's key",
        f"certificate = {_quoted(b64encode(identity.certificate).decode())}",
    ]


def _mba_lines(mba: Mba) -> list[str]:
    lines = [
        "",
        "[[mba]]",
        f"state = {_quoted(mba.state)}",
        f"mba = {_quoted(mba.mba)}",
        f"facility = {_quoted(mba.facility)}",
        f"type = {_quoted(mba.type)}",
        f"kind = {_quoted(mba.kind)}",
        f"flow_kmps = {_list(mba.flow_kmps)}",
        f"inventory_kmps = {_list(mba.inventory_kmps)}",
        f"opened = {_dashed(mba.opened)}",
        f"profile = {_quoted(mba.profile)}",
        f"endorsement = {_quoted(mba.endorsement)}",
        f"unified = {'true' if mba.unified else 'false'}",
        f"last_report_number = {mba.last_report_number}",
    ]
    if mba.closed:
        lines.append(f"closed = {_dashed(mba.closed)}")
    if mba.last_pit:
        lines.append(f"last_pit = {_dashed(mba.last_pit)}")
    if mba.opening is not None:
        lines.append(f"opening = {_quoted(mba.opening.hex())}  # digest of the opening file")
    return lines


def _member(table: Table) -> Member:
    name = _text(table, "name", "member")
    what = f"member {name}"
    _only(table, _MEMBER, what)
    return Member(
        id=_integer(table, "id", what),
        name=name,
        consensus_key=_hex(_text(table, "consensus_key", what), f"{what}: consensus_key"),
        weight=_integer(table, "weight", what, 1),
        checkpoint_vkey=_text(table, "checkpoint_vkey", what),
        governance_key=_hex(_text(table, "governance_key", what), f"{what}: governance_key"),
        address=_text(table, "address", what, ""),
    )


def _identity(table: Table) -> Identity:
    name = _text(table, "name", "identity")
    what = f"identity {name}"
    _only(table, _IDENTITY, what)
    identity = Identity.of(
        name=name,
        certificate=_der(_text(table, "certificate", what), what),
        role=_text(table, "role", what),
        state=_text(table, "state", what),
        mbas=_texts(table, "mbas", what),
        not_before=_seconds(table, "not_before", what),
        not_after=_seconds(table, "not_after", what),
    )
    if "kid" in table and _text(table, "kid", what) != identity.kid.hex():
        raise GenesisError(f"{what}: kid must be {identity.kid.hex()}, the SHA-256 of the certificate's key")
    return identity


def _mba(table: Table) -> Mba:
    what = f"mba {_text(table, 'state', 'mba')}/{_text(table, 'mba', 'mba')}"
    _only(table, _MBA, what)
    if type(table.get("unified", False)) is not bool:
        raise GenesisError(f"{what}: unified must be true or false")
    opening = _text(table, "opening", what, "")
    return Mba(
        state=_text(table, "state", what),
        mba=_text(table, "mba", what),
        facility=_text(table, "facility", what),
        type=_text(table, "type", what),
        kind=_text(table, "kind", what),
        flow_kmps=_texts(table, "flow_kmps", what),
        inventory_kmps=_texts(table, "inventory_kmps", what),
        opened=_day(table, "opened", what),
        closed=_day(table, "closed", what),
        profile=_text(table, "profile", what, "iaea"),
        endorsement=_text(table, "endorsement", what, "none"),
        unified=table.get("unified", False),
        last_report_number=_integer(table, "last_report_number", what, 0),
        last_pit=_day(table, "last_pit", what),
        opening=_hex(opening, f"{what}: opening") if opening else None,
    )


def _only(table: Table, names: frozenset[str], what: str) -> None:
    for name in table:
        if name not in names:
            raise GenesisError(f"{what}: {name!r} is not known; the names are {', '.join(sorted(names))}")


def _text(table: Table, name: str, what: str, default: str | None = None) -> str:
    value = table.get(name, default)
    if value is None:
        raise GenesisError(f"{what}: {name} is missing")
    if type(value) is not str:
        raise GenesisError(f"{what}: {name} must be text in quotes")
    return value


def _texts(table: Table, name: str, what: str) -> tuple[str, ...]:
    value = table.get(name, [])
    if type(value) is not list or any(type(item) is not str for item in value):
        raise GenesisError(f"{what}: {name} must be a list of texts")
    return tuple(value)


def _integer(table: Table, name: str, what: str, default: int | None = None) -> int:
    value = table.get(name, default)
    if type(value) is not int:
        raise GenesisError(f"{what}: {name} must be an integer")
    return value


def _integers(table: Table) -> dict[str, int]:
    return {name: _integer(table, name, "parameters") for name in table}


def _table(table: Table, name: str, what: str) -> Table:
    value = table.get(name, {})
    if type(value) is not dict:
        raise GenesisError(f"{what}: [{name}] must be a table")
    return value


def _tables(table: Table, name: str) -> list[Table]:
    value = table.get(name, [])
    if type(value) is not list or any(type(item) is not dict for item in value):
        raise GenesisError(f"genesis: [[{name}]] must be a list of tables")
    return value


def _hex(value: str, what: str) -> bytes:
    try:
        data = bytes.fromhex(value)
    except ValueError:
        raise GenesisError(f"{what}: must be 64 hex digits") from None
    if len(data) != 32:
        raise GenesisError(f"{what}: must be 32 bytes (64 hex digits), not {len(data)}")
    return data


def _der(value: object, what: str) -> bytes:
    """A certificate as base64 of its DER, or as PEM."""
    if type(value) is not str:
        raise GenesisError(f"{what}: the certificate must be text: PEM, or base64 of its DER")
    lines = [line for line in value.split() if line]
    if "-----BEGIN" in value:
        inner = value.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END CERTIFICATE-----")[0]
        lines = inner.split()
    try:
        return b64decode("".join(lines), validate=True)
    except (Base64Error, ValueError):
        raise GenesisError(f"{what}: the certificate is neither PEM nor base64") from None


def _seconds(table: Table, name: str, what: str) -> int:
    """Seconds since 1970 UTC of a TOML date-time with its offset, or of a date at midnight UTC."""
    value = table.get(name)
    if isinstance(value, datetime):
        if value.tzinfo is None or value.microsecond:
            raise GenesisError(f"{what}: {name} must be in whole seconds with an offset, as 2026-01-31T00:00:00Z")
        return int(value.timestamp())
    if isinstance(value, date):
        return int(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp())
    raise GenesisError(f"{what}: {name} must be a date or date-time, as 2026-01-31T00:00:00Z")


def _day(table: Table, name: str, what: str) -> str:
    """YYYYMMDD of a TOML date or of such a text; "" when it is not there."""
    value = table.get(name, "")
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.strftime("%Y%m%d")
    if type(value) is not str:
        raise GenesisError(f"{what}: {name} must be a date, as 2026-01-31")
    return value


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _dashed(day: str) -> str:
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # A JSON string without control characters is a TOML string.


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(_quoted(text) for text in texts) + "]"
