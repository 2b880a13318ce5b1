"""Markets.update and the accrual of funding against the reference, word by word."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.differential import random_facts
from tests.differential.markets_chain import (
    CLEARINGHOUSE,
    LN_HARNESS,
    OWNER,
    MarketsChain,
    expected_words,
    write,
)
from tests.differential.random_facts import NOW
from tests.differential.random_reports import random_reports
from tests.reference import ledger, markets, oracle
from tests.reference.fixed import wad_ln
from tests.reference.refused import Refused
from tests.reference.words import signer_time
from tests.stateful.evm import CHAIN_ID, Contract, Reverted, deploy
from tests.support.signing import SIGNERS, Desk, source_address


@pytest.fixture(scope="module")
def listed(chain: MarketsChain) -> MarketsChain:
    for key in range(1, random_facts.MARKETS + 1):
        chain.list_market(key, random_facts.market(Random(key)))
    for index in range(SIGNERS):
        chain.configurator.send(OWNER, "set_signer", index, source_address(index))
    return chain


@pytest.fixture(scope="module")
def ln(chain: MarketsChain) -> Contract:
    return deploy(chain.evm, OWNER, LN_HARNESS)


@given(seed=st.integers(0, 2**64))
def test_update__random_words_and_reports__equals_reference(
    listed: MarketsChain, seed: int
) -> None:
    rng = Random(seed)
    world = random_facts.world(rng)
    desk = Desk(CHAIN_ID, listed.contract.address)
    before = listed.evm.snapshot()
    write(listed, world)
    times = {index: 0 for index in range(SIGNERS)}
    counted = dict(times)
    for _ in range(6):
        reports = random_reports(rng, world)
        try:
            after = oracle.update(world, times, 3, reports, NOW)
        except Refused as refused:
            with pytest.raises(Reverted, match=refused.reason):
                listed.contract.send(1, "update", desk.blob(reports))
            continue
        assert listed.contract.send(1, "update", desk.blob(reports)) == after.stored
        if after.markets != world:
            # R9 word by word: no report that counts is older than its signer's last one that did
            assert all(report.publish >= counted[report.signer] for report in reports)
            counted |= {report.signer: report.publish for report in reports}
        world, times = dict(after.markets), dict(after.signer_times)
        for key, facts in world.items():
            assert listed.read(key) == expected_words(facts)
        word = listed.contract.view("signers")
        for index, time in times.items():
            assert signer_time(word, index) == time
    listed.evm.restore(before)


@given(seed=st.integers(0, 2**64))
def test_record_trade__random_words__equals_reference(listed: MarketsChain, seed: int) -> None:
    rng = Random(seed)
    facts = random_facts.market(rng)
    before = listed.evm.snapshot()
    write(listed, {1: facts})
    assert listed.contract.view("market_words", 1)[2] == markets.funding_now(facts, NOW)
    change = rng.choice([0, -1, -facts.open_interest, rng.randint(-(10**9), 0)])
    tilt = rng.choice([ledger.KEEP_TILT, rng.randint(-30_000, 30_000)])
    try:
        after = ledger.record_trade(facts, change, tilt, NOW)
    except Refused as refused:
        with pytest.raises(Reverted, match=refused.reason):
            listed.contract.send(CLEARINGHOUSE, "record_trade", 1, change, tilt)
    else:
        listed.contract.send(CLEARINGHOUSE, "record_trade", 1, change, tilt)
        assert listed.read(1) == expected_words(after)
        # D4: twice in one block is once, and the rate stays within its cap
        again = ledger.record_trade(after, 0, ledger.KEEP_TILT, NOW)
        assert again == after
    listed.evm.restore(before)


@given(seed=st.integers(0, 2**64))
def test_accrue__split_in_two__funding_only_loses_to_rounding(seed: int) -> None:
    """E2: F is floored, so two accruals are never above one, and below it by a few ticks."""
    rng = Random(seed)
    facts = replace(random_facts.market(rng), publish=NOW, time=NOW - rng.randint(0, 3_600))
    middle = rng.randint(facts.time, NOW)
    whole = markets.accrue(facts, NOW)
    split = markets.accrue(markets.accrue(facts, middle), NOW)
    # the rate is truncated to 1e-14 once more: at most 1e-14 a second for an hour
    slack = 2 + facts.price * 3_600 // 10**14
    assert abs(whole.funding - split.funding) <= slack
    assert abs(split.rate - whole.rate) <= 1


@given(x=st.one_of(st.integers(1, 10**30), st.integers(1, 2**255 - 1)))
def test_wad_ln__any_number__equals_reference(ln: Contract, x: int) -> None:
    assert ln.view("wad_ln", x) == wad_ln(x)
