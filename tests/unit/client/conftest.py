"""The sample world in a working folder, and reports of it signed."""

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from slt.client.folder import Folder
from slt.client.local.init import init
from slt.client.submission import Signed, check, choose_identity, sign

NOW_S = int(time.time())  # one moment for the whole run; the commands read the real clock


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Made once; nobody writes into it."""
    folder = Folder(tmp_path_factory.mktemp("world") / "ledger")
    init(folder.root, world_file=None, model="private", members=1, now=datetime.fromtimestamp(NOW_S, UTC))
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

    def make(name: str, *, salt: int = 1) -> Signed:
        checked = check(f"{name}.code10", (folder.reports / f"{name}.code10").read_bytes(), genesis)
        identity, signer = choose_identity(genesis, folder, state="XL", mba=name[:4], called="", now_s=NOW_S)
        return sign(
            checked, signer, identity=identity.name, genesis=genesis, salt=bytes([salt]) * 16, now_ms=NOW_S * 1000
        )

    return make
