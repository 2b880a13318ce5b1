"""A seeded economy: who holds what, before the first price moves.

Everything follows from the seed: keys, books, collateral and leverage. Sizes and requirements are
those of the parameters that were deployed; nothing here is tuned to a price path.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from eth_utils.crypto import keccak

from keepers.domain.units import LOTS_PER_UNIT, TICKS_PER_USD
from keepers.errors import BadInput

SMALLEST: Final = 60  # for tests; the commands take no fewer than 200
LARGEST: Final = 2_000
TWIN_SHARE: Final = 0.28  # of all accounts
TIGHT: Final = (1.0, 1.3)  # E / IM of the third that starts closest to its requirement
ROOMY: Final = (1.3, 4.5)
MARGIN_OF_TIGHT: Final = 0.03  # fills cost a little more or less than expected
OVER: Final = 1.004  # a tight account is aimed at slightly more, or its last order is refused
COST: Final = 0.0009  # fee and half spread of an opening fill
LONG_SHARE: Final = 0.66  # of the sides that nothing else decides
SKEW_ROOM: Final = 0.50  # of what the pool takes from openings in a market
INTEREST_ROOM: Final = 0.46  # of the cap: above a half IM grows
KINDS: Final = (("directional", 44), ("basket", 32), ("hedged", 24))
MIXES: Final = (  # share of the deposit by token; "*" is one coin drawn from the listed ones
    (30, (("cash", 1.0),)),
    (24, (("cash", 0.5), ("*", 0.5))),
    (18, (("cash", 0.15), ("*", 0.85))),
    (16, (("*", 1.0),)),
    (12, (("*", 0.6), ("**", 0.4))),
)


@dataclass(frozen=True, slots=True)
class Traded:
    """What the economy needs to know of a market."""

    symbol: str
    id: int
    price: int  # ticks
    rate_im: float
    interest_cap: float  # USD
    skew_cap: float  # USD that the pool takes from openings
    scale: float  # USD of skew that moves the quote by 100 %
    weight: float


@dataclass(frozen=True, slots=True)
class Coin:
    """What it needs to know of a collateral."""

    symbol: str
    decimals: int
    price: int  # ticks
    haircut_im: float
    market: str  # the market whose price it has
    room: int  # atoms that count in full: above them the haircut grows


@dataclass(frozen=True, slots=True)
class Want:
    """One leg to open: a signed size in lots."""

    market: str
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One account to open."""

    owner: int  # number of the owner; the key follows from it and the seed
    index: int  # the owner's number for the account
    kind: str
    tight: bool
    wants: tuple[Want, ...]
    deposits: tuple[tuple[str, int], ...]  # token symbol, atoms
    target: float  # E / IM aimed at
    twin_of: int | None = None  # position in the economy of the cross account, for isolated twins

    @property
    def isolated(self) -> bool:
        """Return whether this is a twin of one leg of a cross account."""
        return self.twin_of is not None


@dataclass(frozen=True, slots=True)
class Economy:
    """All accounts, in the order in which they open."""

    seed: int
    plans: tuple[Plan, ...]

    @property
    def owners(self) -> int:
        """Return how many owners there are."""
        return 1 + max(plan.owner for plan in self.plans)

    def secret(self, owner: int) -> bytes:
        """Return the private key of an owner: worthless anywhere but on a test chain."""
        return keccak(text=f"plimsoll economy {self.seed} owner {owner}")

    def families(self) -> dict[int, list[int]]:
        """Return cross position -> positions of its isolated twins."""
        found: dict[int, list[int]] = {}
        for position, plan in enumerate(self.plans):
            if plan.twin_of is not None:
                found.setdefault(plan.twin_of, []).append(position)
        return found

    def counts(self) -> Counter[str]:
        """Return how many accounts there are of each kind, twins and tight ones apart."""
        counts = Counter("isolated" if plan.isolated else plan.kind for plan in self.plans)
        counts["tight"] = sum(plan.tight and not plan.isolated for plan in self.plans)
        return counts


def generate(seed: int, accounts: int, markets: Sequence[Traded], coins: Sequence[Coin]) -> Economy:
    """Draw an economy of this many accounts."""
    if not SMALLEST <= accounts <= LARGEST:
        raise BadInput(
            f"{accounts} accounts are not between {SMALLEST} and {LARGEST:,}", "change --accounts"
        )
    draw = Draw(random.Random(f"plimsoll {seed}"), markets, coins)
    cross: list[Plan] = []
    twins: list[Plan] = []
    while len(cross) + len(twins) < accounts:
        left = accounts - len(cross) - len(twins)
        plan = draw.cross(len(cross))
        cross.append(plan)
        wanted = len(twins) < TWIN_SHARE * accounts and 2 <= len(plan.wants) < left
        if wanted and plan.kind != "directional":
            twins += draw.twins(plan, len(cross) - 1)
    return Economy(seed, tuple(cross + twins))


