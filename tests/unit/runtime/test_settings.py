from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from slt.runtime.settings import BaseConfig, SettingsError, describe, load, setting, table

README = Path(__file__).parents[3] / "libs/slt/runtime/README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(BaseConfig):
    hold_s: Annotated[float, setting("SLT_HOLD_S", unit="s", minimum=1, reason="a predecessor may be late")] = 300.0
    database_url: Annotated[str | None, setting("SLT_DATABASE_URL", secret=True, reason="PostgreSQL")] = None
    verbose: Annotated[bool, setting("SLT_VERBOSE", reason="says more")] = False

    def problems(self) -> list[str]:
        found = BaseConfig.problems(self)
        if self.verbose and self.log_level == "error":
            found.append("SLT_VERBOSE and SLT_LOG_LEVEL contradict each other; unset one")
        return found


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    for name in ("genesis", "key", "cert", "seed", "ca"):
        (tmp_path / name).touch()
    return {
        "SLT_GENESIS": str(tmp_path / "genesis"),
        "SLT_DATA_DIR": str(tmp_path / "data"),
        "SLT_SERVICE_KEY": str(tmp_path / "key"),
        "SLT_SERVICE_CERTIFICATE": str(tmp_path / "cert"),
    }


def problems(env: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(Config, env)
    return caught.value.problems


def test_defaults_are_loopback_and_safe(env: dict[str, str]) -> None:
    config = load(Config, env)
    assert config.nats_url == "nats://127.0.0.1:4222"
    assert (config.http_host, config.http_port) == ("127.0.0.1", 0)
    assert (config.hold_s, config.trace_ratio, config.deliveries_max, config.drain_s) == (300.0, 0.05, 8, 20.0)


def test_values_are_read_as_their_types(env: dict[str, str]) -> None:
    config = load(
        Config, env | {"SLT_HOLD_S": "2.5", "SLT_VERBOSE": "yes", "SLT_MEMBER": "3", "SLT_SPANS_FILE": "/tmp/s"}
    )
    assert (config.hold_s, config.verbose, config.member, config.spans_file) == (2.5, True, 3, Path("/tmp/s"))


def test_an_empty_variable_counts_as_unset(env: dict[str, str]) -> None:
    assert load(Config, env | {"SLT_HOLD_S": "", "SLT_SPANS_FILE": ""}).hold_s == 300.0


def test_every_problem_is_named_at_once_with_variable_value_and_fix(env: dict[str, str]) -> None:
    del env["SLT_DATA_DIR"]
    found = problems(env | {"SLT_HOLD_S": "soon", "SLT_IN_FLIGHT": "0", "SLT_GENESIS": "/nowhere/genesis.cbor"})
    assert len(found) == 4
    text = "\n".join(found)
    assert "SLT_DATA_DIR is not set; set it: where this service keeps its durable state" in text
    assert "SLT_HOLD_S='soon': not a number; set it: a predecessor may be late (default 300.0)" in text
    assert "SLT_IN_FLIGHT='0': not in 1 to 2048" in text
    assert "SLT_GENESIS='/nowhere/genesis.cbor': there is nothing" in text


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("SLT_MEMBER", "1.5", "not a whole number"),
        ("SLT_HOLD_S", "nan", "not a finite number"),
        ("SLT_HOLD_S", "inf", "not a finite number"),
        ("SLT_VERBOSE", "perhaps", "neither true nor false"),
        ("SLT_TRACE_RATIO", "1.01", "not in 0 to 1"),
        ("SLT_LOG_LEVEL", "loud", "set one of debug, info, warning, error"),
        ("SLT_NATS_URL", "http://127.0.0.1:1", "not a broker's address"),
        ("SLT_NATS_URL", "nats://127.0.0.1:port", "Port could not be cast"),
        ("SLT_HTTP_PORT", "70000", "not in 0 to 65535"),
    ],
)
def test_a_wrong_value_is_refused(env: dict[str, str], variable: str, value: str, says: str) -> None:
    (problem,) = problems(env | {variable: value})
    assert problem.startswith(f"{variable}={value!r}: ")
    assert says in problem


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "broker.example", "[2001:db8::1]"])
def test_a_broker_beyond_loopback_needs_login_and_tls(env: dict[str, str], tmp_path: Path, host: str) -> None:
    url = {"SLT_NATS_URL": f"nats://{host}:4222"}
    seed, ca = {"SLT_NATS_SEED_FILE": str(tmp_path / "seed")}, {"SLT_NATS_CA_FILE": str(tmp_path / "ca")}
    for given in (url, url | seed, url | ca):
        (problem,) = problems(env | given)
        assert "beyond loopback" in problem
    load(Config, env | url | seed | ca)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "[::1]"])
def test_a_broker_on_loopback_needs_none(env: dict[str, str], host: str) -> None:
    load(Config, env | {"SLT_NATS_URL": f"nats://{host}:4222"})


def test_http_beyond_loopback_needs_tls(env: dict[str, str], tmp_path: Path) -> None:
    assert "beyond loopback" in problems(env | {"SLT_HTTP_HOST": "0.0.0.0"})[0]
    half = env | {"SLT_HTTP_TLS_KEY": str(tmp_path / "key")}
    assert "only one is set" in problems(half)[0]
    load(Config, half | {"SLT_HTTP_HOST": "0.0.0.0", "SLT_HTTP_TLS_CERTIFICATE": str(tmp_path / "cert")})


def test_a_config_may_check_between_its_own_fields(env: dict[str, str]) -> None:
    assert problems(env | {"SLT_VERBOSE": "1", "SLT_LOG_LEVEL": "error"}) == [
        "SLT_VERBOSE and SLT_LOG_LEVEL contradict each other; unset one"
    ]


def test_what_is_shown_has_no_secret(env: dict[str, str]) -> None:
    config = load(
        Config, env | {"SLT_DATABASE_URL": "postgresql://u:geheim@h/db", "SLT_NATS_URL": "nats://u:geheim@127.0.0.1:1"}
    )
    shown = describe(config)
    assert shown["SLT_DATABASE_URL"] == "(secret)"
    assert shown["SLT_NATS_URL"] == "nats://127.0.0.1:1"
    assert "geheim" not in str(shown)


def test_a_problem_shows_no_secret(env: dict[str, str]) -> None:
    found = problems(env | {"SLT_NATS_URL": "nats://u:geheim@10.0.0.1:1"})
    assert "geheim" not in "\n".join(found)


def test_the_readme_has_the_settings_as_they_are() -> None:
    assert table(BaseConfig) in README.read_text(encoding="utf-8")


def test_a_service_can_list_its_own_settings_only() -> None:
    own = table(Config, inherited=False)
    assert "| `SLT_HOLD_S` | 300.0 | s | a predecessor may be late |" in own
    assert "SLT_GENESIS" not in own
