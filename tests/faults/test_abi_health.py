"""B1 and B2 over the ABIs: whatever an account's owner calls, with whatever arguments, keeps R2.

Every function that is anybody's or an account owner's has a maker of arguments here; a new one
without it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import boa
import pytest
from coincurve import PrivateKey
from eth_account import Account
from eth_utils.crypto import keccak

from keepers.domain.exchange_orders import Leg, Order, order_digest
from tests.faults.abi_table import ANYONE, BUYER, CALLS, HOLDER, SPENDER, TABLES, TRADER, WRITES
from tests.faults.stage import signed_grant, signed_permit
from tests.support.attack import (
    DAY,
    NOW_OR_LATER,
    attempt,
    buy_shares,
    deploy,
    fresh_env,
    fund_account,
    pass_time,
    pool_account,
    sink,
    weak_long,
)
from tests.support.permits import CHAIN_ID, sign
from tests.support.world import (
    LOTS,
    TICK,
    WAD,
    Health,
    World,
    account_of,
    owner_of,
    perp,
    signed,
)

USDC = 10**6
# a draw takes some 20 ms
DRAWS = 4
# a settler who is somebody else's may earn it out of a loss above 1,000 USD (R1)
SETTLE_PAY = WAD
# of an account word: the engine answers for it
ENGAGED = 1 << 52
# whoever signs orders that he takes
KEY = PrivateKey(keccak(text="counterparty"))
COUNTERPARTY = str(Account.from_key(KEY.secret).address)
# always refused here: nothing is written off, has expired, has died or was signed of a surface; the
# machine with options does the last three, tests/unit/test_exchange_close.py closes
NEVER = {
    ("Exchange", "close"),
    ("Liquidator", "write_off"),
    ("Options", "settle_expired"),
    ("Expiries", "settle_dead"),
    ("Surfaces", "update"),
}
# equity in MM: above IM, between IM and MM, below MM, below 0
STATES = {"above im": None, "under im": 1.3, "under mm": 0.6, "insolvent": -0.3}


@dataclass(frozen=True)
class Case:
    """An owner with two accounts, shares and requests, and what he might name in a call."""

    world: World
    owner: str
    own: tuple[int, int]
    weak: int
    other: int
    shares: int
    random: Random

    def account(self) -> int:
        """Return an account: his own in three of four cases, else of others or of nobody."""
        if self.random.random() < 0.75:
            return self.random.choice(self.own)
        house = (pool_account(self.world), fund_account(self.world))
        return self.random.choice((self.own[0] + 7, self.weak, self.other, *house))

    def moved(self, account: int) -> tuple[str, int]:
        """Return a token and an amount at an edge of what an account may part with, or any."""
        symbol = self.random.choice(["USDC", "USDC", "USDC", "WETH", "WBTC"])
        health = self.world.health(account)
        free = max(0, health.equity - health.im) // 10**12
        any_dollars = self.random.randrange(1, 9_000 * USDC)
        edges = {
            "USDC": [1, free, free + 1, free // 2 + 1, any_dollars],
            "WETH": [10**15, 10**18, 2 * 10**18],
            "WBTC": [10**6],
        }
        return str(self.world.tokens[symbol].address), self.random.choice(edges[symbol])

    def someone(self) -> str:
        """Return an address."""
        return self.random.choice([self.owner, owner_of(self.other)])

    def reports(self) -> bytes:
        """Return no price update, or a small move of all prices."""
        if self.random.random() < 0.5:
            return b""
        self.world.wait(5)
        factor = self.random.randrange(985, 1_015)
        return self.world.report_blob(
            {symbol: price * factor // 1_000 for symbol, price in self.world.prices.items()}
        )

    def order(self) -> Any:
        """Return an order of his own of any size."""
        size = self.random.choice([1, 5, 20, 21, 40, 100]) * self.random.choice([-LOTS, LOTS])
        market = self.random.choice(["ETH", "ETH", "BTC"])
        return self.world.order(
            self.random.choice(self.own), market, size, reduce_only=self.random.random() < 0.2
        )

    def ready_order(self) -> Any:
        """Return an order whose price is there."""
        order = self.order()
        self.world.commit(order)
        self.world.wait(3)
        self.world.publish()
        return order


Maker = Callable[[Case], tuple[Any, ...]]


def _deposit(c: Case) -> tuple[Any, ...]:
    return (c.account(), *c.moved(c.own[0]))


def _withdraw(c: Case) -> tuple[Any, ...]:
    account = c.account()
    return (account, *c.moved(account), c.someone())


def _transfer(c: Case) -> tuple[Any, ...]:
    sender = c.random.choice(c.own)
    return (sender, c.account(), *c.moved(sender))


def _take(c: Case) -> tuple[Any, ...]:
    account = c.random.choice([c.weak, c.weak, c.own[0]])
    fraction = c.random.choice([WAD, WAD // 2, 0])
    if fraction == 0:
        fraction = c.world.liquidator.plan_take(account).fraction
    return (account, c.own[1], fraction, NOW_OR_LATER, 0, NOW_OR_LATER)


def _reduce(c: Case) -> tuple[Any, ...]:
    account, keeper = c.random.choice([(c.weak, c.own[1]), (c.own[0], c.other)])
    size = c.random.choice([0, 0, LOTS])
    return (account, perp(1), size, 0, keeper, NOW_OR_LATER)


def _transfer_from(c: Case) -> tuple[Any, ...]:
    c.world.liquidity_pool.approve(c.owner, c.shares, sender=c.owner)
    return (c.owner, owner_of(c.other), c.random.randrange(1, c.shares))


def _closed_order(c: Case) -> tuple[Any, ...]:
    order = c.ready_order()
    c.world.next_price(6)
    return (tuple(order),)


def _fresh_order(c: Case) -> tuple[Any, ...]:
    order = c.order()
    c.world.commit(order)
    return (tuple(order),)


def _waiting_deposit(c: Case) -> tuple[Any, ...]:
    pool = c.world.liquidity_pool
    request = pool.request_deposit(1_000 * USDC, c.owner, sender=c.owner)
    c.world.next_price(3)
    return (request,)


def _passed_deposit(c: Case) -> tuple[Any, ...]:
    request = _waiting_deposit(c)
    c.world.next_price(6)
    return request


def _waiting_redemption(c: Case) -> tuple[Any, ...]:
    request = c.world.liquidity_pool.request_redeem(c.shares // 3, sender=c.owner)
    c.world.wait(DAY)
    c.world.publish()
    return (request,)


def _actions(c: Case, others: bool) -> list[tuple[Any, ...]]:
    """Return a batch of his own: transfers for the most part."""
    made = []
    for _ in range(c.random.randrange(1, 4)):
        kind, account = c.random.choice([1, 2, 4, 4]), c.random.choice(c.own)
        target = c.random.choice([*c.own, c.other] if others else [*c.own])
        to = int(c.someone() if others else c.owner, 16) if kind == 2 else target
        made.append((kind, account, to, *c.moved(account)))
    return made


def _grant(c: Case) -> tuple[Any, ...]:
    expiry = c.world.now + c.random.randrange(100)
    return (c.random.choice(c.own), owner_of(c.other), c.random.randrange(8), expiry, 3)


def _isolate(c: Case) -> tuple[Any, ...]:
    order = c.order()
    parent = next(account for account in c.own if account != order.account)
    return (parent, *c.moved(parent), tuple(order))


def _fold(c: Case) -> tuple[Any, ...]:
    return tuple(c.random.sample((*c.own, c.own[0] + 7), 2))


def _move(c: Case) -> tuple[Any, ...]:
    c.world.publish()
    sender, receiver = c.random.sample(c.own, 2)
    held, kept = c.world.legs(sender), c.world.amounts(sender)
    legs = [(leg, size * c.random.choice([0, 0, 1, 2]) // 2) for leg, size in held.items()]
    amounts = [(token, much * c.random.choice([0, 1, 2]) // 2) for token, much in kept.items()]
    return (sender, receiver, legs, amounts)


def _op_withdraw(c: Case) -> tuple[Any, ...]:
    account = c.random.choice(c.own)
    return (account, *c.moved(account))


def _permit_deposit(c: Case) -> tuple[Any, ...]:
    account = c.random.choice(c.own)
    return (account, *c.moved(account), NOW_OR_LATER, 0, bytes(32), bytes(32))


def _polled(c: Case) -> tuple[Any, ...]:
    """Let an adapter price a market in which he has a leg, a little beside the price there."""
    price = c.world.prices["BTC"] * c.random.randrange(985, 1_015) // 1_000 * TICK
    owner = c.world.role("owner")
    with boa.env.prank(owner):
        feed = deploy("feeds/FixedFeed", price, price // 2, 2 * price)
    sources = (feed.address, "0x" + "00" * 20, 0)
    c.world.risk_configurator.set_sources(2, sources, sender=owner)
    c.world.wait(5)
    return (2,)


def _hours(c: Case) -> int:
    """Return the hour after this one: its window is open, or is to come."""
    return int(c.world.now // 3_600 + 1)


def _fill(c: Case) -> tuple[Any, ...]:
    """Take what somebody has signed: perps at a price near the stored one."""
    c.world.publish()
    size = c.random.choice([1, 5, 20, 40]) * c.random.choice([-LOTS, LOTS])
    price = c.world.prices["ETH"] * c.random.randrange(990, 1_011) // 1_000
    deadline, nonce = c.world.now + 60, c.random.randrange(2**64)
    legs = (Leg(perp(1), size, price),)
    order = Order(account_of(COUNTERPARTY), legs, nonce=nonce, deadline=deadline, fee_cap=1_000)
    taker = order.mirrored(c.random.choice(c.own), 1, deadline, 1_000)
    digest = order_digest(order, CHAIN_ID, str(c.world.contracts["Exchange"].address))
    return ((order.struct, sign(KEY, digest)), (taker.struct, b""), abs(size), [])


def _set_mode(c: Case) -> tuple[Any, ...]:
    c.world.publish()
    return (c.random.choice(c.own), c.random.random() < 0.7)


MAKERS: dict[str, dict[str, Maker]] = {
    "Exchange": {
        "fill": _fill,
        "close": lambda c: (c.account(), *_fill(c)[:1], LOTS),
        "cancel": lambda c: (c.someone(), c.random.randrange(9), c.random.randrange(2**256)),
    },
    "Expiries": {
        "observe": lambda c: (1, _hours(c)),
        "update_and_observe": lambda c: (
            c.reports() or c.world.report_blob(c.world.prices),
            [(1, _hours(c))],
        ),
        "settle_dead": lambda c: (1, _hours(c)),
    },
    "Options": {"set_mode": _set_mode, "settle_expired": lambda c: (c.account(),)},
    "Surfaces": {"update": lambda c: (c.random.randbytes(c.random.randrange(200)),)},
    "Clearinghouse": {
        "deposit": _deposit,
        "withdraw": _withdraw,
        "transfer": _transfer,
        "settle": lambda c: (c.account(),),
        "settle_pair": lambda c: ([c.account(), c.account()], c.account()),
        "batch": lambda c: (c.reports(), c.owner, _actions(c, others=True)),
    },
    "InsuranceFund": {"fund": lambda c: (c.random.randrange(1, 10**10),)},
    "Liquidator": {
        "flag": lambda c: (c.account(),),
        "reduce": _reduce,
        "take": _take,
        "write_off": lambda c: (c.account(),),
    },
    "LiquidityPool": {
        "request_deposit": lambda c: (c.random.randrange(1, 10**10), c.someone()),
        "request_redeem": lambda c: (c.random.randrange(1, c.shares),),
        "execute_deposit": _waiting_deposit,
        "execute_redeem": _waiting_redemption,
        "retime": _passed_deposit,
        "transfer": lambda c: (c.someone(), c.random.randrange(1, c.shares)),
        "approve": lambda c: (c.someone(), c.shares),
        "transferFrom": _transfer_from,
        "permit": lambda c: signed_permit(c.world, c.someone()),
    },
    "Markets": {"update": lambda c: (c.reports() or c.world.report_blob(c.world.prices),)},
    "Operators": {
        "grant": lambda c: (_grant(c),),
        "permit": lambda c: signed_grant(c.world, owner_of(c.other)),
        "cancel_nonce": lambda c: (c.random.randrange(2**256),),
        "batch": lambda c: (c.reports(), _actions(c, others=False), [_grant(c)]),
        "deposit_with_permit": _permit_deposit,
        "isolate": _isolate,
        "fold": _fold,
        "move": _move,
        "commit": lambda c: ([tuple(c.order()) for _ in range(c.random.randrange(1, 4))],),
        "cancel": _fresh_order,
        "withdraw": _op_withdraw,
    },
    "Orders": {
        "commit": lambda c: (tuple(c.order()),),
        "execute": lambda c: (tuple(c.ready_order()),),
        "cancel": _fresh_order,
        "refund": _closed_order,
    },
    "Lens": {},
    "RiskConfigurator": {"poll": _polled},
}
SELF_ACTIONS = sorted(
    {
        (name, signature.split("(")[0])
        for name, signature in WRITES
        if TABLES[name][signature.split("(")[0]].who in (ANYONE, TRADER, HOLDER, SPENDER, BUYER)
    }
)


@cache
def _built() -> tuple[boa.Env, Case]:
    env = fresh_env()
    with boa.swap_env(env):
        world = World.deploy()
        world.seed_pool(10_000_000 * USDC)
        world.seed_insurance(1_000_000 * USDC)
        world.wait(DAY)
        pass_time(world, 1_000)
        weak = weak_long(world)
        other = world.open_account("depositor", USDC=50_000 * USDC, WETH=10**19)
        first = world.open_account("attacker", USDC=7_000 * USDC, WETH=2 * 10**18)
        second = world.open_account("attacker", 1, USDC=20_000 * USDC)
        world.open_position(first, "ETH", 40 * LOTS)
        world.open_position(first, "BTC", -LOTS // 10)
        world.open_position(second, "ETH", -5 * LOTS)
        world.open_position(other, "ETH", 20 * LOTS)
        buy_shares(world, "attacker", 5_000 * USDC)
        owner = world.role("attacker")
        for symbol in ("USDC", "WETH", "WBTC", "LINK"):
            world.mint(symbol, owner, 10**24)
            for spender in (world.liquidity_pool, world.insurance_fund):
                world.tokens[symbol].approve(spender.address, 2**255, sender=owner)
        world.mint("USDC", COUNTERPARTY, 10**12)
        world.tokens["USDC"].approve(world.clearinghouse.address, 2**255, sender=COUNTERPARTY)
        theirs = (account_of(COUNTERPARTY), world.tokens["USDC"].address, 500_000 * USDC)
        world.clearinghouse.deposit(*theirs, sender=COUNTERPARTY)
        shares = world.liquidity_pool.balanceOf(owner)
        return env, Case(world, owner, (first, second), weak, other, shares, Random(0))


@pytest.fixture
def case() -> Iterator[Case]:
    env, built = _built()
    prices, salt = dict(built.world.prices), built.world.salt
    with boa.swap_env(env), boa.env.anchor():
        yield built
    built.world.prices, built.world.salt = prices, salt


# ---- R2 ----------------------------------------------------------------------------------------


def words(case: Case) -> dict[int, Any]:
    """Return the words of the owner's accounts."""
    return {account: case.world.clearinghouse.account_words(account) for account in case.own}


