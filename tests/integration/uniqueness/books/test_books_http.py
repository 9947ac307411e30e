"""The questions over HTTP: heights, pages, CSV, and a sentence for whatever will not do."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.uniqueness.books.api import make_router
from services.uniqueness.books.asked import QUESTIONS_AT_ONCE
from slt.bus.streams import TABLE
from slt.inventory.questions.rows import BookReport
from slt.runtime.database import open_engine, upgrade
from slt.runtime.health import Health
from slt.runtime.http import make_app
from slt.runtime.telemetry import open_telemetry
from tests.integration.uniqueness.books.filling import apart, fill, sample_year
from tests.integration.uniqueness.books.member import member
from tests.support.buses import world_of
from tests.unit.inventory.building import entry, report

TODAY = "20260210"


class NoDocuments:
    async def of(self, report: BookReport) -> bytes | None:
        """Every body is erased."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample year, on SQLite: what HTTP adds does not depend on the database."""
    folder = tmp_path_factory.mktemp("books")

    async def make() -> None:
        engine = open_engine(folder, "books")
        await upgrade(engine, "services.uniqueness.books.migrations")
        reports, lists = sample_year()
        await fill(engine, reports, lists, together=False)
        await engine.dispose()

    apart(make)
    return folder


@pytest.fixture
async def client(filled: Path) -> AsyncIterator[httpx.AsyncClient]:
    engine = open_engine(filled, "books")
    telemetry = open_telemetry("books", otlp_endpoint=None, spans_file=None, trace_ratio=0.0)
    router = make_router(engine, NoDocuments(), lambda: TODAY)
    app = make_app(service="books", health=Health(), telemetry=telemetry, router=router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://books") as made:
        yield made
    telemetry.close()
    await engine.dispose()


async def test_an_answer_names_its_height_and_what_it_is_as_of(client: httpx.AsyncClient) -> None:
    now = (await client.get("/v1/inventory", params={"mba": "XLF1"})).json()
    then = (await client.get("/v1/inventory", params={"mba": "XLF1", "as_of_height": 3})).json()
    assert now["height"] == now["as_of_height"] == then["height"] == 25
    assert then["as_of_height"] == 3
    assert now["result"] != then["result"]
    assert set(now) == {"height", "block_id", "time_ms", "as_of_height", "result", "next"}


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/v1/inventory?mba=XLZ9", 404, "mba=XLZ9: there is no such area as of this height. Name one of XL/XLF1"),
        ("/v1/inventory?mba=x", 422, "mba='x' will not do: name an area as XLR1"),
        ("/v1/inventory?date=2025-06-30", 422, "date='2025-06-30' will not do: a date is YYYYMMDD."),
        ("/v1/inventory?date=20250631", 422, "date='20250631' will not do: the calendar has no such day."),
        ("/v1/due?date=heute", 422, "date='heute' will not do: a date is YYYYMMDD."),
        ("/v1/inventory?as_of_height=26", 422, "as_of_height=26 will not do: the books stand at height 25."),
        ("/v1/inventory?as_of_height=-1", 422, "as_of_height='-1' will not do: a height is a whole number"),
        ("/v1/inventory?by=batch", 422, "mba is missing: name the area"),
        ("/v1/inventory?format=xml", 422, "format='xml' will not do: json or csv."),
        ("/v1/entries?limit=1001", 422, "limit='1001' will not do: a page has 1 to 1000 rows."),
        ("/v1/entries?after=1", 422, "after='1' will not do: give `next` of the page before, unchanged."),
        ("/v1/reports?number=0", 422, "number='0' will not do: a report number is 1 to 999999999."),
        ("/v1/batches/NONESUCH", 404, "No entry of any area names batch NONESUCH as of height 25."),
        ("/v1/balances", 422, "mba is missing: name an area as XLR1"),
        ("/v1/balances?mba=XLF1&date=20250101", 404, "The books know no balance of XLF1 that ends on 20250101"),
        ("/v1/draft?mba=XLF1&encoder=%23", 422, "encoder='#' will not do:"),
        ("/v1/corrections?mba=XLF1&entry=2", 422, "number is missing: an entry has a number within its report."),
        ("/v1/corrections?mba=XLF1&number=101&entry=99", 404, "Report 101 of XLF1 has no entry 99"),
        ("/v1/export?mba=XLF1&number=999", 404, "XL/XLF1 has no report 999 as of height 25."),
        ("/v1/export?mba=XLF1&number=101&to=pdf", 422, "to='pdf' will not do:"),
    ],
)
async def test_what_will_not_do_is_said_in_a_sentence(
    client: httpx.AsyncClient, path: str, status: int, sentence: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    detail = answer.json()["detail"]
    assert isinstance(detail, str) and detail.startswith(sentence), detail


async def test_pages_of_entries_and_reports_hold_each_row_once(client: httpx.AsyncClient) -> None:
    for path, size in (("/v1/entries?every_version=true", 20), ("/v1/reports?kind=IPM", 4), ("/v1/inventory?", 3)):
        whole = (await client.get(f"{path}&limit=1000")).json()
        assert whole["next"] is None
        rows, after = [], ""
        while True:
            page = (await client.get(f"{path}&limit={size}{after}")).json()
            assert len(page["result"]) <= size
            rows += page["result"]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert rows == whole["result"]
        assert len(rows) > size


@pytest.mark.parametrize(
    "path",
    [
        "/v1/areas?",
        "/v1/reports?",
        "/v1/entries?",
        "/v1/inventory?",
        "/v1/batches/SP01?",
        "/v1/balances?mba=XLF1",
        "/v1/statement?date=20251231",
        "/v1/transits?date=20250630",
        "/v1/due?date=20250620",
        "/v1/corrections?mba=XLF1",
    ],
)
async def test_csv_has_a_line_for_each_row_and_names_its_height(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"{path}&format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["slt-height"] == "25"
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert rows and None not in rows[0]
    accepted = await client.get(path.removesuffix("?"), headers={"accept": "text/csv"})
    assert accepted.text == answer.text
    assert (await client.get(path)).headers["content-type"] == "application/json"


async def test_csv_states_weights_in_the_unit_of_their_label(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/batches/SP01?format=csv")
    shipped = next(row for row in csv.DictReader(io.StringIO(answer.text)) if row["code"] == "SD")
    assert (shipped["630 G"], shipped["670 G"], shipped["700 G"]) == ("-432310", "-3440", "-4610")


async def test_a_draft_is_code_10(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/draft", params={"mba": "XLF1", "encoder": "DOE,J", "number": 112})
    assert answer.status_code == 200
    assert answer.text.startswith("001:OI/XL;112#002:1/")
    assert "#003:20260210#006:DOE,J#010:M#" in answer.text


async def test_an_erased_document_is_exported_from_facts_and_says_what_is_lost(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/v1/export?mba=XLF1&number=101")).json()["result"]
    assert answer["source"] == "facts"
    assert "#446:CY-2001#" in answer["document"]
    assert answer["findings"]


async def test_openapi_documents_every_route_with_its_answer(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    questions = {path: paths[path]["get"] for path in paths if path.startswith("/v1/")}
    assert len(questions) == 12
    for path, question in questions.items():
        assert question["summary"], path
        assert {"404", "422"} <= set(question["responses"]), path
        if path != "/v1/draft":
            schema = question["responses"]["200"]["content"]["application/json"]["schema"]
            assert "Answer" in schema["$ref"], path


async def test_more_questions_than_may_run_wait_their_turn(client: httpx.AsyncClient) -> None:
    asked = [client.get("/v1/transits?date=20250630") for _ in range(3 * QUESTIONS_AT_ONCE)]
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1


async def test_a_document_is_fetched_from_the_block_that_holds_it(tmp_path: Path) -> None:
    async with world_of("memory", tmp_path / "nats", TABLE) as broker, member(broker, tmp_path) as here:
        here.block(report(1, entry(code="RD")), report(1, mba="XLF1"))
        async with here.books() as running:
            await running.at(1)
            # What stands in for a document there is none that a reader knows: it was fetched, and is refused in words.
            answer = await running.get("/v1/export?mba=XLR1&number=1&to=euratom")
            assert answer.status_code == 422
            assert "cannot be read" in answer.json()["detail"]
            here.stored = 0
            answer = await running.get("/v1/export?mba=XLR1&number=1")
            assert answer.status_code == 503
            assert answer.json()["detail"] == "The ledger gave no block 1, which holds this report. Ask again."
