"""The outbox: every report that this facility has signed, until and after it was answered. SQLite, one file.

This is the facility's promise that no report is lost: a row is committed, and its body saved, before anything is
published, and only a verified receipt or refusal ends the waiting.

Standing of a row: waiting -> accepted | rejected (a receipt: final) or refused (one member's word). A refused row may
become waiting again (the same statement is sent once more); a receipt replaces a refusal, and nothing a receipt.
"""

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from slt.client.errors import WrongUse

Standing = Literal["waiting", "accepted", "rejected", "refused"]
WAITING: Final = "waiting"
FINAL: Final = ("accepted", "rejected")
BUSY_MS: Final = 10_000  # another slt command writes for milliseconds only
_VARIABLES: Final = 500  # values bound in one query; SQLite allows 999 at least
_VERSION: Final = 1

_SCHEMA: Final = """
CREATE TABLE submissions (
    statement_id BLOB PRIMARY KEY, submission_id BLOB NOT NULL UNIQUE,
    state TEXT NOT NULL, mba TEXT NOT NULL, number INTEGER NOT NULL, file TEXT NOT NULL, identity TEXT NOT NULL,
    document_digest BLOB NOT NULL, statement BLOB NOT NULL, endorsements BLOB NOT NULL, body_z BLOB NOT NULL,
    iat INTEGER NOT NULL, created_ms INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    standing TEXT NOT NULL DEFAULT 'waiting' CHECK (standing IN ('waiting', 'accepted', 'rejected', 'refused')),
    code INTEGER, height INTEGER, log_index INTEGER, answered_ms INTEGER
) STRICT;
CREATE INDEX submissions_by_document ON submissions (document_digest);
CREATE INDEX submissions_waiting ON submissions (state, mba, number) WHERE standing = 'waiting';
CREATE TABLE refusals (
    digest BLOB PRIMARY KEY, submission_id BLOB NOT NULL, refusal BLOB NOT NULL, signature BLOB NOT NULL,
    certificate BLOB NOT NULL, received_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX refusals_by_submission ON refusals (submission_id, received_ms);
CREATE TABLE positions (
    state TEXT NOT NULL, mba TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (state, mba)
) STRICT;
"""
_NAMES: Final = (
    *("statement_id", "submission_id", "state", "mba", "number", "file", "identity", "document_digest", "statement"),
    *(
        "endorsements",
        "body_z",
        "iat",
        "created_ms",
        "attempts",
        "standing",
        "code",
        "height",
        "log_index",
        "answered_ms",
    ),
)
_COLUMNS: Final = ", ".join(_NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row. Ids and digests are 32 bytes; `iat` in seconds, the other times in milliseconds since 1970 UTC.

    `code` is the verdict code of the receipt, None while there is none; `log_index` is set for accepted reports only.
    `endorsements` is the CBOR array of the endorsements.
    """

    statement_id: bytes
    submission_id: bytes
    state: str
    mba: str
    number: int
    file: str
    identity: str
    document_digest: bytes
    statement: bytes
    endorsements: bytes
    body_z: bytes
    iat: int
    created_ms: int
    attempts: int = 0
    standing: Standing = "waiting"
    code: int | None = None
    height: int | None = None
    log_index: int | None = None
    answered_ms: int | None = None

    @property
    def report(self) -> str:
        """State, MBA and number, as `sub` hashes them: "XL/XLR1/41"; of a change of the ledger what it does."""
        if not self.mba:
            return self.file
        return f"{self.state}/{self.mba}/{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a verified receipt says about a row."""

    statement_id: bytes
    standing: Literal["accepted", "rejected"]
    code: int
    height: int
    log_index: int | None
    answered_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A verified refusal. `digest` names it: one that was seen before says nothing new."""

    digest: bytes
    submission_id: bytes
    refusal: bytes
    signature: bytes
    certificate: bytes
    received_ms: int


class Outbox:
    """All methods are safe to call from several threads, and from several processes on one file.

    What a method changed is durable on return (WAL with synchronous=FULL).
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, timeout=BUSY_MS / 1000, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._create()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def add(self, entries: Iterable[Entry]) -> None:
        """Keep new rows, all or none. A row that is there already stays as it is."""
        rows = [_row(entry) for entry in entries]
        marks = ", ".join("?" * len(_NAMES))
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(f"INSERT INTO submissions ({_COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING", rows)  # noqa: S608 - names, not values

    def waiting(self) -> list[Entry]:
        """Rows without an answer, by MBA and report number."""
        return self._entries("WHERE standing = 'waiting' ORDER BY state, mba, number, created_ms", ())

    def waiting_ids(self) -> set[bytes]:
        """The submission ids without an answer."""
        with self._lock:
            rows = self._db.execute("SELECT submission_id FROM submissions WHERE standing = 'waiting'").fetchall()
        return {row[0] for row in rows}

    def entries(self) -> list[Entry]:
        """Every row, oldest first."""
        return self._entries("ORDER BY created_ms, state, mba, number", ())

    def by_statement(self, prefix: str) -> list[Entry]:
        """Rows whose statement id, in hex, begins with `prefix`."""
        return self._entries("WHERE substr(lower(hex(statement_id)), 1, ?) = ?", (len(prefix), prefix.lower()))

    def by_document(self, digest: bytes) -> list[Entry]:
        """Rows of one document (SHA-256, 32 bytes, without salt), newest first."""
        return self._entries("WHERE document_digest = ? ORDER BY created_ms DESC", (digest,))

    def get(self, statement_ids: Sequence[bytes]) -> list[Entry]:
        """The rows of `statement_ids` that there are, in no promised order."""
        return self._among("statement_id", statement_ids)

    def of_submissions(self, submission_ids: Sequence[bytes]) -> list[Entry]:
        """The rows of `submission_ids` that there are, in no promised order."""
        return self._among("submission_id", submission_ids)

    def sent(self, submission_ids: Sequence[bytes]) -> None:
        """Count one more attempt for each. Done after the broker stored the message: a crash before repeats it."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "UPDATE submissions SET attempts = attempts + 1 WHERE submission_id = ?",
                [(one,) for one in submission_ids],
            )

    def send_again(self, statement_ids: Sequence[bytes]) -> None:
        """Make refused rows waiting again. Rows with a receipt stay."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "UPDATE submissions SET standing = 'waiting', answered_ms = NULL "
                "WHERE statement_id = ? AND standing = 'refused'",
                [(one,) for one in statement_ids],
            )

    def endorse(self, statement_id: bytes, *, endorsements: bytes, submission_id: bytes) -> bool:
        """Give a row other endorsements, and have it sent again. False: it has a receipt, or is not there."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            changed = self._db.execute(
                "UPDATE submissions SET endorsements = ?, submission_id = ?, standing = 'waiting', answered_ms = NULL, "
                "attempts = 0 WHERE statement_id = ? AND standing IN ('waiting', 'refused')",
                (endorsements, submission_id, statement_id),
            ).rowcount
        return bool(changed)

    def answer(
        self, answers: Iterable[Answered], refusals: Iterable[Refused], *, positions: Iterable[tuple[str, str, int]]
    ) -> None:
        """Record what one message of ANSWERS said, and that it was read: `positions` are (state, mba, sequence).

        A receipt replaces waiting and refused; a refusal replaces waiting only, and only if this very refusal was not
        seen before. Positions never go back. All in one transaction.
        """
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for one in refusals:
                self._refuse(one)
            self._db.executemany(
                "UPDATE submissions SET standing = ?, code = ?, height = ?, log_index = ?, answered_ms = ? "
                "WHERE statement_id = ? AND standing IN ('waiting', 'refused')",
                [(a.standing, a.code, a.height, a.log_index, a.answered_ms, a.statement_id) for a in answers],
            )
            self._db.executemany(
                "INSERT INTO positions VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET sequence = max(sequence, excluded.sequence)",
                list(positions),
            )

    def position(self, state: str, mba: str) -> int:
        """The sequence of the last message of ANSWERS read for this MBA; 0 before the first."""
        with self._lock:
            row = self._db.execute(
                "SELECT sequence FROM positions WHERE state = ? AND mba = ?", (state, mba)
            ).fetchone()
        return int(row[0]) if row else 0

    def forget_positions(self) -> None:
        """Read the answers from the beginning of the stream next time: it was made anew, or lost its end."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM positions")

    def refusals(self, submission_id: bytes) -> list[Refused]:
        """What was said against a submission, newest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT digest, submission_id, refusal, signature, certificate, received_ms FROM refusals "
                "WHERE submission_id = ? ORDER BY received_ms DESC",
                (submission_id,),
            ).fetchall()
        return [
            Refused(digest=d, submission_id=s, refusal=r, signature=g, certificate=c, received_ms=t)
            for d, s, r, g, c, t in rows
        ]

    def _refuse(self, one: Refused) -> None:
        new = self._db.execute(
            "INSERT INTO refusals VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (one.digest, one.submission_id, one.refusal, one.signature, one.certificate, one.received_ms),
        ).rowcount
        if new:
            self._db.execute(
                "UPDATE submissions SET standing = 'refused', answered_ms = ? "
                "WHERE submission_id = ? AND standing = 'waiting'",
                (one.received_ms, one.submission_id),
            )

    def _among(self, column: Literal["statement_id", "submission_id"], ids: Sequence[bytes]) -> list[Entry]:
        found: list[Entry] = []
        for begin in range(0, len(ids), _VARIABLES):
            some = ids[begin : begin + _VARIABLES]
            found += self._entries(f"WHERE {column} IN ({', '.join('?' * len(some))})", tuple(some))
        return found

    def _entries(self, clause: str, values: tuple[object, ...]) -> list[Entry]:
        with self._lock, closing(self._db.execute(f"SELECT {_COLUMNS} FROM submissions {clause}", values)) as rows:  # noqa: S608 - the clauses stand in this file
            return [_entry(row) for row in rows]

    def _create(self) -> None:
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise WrongUse(
                    f"The outbox was written by a newer slt (version {version}, this one reads {_VERSION}): update slt"
                )
            if version == 0:
                for statement in _SCHEMA.split(";\n"):
                    if statement.strip():
                        self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {_VERSION}")


def _row(entry: Entry) -> tuple[object, ...]:
    return tuple(getattr(entry, name) for name in _NAMES)


def _entry(row: tuple[object, ...]) -> Entry:
    return Entry(**dict(zip(_NAMES, row, strict=True)))  # type: ignore[arg-type]  # STRICT tables hold what the columns say
