"""slt convert, and that check and submit know a report's form by its content."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slt.client import cli
from slt.client.folder import Folder
from slt.client.submission import check, sign
from slt.reports.euratom import judge_as
from slt.statements.signatures import signer_from_pem
from slt.statements.statement import EURATOM, EURATOM_XML, parse_statement
from tests.unit.reports.euratom_vectors import EURATOM_FOLDER
from tests.unit.reports.samples import REFERENCE, document

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("SLT_DIR", raising=False)

    def command(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in words])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return command


def test_a_report_is_printed_in_another_form_and_back(run: Run, folder: Folder, tmp_path: Path) -> None:
    source = folder.reports / "XLR1-41.code10"
    for form in ("euratom", "euratom-xml"):
        code, out, err = run("convert", source, "--to", form, "--dir", folder.root)
        assert (code, err) == (0, "")
        made = tmp_path / form
        made.write_text(out, encoding="ascii")
        code, out, err = run("convert", made, "--to", "code10", "--genesis", folder.genesis_file)
        assert (code, out.encode(), err) == (0, source.read_bytes(), "")


def test_what_is_lost_is_told_apart_from_the_document(run: Run, folder: Folder) -> None:
    source = folder.reports / "XLF1-109.code10"
    code, out, err = run("convert", source, "--to", "euratom", "--dir", folder.root)
    assert code == 0
    assert "RALD" not in out and "RALD" in err and "OI/7 411" in err


def test_for_programs_it_is_one_object(run: Run, folder: Folder) -> None:
    source = folder.reports / "XLF1-102.code10"
    code, out, _ = run("convert", source, "--to", "euratom-xml", "--dir", folder.root, "--json")
    said = json.loads(out)
    assert code == 0
    assert said["document"].encode() == (EURATOM_FOLDER / "XLF1-102.euratom.xml").read_bytes()
    assert [(one["entry"], one["label"]) for one in said["findings"]] == [("OI/2", "430")]


def test_a_correction_names_the_lines_of_an_earlier_report(run: Run, folder: Folder, tmp_path: Path) -> None:
    earlier, correction = tmp_path / "a", tmp_path / "b"
    earlier.write_bytes(document("XLR1-42"))
    correction.write_bytes(document("XLR1-46"))
    code, out, err = run("convert", correction, "--to", "euratom", "--earlier", earlier, "--dir", folder.root)
    assert (code, err) == (0, "")
    assert out.encode() == (EURATOM_FOLDER / "XLR1-46.euratom").read_bytes()
    other = EURATOM_FOLDER / "XLR1-42.euratom"
    assert run("convert", correction, "--to", "euratom", "--earlier", other, "--dir", folder.root)[0] == 2


def test_a_textual_report_and_an_unknown_form_are_not_converted(run: Run, folder: Folder, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(document("XLT1-10"))
    assert run("convert", text, "--to", "euratom", "--dir", folder.root)[0] == 1
    assert run("convert", text, "--to", "pdf", "--dir", folder.root)[0] == 2
    assert run("convert", tmp_path / "none", "--to", "code10", "--dir", folder.root)[0] == 2


def test_a_broken_euratom_report_is_named_line_and_field(run: Run, folder: Folder, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes((EURATOM_FOLDER / "XLR1-41.euratom").read_bytes().replace(b"ITEMS:1#", b"ITEMS:X#", 1))
    code, out, err = run("convert", broken, "--to", "code10", "--dir", folder.root)
    assert (code, out) == (1, "")
    assert "L/1 III.24" in err


@pytest.mark.parametrize(("suffix", "media_type"), [(".euratom", EURATOM), (".euratom.xml", EURATOM_XML)])
def test_check_and_submit_know_the_form(run: Run, folder: Folder, suffix: str, media_type: str) -> None:
    file = EURATOM_FOLDER / f"XLR1-41{suffix}"
    code, out, _ = run("check", "--json", file, "--dir", folder.root)
    assert (code, json.loads(out)["verdict"]) == (0, "ok")
    checked = check(str(file), file.read_bytes(), folder.genesis())
    signer = signer_from_pem(folder.key_file("xlr1").read_bytes())
    signed = sign(checked, signer, identity="xlr1", genesis=folder.genesis(), salt=bytes(16), now_ms=1_700_000_000_000)
    assert parse_statement(signed.entry.statement).media_type == media_type
    assert judge_as(file.read_bytes(), media_type, REFERENCE).verdict == "ok"