def checked(case: Case, account: int, held: Any) -> Health:
    """Return the health that words of an account have, by whoever answers for them."""
    if held[0] & ENGAGED:
        return Health(*case.world.contracts["Options"].check(account, *held))
    return Health(*case.world.markets.check(*held))


def sizes(held: Any) -> dict[int, int]:
    """Return the legs of account words: instrument -> lots."""
    word, pairs, _ = held
    entries = [(pairs[i // 2] >> (128 * (i % 2))) % 2**128 for i in range(word >> 57 & 0x7F)]
    return {entry >> 64: signed(entry % 2**64, 64) for entry in entries}


def keeps_r2(before: Health, after: Health, grew: bool) -> bool:
    """Return what R2 asks of an owner's action, at the prices of its end."""
    if after.equity >= after.im:
        return True
    if grew or after.equity - after.im < before.equity - before.im:
        return False
    if after.equity - after.mm < before.equity - before.mm:
        return False
    if before.equity < 0:
        return after.equity >= before.equity
    return after.equity * before.mm >= before.equity * after.mm


def broken(case: Case, before: dict[int, Any], allowance: int) -> list[str]:
    """Return the accounts that an action left worse than R2 allows."""
    found = []
    for account, held in words(case).items():
        if held == before[account]:
            continue
        start = checked(case, account, before[account])
        if allowance and start.equity > allowance:
            start = start._replace(equity=start.equity - allowance)
        end = checked(case, account, held)
        old, new = sizes(before[account]), sizes(held)
        grew = any(abs(size) > abs(old.get(leg, 0)) for leg, size in new.items())
        if not keeps_r2(start, end, grew):
            found.append(f"{account & 0xFF}: {start} -> {end}")
    return found


def takes_reports(name: str, function: str) -> bool:
    """Return whether a price update may lead the call."""
    found = [CALLS[key]["inputs"] for key in WRITES if key[0] == name]
    names = [key[1].split("(")[0] for key in WRITES if key[0] == name]
    inputs = [each for each, other in zip(found, names, strict=True) if other == function]
    return len(inputs) == 2 and inputs[-1][-1]["type"] == "bytes"


def test_makers__of_every_self_action__are_there() -> None:
    made = sorted((name, function) for name, row in MAKERS.items() for function in row)
    assert made == SELF_ACTIONS


@pytest.mark.parametrize(("name", "function"), SELF_ACTIONS)
def test_b2_self_action__with_any_arguments__keeps_r2(case: Case, name: str, function: str) -> None:
    case.random.seed(f"{name}.{function}")
    outcomes = []
    for share in STATES.values():
        with boa.env.anchor():
            prices = dict(case.world.prices)
            if share is not None:
                sink(case.world, case.own[0], "ETH", share)
            outcomes += [draw(case, name, function) for _ in range(DRAWS)]
        case.world.prices.update(prices)
    # arguments that are always refused would show nothing
    assert None in outcomes or (name, function) in NEVER, outcomes


def _reserves(name: str, function: str, args: tuple[Any, ...]) -> int:
    """Return the coin that a call has to bring: what executors of its orders are paid."""
    if function == "isolate":
        return int(args[3][7])
    if function == "commit":
        orders = args[0] if name == "Operators" else [args[0]]
        return sum(order[7] for order in orders)
    return 0


def draw(case: Case, name: str, function: str) -> str | None:
    """Make a call with drawn arguments, hold the owner's accounts to R2, and undo it."""
    prices, contract = dict(case.world.prices), case.world.contracts[name]
    with boa.env.anchor():
        args = MAKERS[name][function](case)
        if takes_reports(name, function) and (reports := case.reports()):
            args = (*args, reports)
        value = _reserves(name, function, args)
        before = words(case)
        call = {"sender": case.owner, "value": value}
        outcome = attempt(getattr(contract, function), *args, **call)
        allowance = 2 * SETTLE_PAY if function == "settle_pair" else 0
        assert not broken(case, before, allowance), (args, outcome)
    case.world.prices.update(prices)
    return outcome
