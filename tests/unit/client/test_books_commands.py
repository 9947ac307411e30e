"""The commands that ask the books, against the routes of the books over the sample year in lists."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.uniqueness.books.api import make_router
from slt.client import cli
from slt.client.local.sample import YEAR
from slt.inventory.questions.rows import BookReport
from slt.reports import judge
from slt.reports.reference import Reference
from tests.unit.inventory.questions.listed_books import ListBooks
from tests.unit.inventory.sample_world import FOLDER, facts_of, world

TODAY = "20260129"
BOOKS_URL = "http://books.example"

Run = Callable[..., tuple[int, str, str]]


class Moment(ListBooks):
    """What the routes read: the books, and what the last block says of itself."""

    block_id = b"\x07" * 32
    time_ms = 1_760_000_000_018

    async def reference_version(self, _report: BookReport) -> int:
        return 1


class Documents:
    """The ledger's bodies, where they are not erased."""

    def __init__(self) -> None:
        self.erased = False

    async def of(self, report: BookReport) -> bytes | None:
        return None if self.erased else (FOLDER / f"{report.mba}-{report.number}.code10").read_bytes()


@pytest.fixture
def documents() -> Documents:
    return Documents()


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch, documents: Documents) -> Moment:
    """The sample year and its correction, behind the routes of the books; every client gets there."""
    moment = Moment(*world())
    for name in (*YEAR, "XLR1-46"):
        moment.accept(facts_of(name))

    @asynccontextmanager
    async def reading(_engine: object) -> AsyncIterator[Moment]:
        yield moment

    monkeypatch.setattr("services.uniqueness.books.asked.reading", reading)
    app = FastAPI()
    app.include_router(make_router(None, documents, lambda: TODAY))  # type: ignore[arg-type]  # stand-ins
    speak_to(monkeypatch, lambda request: through(app, request))
    return moment


def speak_to(monkeypatch: pytest.MonkeyPatch, answering: Callable[[httpx.Request], httpx.Response]) -> None:
    """Every client that is made from now on gets its answers there."""
    client = httpx.Client
    monkeypatch.setattr("httpx.Client", lambda **_: client(transport=httpx.MockTransport(answering)))


def through(app: FastAPI, request: httpx.Request) -> httpx.Response:
    """What the routes answer, without a socket."""

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as client:
            return await client.get(request.url)

    answer = asyncio.run(asked())
    return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("SLT_DIR", str(tmp_path))
    said = {"nats": "nats://127.0.0.1:1", "http": {"books": BOOKS_URL}}
    (tmp_path / "addresses.json").write_text(json.dumps(said), encoding="utf-8")
    (tmp_path / "profile.toml").write_text('identity = ""\nnats = ""\n[http]\n', encoding="utf-8")

    def command(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in words])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return command


def objects(run: Run, *words: object) -> list[dict[str, Any]]:
    code, out, err = run(*words, "--json")
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def rows(run: Run, *words: object) -> list[dict[str, str]]:
    code, out, err = run(*words, "--csv")
    assert (code, err) == (0, "")
    return list(csv.DictReader(io.StringIO(out)))


@pytest.mark.usefixtures("books")
def test_the_inventory_of_every_area(run: Run) -> None:
    code, out, _ = run("inventory")
    assert code == 0
    assert "5409660G" in out and "2151971G" in out and "3459250G" in out
    assert "2025-12-15" in out and "As of block 19 of 19." in out
    assert "Nothing on the books then: XLT1." in out
    lines = objects(run, "inventory", "XLF1")
    assert [(line["label"], line["mg"]) for line in lines] == [(630, 2_151_971_000), (670, 94_689_000)]
    assert lines[0]["as_of_height"] == 19


