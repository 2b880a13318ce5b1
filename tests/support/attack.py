"""What an attacker owns, what he tries, and what it cost everybody else.

An attacker is a set of roles: their accounts, wallets, pool shares and requests count together, at
the stored prices, all WAD USD. An account that owes more than it has counts 0, since its owner
walks away from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boa
from eth_abi.abi import encode
from eth_utils.abi import collapse_if_tuple

from scripts.deployment.boa_executor import reason
from tests.reference.words import market_of
from tests.support import sources
from tests.support.world import (
    FOREVER,
    GENESIS,
    LOTS,
    TICKS,
    WAD,
    OrderRefused,
    World,
    account_of,
    at_address,
    owner_of,
)

USD = WAD
DAY = 86_400
NOW_OR_LATER = 2**255


# ---- trying ------------------------------------------------------------------------------------


def attempt(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str | None:
    """Make a call; return None when it went through, else the reason that it was refused for.

    The empty string stands for a revert without a reason, such as that of a lock. An order that
    dies at its price was refused, too.
    """
    try:
        call(*args, **kwargs)
    except OrderRefused as refused:
        return refused.reason
    except boa.BoaError as error:
        return reason(bytes(error.call_trace.computation.output))
    return None


def same_block(world: World, *steps: Callable[[], Any]) -> list[str | None]:
    """Make calls in one block, as one transaction of a contract would."""
    began = world.now, boa.env.evm.patch.block_number
    outcomes = [attempt(step) for step in steps]
    assert began == (world.now, boa.env.evm.patch.block_number)
    return outcomes


# ---- owning ------------------------------------------------------------------------------------


def pool_account(world: World) -> int:
    """Return the pool's account."""
    return account_of(str(world.liquidity_pool.address))


def fund_account(world: World) -> int:
    """Return the insurance fund's account."""
    return int(world.clearinghouse.insurance_account())


def equity(world: World, account: int) -> int:
    """Return the equity of an account at the stored prices."""
    return world.health(account).equity


