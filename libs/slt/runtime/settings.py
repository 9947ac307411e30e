"""Settings: a frozen dataclass whose every field names its variable, unit, default and reason.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Config(BaseConfig):
        hold_s: Annotated[float, setting("SLT_HOLD_S", unit="s", minimum=1, reason="a predecessor may be late")] = 300.0

    config = load(Config, os.environ)

Read once, in main, and checked there. Every problem is found in one go, and each names variable, value and fix.
Secrets come as file paths and have no default.
"""

import dataclasses
import ipaddress
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit


class SettingsError(Exception):
    """The environment does not make a valid configuration. One line for each problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a field says about itself."""

    variable: str
    unit: str
    reason: str
    minimum: float
    maximum: float
    must_exist: bool  # a path to something that is there
    secret: bool  # never shown


def setting(
    variable: str,
    *,
    reason: str,
    unit: str = "",
    minimum: float = -math.inf,
    maximum: float = math.inf,
    must_exist: bool = False,
    secret: bool = False,
) -> Setting:
    """The annotation of a field that is read from `variable`. Types: str, int, float, bool, Path, Literal, `X | None`.

    A field without a default must be set.
    """
    return Setting(
        variable=variable,
        unit=unit,
        reason=reason,
        minimum=minimum,
        maximum=maximum,
        must_exist=must_exist,
        secret=secret,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """The settings of every program that works on a service's folder, also while the service does not run."""

    genesis: Annotated[Path, setting("SLT_GENESIS", reason="the ledger's genesis, CBOR", must_exist=True)]
    member: Annotated[int, setting("SLT_MEMBER", minimum=0, reason="the id of our member in genesis")] = 0
    data_dir: Annotated[
        Path, setting("SLT_DATA_DIR", reason="where this service keeps its durable state; made if missing")
    ]

    def problems(self) -> list[str]:
        """What is wrong between fields, one sentence each."""
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineDatabase(Offline):
    """The same of a service that keeps a database."""

    database_url: Annotated[
        str | None,
        setting("SLT_DATABASE_URL", reason="PostgreSQL, as postgresql+asyncpg://...; none = SQLite in SLT_DATA_DIR"),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseConfig(Offline):
    """The settings that every service has."""

    nats_url: Annotated[str, setting("SLT_NATS_URL", reason="our member's broker")] = "nats://127.0.0.1:4222"
    nats_seed_file: Annotated[
        Path | None, setting("SLT_NATS_SEED_FILE", must_exist=True, reason="NKey seed that logs this service in")
    ] = None
    nats_ca_file: Annotated[
        Path | None, setting("SLT_NATS_CA_FILE", must_exist=True, reason="PEM of the CA of the broker; turns TLS on")
    ] = None
    bus_patience_s: Annotated[
        float, setting("SLT_BUS_PATIENCE_S", unit="s", minimum=0.1, reason="a new JetStream leader takes 5 to 6 s")
    ] = 10.0

    service_key: Annotated[
        Path, setting("SLT_SERVICE_KEY", must_exist=True, reason="PEM of this service's Ed25519 key")
    ]
    service_certificate: Annotated[
        Path,
        setting(
            "SLT_SERVICE_CERTIFICATE",
            must_exist=True,
            reason="CBOR: the member's governance key certifies the service key",
        ),
    ]

    http_host: Annotated[str, setting("SLT_HTTP_HOST", reason="loopback until TLS is configured")] = "127.0.0.1"
    http_port: Annotated[int, setting("SLT_HTTP_PORT", minimum=0, maximum=65535, reason="0 = a free one")] = 0
    http_tls_certificate: Annotated[
        Path | None, setting("SLT_HTTP_TLS_CERTIFICATE", must_exist=True, reason="PEM chain; needed beyond loopback")
    ] = None
    http_tls_key: Annotated[
        Path | None, setting("SLT_HTTP_TLS_KEY", must_exist=True, reason="PEM; needed beyond loopback")
    ] = None
    address_file: Annotated[
        Path | None, setting("SLT_ADDRESS_FILE", reason='written once the service listens: {"http": url, "pid": n}')
    ] = None

    log_level: Annotated[str, setting("SLT_LOG_LEVEL", reason="debug, info, warning or error")] = "info"
    spans_file: Annotated[
        Path | None, setting("SLT_SPANS_FILE", reason="spans as JSON lines, while no OTLP endpoint is set")
    ] = None
    otlp_endpoint: Annotated[
        str | None, setting("OTEL_EXPORTER_OTLP_ENDPOINT", reason="OTLP/HTTP receiver of traces and metrics")
    ] = None
    trace_ratio: Annotated[
        float, setting("SLT_TRACE_RATIO", minimum=0.0, maximum=1.0, reason="share of reports traced; the door decides")
    ] = 0.05

    linger_ms: Annotated[
        float, setting("SLT_LINGER_MS", unit="ms", minimum=0.0, maximum=1000.0, reason="how long a batch waits to fill")
    ] = 10.0
    in_flight: Annotated[
        int, setting("SLT_IN_FLIGHT", minimum=1, maximum=2048, reason="messages fetched and not yet done")
    ] = 64
    deliveries_max: Annotated[
        int, setting("SLT_DELIVERIES_MAX", minimum=1, reason="a message that failed so often is parked for a person")
    ] = 8
    drain_s: Annotated[
        float, setting("SLT_DRAIN_S", unit="s", minimum=0.1, reason="a clean stop ends within this time")
    ] = 20.0
    state_poll_s: Annotated[
        float,
        setting("SLT_STATE_POLL_S", unit="s", minimum=0.05, reason="a lost slt.state.changed is found out so soon"),
    ] = 5.0

    def problems(self) -> list[str]:
        """What is wrong between fields; a subclass adds its own after `BaseConfig.problems(self)`."""
        found = []
        if self.log_level not in LOG_LEVELS:
            found.append(f"SLT_LOG_LEVEL={self.log_level!r}: unknown; set one of {', '.join(LOG_LEVELS)}")
        try:
            broker = urlsplit(self.nats_url)
            broker_host, _ = broker.hostname or "", broker.port
        except ValueError as error:
            return [*found, f"SLT_NATS_URL={shown_url(self.nats_url)!r}: {error}; set nats://HOST:PORT"]
        if broker.scheme not in ("nats", "tls") or not broker_host:
            found.append(f"SLT_NATS_URL={shown_url(self.nats_url)!r}: not a broker's address; set nats://HOST:PORT")
        elif not is_loopback(broker_host) and (
            self.nats_seed_file is None or (self.nats_ca_file is None and broker.scheme != "tls")
        ):
            found.append(
                f"SLT_NATS_URL={shown_url(self.nats_url)!r}: {broker_host} is beyond loopback, which needs a login and "
                "TLS; set SLT_NATS_SEED_FILE and SLT_NATS_CA_FILE, or use 127.0.0.1"
            )
        has_tls = self.http_tls_certificate is not None and self.http_tls_key is not None
        if (self.http_tls_certificate is None) != (self.http_tls_key is None):
            found.append("SLT_HTTP_TLS_CERTIFICATE and SLT_HTTP_TLS_KEY: only one is set; set both or neither")
        elif not is_loopback(self.http_host) and not has_tls:
            found.append(
                f"SLT_HTTP_HOST={self.http_host!r}: beyond loopback, which needs TLS; set SLT_HTTP_TLS_CERTIFICATE and "
                "SLT_HTTP_TLS_KEY, or use 127.0.0.1"
            )
        return found


LOG_LEVELS: Final = ("debug", "info", "warning", "error")

C = TypeVar("C", bound=Offline)


def load(config: type[C], env: Mapping[str, str]) -> C:
    """Read `config` from `env`. An empty variable counts as unset. Raises SettingsError with every problem there is."""
    abouts = settings_of(config)
    values: dict[str, Any] = {}
    found: list[str] = []
    for field in dataclasses.fields(config):
        about, kind = abouts[field.name]
        text = env.get(about.variable, "")
        if not text:
            if field.default is dataclasses.MISSING:
                found.append(f"{about.variable} is not set; set it: {about.reason}")
            continue
        try:
            values[field.name] = _parse(text, kind, about)
        except ValueError as error:
            shown = "(secret)" if about.secret else repr(shown_url(text))
            found.append(f"{about.variable}={shown}: {error}; set it: {about.reason}{_default_text(field)}")
    if found:
        raise SettingsError(found)
    loaded = config(**values)
    if found := loaded.problems():
        raise SettingsError(found)
    return loaded


def describe(config: Offline) -> dict[str, str]:
    """Variable to value, for the log line at start: without secrets."""
    described = {}
    for name, (about, _) in settings_of(type(config)).items():
        value = getattr(config, name)
        if value is not None:
            described[about.variable] = "(secret)" if about.secret else shown_url(str(value))
    return described


def table(config: type[Offline], *, inherited: bool = True) -> str:
    """The Markdown table of a README. `inherited=False` leaves out the fields of BaseConfig."""
    base = {field.name for field in dataclasses.fields(BaseConfig)} if not inherited else set()
    lines = ["| Variable | Default | Unit | Why |", "|---|---|---|---|"]
    abouts = settings_of(config)
    for field in dataclasses.fields(config):
        if field.name not in base:
            about, _ = abouts[field.name]
            default = (
                "required"
                if field.default is dataclasses.MISSING
                else "none"
                if field.default is None
                else field.default
            )
            lines.append(f"| `{about.variable}` | {default} | {about.unit} | {about.reason} |")
    return "\n".join(lines) + "\n"


def settings_of(config: type[Offline]) -> dict[str, tuple[Setting, Any]]:
    """By field name: what it says about itself, and its type."""
    found = {}
    for name, hint in typing.get_type_hints(config, include_extras=True).items():
        about = next((extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, Setting)), None)
        assert about is not None, f"{config.__name__}.{name} is not Annotated[..., setting(...)]"
        found[name] = (about, typing.get_args(hint)[0])
    return found


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shown_url(text: str) -> str:
    """`text` without the user and password that a URL may carry."""
    if "@" not in text or "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return "(not a URL)"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _parse(text: str, kind: Any, about: Setting) -> object:
    """Raises ValueError with what is wrong, as a part of a sentence."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        kind = next(arg for arg in typing.get_args(kind) if arg is not types.NoneType)
    if kind is Path:
        path = Path(text)
        if about.must_exist and not path.exists():
            raise ValueError("there is nothing")
        return path
    if kind is bool:
        return _parse_bool(text)
    if kind in (int, float):
        return _parse_number(text, kind, about)
    if typing.get_origin(kind) is Literal:
        if text not in typing.get_args(kind):
            raise ValueError(f"unknown; one of {', '.join(map(str, typing.get_args(kind)))}")
        return text
    assert kind is str, f"{about.variable}: settings have no type {kind}"
    return text


def _parse_bool(text: str) -> bool:
    match text.lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off":
            return False
        case _:
            raise ValueError("neither true nor false")


def _parse_number(text: str, kind: type[int] | type[float], about: Setting) -> int | float:
    try:
        number = kind(text)
    except ValueError:
        raise ValueError("not a whole number" if kind is int else "not a number") from None
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    if not about.minimum <= number <= about.maximum:
        raise ValueError(f"not in {about.minimum:g} to {about.maximum:g}")
    return number


def _default_text(field: "dataclasses.Field[Any]") -> str:
    return "" if field.default in (dataclasses.MISSING, None) else f" (default {field.default})"
