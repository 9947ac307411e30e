"""The command: exit codes, what goes to standard output, and what is found before anything is signed."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import slt
from slt.client import cli
from slt.client.folder import Folder
from slt.client.outbox import Answered, Outbox
from slt.client.submission import Signed

Sign = Callable[..., Signed]
Run = Callable[..., tuple[int, str, str]]


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


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"slt {slt.__version__}\n", "")


def test_an_unknown_command_is_wrong_use(run: Run) -> None:
    assert run("submitt")[0] == 2


def test_check_says_ok_as_one_object_a_line(run: Run, folder: Folder) -> None:
    files = [folder.reports / "XLR1-41.code10", folder.reports / "XLF1-102.code10"]
    code, out, _ = run("check", "--json", *files, "--genesis", folder.genesis_file)
    said = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(one["file"], one["verdict"], one["findings"]) for one in said] == [(str(file), "ok", []) for file in files]


def test_check_of_a_broken_report_ends_with_1_and_names_the_rule(run: Run, folder: Folder) -> None:
    broken = _broken(folder)
    code, out, _ = run("check", "--json", broken, "--dir", folder.root)
    (said,) = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert said["verdict"] == "reject"
    assert "V11" in {finding["rule"] for finding in said["findings"]}
    assert set(said["findings"][0]) == {"rule", "severity", "entry", "label", "value", "expected", "text"}


def test_check_for_people_shows_a_table(run: Run, folder: Folder) -> None:
    code, out, err = run("check", _broken(folder), "--dir", folder.root)
    assert code == 1
    assert "V11" in out and "reject" in out
    assert "correct" in err


def test_a_report_larger_than_the_ledger_takes_is_found_before_signing(
    run: Run, folder: Folder, tmp_path: Path
) -> None:
    document = (folder.reports / "XLR1-41.code10").read_bytes()
    huge = tmp_path / "huge.code10"
    huge.write_bytes(document + b"\n" * (64 * 1024 * 1024))
    code, out, _ = run("check", "--json", huge, "--dir", folder.root)
    assert code == 1
    assert "LIMIT" in {finding["rule"] for finding in json.loads(out)["findings"]}


def test_submit_signs_nothing_when_a_report_is_broken(run: Run, folder: Folder) -> None:
    code, out, err = run("submit", folder.reports / "XLR1-41.code10", _broken(folder), "--dir", folder.root)
    assert code == 1
    assert "V11" in out
    assert "Nothing was signed" in err
    with closing(Outbox(folder.outbox_file)) as outbox:
        assert outbox.entries() == []
    assert list(folder.bodies.iterdir()) == []


def test_submit_without_a_ledger_running_keeps_the_report_and_says_so(run: Run, folder: Folder) -> None:
    code, _, err = run("submit", folder.reports / "XLR1-41.code10", "--dir", folder.root)
    assert code == 3
    assert "slt up" in err
    with closing(Outbox(folder.outbox_file)) as outbox:
        (row,) = outbox.waiting()
    assert folder.body_file(row.statement_id).read_bytes()[16:] == (folder.reports / "XLR1-41.code10").read_bytes()


def test_submitting_the_same_file_again_makes_no_second_statement(run: Run, folder: Folder) -> None:
    file = folder.reports / "XLR1-41.code10"
    for _ in range(2):
        assert run("submit", file, file, "--dir", folder.root)[0] == 3
    with closing(Outbox(folder.outbox_file)) as outbox:
        assert len(outbox.entries()) == 1
    assert run("submit", "--new", file, "--dir", folder.root)[0] == 3
    with closing(Outbox(folder.outbox_file)) as outbox:
        first, second = outbox.entries()
    assert first.statement_id != second.statement_id
    assert first.document_digest == second.document_digest


def test_the_answer_of_an_answered_file_is_shown_without_a_ledger(run: Run, folder: Folder) -> None:
    file = folder.reports / "XLR1-41.code10"
    run("submit", file, "--dir", folder.root)
    with closing(Outbox(folder.outbox_file)) as outbox:
        (row,) = outbox.waiting()
        answered = Answered(
            statement_id=row.statement_id, standing="accepted", code=0, height=3, log_index=4, answered_ms=5
        )
        outbox.answer([answered], [], positions=[])
    code, out, _ = run("submit", "--json", file, "--dir", folder.root)
    (said,) = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert (said["answer"], said["height"], said["index"]) == ("accepted", 3, 4)
    assert said["statement"] == row.statement_id.hex()


def test_the_identity_is_the_one_whose_mbas_fit(run: Run, folder: Folder) -> None:
    run("submit", folder.reports / "XLR1-41.code10", folder.reports / "XLF1-101.code10", "--dir", folder.root)
    code, out, _ = run("outbox", "list", "--json", "--dir", folder.root)
    assert code == 0
    identities = {one["mba"]: one["identity"] for one in map(json.loads, out.splitlines())}
    assert identities == {"XLR1": "xlr1", "XLF1": "xlf1"}


def test_an_unknown_identity_is_wrong_use(run: Run, folder: Folder) -> None:
    code, _, err = run("submit", folder.reports / "XLR1-41.code10", "--as", "nobody", "--dir", folder.root)
    assert code == 2
    assert "there are xlr1, xlf1" in err


def test_an_identity_of_another_mba_signs_nothing(run: Run, folder: Folder) -> None:
    code, _, err = run("submit", folder.reports / "XLR1-41.code10", "--as", "xlf1", "--dir", folder.root)
    assert code == 2
    assert "xlf1 may not report for XL/XLR1; xlr1 may" in err
    assert list(folder.bodies.iterdir()) == []


def test_a_folder_that_is_none_is_wrong_use(run: Run, tmp_path: Path) -> None:
    code, _, err = run("outbox", "list", "--dir", tmp_path)
    assert code == 2
    assert "genesis.cbor is missing" in err


def test_errors_are_objects_too_when_asked(run: Run, tmp_path: Path) -> None:
    code, out, err = run("outbox", "list", "--json", "--dir", tmp_path)
    assert (code, out) == (2, "")
    assert json.loads(err)["exit_code"] == 2


def test_keys_new_overwrites_nothing(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "plant.pem"
    code, out, _ = run("keys", "new", path, "--json")
    assert code == 0
    assert len(json.loads(out)["kid"]) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    assert run("keys", "new", path)[0] == 2
    assert path.read_bytes() == before


def test_init_of_another_model_is_wrong_use(run: Run, tmp_path: Path) -> None:
    code, _, err = run("init", tmp_path / "x", "--model", "consortium", "--members", "4")
    assert code == 2
    assert "consortium model cannot be set up yet" in err


def test_down_with_nothing_up_is_no_error(run: Run, folder: Folder) -> None:
    assert run("down", folder.root)[:2] == (0, "Nothing was up.\n")


def _broken(folder: Folder) -> Path:
    """Enriched uranium in kilograms: rule V11."""
    text = (folder.reports / "XLR1-41.code10").read_text(encoding="ascii")
    broken = folder.root / "broken.code10"
    broken.write_text(text.replace("630:432310G", "630:432310K"), encoding="ascii")
    return broken
