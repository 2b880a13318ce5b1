"""Accounts under MM inside the whole protocol, and R6's formulas written anew from the spec.

Nothing here calls a plan: closes and slices are computed from words, the pool's quote and
`Markets.check`, so that a plan can be held against them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import boa

from tests.support.world import LOTS, WAD, Health, World, account_of, perp

Builder = Callable[..., int]  # of a weak account: (world, share=...)

USDC = 10**6
USD = WAD
FAR = 2**255
IN_AUCTION = 1
OK, NOT_BELOW_MM, CLOSED, NO_LEG, NO_CAPACITY, NO_ROOM, TOO_COSTLY = range(7)
KAPPA_FLAT = WAD
# what moves a price without asking for a confirmation: under jump_0
STEP = Fraction(28, 1_000)


class Words(NamedTuple):
    """An account as `Markets.check` takes it, decoded."""

    cash: int
    quote: int
    flags: int
    legs: list[tuple[int, int]]  # instrument, lots
    amounts: list[tuple[int, int]]  # collateral id, atoms

    def encode(self) -> tuple[int, list[int], list[int]]:
        """Return account word, leg pairs, amount pairs (docs/spec/words.md)."""
        word = (self.cash % 2**96) << 160 | (self.quote % 2**96) << 64
        word |= len(self.legs) << 57 | len(self.amounts) << 53 | self.flags << 48
        legs, amounts = [0] * 8, [0] * 4
        for i, (instrument, size) in enumerate(self.legs):
            legs[i // 2] |= (instrument << 64 | size % 2**64) << 128 * (i % 2)
        for i, (collateral, atoms) in enumerate(self.amounts):
            word |= collateral << 6 * i
            amounts[i // 2] |= atoms << 128 * (i % 2)
        return word, legs, amounts


def words_of(world: World, account: int) -> Words:
    """Return an account's words."""
    word = world.clearinghouse.account_words(account)[0]
    return Words(
        cash=world.cash(account),
        quote=world.quote(account),
        flags=word >> 48 & 0x1F,
        legs=list(world.legs(account).items()),
        amounts=list(world.amounts(account).items()),
    )


def check(world: World, words: Words) -> Health:
    """Return the health of an account that need not exist."""
    return Health(*world.markets.check(*words.encode()))


def in_auction(world: World, account: int) -> bool:
    """Return the auction bit."""
    return bool(words_of(world, account).flags & IN_AUCTION)


def funding(world: World, market: int) -> int:
    """Return the cumulative funding brought to now [ticks]."""
    return int(world.markets.market_words(market)[2])


def pool_account(world: World) -> int:
    """Return the pool's account."""
    return account_of(str(world.liquidity_pool.address))


def keeper_account(world: World) -> int:
    """Return the account that keepers are paid to."""
    return world.account("keeper")


# ---- weak accounts -----------------------------------------------------------------------------


def walk(world: World, symbol: str, target: int) -> None:
    """Publish prices until the target [ticks] stands, in steps that need no confirmation."""
    while world.prices[symbol] != target:
        price = world.prices[symbol]
        low, high = int(price * (1 - STEP)) + 1, int(price * (1 + STEP))
        world.next_price(10, **{symbol: min(high, max(low, target))})