def nav(world: World) -> int:
    """Return the pool's NAV at the stored prices, of any age: docs/spec/pool.md."""
    account, premium = pool_account(world), 0
    for instrument, size in world.legs(account).items():
        market = market_of(instrument)
        mark = int(world.markets.market_words(market)[0] >> 192)
        premium += -(-((size * mark) ** 2) // (2 * world.liquidity_pool.params(market)[0]))
    return max(0, equity(world, account) - premium)


def commons(world: World) -> int:
    """Return what share holders and the insurance fund have, less the booked deficit."""
    return nav(world) + equity(world, fund_account(world)) - int(world.clearinghouse.deficit())


def wealth(world: World, *roles: str) -> int:
    """Return what these roles own together."""
    owners = [world.role(role) for role in roles]
    accounts = [account for account in world.all_accounts() if owner_of(account) in owners]
    total = sum(max(0, equity(world, account)) for account in accounts)
    return total + sum(_wallet(world, owner) + _shares(world, owner) for owner in owners)


def _wallet(world: World, owner: str) -> int:
    scale = int(world.clearinghouse.settlement_scale())
    total = world.tokens[world.parameters.settlement.symbol].balanceOf(owner) * scale
    for token in world.parameters.collaterals.values():
        mark = int(world.markets.market_words(token.feed)[0] >> 192)
        atoms = world.tokens[token.symbol].balanceOf(owner)
        total += atoms * 10 ** (18 - token.decimals) * mark // TICKS
    return int(total)


def _shares(world: World, owner: str) -> int:
    pool = world.liquidity_pool
    shares, waiting = pool.balanceOf(owner), 0
    for request in range(1, pool.request_count() + 1):
        who, _, amount, redeems = pool.request(request)
        if who == owner:
            shares += amount if redeems else 0
            waiting += 0 if redeems else amount * int(world.clearinghouse.settlement_scale())
    if shares:
        waiting += shares * (nav(world) + WAD) // (pool.totalSupply() + WAD)
    return int(waiting)


@contextmanager
def no_gain(world: World, row: int | str, *roles: str) -> Iterator[None]:
    """Hold the roles' wealth after an attack against that before it, and show the difference."""
    before = wealth(world, *roles)
    yield
    gain = wealth(world, *roles) - before
    print(f"{row}: the attacker gains {gain / USD:,.6f} USD")
    assert gain <= 0, f"{row}: the attacker gained {gain / USD:,.6f} USD"


# ---- helping -----------------------------------------------------------------------------------


def deploy(name: str, *args: Any) -> Any:
    """Deploy a contract below contracts/ as the current sender, and return its handle."""
    made = sources.of(f"contracts/{name}.vy")
    inputs: list[Any] = next((f["inputs"] for f in made.abi if f["type"] == "constructor"), [])
    data = bytes.fromhex(made.initcode) + encode([collapse_if_tuple(each) for each in inputs], args)
    address, _ = boa.env.deploy_code(bytecode=data)
    return at_address(made, str(address))


def call_data(contract: Any, function: str, *args: Any) -> bytes:
    """Return the calldata of a function of a contract's handle."""
    return bytes(getattr(contract, function).prepare_calldata(*args))


def buy_shares(world: World, role: str, atoms: int) -> int:
    """Deposit into the pool at the next price; return the shares."""
    owner, pool = world.role(role), world.liquidity_pool
    symbol = world.parameters.settlement.symbol
    world.mint(symbol, owner, atoms)
    world.tokens[symbol].approve(pool.address, FOREVER, sender=owner)
    request = pool.request_deposit(atoms, owner, sender=owner)
    world.next_price(3)
    return int(pool.execute_deposit(request, sender=world.role("keeper")))


def redeem(world: World, role: str, shares: int) -> int:
    """Ask for a redemption, let the cooldown pass with prices coming in; return the atoms paid."""
    pool = world.liquidity_pool
    request = pool.request_redeem(shares, sender=world.role(role))
    world.wait(DAY)
    world.publish()
    return int(pool.execute_redeem(request, sender=world.role("keeper")))


def take_all(world: World, account: int, buyer: int) -> None:
    """Take an account whole, as the owner of the buying account."""
    deal = (account, buyer, WAD, NOW_OR_LATER, 0, NOW_OR_LATER)
    world.liquidator.take(*deal, sender=owner_of(buyer))


def fresh_env() -> boa.Env:
    """Return an empty chain at the first second of all tests."""
    env = boa.Env()
    env.evm.patch.timestamp = GENESIS
    return env


def hedged(world: World, symbol: str, lots: int, dollars: int) -> tuple[int, int]:
    """Return a long account of the attacker and a short one of his accomplice, as large."""
    atoms = dollars * 10**18 // int(world.clearinghouse.settlement_scale())
    long = world.open_account("attacker", **{world.parameters.settlement.symbol: atoms})
    short = world.open_account("accomplice", **{world.parameters.settlement.symbol: atoms})
    world.open_position(long, symbol, lots)
    world.open_position(short, symbol, -lots)
    return long, short


def weak_long(world: World, share: float = 0.9, lots: int = 20 * LOTS) -> int:
    """Return a trader's long ETH account with E at `share` of MM."""
    dollars = lots * world.prices["ETH"] // WAD // 12
    account = world.open_account("trader", USDC=dollars * 10**6)
    world.open_position(account, "ETH", lots)
    sink(world, account, "ETH", share)
    return account


def pass_time(world: World, seconds: int, step: int = 60) -> None:
    """Let time pass with prices coming in, so that nothing looks like an outage."""
    for _ in range(-(-seconds // step)):
        world.next_price(step)


def walk(world: World, symbol: str, target: int, seconds: int = 10) -> None:
    """Publish prices until the target [ticks] stands, in steps that need no confirmation."""
    while world.prices[symbol] != target:
        price = world.prices[symbol]
        low, high = price * 972 // 1_000 + 1, price * 1_028 // 1_000
        world.next_price(seconds, **{symbol: min(high, max(low, target))})


def jump(world: World, **prices: int) -> None:
    """Publish prices that need a confirmation, and confirm them."""
    for _ in range(2):
        world.next_price(6, **prices)


def sink(world: World, account: int, symbol: str, share: float) -> None:
    """Move a price until the account's equity is about `share` of its MM."""
    for _ in range(40):
        health = world.health(account)
        missing = health.equity - int(share * health.mm)
        if abs(missing) * 200 < health.mm:
            return
        walk(world, symbol, world.prices[symbol] - missing // world.size(account, symbol))
