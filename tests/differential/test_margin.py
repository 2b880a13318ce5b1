"""Markets.check against the reference over words whose every field is random."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.differential import random_facts
from tests.differential.markets_chain import MarketsChain
from tests.reference import margin
from tests.reference.refused import Refused
from tests.stateful.evm import Reverted

ACCOUNTS = 20


@given(seed=st.integers(0, 2**64))
def test_check__random_words__equals_reference(chain: MarketsChain, seed: int) -> None:
    rng = Random(seed)
    world, terms = random_facts.world(rng), random_facts.terms(rng)
    for key, facts in world.items():
        chain.write(key, facts)
    chain.write_collaterals(terms)
    for _ in range(ACCOUNTS):
        account = random_facts.account(rng)
        try:
            health = margin.check(account, world, terms, random_facts.NOW)
        except Refused as refused:
            with pytest.raises(Reverted, match=refused.reason):
                chain.check(account)
            continue
        assert chain.check(account) == health.answer()
        assert health.im >= health.im0 >= health.ims >= health.le >= health.mm >= 0