def sink(world: World, account: int, symbol: str, share: Fraction) -> Health:
    """Move a price until equity is near `share` of MM, the account's net exposure known by sign."""
    for _ in range(12):
        health = world.health(account)
        wanted = int(share * health.mm)
        size = world.size(account, symbol) + held_lots(world, account, symbol)
        if abs(health.equity - wanted) * 500 < health.mm:
            break
        walk(world, symbol, world.prices[symbol] - (health.equity - wanted) // size)
    return world.health(account)


def held_lots(world: World, account: int, symbol: str) -> int:
    """Return the collateral of a market, as lots."""
    total = 0
    for token in world.parameters.collaterals.values():
        if token.feed == world.market(symbol).id:
            atoms = world.amounts(account).get(token.id, 0)
            total += atoms * LOTS // 10**token.decimals
    return total


def long_account(world: World, lots: int = 20 * LOTS, symbol: str = "ETH", dollars: int = 0) -> int:
    """Return a trader's account with one leg on little more than its IM."""
    notional = abs(lots) * world.prices[symbol] // WAD
    base = world.market(symbol).margin.base
    margin = notional * base * 5 // 3 // WAD
    account = world.open_account("trader", USDC=(dollars or margin) * USDC)
    world.open_position(account, symbol, lots)
    return account


def weak_account(
    world: World, lots: int = 20 * LOTS, symbol: str = "ETH", share: Fraction = Fraction(9, 10)
) -> int:
    """Return an account with one leg and E at `share` of MM."""
    account = long_account(world, lots, symbol)
    sink(world, account, symbol, share)
    return account


def buyer_account(world: World, dollars: int = 1_000_000) -> int:
    """Return a rich account of the liquidator without legs."""
    return world.open_account("liquidator", USDC=dollars * USDC)


def mixed_account(world: World, share: Fraction = Fraction(9, 10)) -> int:
    """Return a long and a short, a collateral of a traded market, one of another; E under MM."""
    account = world.open_account("trader", USDC=7_000 * USDC, WETH=2 * 10**18, wstETH=10**18)
    world.open_position(account, "ETH", 30 * LOTS)
    world.open_position(account, "BTC", -LOTS)
    sink(world, account, "ETH", share)
    return account


def debtor(world: World, share: Fraction = Fraction(9, 10)) -> int:
    """Return an account without legs: cash debt against ether, E at `share` of MM."""
    account = world.open_account("trader", USDC=1_000 * USDC, WETH=10**19)
    world.open_position(account, "BTC", LOTS)
    walk(world, "BTC", world.prices["BTC"] * 7 // 10)
    world.open_position(account, "BTC", -LOTS)
    world.clearinghouse.settle(account, sender=world.role("keeper"))
    assert world.cash(account) < 0
    assert not world.legs(account)
    sink(world, account, "ETH", share)
    return account


def start_auction(world: World, account: int, seconds: int) -> None:
    """Flag the account and let its auction live, with a price and a flag every 100 s."""
    keeper = world.role("keeper")
    world.liquidator.flag(account, sender=keeper)
    while seconds:
        step = min(100, seconds)
        world.next_price(step)
        world.liquidator.flag(account, sender=keeper)
        seconds -= step


# ---- a close, from the spec --------------------------------------------------------------------


@dataclass(frozen=True)
class Closed:
    """A close of some lots on paper."""

    price: int
    fee: int
    liquidation_fee: int
    unpaid: Health  # after fill and fees
    paid: Health  # and KAPPA_FLAT whole and the keeper's rate
    keeper_part: int

    @property
    def gap(self) -> int:
        """Return h(c)."""
        return self.paid.equity - self.paid.le


def mul_up(a: int, b: int) -> int:
    """Return ceil(a b / WAD)."""
    return -(-a * b // WAD)


def close_on_paper(world: World, account: int, symbol: str, lots: int) -> Closed:
    """Return a close of `lots`, priced by the pool and judged by Markets."""
    market, words = world.market(symbol).id, words_of(world, account)
    held = dict(words.legs)[perp(market)]
    taker = -lots if held > 0 else lots
    venue = world.legs(pool_account(world)).get(perp(market), 0)
    price, fee, _ = world.liquidity_pool.liquidation_quote(market, taker, venue)
    _, _, _, _, liquidation_rate, keeper_rate, _, _ = world.liquidity_pool.params(market)
    liquidation_fee = mul_up(liquidation_rate, lots * price)
    keeper_part = keeper_rate * (lots * world.prices[symbol]) // WAD
    quote = words.quote - taker * (price - funding(world, market)) - fee - liquidation_fee
    after = words._replace(legs=_with_leg(words.legs, perp(market), held + taker), quote=quote)
    paid = after._replace(quote=quote - KAPPA_FLAT - keeper_part)
    return Closed(price, fee, liquidation_fee, check(world, after), check(world, paid), keeper_part)


def _with_leg(legs: list[tuple[int, int]], instrument: int, size: int) -> list[tuple[int, int]]:
    after = [(each, size if each == instrument else held) for each, held in legs]
    for i, (_, held) in enumerate(after):
        if held == 0:
            after[i] = after[-1]
            after.pop()
            break
    return after


# ---- a part, from the spec ---------------------------------------------------------------------

AHEAD = 12
TOLERANCE = WAD // 500
GRID = WAD // 10**6


def reward(mm: int, live: int) -> int:
    """Return the reward in the first five minutes: half of MM at 300 s."""
    return WAD * live // 600 * mm // WAD


def gap_of_part(world: World, account: int, fraction: int, offered: int) -> int:
    """Return how far above LE a part leaves the rest, judged by Markets."""
    words, before = words_of(world, account), world.health(account)
    rest = words._replace(
        legs=[(leg, size - _toward_zero(size * fraction)) for leg, size in words.legs],
        amounts=[(id_, atoms - atoms * fraction // WAD) for id_, atoms in words.amounts],
    )
    paid = -(-fraction * max(0, before.equity - offered) // WAD)
    equity = before.equity - before.equity * fraction // WAD + paid
    return equity - check(world, rest).le


def _toward_zero(product: int) -> int:
    return abs(product) // WAD * (1 if product > 0 else -1)


def least_part(world: World, account: int, offered: int, aim: int = 0) -> int:
    """Return the least fraction on the grid whose rest ends by `aim` above LE."""
    low, high = 0, 10**6 - 1
    while high - low > 1:
        middle = (low + high) // 2
        if gap_of_part(world, account, middle * GRID, offered) < aim:
            low = middle
        else:
            high = middle
    return high * GRID


# ---- calls -------------------------------------------------------------------------------------


def plan_reduce(world: World, account: int, symbol: str) -> Any:
    """Return the plan of a close."""
    return world.liquidator.plan_reduce(account, perp(world.market(symbol).id))


def reduce(
    world: World, account: int, symbol: str, size: int, min_pay: int = 0, **changes: Any
) -> Any:
    """Reduce as the keeper; return the event."""
    call = {"keeper": keeper_account(world), "deadline": FAR, "reports": b"", **changes}
    instrument = perp(world.market(symbol).id)
    arguments = (account, instrument, size, min_pay, call["keeper"], call["deadline"])
    if call["reports"]:
        arguments = (*arguments, call["reports"])
    world.liquidator.reduce(*arguments, sender=world.role("keeper"))
    return event(world, "Reduced")


def take(world: World, account: int, buyer: int, fraction: int, **changes: Any) -> Any:
    """Take as the liquidator; return the event."""
    call = {"max_payment": FAR, "min_insurance": 0, "deadline": FAR, "sender": "liquidator"}
    call |= changes
    world.liquidator.take(
        account,
        buyer,
        fraction,
        call["max_payment"],
        call["min_insurance"],
        call["deadline"],
        sender=world.role(str(call["sender"])),
    )
    return event(world, "Taken")


def wealth(world: World, account: int) -> int:
    """Return an account's equity."""
    return world.health(account).equity


def empty_fund(world: World) -> None:
    """Take every dollar out of the insurance fund."""
    fund, owner = world.insurance_fund, world.role("owner")
    world.clearinghouse.settle(world.clearinghouse.insurance_account(), sender=owner)
    cash = world.cash(world.clearinghouse.insurance_account())
    fund.withdraw_surplus(cash // 10**12, owner, sender=owner)


def event(world: World, name: str) -> Any:
    """Return the last event of this name that the Liquidator logged in its last call."""
    return [each for each in world.liquidator.get_logs() if type(each).__name__ == name][-1]


def refused(reason: str) -> Any:
    """Expect a revert with this reason."""
    return boa.reverts(reason)
