"""Asking the books of the member: one question over HTTP, its pages put together, its troubles in words."""

import csv
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from slt.client.errors import Unreachable, WrongUse
from slt.client.folder import Addresses
from slt.client.local.network import working_folder
from slt.client.output import Output

BOOKS: Final = "books"
ANSWER_WITHIN_S: Final = 60.0  # a listing of 100,000 entries checked against the book takes some seconds
PAGES_MAX: Final = 10_000  # a service that never says the last page is broken

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the books answer."""

    height: int
    as_of_height: int
    result: Any
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How an answer is wanted."""

    directory: Path
    as_of: int | None
    as_json: bool
    as_csv: bool

    def __post_init__(self) -> None:
        if self.as_json and self.as_csv:
            raise WrongUse("--json and --csv are two forms of one answer: choose one")

    @property
    def out(self) -> Output:
        """Sentences and tables are for people only."""
        return Output(as_json=self.as_json or self.as_csv)

    def ask(self, path: str, **question: object) -> Said:
        """The whole answer of the books of this folder. Raises WrongUse, Unreachable."""
        addresses = working_folder(self.directory).addresses()
        return ask_books(addresses, path, as_of_height=self.as_of, **question)

    def show(self, rows: Sequence[Row]) -> None:
        """For programs, one object or one line of CSV a row. People get a table, which the command makes."""
        if self.as_json:
            Output(as_json=True).objects(rows)
        elif self.as_csv:
            write_csv(rows)


def ask_books(addresses: Addresses, path: str, **question: object) -> Said:
    """Ask, page by page. Parameters that are None or "" are left out. Raises WrongUse, Unreachable."""
    url = _address(addresses)
    parameters = _parameters(question)
    result: Any = None
    with httpx.Client(timeout=ANSWER_WITHIN_S) as client:
        for _ in range(PAGES_MAX):
            page = _page(client, url + path, parameters)
            result = page["result"] if result is None else result + page["result"]
            if not page.get("next"):
                return Said(height=page["height"], as_of_height=page["as_of_height"], result=result)
            # The next pages are of the height of the first one: a block between two pages changes nothing.
            parameters |= {"after": str(page["next"]), "as_of_height": str(page["as_of_height"])}
    raise Unreachable(f"The books at {url} do not come to an end of {path}: see the log of the service")


def ask_document(addresses: Addresses, path: str, **question: object) -> bytes:
    """A question whose answer is a document. Raises WrongUse, Unreachable."""
    with httpx.Client(timeout=ANSWER_WITHIN_S) as client:
        return _got(client, _address(addresses) + path, _parameters(question)).content


def _address(addresses: Addresses) -> str:
    url = addresses.http.get(BOOKS)
    if not url:
        raise Unreachable(
            "The address of the books is not known: is the member up (slt status)? One elsewhere stands in profile.toml"
        )
    return url


def _parameters(question: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in question.items() if value not in (None, "", False)}


def _got(client: httpx.Client, url: str, parameters: Mapping[str, str]) -> httpx.Response:
    """A good answer. Raises WrongUse with the books' own sentence, Unreachable."""
    try:
        answer = client.get(url, params=dict(parameters))
    except httpx.TransportError as error:
        words = f"The books do not answer at {url}: {type(error).__name__}. Is the member up? (slt status)"
        raise Unreachable(words) from None
    if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.UNPROCESSABLE_ENTITY):
        raise WrongUse(_sentence(_read(answer)) or f"The books answer {answer.status_code} to {url}")
    if answer.is_error:
        raise Unreachable(f"The books answer {answer.status_code}: {_sentence(_read(answer)) or answer.text[:200]}")
    return answer


def _page(client: httpx.Client, url: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    answer = _got(client, url, parameters)
    said = _read(answer)
    if not isinstance(said, dict) or "result" not in said:
        raise Unreachable(f"What answers at {url} is not the books of this version: {answer.text[:200]}")
    return said


def _read(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _sentence(said: Any) -> str:
    """The reason in an error answer."""
    return str(said.get("detail", "")) if isinstance(said, dict) else ""


def write_csv(rows: Sequence[Row]) -> None:
    """Columns in the order in which they first occur; lists and objects within a row as JSON."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(sys.stdout, columns, restval="", lineterminator="\n")
    if columns:
        writer.writeheader()
    for row in rows:
        writer.writerow({name: json.dumps(one) if isinstance(one, (list, dict)) else one for name, one in row.items()})


def several(result: Any) -> list[Row]:
    """The answers of a question that is about one area, or about all."""
    return list(result) if isinstance(result, list) else [result]


def pivot(lines: Iterable[Row], keys: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Amounts of one thing in one row: a column for each label that occurs, the quantities as they are written."""
    found: dict[tuple[str, ...], dict[int, str]] = {}
    for line in lines:
        found.setdefault(tuple(str(line[name]) for name in keys), {})[line["label"]] = line["quantity"]
    labels = sorted({label for weights in found.values() for label in weights})
    return (
        [f"{label}#" for label in labels],
        [[*key, *(weights.get(label, "") for label in labels)] for key, weights in found.items()],
    )


def today() -> str:
    """The date here and now, as reports write it."""
    return time.strftime("%Y%m%d")


def day_of(text: str) -> str:
    """An accounting date as asked, or today. Raises WrongUse for what is no date."""
    if not text:
        return today()
    try:
        time.strptime(text, "%Y%m%d")
    except ValueError:
        raise WrongUse(f"{text} is no date: write YYYYMMDD, as 20251231") from None
    return text


def as_day(text: str) -> str:
    """20251231 as a person reads it: 2025-12-31."""
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else text
