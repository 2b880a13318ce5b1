"""Fixtures of the unit tests, put back after each test.

`world` is the whole protocol; `books` the Clearinghouse alone, with a stub of Markets and a venue
that has money, `bare_books` the same without it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fixtures import *  # noqa: F403
from tests.unit.ledger_support import Books, anchored, deployed


@pytest.fixture(scope="module")
def deployment() -> Iterator[Books]:
    with deployed() as books:
        yield books


@pytest.fixture
def bare_books(deployment: Books) -> Iterator[Books]:
    with anchored(deployment) as put_back:
        yield put_back


@pytest.fixture
def books(bare_books: Books) -> Books:
    bare_books.seed_venue()
    return bare_books
