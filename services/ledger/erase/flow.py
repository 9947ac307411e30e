"""Erases bodies, some at a time: make and sign the record of each, then both changes in one transaction.

A crash between two transactions leaves the bodies of the later ones: the program says so by going on where it was.
"""

from collections.abc import AsyncIterator, Callable, Collection
from typing import Final

from services.ledger.rows import StoredEntry, salts_of, submission_of
from services.ledger.store import Store
from slt.merkle.hashing import Digest
from slt.statements.erasures import Erasure, sign_erasure
from slt.statements.genesis import Genesis
from slt.statements.signatures import Signer
from slt.statements.statement import parse_statement

ERASED_AT_ONCE: Final = 200  # bodies in one transaction: some megabytes, and the service waits that long for its turn


class Unknown(ValueError):
    """A statement that this ledger has not ordered, or holds no body of."""


class Eraser:
    """What is the same in every record: who erases, and why. `now_ms`: this member's clock."""

    def __init__(
        self,
        store: Store,
        genesis: Genesis,
        *,
        member: int,
        signer: Signer,
        certificate: bytes,
        reason: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._genesis = genesis
        self._member = member
        self._signer = signer
        self._certificate = certificate
        self._reason = reason
        self._now_ms = now_ms

    async def older(self, before_ms: int) -> AsyncIterator[int]:
        """Erase every body of blocks with a time below `before_ms`. Yields how many, as they are gone for good."""
        after, gone = -1, 0
        while found := await self._store.with_body(before_ms=before_ms, after=after, limit=ERASED_AT_ONCE):
            await self._erase(found)
            after, gone = found[-1].entry, gone + len(found)
            yield gone
        await self._store.compact()

    async def named(self, statement_ids: Collection[bytes]) -> int:
        """Erase the bodies of these statements, every copy that was ordered; how many. Raises Unknown before any."""
        found: list[StoredEntry] = []
        for statement_id in statement_ids:
            copies = [entry for entry in await self._store.by_statement(statement_id) if entry.body_z]
            if not copies:
                raise Unknown(f"this ledger holds no body of statement {statement_id.hex()}; nothing was erased")
            found += copies
        for at in range(0, len(found), ERASED_AT_ONCE):
            await self._erase(found[at : at + ERASED_AT_ONCE])
        await self._store.compact()
        return len(found)

    async def _erase(self, entries: list[StoredEntry]) -> None:
        await self._store.erase({entry.entry: self._signed(entry) for entry in entries})

    def _signed(self, entry: StoredEntry) -> bytes:
        statement = parse_statement(entry.statement)
        findings_salt, facts_salt = salts_of(entry, statement)
        erasure = Erasure(
            chain_id=self._genesis.chain_id,
            member=self._member,
            statement_id=statement.id,
            submission_id=submission_of(entry).id,
            body_digest=statement.body_digest,
            body_length=entry.body_length,
            findings_salt=Digest(findings_salt),
            facts_salt=Digest(facts_salt),
            time_ms=self._now_ms(),
            reason=self._reason,
        )
        return sign_erasure(erasure, self._signer, self._certificate)
