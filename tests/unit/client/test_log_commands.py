"""slt log checkpoint, slt log prove, slt export --tiles: over a log in a folder, and out of a database."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from slt.client import cli
from slt.client.folder import Folder
from slt.client.local.settings import service_folder
from slt.client.log_policy import LOG_POLICY, policy_of
from slt.merkle.checkpoints import Checkpoint
from slt.merkle.cosignatures import CosignerKey, cosigner_key_from_pem, member_cosigner_name
from slt.merkle.hashing import leaf_hash
from slt.merkle.notes import NoteSigner, sign_note
from slt.merkle.proofs import verify_inclusion
from slt.merkle.tiles import ENTRIES, RightEdge, Tile, encode_bundle, encode_tile
from slt.merkle.tlog_proof import parse_tlog_proof
from slt.statements.headers import genesis_log_entry
from slt.statements.signatures import signer_from_pem

Run = Callable[..., tuple[int, str, str]]
SIZE = 300
TIME_S = 1_700_000_000


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one command in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("SLT_DIR", raising=False)

    def command(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in words])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return command


def entries_of(folder: Folder) -> list[bytes]:
    genesis = folder.genesis()
    return [genesis_log_entry(genesis.origin, genesis.chain_id), *(f"entry {n}".encode() for n in range(1, SIZE))]


def cosigner_of(folder: Folder) -> CosignerKey:
    pem = (folder.member / "keys" / "cosigner.pem").read_bytes()
    return cosigner_key_from_pem(member_cosigner_name(folder.genesis().origin, 0), pem)


def signed_note(folder: Folder, *, cosigned: bool = True, size: int = SIZE) -> str:
    genesis = folder.genesis()
    seed = signer_from_pem((folder.member / "keys" / "checkpoint.pem").read_bytes()).seed
    assert seed is not None
    edge, _ = RightEdge.EMPTY.extended([leaf_hash(entry) for entry in entries_of(folder)[:size]])
    text = Checkpoint(origin=genesis.origin, size=size, root=edge.root()).text()
    note = sign_note(text, NoteSigner.of(genesis.origin, seed))
    return note + (cosigner_of(folder).cosign(text, TIME_S).line if cosigned else "")


@pytest.fixture
def served(folder: Folder, tmp_path: Path) -> Path:
    """A folder with a log of 300 entries, signed and cosigned by the member of `folder`."""
    root = tmp_path / "served"
    entries = entries_of(folder)
    files = {Tile(ENTRIES, at, len(entries[256 * at : 256 * at + 256])): b"" for at in range(2)}
    files = {tile: encode_bundle(entries[256 * tile.index : 256 * tile.index + 256]) for tile in files}
    _, changed = RightEdge.EMPTY.extended([leaf_hash(entry) for entry in entries])
    for path, data in {
        **{tile.path: data for tile, data in files.items()},
        **{tile.path: encode_tile(hashes) for tile, hashes in changed},
        "checkpoint": signed_note(folder).encode(),
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def test_init_makes_a_cosigner_key_that_only_its_owner_reads_and_a_policy_that_names_it(folder: Folder) -> None:
    pem = folder.member / "keys" / "cosigner.pem"
    assert pem.stat().st_mode & 0o777 == 0o600
    policy = policy_of(folder)
    assert policy.cosigners == (cosigner_of(folder).cosigner,)
    assert [log.verifier.vkey for log in policy.logs] == [folder.genesis().members[0].checkpoint_vkey]
    assert not policy.is_met(()) and policy.is_met(policy.cosigners)
    assert cosigner_of(folder).cosigner.public_key not in folder.genesis_file.read_bytes()


def test_a_checkpoint_is_verified_against_genesis_and_policy(run: Run, folder: Folder, served: Path) -> None:
    code, out, _ = run("log", "checkpoint", "--json", "--log", served, "--dir", folder.root)
    (said,) = [json.loads(line) for line in out.splitlines()]
    assert (code, said["size"], said["quorum"], said["signed_by"]) == (0, SIZE, "met", ["agency"])
    assert said["cosigned_by"] == [{"name": cosigner_of(folder).cosigner.name, "kind": "ML-DSA-44", "time_s": TIME_S}]
    code, out, _ = run("log", "checkpoint", "--log", served, "--dir", folder.root)
    assert code == 0
    assert "cosigned by" in out and "2023-11-14 22:13:20 UTC" in out


def test_a_checkpoint_without_its_quorum_is_a_no_and_another_policy_may_take_it(
    run: Run, folder: Folder, served: Path, tmp_path: Path
) -> None:
    (served / "checkpoint").write_text(signed_note(folder, cosigned=False), encoding="utf-8")
    code, out, err = run("log", "checkpoint", "--log", served, "--dir", folder.root)
    assert (code, out) == (1, "")
    assert "not cosigned as the policy asks: member-0" in err
    none = tmp_path / "none"
    none.write_bytes(b"quorum none\n")
    genesis = folder.genesis_file
    assert run("log", "checkpoint", "--log", served, "--genesis", genesis, "--policy", none)[0] == 0
    none.write_bytes(b"quorum nobody\n")
    code, _, err = run("log", "checkpoint", "--log", served, "--genesis", genesis, "--policy", none)
    assert (code, "line 1" in err) == (2, True)


def test_a_checkpoint_of_another_key_is_a_no(run: Run, folder: Folder, served: Path) -> None:
    text = (served / "checkpoint").read_text(encoding="utf-8").partition("\n\n")[0] + "\n"
    forged = sign_note(text, NoteSigner.of(folder.genesis().origin, bytes(32)))
    (served / "checkpoint").write_text(forged, encoding="utf-8")
    code, _, err = run("log", "checkpoint", "--log", served, "--dir", folder.root)
    assert (code, "no member of genesis signed" in err) == (1, True)


@pytest.mark.parametrize("index", [0, 255, 256, 299])
def test_an_entry_is_proved_and_the_proof_is_one_for_other_tools(
    run: Run, folder: Folder, served: Path, tmp_path: Path, index: int
) -> None:
    proof, entry = tmp_path / "one.tlog-proof", tmp_path / "one.entry"
    words = ("--log", served, "--dir", folder.root, "--out", proof, "--entry", entry)
    code, out, _ = run("log", "prove", index, "--json", *words)
    (said,) = [json.loads(line) for line in out.splitlines()]
    assert (code, said["index"], said["checkpoint"]["size"]) == (0, index, SIZE)
    kept = parse_tlog_proof(proof.read_bytes())
    edge, _ = RightEdge.EMPTY.extended([leaf_hash(one) for one in entries_of(folder)])
    assert entry.read_bytes() == entries_of(folder)[index]
    verify_inclusion(leaf_hash(entry.read_bytes()), index, SIZE, proof=kept.path, root=edge.root())


@pytest.mark.parametrize("what", ["tile/0/000", "tile/entries/000", "tile/0/001.p/44"])
def test_a_damaged_file_proves_nothing(run: Run, folder: Folder, served: Path, what: str) -> None:
    data = bytearray((served / what).read_bytes())
    data[0] ^= 1
    (served / what).write_bytes(data)
    code, out, err = run("log", "prove", 254, "--log", served, "--dir", folder.root)
    assert (code, out) == (1, "")
    assert "does not prove" in err


def test_what_cannot_be_proved_is_said(run: Run, folder: Folder, served: Path) -> None:
    where = ("--log", served, "--genesis", folder.genesis_file)
    assert run("log", "prove", SIZE, *where)[0] == 3
    for word in ("-1", "one", "0x1", "9" * 20, "ab" * 31):
        assert run("log", "prove", "--", word, *where)[0] == 2
    code, _, err = run("log", "prove", "ab" * 32, *where)
    assert (code, "name the index" in err) == (2, True)
    assert run("log", "prove", 1, "--genesis", folder.genesis_file)[0] == 2


def test_an_export_holds_the_same_files_and_verifies_again(
    run: Run, folder: Folder, served: Path, tmp_path: Path
) -> None:
    target = tmp_path / "export"
    code, out, _ = run("export", "--tiles", target, "--json", "--log", served, "--dir", folder.root)
    (said,) = [json.loads(line) for line in out.splitlines()]
    files = {path.relative_to(target): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert files == {path.relative_to(served): path.read_bytes() for path in served.rglob("*") if path.is_file()}
    assert (code, said["size"], said["files"]) == (0, SIZE, len(files))
    assert run("log", "checkpoint", "--log", target, "--dir", folder.root)[0] == 0
    assert run("export", "--tiles", target, "--log", served, "--dir", folder.root)[0] == 0  # again, over itself


def test_an_export_of_a_damaged_log_has_no_checkpoint(run: Run, folder: Folder, served: Path, tmp_path: Path) -> None:
    bundle = served / "tile/entries/001.p/44"
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"!")
    target = tmp_path / "export"
    code, _, err = run("export", "--tiles", target, "--log", served, "--dir", folder.root)
    assert (code, "does not hold together" in err) == (1, True)
    assert not (target / "checkpoint").exists()


def test_nothing_of_others_is_overwritten(run: Run, folder: Folder, served: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.mkdir()
    (target / "thesis.txt").write_text("mine", encoding="utf-8")
    assert run("export", "--tiles", target, "--log", served, "--dir", folder.root)[0] == 2
    assert [path.name for path in target.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("published", [True, False])
def test_a_ledger_that_is_down_is_exported_from_its_database(
    run: Run, folder: Folder, served: Path, tmp_path: Path, published: bool
) -> None:
    data = service_folder(folder, "ledger")
    data.mkdir(parents=True)
    with sqlite3.connect(data / "ledger.sqlite") as database:
        database.execute("CREATE TABLE blocks (height INTEGER PRIMARY KEY, checkpoint TEXT)")
        database.execute("CREATE TABLE entries (entry INTEGER PRIMARY KEY, statement BLOB, code INTEGER)")
        database.execute("INSERT INTO blocks VALUES (7, ?)", (signed_note(folder, cosigned=False),))
        rows = [(2 * at, entry, 0) for at, entry in enumerate(entries_of(folder)[1:])]
        database.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)
        database.executemany("INSERT INTO entries VALUES (?, ?, ?)", [(2 * at + 1, b"void", 202) for at in range(9)])
    database.close()
    if published:
        (data / "log").mkdir()
        shutil.copy(served / "checkpoint", data / "log" / "checkpoint")
    target = tmp_path / "export"
    assert run("export", "--tiles", target, "--dir", folder.root)[0] == 0
    assert (target / "tile/entries/000").read_bytes() == (served / "tile/entries/000").read_bytes()
    code, _, _ = run("log", "checkpoint", "--log", target, "--dir", folder.root)
    assert code == (0 if published else 1)  # the cosignature stands in the published file only


def test_a_folder_of_an_older_version_has_no_policy_and_asks_for_no_cosignature(
    run: Run, folder: Folder, served: Path
) -> None:
    (folder.root / LOG_POLICY).unlink()
    (served / "checkpoint").write_text(signed_note(folder, cosigned=False), encoding="utf-8")
    code, out, _ = run("log", "checkpoint", "--log", served, "--dir", folder.root)
    assert (code, "no cosignatures were asked for" in out) == (0, True)
