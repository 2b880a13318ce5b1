"""LiquidityPool and Orders alone, on a stub that answers as Clearinghouse and Markets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import boa
import boa.interpret
from hypothesis import HealthCheck, settings

from tests.reference import units, words
from tests.reference.facts import (
    Account,
    FeedParams,
    Health,
    Leg,
    MarginParams,
    Market,
    PoolParams,
    listed_market,
)
from tests.reference.units import DAY, HOUSE, LOTS_PER_UNIT, TICKS_PER_USD, WAD
from tests.support.chains import Clocked

CONTRACTS = Path(__file__).parents[2] / "contracts"
GENESIS = 1_700_000_000
ATOM = 10**12  # WAD of one atom of a token with 6 decimals
USDC = 10**6  # atoms
DEPOSIT = 1_000_000 * USDC  # of a provider
BP = WAD // 10_000
MILLION = 1_000_000 * WAD
ETH, BTC = 1, 2
DELAY, COOLDOWN = 2, DAY
MIN_RESERVE = 10**14

# R13 for ETH and BTC
PARAMS = PoolParams(
    scale=2_000 * MILLION,
    max_skew=10 * MILLION,
    spread_min=4 * BP,
    fee=5 * BP,
    liquidation_fee=30 * BP,
    keeper_rate=15 * BP,
    lambda_=WAD,
    mu=80 * WAD // 100,
)
MARGIN = MarginParams(
    base=WAD // 20,
    mm_ratio=WAD // 2,
    tier_start=MILLION,
    spread_rate=WAD // 100,
    oi_max=3 * WAD,
    oi_lo=WAD // 2,
    oi_cap=30 * MILLION,
)
FEED = FeedParams(1, 2**63, 0, 0, 5, 0, 0, 1_800, WAD, 3 * WAD, 0)
# the stub's flat requirements
IM_RATE, MM_RATE = 5 * WAD // 100, 25 * WAD // 1_000

# examples that go through several transactions: titanoboa takes 50 ms for each of them
FEW = settings(
    max_examples=min(50, settings.default.max_examples),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@cache
def deployer_of(name: str) -> Any:
    """Return boa's deployer of a contract, compiled once a process."""
    boa.interpret.set_search_paths([str(CONTRACTS)])
    return boa.load_partial(str(CONTRACTS / f"{name}.vy"))


def account_of(owner: str, index: int = 0) -> int:
    """Return owner << 96 | index."""
    return int(owner, 16) << 96 | index


def market_at(price: int, conf: int = 0, publish: int = GENESIS, **changes: Any) -> Market:
    """Return the facts of a market with this stored price [ticks]."""
    listed = listed_market(price, MARGIN, FEED, publish, units.ACTIVE)
    return replace(listed, conf=conf, **changes)


def usd(amount: int) -> int:
    """Return ticks."""
    return amount * TICKS_PER_USD


def lots(amount: float) -> int:
    """Return lots of an amount in units."""
    return round(amount * LOTS_PER_UNIT)


