"""Questions whose answers the reference knows: random words first, then what they seldom meet."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.differential import random_facts
from tests.differential.markets_chain import OWNER, MarketsChain, expected_words, write
from tests.differential.mutants.hunt import Hunt, trying
from tests.differential.random_reports import random_reports
from tests.reference import fixed, margin, oracle
from tests.reference.facts import Account, Market
from tests.reference.oracle import Quote, Report
from tests.reference.refused import Refused
from tests.stateful.evm import CHAIN_ID, Contract
from tests.support.signing import SIGNERS, Desk, source_address


def expected(ask: Callable[[], Any]) -> Any:
    """Return the reference's answer in the words of the chain's."""
    try:
        return ask()
    except Refused as refused:
        return f"refused: {refused.reason}"


# ---- fixed_point ---------------------------------------------------------------------------------


def ask_harness(hunt: Hunt, harness: Contract, rng: Random) -> None:
    """Ask the functions of fixed_point themselves."""
    a, b = rng.getrandbits(100), rng.getrandbits(100) | 1
    x = rng.randint(-(2**200), 2**200)
    tau = rng.randint(18_000, 86_400)
    dt = rng.randint(1, tau // 5)
    for name, args, told in (
        ("mul_up", (a, b), fixed.mul_up(a, b)),
        ("mul_down", (a, b), fixed.mul_down(a, b)),
        ("ceil_div", (a, b), fixed.ceil_div(a, b)),
        ("floor_div", (x, b), fixed.floor_div(x, b)),
        ("one_minus_exp", (dt, tau), fixed.expm(dt, tau)),
    ):
        hunt.question(harness.evm, name, lambda n=name, v=args: harness.view(n, *v), told)


# ---- Markets -------------------------------------------------------------------------------------


class Feeds:
    """Markets alone, with signers, its words written at will."""

    def __init__(self, chain: MarketsChain) -> None:
        self.chain = chain
        self.desk = Desk(CHAIN_ID, chain.contract.address)
        chain.evm.advance(random_facts.NOW - chain.evm.time)
        for key in range(1, random_facts.MARKETS + 1):
            chain.list_market(key, random_facts.market(Random(key)))
        for index in range(SIGNERS):
            chain.configurator.send(OWNER, "set_signer", index, source_address(index))

    def ask_checks(self, hunt: Hunt, rng: Random, accounts: int = 10) -> None:
        """Ask for the health of accounts of any words."""
        world, terms = random_facts.world(rng), random_facts.terms(rng)
        for key, facts in world.items():
            self.chain.write(key, facts)
        self.chain.write_collaterals(terms)
        for _ in range(accounts):
            account = random_facts.account(rng)
            told = expected(
                lambda a=account: margin.check(a, world, terms, random_facts.NOW).answer()
            )
            hunt.question(self.chain.evm, "check", lambda a=account: self.chain.check(a), told)

    def ask_update(self, hunt: Hunt, rng: Random) -> None:
        """Ask what an update leaves of every word."""
        before = self.chain.evm.snapshot()
        world = random_facts.world(rng)
        write(self.chain, world)
        times = dict.fromkeys(range(SIGNERS), 0)
        reports = random_reports(rng, world)
        blob = self.desk.blob(reports)

        def model() -> Any:
            after = oracle.update(world, times, 3, reports, random_facts.NOW)
            return after.stored, [expected_words(facts) for facts in after.markets.values()]

        def act() -> Any:
            stored = self.chain.contract.send(1, "update", blob)
            return stored, [self.chain.read(key) for key in world]

        hunt.question(self.chain.evm, "update", trying(self.chain.evm, act), expected(model))
        self.chain.evm.restore(before)

    def ask_account(self, hunt: Hunt, m: Market, account: Account) -> None:
        """Ask for the health of one account in one market."""
        self.chain.write(1, m)
        told = margin.check(account, {1: m}, {}, random_facts.NOW).answer()
        view = self.chain.check
        hunt.question(self.chain.evm, "check", lambda: view(account), told, one_by_one=True)

    def ask_sample(self, hunt: Hunt, m: Market) -> None:
        """Ask what a report of the stored price leaves of a market that is due for a sample."""
        before = self.chain.evm.snapshot()
        write(self.chain, {1: m})
        times = dict.fromkeys(range(SIGNERS), 0)
        quote = Quote(1, m.price, 0)
        reports = [Report(signer, random_facts.NOW, (quote,)) for signer in range(3)]
        after = oracle.update({1: m}, times, 3, reports, random_facts.NOW)
        assert after.stored == 1
        blob = self.desk.blob(reports)

        def act() -> Any:
            self.chain.contract.send(1, "update", blob)
            return self.chain.read(1)

        told, evm = expected_words(after.markets[1]), self.chain.evm
        hunt.question(evm, "update", trying(evm, act), told, one_by_one=True)
        self.chain.evm.restore(before)


def ask_median(hunt: Hunt, harness: Contract, rng: Random) -> None:
    """Ask for the median of five or six reports."""
    quotes = [Quote(5, rng.randint(10**13, 2 * 10**13), rng.randint(0, 99)) for _ in range(8)]
    count = rng.choice((4, 5, 6, 7))
    # other bytes of the blob follow a quote
    raws = [quote.price << 192 | quote.conf << 176 | rng.getrandbits(176) for quote in quotes]
    price, conf = oracle.median(quotes[:count])
    told = price << 192 | conf
    hunt.question(harness.evm, "median", lambda: harness.view("median", raws, count), told)
