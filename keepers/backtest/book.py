"""A seeded book of accounts at the first prices: legs, deposits, leverage."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from keepers.backtest.rules import Class, class_of
from keepers.domain.margin import Collateral, Snapshot, health
from keepers.domain.units import LOTS_PER_UNIT, TICKS_PER_USD, WAD
from keepers.domain.words import Account, Holding, Leg, account_id, perp

LONG_SHARE: Final = 0.66
TIGHT: Final = (1.03, 1.27)  # E / IM of every third account
ROOMY: Final = (1.33, 4.4)
COIN_SHARES: Final = (0.0, 0.0, 0.5, 0.85)  # of a deposit
ROUNDS: Final = 16  # of the search for a deposit
SKEW_ROOM: Final = 0.5  # of the pool's room, that openings take
LEAST: Final = 3_000.0  # USD
DECIMALS: Final = 18
FIRST: Final = 100  # owners begin here: the houses stand below


@dataclass(frozen=True, slots=True)
class Listing:
    """One market of the backtest; its coin is a collateral of the same id."""

    symbol: str
    id: int
    price: int  # ticks, the first one

    @property
    def rules(self) -> Class:
        """Return the parameters of its class."""
        return class_of(self.symbol)

    @property
    def collateral(self) -> Collateral:
        """Return its coin as a collateral."""
        rules = self.rules
        return Collateral(self.id, self.id, DECIMALS, rules.haircut_im, rules.haircut_mm, 10_000)


def draw(
    seed: int, count: int, listings: Sequence[Listing], at: Snapshot
) -> tuple[list[Account], Mapping[int, int]]:
    """Return so many accounts, and the traders' skew by market [lots].

    Every leg is worth 0 when it opens; deposits are such that E is a drawn multiple of IM.
    """
    rng = random.Random(f"plimsoll backtest {seed}")
    skew = dict.fromkeys((each.id for each in listings), 0)
    made = []
    for number in range(count):
        legs = tuple(
            _leg(rng, listing, skew)
            for listing in rng.sample(listings, rng.randint(1, min(2, len(listings))))
        )
        quote = -sum(leg.size * at.feeds[leg.market].price for leg in legs)
        owner = f"0x{FIRST + number:040x}"
        empty = Account(account_id(owner), 0, quote, legs, (), 0)
        target = rng.uniform(*(TIGHT if number % 3 == 0 else ROOMY))
        coin = rng.choice(listings).collateral
        made.append(_funded(empty, target, rng.choice(COIN_SHARES), coin, at))
    return made, skew


def _leg(rng: random.Random, listing: Listing, skew: dict[int, int]) -> Leg:
    """Draw a leg; its side turns where the pool would be too full of the other."""
    rules = listing.rules
    scale = rules.margin.oi_cap / WAD / 30_000_000
    notional = min(max(rng.lognormvariate(10.9, 1.0) * scale**0.5, LEAST), 900_000 * scale)
    lots = max(1, round(notional * TICKS_PER_USD * LOTS_PER_UNIT / listing.price))
    size = lots if rng.random() < LONG_SHARE else -lots
    room = round(SKEW_ROOM * rules.max_skew / listing.price)
    if abs(skew[listing.id] + size) > room:
        size = -size
    skew[listing.id] += size
    return Leg(perp(listing.id), size)


def _funded(
    account: Account, target: float, share: float, coin: Collateral, at: Snapshot
) -> Account:
    """Return the account with the deposit at which E is `target` times IM."""
    parts = round(target * 10_000)
    price = at.feeds[coin.feed].price
    # a coin's own requirement grows with the target: beyond this no deposit is enough
    share = min(share, 0.7 / target * WAD / max(1, coin.haircut_im))
    deposit, made = health(account, at).im * parts // 10_000, account
    for _ in range(ROUNDS):
        coins = deposit * round(share * 10_000) // 10_000
        amount = coins * TICKS_PER_USD // price
        held = (Holding(coin.id, amount),) if amount else ()
        made = replace(account, cash=deposit - coins, holdings=held)
        found = health(made, at)
        deposit += found.im * parts // 10_000 - found.equity
    return made
