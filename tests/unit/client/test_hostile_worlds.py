"""World files against hostile ones: WrongUse or a world, and work in proportion."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slt.client.errors import WrongUse
from slt.client.local.world import read_world
from slt.statements.genesis import GenesisError, genesis_from_toml
from tests.support.hostile import calls_of, hostile
from tests.unit.reports.samples import FOLDER

SEED = (FOLDER / "world.toml").read_bytes()
PIECES: tuple[bytes, ...] = (
    b"[[mba]]",
    b"[",
    b"]",
    b"{",
    b"}",
    b"=",
    b'"',
    b'"""',
    b"\n",
    b".",
    b"\\",
    b"#",
    b"'",
    b"a.b=1\n",
    b"nan",
    b"1e9",
)
PIECES += (b"state = 1\n", b"\xff", b"\0", b"[mba]\n", b"0x", b"1979-05-27", b"mbas = []\n", b"9", b"{a=[", b"[a.b]\n")
FUZZED = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world") / "world.toml"


def read(place: Path, data: bytes) -> object:
    place.write_bytes(data)
    return read_world(place)


@given(data=hostile([SEED], PIECES))
@FUZZED
def test_a_hostile_world_is_refused_in_work_that_follows_its_length(place: Path, data: bytes) -> None:
    assert calls_of(lambda text: read(place, text), data, WrongUse) <= 40 * len(data) + 50_000


@pytest.mark.parametrize("piece", [b"[", b"{", b"a={", b"a=[", b"a.", b"[[", b"[a", b'"'])
def test_depth_without_end_is_refused(place: Path, piece: bytes) -> None:
    for start in (b"", b"a = "):
        with pytest.raises(WrongUse):
            read(place, start + piece * 20_000)


def test_a_genesis_of_depth_without_end_is_refused() -> None:
    with pytest.raises(GenesisError):
        genesis_from_toml("a = " + "[" * 20_000)


@given(text=st.one_of(hostile([SEED], PIECES).map(lambda data: data.decode("utf-8", "replace")), st.text(max_size=200)))
@FUZZED
def test_a_hostile_genesis_is_refused_by_one_error(text: str) -> None:
    with pytest.raises(GenesisError):
        genesis_from_toml(text)
