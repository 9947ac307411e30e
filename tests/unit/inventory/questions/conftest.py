"""The sample year in list-backed books, in the order in which its State reports it."""

import pytest

from slt.client.local.sample import YEAR
from tests.unit.inventory.questions.listed_books import ListBooks
from tests.unit.inventory.sample_world import facts_of, world


@pytest.fixture
def year() -> ListBooks:
    """After it, each area is at the height of the last report: one block a report."""
    books = ListBooks(*world())
    for name in YEAR:
        books.accept(facts_of(name))
    return books
