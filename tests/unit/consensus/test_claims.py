"""The height register: one claim for each height, for ever."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from services.consensus.claims import FileRegister, HeightTaken
from services.consensus.disk import OsDisk
from services.consensus.segments import Draft, LogCorrupt, SegmentedLog
from slt.consensus.effects import Claim


def claim_at(height: int, *, of: str = "block") -> Claim:
    return Claim(term=1, height=height, block_id=sha256(of.encode()).digest(), header=b"header of " + of.encode())


def open_register(folder: Path, *, segment_bytes_max: int = 1 << 20) -> FileRegister:
    return FileRegister(OsDisk(folder), segment_bytes_max=segment_bytes_max)


def test_a_claim_is_there_after_a_restart(tmp_path: Path) -> None:
    assert open_register(tmp_path).last is None
    open_register(tmp_path).claim(claim_at(1))
    assert open_register(tmp_path).last == claim_at(1)


def test_the_same_claim_again_changes_nothing_whoever_makes_it(tmp_path: Path) -> None:
    register = open_register(tmp_path)
    register.claim(claim_at(1))
    register.claim(claim_at(1))
    register.claim(replace(claim_at(1), term=2))
    assert open_register(tmp_path).last == claim_at(1)


@pytest.mark.parametrize("wanted", [claim_at(5, of="rival"), claim_at(4), replace(claim_at(5), header=b"other")])
def test_a_height_is_never_claimed_twice(tmp_path: Path, wanted: Claim) -> None:
    register = open_register(tmp_path)
    register.claim(claim_at(5))
    with pytest.raises(HeightTaken) as taken:
        register.claim(wanted)
    assert taken.value.there == claim_at(5)
    assert open_register(tmp_path).last == claim_at(5)


def test_old_claims_can_be_forgotten_and_the_last_one_never(tmp_path: Path) -> None:
    register = open_register(tmp_path, segment_bytes_max=200)
    for height in range(1, 30):
        register.claim(claim_at(height))
    many = len(list(tmp_path.iterdir()))
    register.forget_below(29)
    assert len(list(tmp_path.iterdir())) < many
    again = open_register(tmp_path, segment_bytes_max=200)
    assert again.last == claim_at(29)
    with pytest.raises(HeightTaken):
        again.claim(claim_at(3))
    again.claim(claim_at(30))


def test_a_register_whose_heights_go_back_is_not_read(tmp_path: Path) -> None:
    newer, older = tmp_path / "newer", tmp_path / "older"
    open_register(newer).claim(claim_at(9))
    open_register(older).claim(claim_at(8))
    payload = SegmentedLog(OsDisk(older), segment_bytes_max=1000).take_entries()[0][1].payload
    forged = SegmentedLog(OsDisk(newer), segment_bytes_max=1000)
    forged.append(Draft(kind=1, height=8, payload=payload))
    forged.flush()
    with pytest.raises(LogCorrupt, match="height 8 does not follow"):
        open_register(newer)


@pytest.mark.parametrize("payload", [b"", b"\x80", b"\x84\x01\x02\x03\x04"])
def test_what_is_no_claim_is_not_read(tmp_path: Path, payload: bytes) -> None:
    log = SegmentedLog(OsDisk(tmp_path), segment_bytes_max=1000)
    log.append(Draft(kind=1, height=1, payload=payload))
    log.flush()
    with pytest.raises(LogCorrupt, match="height register"):
        open_register(tmp_path)
