"""Chains that several differential tests share; a reference that refuses expects the same word."""

from __future__ import annotations

import pytest

from tests.differential.markets_chain import MarketsChain
from tests.differential.random_facts import NOW


@pytest.fixture(scope="module")
def chain() -> MarketsChain:
    made = MarketsChain()
    made.evm.advance(NOW - made.evm.time)
    return made
