"""Fixtures of the unit tests, put back after each test.

`world` is the whole protocol; `books` the Clearinghouse alone, with a stub of Markets and a venue
that has money, `bare_books` the same without it; `desk` Markets and
its configurator alone, `chain` the pool alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fixtures import *  # noqa: F403
from tests.unit import ledger_support, markets_support, pool_chain
from tests.unit.ledger_support import Books
from tests.unit.markets_support import Desk
from tests.unit.pool_chain import PoolChain


@pytest.fixture(scope="module")
def deployment() -> Iterator[Books]:
    with ledger_support.deployed() as books:
        yield books


@pytest.fixture
def bare_books(deployment: Books) -> Iterator[Books]:
    with ledger_support.anchored(deployment) as put_back:
        yield put_back


@pytest.fixture
def books(bare_books: Books) -> Books:
    bare_books.seed_venue()
    return bare_books


@pytest.fixture(scope="module")
def markets_alone() -> Iterator[Desk]:
    with markets_support.built() as desk:
        yield desk


@pytest.fixture
def desk(markets_alone: Desk) -> Iterator[Desk]:
    with markets_support.anchored(markets_alone) as put_back:
        yield put_back


@pytest.fixture(scope="module")
def pool_alone() -> Iterator[PoolChain]:
    with pool_chain.deployed() as chain:
        yield chain


@pytest.fixture
def chain(pool_alone: PoolChain) -> Iterator[PoolChain]:
    with pool_chain.anchored(pool_alone) as put_back:
        yield put_back
