"""One moment in the life of a deployment at which every function of the ABIs can be called.

An actor (a contract, so that it can call back) has accounts, a leg, pool shares, a redemption and a
deposit whose time has come, and orders in every state; somebody else is below MM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import boa
from coincurve import PrivateKey
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.support.attack import DAY, deploy, fresh_env, pass_time, sink, weak_long
from tests.support.permits import Grant, permit_digest, sign
from tests.support.world import LOTS, WAD, Health, Order, World, owner_of, perp
from tests.support.zoo import Actor

FAR = 2**255
KEEP_TILT = 2**255 - 1
USDC = 10**6
ETHER = 10**18
NOBODY = "0x" + "00" * 20
OWNED = (
    "Clearinghouse",
    "Exchange",
    "FixedFeed",
    "InsuranceFund",
    "LiquidityPool",
    "Options",
    "OptionsMargin",
    "RiskConfigurator",
    "Surfaces",
)
_PERMIT = keccak(
    b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)


@dataclass(frozen=True)
class Stage:
    """The moment, and whatever the calls of `abi_table.py` name."""

    env: Any
    world: World
    actor: Actor
    account: int
    weak: int
    buyer: int
    shares: int
    redemption: int
    late: int  # a deposit whose price is gone
    deposit: int
    ready: Order  # executable at the stored price
    fresh: Order  # committed in this second
    passed: Order  # its price is gone
    new_order: Order
    fraction: int
    report: bytes
    permit: tuple[Any, ...]
    grant: tuple[Any, ...]
    new_token: str
    roles: Mapping[str, str]

    @property
    def stranger(self) -> str:
        """Return an address without any right."""
        return self.roles["stranger"]

    @property
    def usdc(self) -> str:
        """Return the settlement token."""
        return str(self.world.tokens["USDC"].address)

    @property
    def weth(self) -> str:
        """Return a collateral."""
        return str(self.world.tokens["WETH"].address)

    @property
    def pool(self) -> str:
        """Return the pool's address."""
        return str(self.world.liquidity_pool.address)

    @property
    def configurator(self) -> Any:
        """Return the RiskConfigurator."""
        return self.world.risk_configurator

    @property
    def margin(self) -> int:
        """Return the margin bits of ETH's state word."""
        return int(self.world.markets.market_words(1)[1]) & (2**56 - 1)

    @property
    def tuning(self) -> int:
        """Return ETH's tuning word."""
        return int(self.world.markets.tuning(1))

    @property
    def words(self) -> tuple[Any, ...]:
        """Return the words of the actor's account."""
        return tuple(self.world.clearinghouse.account_words(self.account))

    @property
    def health(self) -> Health:
        """Return the health of the actor's account."""
        return self.world.health(self.account)

    @property
    def ask(self) -> tuple[Any, ...]:
        """Return an ask for one ETH."""
        return (self.account, perp(1), LOTS, 0, 0, False, False)

    @property
    def own_transfer(self) -> tuple[Any, ...]:
        """Return an element of a batch: a transfer between two accounts of the actor."""
        return (4, self.account, self.account + 1, self.usdc, 100 * USDC)

    @property
    def child_order(self) -> Order:
        """Return the first order of another account of the actor."""
        return self.new_order._replace(account=self.account + 1)

    @property
    def option_fill(self) -> tuple[Any, ...]:
        """Return a fill of an ETH between the actor's account and the buyer's."""
        return (self.account, self.buyer, [(perp(1), LOTS, self.world.prices["ETH"])], 0, 0)

    @property
    def series(self) -> int:
        """Return the hours since 1970 of a day from now."""
        return int(self.world.now // 3_600 + 24)

    @property
    def signed(self) -> tuple[Any, ...]:
        """Return an order of the actor's that rests, and no signature."""
        legs = [(perp(1), LOTS, self.world.prices["ETH"])]
        order = (self.account, NOBODY, False, legs, False, 0, 7, 2**40, 1_000, False)
        return order, b""

    def contract(self, name: str) -> Any:
        """Return a contract by its name."""
        return self.world.contracts[name]


@cache
def _built() -> Stage:
    env = fresh_env()
    with boa.swap_env(env):
        return _build(env)


def _build(env: Any) -> Stage:
    world = World.deploy()
    world.seed_pool(10_000_000 * USDC)
    world.seed_insurance(1_000_000 * USDC)
    actor, pool = Actor(world), world.liquidity_pool
    account = actor.fund("USDC", 50_000 * USDC)
    actor.fund("WETH", 5 * ETHER)
    shares = actor.shares(20_000 * USDC)
    weak = weak_long(world)
    buyer = world.open_account("liquidator", USDC=100_000 * USDC)
    actor.act(pool, "request_redeem", shares // 4)
    redemption = pool.request_count()
    world.wait(DAY)
    pass_time(world, 700)
    sink(world, weak, "ETH", 0.9)

    leg, passed = _commit(world, actor, account, 5), _commit(world, actor, account, 1)
    late = actor.request(1_000 * USDC)
    world.next_price(3)
    world.execute(leg)
    world.next_price(6)
    pool.retime(redemption, sender=world.role("keeper"))
    ready, deposit = _commit(world, actor, account, 1), actor.request(1_000 * USDC)
    world.next_price(3)
    fresh = _commit(world, actor, account, 2)
    world.mint("USDC", actor.address, 10_000 * USDC)
    for spender in (world.clearinghouse, pool, world.insurance_fund):
        actor.act(world.tokens["USDC"], "approve", spender.address, 2**200)
    roles = _roles(world, actor)
    for role in ("stranger", "keeper", "buyer"):
        _give_usdc(world, roles[role])
    actor.act(pool, "approve", roles["spender"], WAD)
    world.risk_configurator.set_guardian(roles["guardian"], sender=roles["owner"])
    world.contracts |= _feeds(roles["owner"])
    fixed = (world.contracts["FixedFeed"].address, NOBODY, 0)
    world.risk_configurator.set_sources(4, fixed, sender=roles["owner"])
    for name in OWNED:
        owned = world.contracts[name]
        owned.transfer_ownership(roles["pending owner"], sender=roles["owner"])
    return Stage(
        env=env,
        world=world,
        actor=actor,
        account=account,
        weak=weak,
        buyer=buyer,
        shares=pool.balanceOf(actor.address),
        redemption=redemption,
        late=late,
        deposit=deposit,
        ready=ready,
        fresh=fresh,
        passed=passed,
        new_order=world.order(account, "ETH", LOTS),
        fraction=world.liquidator.plan_take(weak).fraction,
        report=world.report_blob(world.prices),
        permit=signed_permit(world, roles["stranger"]),
        grant=signed_grant(world, roles["stranger"]),
        new_token=str(deploy("mocks/TestToken", "New", "NEW", 18).address),
        roles=roles,
    )


def _feeds(owner: str) -> dict[str, Any]:
    """Return adapters; the fixed one says what WSTETH costs."""
    aggregator = deploy("mocks/Aggregator", 8)
    terms = (aggregator.address, 3_600, 10 * WAD, 1_000_000 * WAD, 500, NOBODY, 0)
    with boa.env.prank(owner):
        fixed = deploy("feeds/FixedFeed", 3_500 * WAD, 10 * WAD, 1_000_000 * WAD)
    return {"ChainlinkFeed": deploy("feeds/ChainlinkFeed", terms), "FixedFeed": fixed}


def _commit(world: World, actor: Actor, account: int, size: int) -> Order:
    order = world.order(account, "ETH", size * LOTS)
    actor.act(world.orders, "commit", tuple(order), value=order.reserve)
    return order


def _roles(world: World, actor: Actor) -> dict[str, str]:
    return {
        "owner": world.role("owner"),
        "pending owner": world.role("pending owner"),
        "guardian": world.role("guardian"),
        "account owner": actor.address,
        "share holder": actor.address,
        "spender": world.role("spender"),
        "buyer": world.role("liquidator"),
        "keeper": world.role("keeper"),
        "stranger": world.role("stranger"),
        "clearinghouse": str(world.clearinghouse.address),
        "markets": str(world.markets.address),
        "configurator": str(world.risk_configurator.address),
        "orders": str(world.orders.address),
        "engine": str(world.options.address),
        "exchange": str(world.contracts["Exchange"].address),
        "liquidator": str(world.liquidator.address),
        "operators": str(world.operators.address),
        "pool": str(world.liquidity_pool.address),
        "fund": str(world.insurance_fund.address),
    }


def _give_usdc(world: World, holder: str) -> None:
    world.mint("USDC", holder, 10_000 * USDC)
    for spender in (world.liquidity_pool, world.insurance_fund):
        world.tokens["USDC"].approve(spender.address, 2**200, sender=holder)


def signed_permit(world: World, spender: str) -> tuple[Any, ...]:
    """Return the arguments of a permit that a fresh key has signed."""
    key, pool = PrivateKey(keccak(text="holder")), world.liquidity_pool
    owner = "0x" + keccak(key.public_key.format(compressed=False)[1:])[12:].hex()
    body = encode(
        ["bytes32", "address", "address", "uint256", "uint256", "uint256"],
        [_PERMIT, owner, spender, WAD, 0, FAR],
    )
    digest = keccak(b"\x19\x01" + bytes(pool.DOMAIN_SEPARATOR()) + keccak(body))
    signature = key.sign_recoverable(digest, hasher=None)
    return owner, spender, WAD, FAR, 27 + signature[64], signature[:32], signature[32:64]


def signed_grant(world: World, operator: str) -> tuple[Any, ...]:
    """Return the arguments of a permit by which a fresh key lets an operator trade."""
    key = PrivateKey(keccak(text="holder"))
    owner = int.from_bytes(keccak(key.public_key.format(compressed=False)[1:])[12:], "big")
    grant = Grant(owner << 96, operator, 1)
    digest = permit_digest(grant, 3, FAR, str(world.operators.address))
    return tuple(grant), 3, FAR, sign(key, digest)


@contextmanager
def staged() -> Iterator[Stage]:
    """The stage, put back afterwards."""
    stage = _built()
    prices, salt = dict(stage.world.prices), stage.world.salt
    with boa.swap_env(stage.env), boa.env.anchor():
        yield stage
    stage.world.prices, stage.world.salt = prices, salt


def digest(stage: Stage) -> tuple[Any, ...]:
    """Return what anybody's call might change: books, words, parameters, queues, balances."""
    world = stage.world
    core, markets, pool = world.clearinghouse, world.markets, world.liquidity_pool
    accounts = world.all_accounts()
    tokens = [*world.tokens.values()]
    holders = (*stage.roles.values(), *(owner_of(account) for account in accounts))
    return (
        [core.account_words(account) for account in accounts],
        [core.token_info(token.address) for token in tokens],
        (core.pot(), core.deficit(), [core.hands(role) for role in stage.roles.values()]),
        [
            (markets.market_words(m), markets.pending(m), markets.sampler(m), markets.tuning(m))
            for m in range(1, markets.market_count() + 1)
        ],
        [markets.collateral_params(i) for i in range(1, 6)],
        (markets.signers(), [world.contracts["RiskConfigurator"].signers(i) for i in range(8)]),
        [pool.params(m) for m in range(1, 5)],
        [pool.request(i) for i in range(1, pool.request_count() + 1)],
        [pool.balanceOf(holder) for holder in holders],
        [world.orders.commit_time(world.orders.order_id(tuple(order))) for order in _orders(stage)],
        (world.insurance_fund.limits(), world.insurance_fund.liquidator()),
        (world.contracts["FixedFeed"].price_wad(), world.risk_configurator.sources(4)),
        [world.operators.granted(stage.account, role) for role in stage.roles.values()],
        [world.liquidator.clock(account) for account in accounts],
        [[token.balanceOf(holder) for holder in holders] for token in tokens],
        world.risk_configurator.guardian(),
        _engine_digest(stage),
        [
            world.risk_configurator.pause_of(action, market)
            for action in (1, 2, 4, 8)
            for market in range(5)
        ],
        [(world.contracts[name].owner(), world.contracts[name].pending_owner()) for name in OWNED],
    )


def _engine_digest(stage: Stage) -> tuple[Any, ...]:
    """Return the same of the contracts of options."""
    options, accounts = stage.contract("Options"), stage.world.all_accounts()
    return (
        [(options.account_legs(account), options.mode(account)) for account in accounts],
        [options.market_terms(market) for market in range(1, 5)],
        [options.venues(who) for who in stage.roles.values()],
        [stage.contract("OptionsMargin").risk(market) for market in range(1, 5)],
        [stage.contract("Surfaces").bounds(market) for market in range(1, 5)],
        (
            stage.contract("Exchange").fees(),
            stage.contract("Exchange").nonces(stage.actor.address, 0),
        ),
        stage.contract("Expiries").window(1, stage.series),
    )


def _orders(stage: Stage) -> tuple[Order, ...]:
    return stage.ready, stage.fresh, stage.passed, stage.new_order