@pytest.mark.usefixtures("books")
def test_a_correction_changes_the_book_of_a_past_day_from_its_block_on(run: Run) -> None:
    asked = ("inventory", "XLR1", "--date", "20251031")
    before = objects(run, *asked, "--as-of-height", 18)
    after = objects(run, *asked)
    assert [line["mg"] // 1000 for line in before] == [5_520_010, 242_880]
    assert [line["mg"] // 1000 for line in after] == [5_520_010, 242_882]


@pytest.mark.usefixtures("books")
def test_an_inventory_by_batch_has_a_column_for_each_label(run: Run) -> None:
    _, out, _ = run("inventory", "XLS1", "--by", "batch")
    (line,) = (line for line in out.splitlines() if "CN-0001" in line)
    assert line.replace("│", " ").split()[-3:] == ["1729500G", "13791G", "18425G"]
    assert {row["batch"] for row in rows(run, "inventory", "XLS1", "--batch", "SP91")} == {"SP91"}
    assert {row["kmp"] for row in rows(run, "inventory", "XLR1", "--by", "kmp")} == {"B", "C"}


@pytest.mark.usefixtures("books")
def test_a_batch_is_followed_across_facilities(run: Run) -> None:
    _, out, _ = run("batch", "SP01", "--mba", "XLR1")
    assert "made by rebatching" in out and "XL/XLS1" in out and "genesis" in out
    assert {event["mba"] for event in objects(run, "batch", "SP01")} == {"XLR1", "XLS1"}
    code, _, err = run("batch", "NOBODY")
    assert code == 2 and "names batch NOBODY" in err


@pytest.mark.usefixtures("books")
def test_a_balance_with_its_muf(run: Run) -> None:
    _, out, _ = run("balance", "XLF1")
    assert "MUF 418G enriched uranium, 18G uranium-235." in out
    assert "2025-01-01 to 2025-12-31: report 109" in out
    lines = {(line["code"], line["label"]): line for line in objects(run, "balance", "XLF1")}
    discards = lines["LD", 630]
    assert (discards["reported"], discards["adjustment"], discards["derived"]) == ("1251G", "-1G", "1250G")


@pytest.mark.usefixtures("books")
def test_the_balances_of_every_area_in_one_table(run: Run) -> None:
    lines = {(line["mba"], line["label"]): line for line in objects(run, "balance", "--as-of-height", 18)}
    assert {place: line["MUF"] for place, line in lines.items() if line["MUF"] != "0G"} == {
        ("XLF1", 630): "418G",
        ("XLF1", 670): "18G",
    }
    fuel = lines["XLF1", 630]
    assert (fuel["PB"], fuel["increases"], fuel["decreases"], fuel["DI"]) == (
        "1855400G",
        "3061050G",
        "2763511G",
        "550G",
    )
    assert {mba for mba, _ in lines} == {"XLR1", "XLF1", "XLS1"}  # XLT1 is empty, and its opening is no balance
    _, out, _ = run("balance")
    assert "2152389G" in out and "slt balance MBA" in out
    assert run("balance", "--draft")[0] == 2


@pytest.mark.usefixtures("books")
def test_a_balance_that_no_longer_follows_is_told(run: Run) -> None:
    _, out, _ = run("balance", "XLR1")  # report 46 corrects a receipt of the period
    assert "RD 670: one of them wants a correction" in out and "2G uranium-235 would follow" in out
    _, out, _ = run("balance", "XLR1", "--as-of-height", 18)
    assert "correction" not in out and "MUF 0G enriched uranium, 0G uranium-235, 0G plutonium." in out


@pytest.mark.usefixtures("books")
def test_the_listing_against_the_book(run: Run) -> None:
    _, out, _ = run("balance", "XLF1", "--check")
    assert "missing" in out and "extra" in out
    _, out, _ = run("balance", "XLR1", "--check", "--as-of-height", 18)
    assert "Every batch is listed as the book has it." in out
    (line,) = rows(run, "balance", "XLR1", "--check")
    assert (line["batch"], line["state"], line["differing"]) == ("FB25-03", "differing", '["670"]')


@pytest.mark.usefixtures("books")
def test_a_draft_is_code_10_and_nothing_else(run: Run) -> None:
    code, out, err = run("balance", "XLF1", "--draft", "--encoder", "DOE,J")
    assert code == 0 and "draft" in err
    judged = judge(out.encode(), Reference.of(world()[0], 1))
    assert (judged.findings, judged.number) == ((), 110)
    code, _, err = run("balance", "XLF1", "--draft", "--json")
    assert code == 2 and "Code 10" in err


@pytest.mark.usefixtures("books")
def test_transits_on_a_day(run: Run) -> None:
    _, out, _ = run("transit", "XLR1", "--date", "20250930")
    assert out.count("open shipment") == 4 and "2025-09-29 (105/1)" in out
    assert {row["state"] for row in rows(run, "transit", "XLR1", "--date", "20251006", "--as-of-height", 18)} == {
        "matched"
    }
    (line,) = objects(run, "transit", "--date", "20251231", "--state", "different")
    assert (line["batch"], line["shipment_report"], line["receipt_report"]) == ("FB25-03", 105, 46)
    _, out, _ = run("transit", "--date", "20251231", "--state", "different")
    assert "670: 20242 g sent, 20244 g received" in out
    code, _, err = run("transit", "--state", "lost")
    assert code == 2 and "choose open, matched, different, overdue" in err


@pytest.mark.usefixtures("books")
def test_what_is_due_on_a_day(run: Run) -> None:
    _, out, _ = run("due", "XLS1", "--date", "20250715")
    assert "change report" not in out or "if changed" in out
    lines = objects(run, "due", "XLR1", "--date", "20251110")
    assert [(line["what"], line["of"], line["standing"]) for line in lines] == []
    assert run("due", "--date", "20260230")[0] == 2


@pytest.mark.usefixtures("books")
def test_chains_of_corrections(run: Run) -> None:
    _, out, _ = run("corrections", "XLR1", "42/3")
    assert "superseded" in out and "670:2G" in out
    assert [link["standing"] for link in objects(run, "corrections", "XLR1")] == ["superseded", "live"]
    _, out, _ = run("corrections", "XLS1")
    assert "Nothing was corrected." in out
    assert run("corrections", "XLR1", "42/x")[0] == 2
    code, _, err = run("corrections", "XLR1", "42/9")
    assert code == 2 and "has no entry 9" in err


@pytest.mark.usefixtures("books")
def test_the_half_yearly_statement(run: Run) -> None:
    _, out, _ = run("statement", "--date", "20260115")
    assert "2025-07-01 to 2025-12-31" in out and "-419G" in out and "4.166416" in out
    lines = rows(run, "statement", "XLS1", "--date", "20250701")
    assert [(line["label"], line["end"]) for line in lines] == [
        ("630", "3459250G"),
        ("670", "27611G"),
        ("700", "36823G"),
    ]


@pytest.mark.usefixtures("books")
def test_a_report_is_exported(run: Run, documents: Documents) -> None:
    code, out, err = run("report", "export", "XLR1/42")
    assert (code, out.encode(), err) == (0, (FOLDER / "XLR1-42.code10").read_bytes(), "")
    _, out, _ = run("report", "export", "XL/XLR1/42", "--to", "euratom-xml")
    assert out.startswith("<?xml")
    documents.erased = True
    code, out, err = run("report", "export", "XLR1/42")
    assert code == 0 and "006:ERASED#" in out and "made from its facts" in err and "006" in err
    assert objects(run, "report", "export", "XLR1/42")[0]["source"] == "facts"
    assert run("report", "export", "XLR1")[0] == 2
    assert run("report", "export", "XLR1/42", "--to", "pdf")[0] == 2
    code, _, err = run("report", "export", "XLR1/99")
    assert code == 2 and "has no report 99" in err


@pytest.mark.usefixtures("books")
def test_what_cannot_be_asked_is_told_in_the_books_own_words(run: Run) -> None:
    code, _, err = run("inventory", "XLQ9")
    assert code == 2 and "Name one of XL/XLF1" in err
    code, _, err = run("inventory", "--as-of-height", 400)
    assert code == 2 and "the books stand at height 19" in err
    code, _, err = run("inventory", "--by", "colour")
    assert code == 2 and "choose category, kmp, batch" in err
    code, _, err = run("inventory", "--json", "--csv")
    assert code == 2 and "choose one" in err
    code, _, err = run("inventory", "--date", "20251301")
    assert code == 2 and "is no date" in err


def test_books_that_are_away_are_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    speak_to(monkeypatch, away)
    code, _, err = run("inventory")
    assert code == 3 and "do not answer" in err and "slt status" in err
    (tmp_path / "addresses.json").write_text('{"nats": "nats://127.0.0.1:1", "http": {}}', encoding="utf-8")
    code, _, err = run("inventory")
    assert code == 3 and "address of the books is not known" in err


def test_a_fault_of_the_books_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    speak_to(monkeypatch, lambda _: httpx.Response(503, json={"detail": "The ledger does not answer"}))
    code, _, err = run("report", "export", "XLR1/42")
    assert code == 3 and "503: The ledger does not answer" in err


def test_something_else_at_the_address_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    speak_to(monkeypatch, lambda _: httpx.Response(200, text="<html>"))
    code, _, err = run("due")
    assert code == 3 and "is not the books" in err


def test_pages_are_put_together_as_of_one_height(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, str]] = []

    def page(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        after = request.url.params.get("after")
        said: dict[str, Any] = {
            "height": 19 if after else 18,
            "as_of_height": 18,
            "result": [],
            "next": None if after else "XL/XLF1",
        }
        return httpx.Response(200, json=said)

    speak_to(monkeypatch, page)
    assert run("inventory")[0] == 0
    assert asked == [{"by": "category"}, {"by": "category", "after": "XL/XLF1", "as_of_height": "18"}]
