"""The registry and the reference data as the state has them."""

from slt.inventory.keys import Kind, key
from slt.inventory.state import Draft
from slt.statements.genesis import Identity, Mba


def find_identity(draft: Draft, kid: bytes) -> Identity | None:
    """Raises NeedRecords."""
    return draft.read(key(Kind.IDENTITY, kid), Identity.from_value)


def find_mba(draft: Draft, state: str, mba: str) -> Mba | None:
    """Raises NeedRecords."""
    return draft.read(key(Kind.MBA, state, mba), Mba.from_value)
