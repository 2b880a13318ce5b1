"""One whole deployment on pyrevm, and the reference world that describes it at birth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property

from eth_utils.crypto import keccak

from tests.reference import units
from tests.reference.facts import (
    Account,
    Collateral,
    FeedParams,
    MarginParams,
    PoolParams,
    Token,
    listed_market,
)
from tests.reference.liquidation import CURVE
from tests.reference.oracle import Report
from tests.reference.state import Setup, World
from tests.reference.units import ACTIVE, HOUSE, LISTED, TICK_WAD
from tests.stateful.compiled import Compiled, compiled
from tests.stateful.evm import CHAIN_ID, Contract, Evm, created, deploy
from tests.support.signing import SIGNERS, Desk, key_of, source_address

OWNER = 0xA11
GUARDIAN = 0xA13
TREASURY = 0xA12
# two of the traders can sign
KEYS = {source_address(100 + index): key_of(100 + index) for index in (0, 1)}
TRADERS = (*range(0xB01, 0xB09), *KEYS)
PROVIDERS = tuple(range(0xC01, 0xC04))
KEEPERS = (0xD01, 0xD02)
BUYERS = (0xE01, 0xE02)
ACTORS = (*TRADERS, *PROVIDERS, *KEEPERS, *BUYERS, OWNER)

QUORUM = 3
MIN_RESERVE = 10**14
UNLIMITED = 2**256 - 1
ROLE_TRADE = 1
ROLE_LIQUIDATE = 2
ROLE_ACT = 4
ROLE_GUARD = 8
ROLE_CURE = 16
PURSE = 10**9  # whole tokens of each kind that every actor starts with

TIMING = (
    units.AGE_IM,
    units.AGE_MM,
    units.T_DEAD,
    units.GRACE_MAX,
    units.WINDOW,
    units.TAU_VARIANCE,
)
CHARGES = (
    units.KAPPA_FLAT,
    units.KAPPA_LEG,
    units.KAPPA_COLLATERAL,
    units.VELOCITY,
    units.RATE_MAX,
)


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """What a market is listed with; a small one opens from half the usual leg."""

    price: int  # ticks
    margin: MarginParams
    feed: FeedParams
    pool: PoolParams | None
    small: bool = False


@dataclass(frozen=True, slots=True)
class CollateralTerms:
    """What a collateral is listed with; caps in whole tokens."""

    feed: int
    decimals: int
    haircut_im: int
    haircut_mm: int
    hard_cap: int
    soft_cap: int


@dataclass(frozen=True, slots=True)
class Terms:
    """Everything that a deployment may choose."""

    settlement_decimals: int
    settlement_cap: int
    markets: tuple[MarketTerms, ...]
    collaterals: tuple[CollateralTerms, ...]


class House:
    """The contracts of one deployment; without options where nobody is the engine."""

    engine_address = 0

    def __init__(
        self, terms: Terms, code: Callable[[str], Compiled] = compiled, zoo: bool = False
    ) -> None:
        """Deploy it; the tokens of a zoo behave until they are told otherwise."""
        self.terms = terms
        self.zoo = zoo
        self.evm = Evm()
        self._code = code
        self.tokens = [self._token("USDC", terms.settlement_decimals)]
        self.tokens += [self._token("COLL", c.decimals) for c in terms.collaterals]
        self._deploy_core()
        self._configure()
        self._fill_purses()

    # ---- deployment

    def _token(self, symbol: str, decimals: int) -> Contract:
        if self.zoo:
            return deploy(self.evm, OWNER, "mocks/ZooToken", decimals)
        return deploy(self.evm, OWNER, "mocks/TestToken", symbol, symbol, decimals)

    def _contract(self, name: str, *args: object) -> Contract:
        return deploy(self.evm, OWNER, name, *args, code=self._code)

    def _deploy_core(self) -> None:
        first = len(self.tokens)
        markets, clearinghouse, fund = (created(OWNER, first + n) for n in (1, 2, 3))
        self.configurator = self._contract("RiskConfigurator", markets)
        self.markets = self._contract(
            "Markets",
            self.configurator.address,
            clearinghouse,
            TIMING,
            CHARGES,
            QUORUM,
        )
        self.clearinghouse = self._contract(
            "Clearinghouse",
            self.tokens[0].address,
            self.terms.settlement_cap,
            self.markets.address,
            fund,
            TREASURY,
            self.engine_address,
        )
        assert self.clearinghouse.address == clearinghouse
        self.fund = self._contract("InsuranceFund", clearinghouse)
        assert self.fund.address == fund
        self.pool = self._contract(
            "LiquidityPool",
            clearinghouse,
            "Plimsoll pool",
            "PLP",
            units.REQUEST_DELAY,
            units.COOLDOWN,
        )
        self.orders = self._contract("Orders", clearinghouse, units.COMMIT_DELAY, MIN_RESERVE)
        self.liquidator = self._contract(
            "Liquidator",
            clearinghouse,
            self.pool.address,
            fund,
            self.engine_address,
            [value for point in CURVE[1:] for value in point],
            units.DUST,
        )
        self.operators = deploy(self.evm, OWNER, "Operators", clearinghouse, self.orders.address)
        self.desk = Desk(CHAIN_ID, self.markets.address)

    @cached_property
    def prober(self) -> Contract:
        """Return what a token's hook is: it calls what it was told to, and notes how that ended."""
        return deploy(self.evm, OWNER, "mocks/Prober")

    def _configure(self) -> None:
        for index in range(SIGNERS):
            self.configurator.send(OWNER, "set_signer", index, source_address(index))
        for key, m in self._numbered():
            feed = list(astuple(m.feed))
            feed[0], feed[1] = feed[0] * TICK_WAD, feed[1] * TICK_WAD
            self.configurator.send(
                OWNER,
                "list_market",
                key,
                f"M{key}",
                astuple(m.margin),
                tuple(feed),
                m.price * TICK_WAD,
            )
            if m.pool is not None:
                self.pool.send(OWNER, "set_params", key, astuple(m.pool))
        for token, c in zip(self.tokens[1:], self.terms.collaterals, strict=True):
            self.clearinghouse.send(
                OWNER,
                "list_collateral",
                token.address,
                c.feed,
                c.haircut_im,
                c.haircut_mm,
                c.hard_cap,
                c.soft_cap,
            )
        self.configurator.send(OWNER, "set_pool", self.pool.address)
        small = sum(1 << key for key, m in self._numbered() if m.small)
        self.clearinghouse.send(OWNER, "set_venue", self.pool.address, True, True, small)
        self.clearinghouse.send(OWNER, "set_hand", self.orders.address, ROLE_TRADE)
        self.clearinghouse.send(OWNER, "set_hand", self.liquidator.address, ROLE_LIQUIDATE)
        self.clearinghouse.send(OWNER, "set_hand", self.operators.address, ROLE_ACT)
        self.clearinghouse.send(OWNER, "set_hand", self.configurator.address, ROLE_GUARD)
        self.configurator.send(OWNER, "set_guardian", GUARDIAN)
        self.fund.send(OWNER, "set_liquidator", self.liquidator.address)

    def _numbered(self) -> list[tuple[int, MarketTerms]]:
        return list(enumerate(self.terms.markets, start=1))

    def _fill_purses(self) -> None:
        spenders = [
            each.address for each in (self.clearinghouse, self.pool, self.fund, self.operators)
        ]
        for token, decimals in zip(self.tokens, self.decimals, strict=True):
            for actor in ACTORS:
                token.send(OWNER, "mint", actor, PURSE * 10**decimals)
                for spender in spenders:
                    token.send(actor, "approve", spender, UNLIMITED)
        for actor in ACTORS:
            self.evm.give_ether(actor, 10**24)

    # ---- storage

    def entries_slot(self, account: int) -> int:
        """Return the first slot of an account's legs; its amounts follow them."""
        layout = self._code("Clearinghouse").layout["storage_layout"]["accounts"]
        place = int(layout["entries"]["slot"]).to_bytes(32, "big")
        return int.from_bytes(keccak(place + account.to_bytes(32, "big")), "big")

    def blob(self, reports: Sequence[Report]) -> bytes:
        """Return what the sources send who are seated now."""
        seats = range(SIGNERS)
        return self.desk.blob(
            reports, [i for i in seats if int(self.configurator.view("signers", i))]
        )

    # ---- facts

    @property
    def decimals(self) -> list[int]:
        """Return the decimals of each token by id."""
        return [self.terms.settlement_decimals, *(c.decimals for c in self.terms.collaterals)]

    @cached_property
    def setup(self) -> Setup:
        """Return what deployment fixed, for the reference."""
        return Setup(
            pool_account=self.pool.address << 96,
            waiting_account=self.pool.address << 96 | 1,
            insurance_account=self.fund.address << 96,
            fee_account=TREASURY << 96,
            settlement_decimals=self.terms.settlement_decimals,
            quorum=QUORUM,
            min_reserve=MIN_RESERVE,
        )

    def world(self) -> World:
        """Return the reference's state of this deployment before its first action."""
        world = World(self.setup, now=self.evm.time, block=self.evm.block)
        world.owner, world.guardian = OWNER, GUARDIAN
        world.tokens[0] = Token(0, self.terms.settlement_decimals, 0, self.terms.settlement_cap, 0)
        for key, c in enumerate(self.terms.collaterals, start=1):
            world.tokens[key] = Token(key, c.decimals, 0, c.hard_cap, c.soft_cap)
            world.collaterals[key] = Collateral(c.feed, c.decimals, c.haircut_im, c.haircut_mm)
        for key, m in self._numbered():
            world.markets[key] = listed_market(m.price, m.margin, m.feed, world.now, ACTIVE)
            if m.pool is not None:
                world.pool_params[key] = m.pool
            if m.small:
                world.min_legs[key] = units.MIN_LEG // 2
        world.signer_times = {index: 0 for index in range(SIGNERS)}
        world.accounts[self.setup.pool_account] = Account(flags=HOUSE | LISTED)
        world.listed.append(self.setup.pool_account)
        for token, decimals in enumerate(self.decimals):
            for actor in ACTORS:
                world.wallets[actor, token] = PURSE * 10**decimals
        return world

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """Return the contracts whose events tell the story."""
        return (
            self.clearinghouse,
            self.markets,
            self.pool,
            self.orders,
            self.liquidator,
            self.operators,
            self.fund,
            self.configurator,
        )