class Draw:
    """The draws of one economy; remembers how full the markets are."""

    def __init__(
        self, rng: random.Random, markets: Sequence[Traded], coins: Sequence[Coin]
    ) -> None:
        """Start with empty markets."""
        self._rng = rng
        self._markets = {market.symbol: market for market in markets}
        self._coins = {coin.symbol: coin for coin in coins}
        self._skew = dict.fromkeys(self._markets, 0.0)
        self._gross = dict.fromkeys(self._markets, 0.0)
        self._room = {coin.symbol: coin.room for coin in coins}

    def cross(self, number: int) -> Plan:
        """Draw one cross-margin account; every third one is tight."""
        tight = number % 3 == 0
        kind = self._choice(KINDS)
        low, high = TIGHT if tight else ROOMY
        target = self._rng.uniform(low + MARGIN_OF_TIGHT, high - MARGIN_OF_TIGHT)
        wants, mix = self._book(kind)
        deposits = self._funded(wants, mix, target * (OVER if tight else 1))
        return Plan(number, 0, kind, tight, wants, deposits, target)

    def twins(self, plan: Plan, position: int) -> Iterator[Plan]:
        """Yield the account's legs as accounts of their own, each with its share of the deposit."""
        needs = [self._requirement(want) for want in plan.wants]
        left = dict(plan.deposits)
        for index, (want, need) in enumerate(zip(plan.wants, needs, strict=True), 1):
            last = index == len(needs)
            share = {
                token: left[token] if last else round(amount * need / sum(needs))
                for token, amount in plan.deposits
            }
            for token, amount in share.items():
                left[token] -= amount
            self._note(want)
            deposits = tuple(share.items())
            yield replace(plan, index=index, wants=(want,), deposits=deposits, twin_of=position)

    # ---- books

    def _book(self, kind: str) -> tuple[tuple[Want, ...], tuple[tuple[str, float], ...]]:
        """Draw legs and the shares of the deposit."""
        if kind == "hedged":
            return self._pair() if self._rng.random() < 0.6 else self._basis()
        count = 1 if kind == "directional" else min(len(self._markets), self._rng.choice((2, 2, 3)))
        long = self._rng.random() < LONG_SHARE
        wants = []
        for symbol in self._some_markets(count):
            # A basket leans one way, and one leg in five the other.
            side = long if kind == "directional" or self._rng.random() < 0.8 else not long
            wants.append(self._want(symbol, self._notional(symbol), side))
        return tuple(wants), self._mix()

    def _pair(self) -> tuple[tuple[Want, ...], tuple[tuple[str, float], ...]]:
        """Draw a long in one market against a short in another, about as large."""
        first, second = self._some_markets(2) if len(self._markets) > 1 else (*self._markets,) * 2
        notional = min(self._notional(first), self._notional(second))
        long = self._rng.random() < 0.5
        other = notional * self._rng.uniform(0.8, 1.2)
        wants = [self._want(first, notional, long)]
        if second != first:
            wants.append(self._want(second, other, wants[0].size < 0))
        return tuple(wants), self._mix()

    def _basis(self) -> tuple[tuple[Want, ...], tuple[tuple[str, float], ...]]:
        """Draw a short of what most of the collateral is."""
        coin = self._rng.choice([c for c in self._coins.values() if self._traded(c) is not None])
        symbol = self._traded(coin)
        assert symbol is not None
        want = self._want(symbol, self._notional(symbol), False)
        cash = self._rng.uniform(0.05, 0.4)
        return (want,), (("cash", cash), (coin.symbol, 1 - cash))

    def _traded(self, coin: Coin) -> str | None:
        """Return the market that hedges a coin; wrapped staked ETH is hedged with ETH."""
        name = "ETH" if coin.market == "WSTETH" else coin.market
        return name if name in self._markets else None

    def _some_markets(self, count: int) -> list[str]:
        """Draw different markets by weight."""
        pool = dict(self._markets)
        drawn = []
        for _ in range(count):
            weights = [market.weight for market in pool.values()]
            drawn.append(self._rng.choices(list(pool), weights)[0])
            del pool[drawn[-1]]
        return drawn

    def _notional(self, symbol: str) -> float:
        """Draw a size in USD: many small ones, few large ones, in proportion to the market."""
        unit = self._markets[symbol].interest_cap / 30_000_000
        typical = self._rng.lognormvariate(10.9, 1.0) * unit**0.5
        return float(min(max(typical, 3_000.0), 900_000.0 * unit))

    def _want(self, symbol: str, notional: float, long: bool) -> Want:
        """Return a leg; the side turns where the pool would be too full of the other."""
        market = self._markets[symbol]
        room = SKEW_ROOM * market.skew_cap
        notional = min(notional, room)
        signed = notional if long else -notional
        if abs(self._skew[symbol] + signed) > room:
            signed = -signed
        if self._gross[symbol] + notional > 2 * INTEREST_ROOM * market.interest_cap:
            signed = 3_000.0 if signed > 0 else -3_000.0
        size = round(signed * TICKS_PER_USD * LOTS_PER_UNIT / market.price)
        want = Want(symbol, size)
        self._note(want)
        return want

    def _note(self, want: Want) -> None:
        notional = self._usd(want)
        self._skew[want.market] += notional
        self._gross[want.market] += abs(notional)

    def _usd(self, want: Want) -> float:
        """Return a leg's signed notional."""
        return want.size * self._markets[want.market].price / TICKS_PER_USD / LOTS_PER_UNIT

    # ---- deposits

    def _mix(self) -> tuple[tuple[str, float], ...]:
        """Draw what the deposit consists of."""
        mix = self._choice_of(MIXES)
        first, second = self._rng.sample(list(self._coins), 2)
        names = {"*": first, "**": second}
        return tuple((names.get(token, token), share) for token, share in mix)

    def _requirement(self, want: Want) -> float:
        """Return a leg's IM in a calm market [USD]."""
        market, notional = self._markets[want.market], abs(self._usd(want))
        rate = market.rate_im * math.sqrt(max(1.0, notional / 1_000_000))
        return notional * (rate + 0.0001) + 0.25

    def _funded(
        self, wants: Sequence[Want], mix: Sequence[tuple[str, float]], target: float
    ) -> tuple[tuple[str, int], ...]:
        """Return the deposits; cash stands in for a coin that its soft cap has no room for.

        An account may get twins, which deposit all of it again.
        """
        made = self._deposits(wants, mix, target)
        full = {token for token, atoms in made if 2 * atoms > self._room.get(token, 2 * atoms)}
        if full:
            shares: dict[str, float] = {}
            for token, share in mix:
                name = "cash" if token in full else token
                shares[name] = shares.get(name, 0.0) + share
            made = self._deposits(wants, tuple(shares.items()), target)
        for token, atoms in made:
            if token in self._room:
                self._room[token] -= 2 * atoms
        return made

    def _deposits(
        self, wants: Sequence[Want], mix: Sequence[tuple[str, float]], target: float
    ) -> tuple[tuple[str, int], ...]:
        """Return the amounts with which E is `target` times IM after the fills."""
        need = 1.0 + sum(self._requirement(want) for want in wants) + 0.25 * len(mix)
        cost = sum(self._cost(want) for want in wants)
        held = sum(share * self._haircut(token) for token, share in mix)
        # E = D - cost and IM = need + D * held; a roomy target may be out of reach of coins.
        deposit = (target * need + cost) / max(1 - target * held, 0.25)
        return tuple((token, self._atoms(token, deposit * share)) for token, share in mix)

    def _cost(self, want: Want) -> float:
        """Return fee, half spread and skew premium of an opening fill [USD]."""
        market, signed = self._markets[want.market], self._usd(want)
        premium = (self._skew[want.market] - signed / 2) * signed / market.scale
        return abs(signed) * COST + max(premium, -abs(signed) * COST)

    def _haircut(self, token: str) -> float:
        return 0.0 if token == "cash" else self._coins[token].haircut_im + 0.0001

    def _atoms(self, token: str, usd: float) -> int:
        """Return an amount of token atoms; the settlement token has 6 decimals here."""
        if token == "cash":
            return round(usd * 1_000_000)
        coin = self._coins[token]
        return round(usd * TICKS_PER_USD / coin.price * int(10**coin.decimals))

    def _choice(self, weighted: Sequence[tuple[str, int]]) -> str:
        return self._rng.choices([name for name, _ in weighted], [w for _, w in weighted])[0]

    def _choice_of(
        self, weighted: Sequence[tuple[int, tuple[tuple[str, float], ...]]]
    ) -> tuple[tuple[str, float], ...]:
        return self._rng.choices([mix for _, mix in weighted], [w for w, _ in weighted])[0]