def stub_health(account: Account, markets: Mapping[int, Market]) -> Health:
    """Return the stub's answer to a margin check."""
    notional = unsettled = 0
    for leg in account.legs:
        market = markets[words.market_of(leg.instrument)]
        notional += abs(leg.size) * market.price
        unsettled += leg.size * (market.price - market.funding)
    unsettled += account.quote
    im, mm = notional * IM_RATE // WAD, notional * MM_RATE // WAD
    equity = account.cash + unsettled
    return Health(equity, unsettled, im, (im + mm) // 2, mm, 0, 0, 0)


@dataclass
class PoolChain(Clocked):
    """The contracts, and the facts that the stub has been told."""

    token: Any
    stub: Any
    pool: Any
    markets: dict[int, Market]
    params: dict[int, PoolParams]
    owner: str
    depositor: str
    keeper: str
    attacker: str

    @classmethod
    def deploy(cls, decimals: int = 6, token: Any = None) -> PoolChain:
        """Deploy a pool that lists ETH and BTC at 3,000 and 60,000 USD."""
        boa.env.evm.patch.timestamp = GENESIS
        roles = [str(boa.env.generate_address(r)) for r in ("owner", "lp", "keeper", "attacker")]
        owner = roles[0]
        for role in roles:
            boa.env.set_balance(role, 10**24)
        if token is None:
            token = deployer_of("mocks/TestToken").deploy("USD", "USD", decimals)
        stub = deployer_of("mocks/PoolStub").deploy(token.address, 10 ** (18 - decimals))
        with boa.env.prank(owner):
            pool = deployer_of("LiquidityPool").deploy(
                stub.address, "Plimsoll Pool", "PLP", DELAY, COOLDOWN
            )
        chain = cls(token, stub, pool, {}, {}, *roles)
        for market, price in ((ETH, 3_000), (BTC, 60_000)):
            chain.set_market(market, market_at(usd(price)))
            chain.list_market(market, PARAMS)
        return chain

    # ---- what the stub is told ---------------------------------------------------------------

    def list_market(self, market: int, params: PoolParams) -> None:
        """Set the parameters of a market, its margin parameters first."""
        self.set_margin(market, MARGIN)
        self.pool.set_params(market, astuple(params), sender=self.owner)
        self.params[market] = params

    def set_margin(self, market: int, margin: MarginParams) -> None:
        """Store a state word with these margin parameters."""
        self.stub.set_state(market, words.state_word(replace(market_at(1), margin=margin)))

    def set_market(self, market: int, facts: Market) -> None:
        """Store a price word."""
        self.markets[market] = facts
        self.stub.set_price(market, words.price_word(facts), facts.funding)

    def refresh(self, age: int = 0, gap: int | None = None) -> None:
        """Publish every price again, `age` seconds ago, as the next one unless a gap is given."""
        for market, facts in self.markets.items():
            publish = self.now - age
            since = max(0, min(255, publish - facts.publish)) if gap is None else gap
            self.set_market(market, replace(facts, publish=publish, gap=since))

    def set_pool(self, account: Account) -> None:
        """Give the pool's account these words."""
        house = replace(account, flags=HOUSE)
        word, legs, _ = words.encode_account(house)
        self.stub.set_account(self.account, word, legs)
        # the settlement token is where the ledger says it is
        self.token.mint(self.stub.address, max(0, account.cash) // self.scale)

    # ---- reading -----------------------------------------------------------------------------

    @property
    def account(self) -> int:
        """The pool's account."""
        return account_of(self.pool.address)

    @property
    def waiting(self) -> int:
        """The account of waiting deposits."""
        return account_of(self.pool.address, 1)

    @property
    def scale(self) -> int:
        """WAD of one atom."""
        return int(self.stub.settlement_scale())

    # ---- moves that tests share ----------------------------------------------------------------

    def request_deposit(self, assets: int, owner: str | None = None) -> int:
        """Mint atoms to an owner, who asks for shares."""
        who = owner or self.depositor
        self.token.mint(who, assets)
        self.token.approve(self.pool.address, assets, sender=who)
        return int(self.pool.request_deposit(assets, who, sender=who))

    def deposit(self, assets: int, owner: str | None = None) -> int:
        """Deposit at once; return the shares."""
        request = self.request_deposit(assets, owner)
        self.wait(DELAY)
        self.refresh()
        return int(self.pool.execute_deposit(request, sender=self.keeper))

    def request_redeem(self, shares: int, owner: str | None = None) -> int:
        """Ask for a redemption."""
        return int(self.pool.request_redeem(shares, sender=owner or self.depositor))

    def execute_redeem(self, request: int) -> int:
        """Wait for the cooldown, publish, execute; return the atoms paid."""
        self.wait(COOLDOWN)
        self.refresh()
        return int(self.pool.execute_redeem(request, sender=self.keeper))


def pool_account(cash: int, quote: int = 0, **legs: int) -> Account:
    """Return a pool's account: cash and quote [WAD], ETH and BTC legs [lots]."""
    ids = {"ETH": ETH, "BTC": BTC}
    held = tuple(Leg(words.instrument_of(ids[name]), size) for name, size in legs.items())
    return Account(cash=cash, quote=quote, flags=HOUSE, legs=held)


def at_mark(cash: int, markets: Mapping[int, Market], **legs: int) -> Account:
    """Return a pool's account whose legs were filled at the mark: its equity is `cash`."""
    account = pool_account(cash, **legs)
    paid = sum(
        leg.size * (m.price - m.funding)
        for leg in account.legs
        for m in [markets[words.market_of(leg.instrument)]]
    )
    return replace(account, quote=-paid)


def the_event(contract: Any, name: str) -> Any:
    """Return the one event of this name in the last call."""
    (event,) = [e for e in contract.get_logs() if type(e).__name__ == name]
    return event


def share_price(chain: PoolChain) -> int:
    """Return the price of a share times 1e36, virtual ones included."""
    return (chain.pool.nav() + WAD) * 10**36 // (chain.pool.totalSupply() + WAD)


@contextmanager
def deployed(decimals: int = 6) -> Iterator[PoolChain]:
    """A pool on a chain of its own."""
    with boa.swap_env(boa.Env()):
        yield PoolChain.deploy(decimals)


@contextmanager
def anchored(chain: PoolChain) -> Iterator[PoolChain]:
    """The chain and what the test knows of it, put back afterwards."""
    markets, params = dict(chain.markets), dict(chain.params)
    with boa.env.anchor():
        yield chain
    chain.markets, chain.params = markets, params
