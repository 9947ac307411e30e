"""The sample world in a working folder, and reports of it signed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from slt.client.folder import Folder
from slt.client.local.init import init, now_utc
from slt.client.submission import Signed, check, choose_identity, sign


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Made once; nobody writes into it."""
    folder = Folder(tmp_path_factory.mktemp("world") / "ledger")
    init(folder.root, world_file=None, model="private", members=1, now=now_utc())
    return folder


@pytest.fixture
def folder(sample: Folder, tmp_path: Path) -> Folder:
    """A copy of the sample world for one test."""
    shutil.copytree(sample.root, tmp_path / "ledger")
    return Folder(tmp_path / "ledger")


@pytest.fixture
def signed(folder: Folder) -> Callable[..., Signed]:
    """Sign a report of the sample world, by its name. `salt` makes another statement of the same document."""
    genesis = folder.genesis()

    def make(name: str, *, salt: int = 1, now_ms: int = 1_780_000_000_000) -> Signed:
        checked = check(f"{name}.code10", (folder.reports / f"{name}.code10").read_bytes(), genesis)
        identity, signer = choose_identity(genesis, folder, state="XL", mba=name[:4], called="")
        return sign(checked, signer, identity=identity.name, genesis=genesis, salt=bytes([salt]) * 16, now_ms=now_ms)

    return make
