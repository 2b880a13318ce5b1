"""The protocol on paper: accounts, pool, fund and prices, moved by the calls that keepers make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from keepers.backtest import plans
from keepers.backtest.book import Listing
from keepers.backtest.oracle import Oracle, accrued, listed, offer
from keepers.backtest.plans import Case, Close
from keepers.backtest.rules import DAY_LIMIT, MARKET_LIMIT, MU
from keepers.domain.effects import settled
from keepers.domain.liquidation import TakePlan, after_take, uncovered
from keepers.domain.margin import Health, Snapshot, health, snapshot
from keepers.domain.planning import Pool, Terms, fill_price
from keepers.domain.scan import Book
from keepers.domain.slices import left_over
from keepers.domain.terms import Terms as Times
from keepers.domain.units import DAY, TILT_ONE, WAD, clamp, mul_up, trunc_div
from keepers.domain.words import HOUSE, IN_AUCTION, PENDING, Account, Leg, account_id, perp

POOL: Final = account_id("0x01")
KEEPER: Final = account_id("0x02")
CLOCK_STEP: Final = 300
CLOCK_MEMORY: Final = 3_600
EVERYTHING: Final = 2**255


@dataclass(slots=True)
class Fund:
    """The insurance fund: its cash and what it has given today [USD WAD]."""

    cash: int
    day: int = -1
    start: int = 0
    spent: int = 0
    by_market: dict[int, int] = field(default_factory=dict)
    paid: int = 0

    def offer(self, market: int, deficit: int, bonus: int, now: int) -> tuple[int, int]:
        """Return what it pays of a deficit and of a reward."""
        if now // DAY != self.day:
            self.day, self.start, self.spent, self.by_market = now // DAY, self.cash, 0, {}
        covered = min(deficit, self.cash)
        by_day = self.start * DAY_LIMIT // WAD - self.spent
        by_market = self.start * MARKET_LIMIT // WAD - self.by_market.get(market, 0)
        return covered, max(0, min(bonus, by_day, by_market, self.cash - covered))

    def pay(self, market: int, covered: int, bonus: int) -> None:
        """Pay it."""
        self.cash -= covered + bonus
        self.paid += covered + bonus
        self.spent += bonus
        self.by_market[market] = self.by_market.get(market, 0) + bonus


class Protocol:
    """Everything on chain, and its rules."""

    def __init__(
        self,
        listings: Sequence[Listing],
        now: int,
        money: Mapping[str, int],
        fee: int | None = None,
    ) -> None:
        """List the markets.

        Args:
            listings: markets with their first prices.
            now: the time.
            money: cash of `pool`, `fund` and `keeper` [USD WAD].
            fee: the pool's trade fee, instead of the shipped one [WAD].
        """
        self.now = now
        self.block = 0
        self.times = Times()
        self.collaterals = [each.collateral for each in listings]
        self.skew_caps = {each.id: each.rules.max_skew for each in listings}
        self.terms: dict[int, Terms] = {}
        self.oracles: dict[int, Oracle] = {}
        for each in listings:
            rules = each.rules
            own = rules.pool if fee is None else replace(rules.pool, fee=fee)
            self.terms[each.id] = own
            self.oracles[each.id] = listed(each.id, each.price, now, rules.margin, rules.feed)
        self.book = Book()
        self.book.put(Account(POOL, money["pool"], 0, (), (), HOUSE))
        self.book.put(Account(KEEPER, money["keeper"], 0, (), (), 0))
        self.fund = Fund(money["fund"])
        self.fees = 0
        self.deficit = 0
        self.clocks: dict[int, tuple[int, int]] = {}
        self.used: dict[int, int] = {}  # capacity of this block by market [USD WAD]

    # ---- looking

    @property
    def keeper(self) -> Account:
        """Return the keeper's account."""
        return self.book.accounts[KEEPER]

    @property
    def pool(self) -> Pool:
        """Return the pool."""
        return Pool(self.book.accounts[POOL], self.terms)

    def at(self) -> Snapshot:
        """Return all prices now."""
        markets = [each.market for each in self.oracles.values()]
        return snapshot(self.now, markets, self.collaterals, self.times)

    @property
    def pending(self) -> bool:
        """Return whether a jump waits for its confirmation."""
        return any(each.market.price.flags & PENDING for each in self.oracles.values())

    def money(self) -> int:
        """Return all cash and quote that there is, less what was booked: it never changes."""
        held = sum(each.cash + each.quote for each in self.book.accounts.values())
        return held + self.fund.cash + self.fees - self.deficit

    def sizes(self) -> dict[int, int]:
        """Return the sum of all legs by instrument: 0 each."""
        sums: dict[int, int] = {}
        for account in self.book.accounts.values():
            for leg in account.legs:
                sums[leg.instrument] = sums.get(leg.instrument, 0) + leg.size
        return sums

    # ---- prices and blocks

    def mine(self, now: int) -> None:
        """Go on to the next block."""
        self.block, self.now = self.block + 1, now
        self.used.clear()

    def publish(self, prices: Mapping[int, int]) -> None:
        """Offer prices of this moment [ticks by market]."""
        for id_, price in prices.items():
            self.oracles[id_] = offer(self.oracles[id_], price, self.now, self.now, self.times)

    def open(self, accounts: Sequence[Account], skew: Mapping[int, int]) -> None:
        """Put the first accounts in, the pool on the other side of all their legs."""
        venue = self.book.accounts[POOL]
        for account in accounts:
            self.book.put(account)
        quote = -sum(account.quote for account in accounts)
        legs = tuple(Leg(perp(id_), -size) for id_, size in skew.items() if size)
        self.book.put(replace(venue, quote=venue.quote + quote, legs=legs))
        for id_ in self.oracles:
            self._trade_booked(id_)

    def _trade_booked(self, market: int) -> None:
        """Accrue funding, then book open interest and tilt as the legs are now."""
        oracle = self.oracles[market]
        moved = accrued(oracle.market, self.now, self.times)
        instrument = perp(market)
        sizes = [
            leg.size
            for account in self.book.accounts.values()
            for leg in account.legs
            if leg.instrument == instrument
        ]
        skew = -self.pool.size(instrument)
        raw = trunc_div(skew * moved.price.price * TILT_ONE, self.skew_caps[market])
        interest = sum(size for size in sizes if size > 0)
        tilt = clamp(raw, -TILT_ONE, TILT_ONE)
        state = replace(moved.state, open_interest=interest, tilt=tilt)
        self.oracles[market] = replace(oracle, market=replace(moved, state=state))

    # ---- the liquidator

    def live_at(self, account: Account, found: Health) -> int:
        """Return the live seconds that a call finds now."""
        live, last = self.clocks.get(account.id, (0, 0))
        away = self.now - (max(last, found.resume) if account.in_auction else last)
        if away > CLOCK_MEMORY:
            return 0
        return live + min(CLOCK_STEP, max(0, away)) if account.in_auction else live

    def capacity(self, market: int) -> int:
        """Return what is left of a block's capacity [USD WAD]."""
        terms = self.terms[market]
        width = 2 * terms.spread_min + terms.fee
        return max(0, MU * width // WAD * terms.scale // WAD - self.used.get(market, 0))

    def flag(self, account: Account, found: Health) -> None:
        """Start an auction, or count its time."""
        self.clocks[account.id] = (self.live_at(account, found), self.now)
        self.book.put(replace(account, flags=account.flags | IN_AUCTION))

    def reduce(self, account: Account, leg: Leg, found: Close, at: Snapshot) -> None:
        """Book a close against the pool."""
        live = self.live_at(account, health(account, at))
        size = found.lots if leg.size < 0 else -found.lots
        terms = self.terms[leg.market]
        if account.in_auction or not found.covered:
            self.clocks[account.id] = (live, self.now)
        flags = account.flags & ~IN_AUCTION if found.covered else account.flags | IN_AUCTION
        venue = plans.met(self.pool.account, leg.instrument, size, found.price, at)
        self.book.put(replace(found.after, flags=flags))
        self.book.put(venue)
        self.fees += mul_up(terms.fee, found.lots * found.price)
        self.fund.cash += mul_up(terms.liquidation_fee, found.lots * found.price)
        keeper = self.keeper
        self.book.put(replace(keeper, quote=keeper.quote + found.pay))
        notional = found.lots * at.feeds[leg.market].price
        self.used[leg.market] = self.used.get(leg.market, 0) + notional
        self._trade_booked(leg.market)

    def case(self, account: Account, found: Health, at: Snapshot) -> Case:
        """Return what a take begins with."""
        return Case(account, found, at, self.live_at(account, found))

    def offered(self, case: Case) -> tuple[int, int]:
        """Return what the fund pays the taker of everything."""
        return self.fund.offer(largest_market(case), *plans.asked(case), self.now)

    def take(self, case: Case, plan: TakePlan) -> int:
        """Book a take; return the deficit that is booked with it."""
        account, at = case.account, case.at
        short = 0
        if plan.fraction == WAD:
            self.fund.pay(largest_market(case), *self.offered(case))
            short = uncovered(case.health, plan.insurance)
        self.deficit += short
        buyer = after_take(self.keeper, account, case.health, plan, at)
        if account.in_auction:
            self.clocks[account.id] = (case.live, self.now)
        left = left_over(account, at, plan.fraction, plan.payment)
        self.book.put(replace(left, cash=0) if plan.fraction == WAD and short else left)
        self.book.put(buyer)
        for leg in account.legs:
            self._trade_booked(leg.market)
        return short

    def settle(self, account: Account, at: Snapshot) -> None:
        """Settle an account that holds nothing."""
        self.book.put(settled(account, at, EVERYTHING)[0])

    def write_off(self, account: Account) -> int:
        """Clear the debt of an account that holds nothing; return what is booked."""
        owed = -account.cash - account.quote
        covered, _ = self.fund.offer(0, owed, 0, self.now)
        self.fund.pay(0, covered, 0)
        self.deficit += owed - covered
        self.book.put(replace(account, cash=0, quote=0))
        return owed - covered

    # ---- trading

    def fill(self, instrument: int, size: int, limit: int, at: Snapshot) -> tuple[int, int] | None:
        """Fill the keeper's order against the pool: price and fee, None if it does not fit.

        Args:
            instrument: of the leg.
            size: lots, what the keeper's leg changes by.
            limit: worst price [ticks].
            at: prices.
        """
        market = instrument >> 56
        terms, feed = self.terms[market], at.feeds[market]
        price = fill_price(feed.price, -self.pool.size(instrument), size, terms)
        if (price > limit) if size > 0 else (price < limit):
            return None
        venue = plans.met(self.pool.account, instrument, size, price, at)
        found = health(venue, at)
        if found.equity < found.le:
            return None
        fee = mul_up(terms.fee, abs(size) * price)
        keeper = self.keeper
        rest = tuple(leg for leg in keeper.legs if leg.instrument != instrument)
        before = next((leg.size for leg in keeper.legs if leg.instrument == instrument), 0)
        legs = (*rest, Leg(instrument, before + size)) if before + size else rest
        quote = keeper.quote - size * (price - feed.funding) - fee
        self.book.put(replace(keeper, quote=quote, legs=legs))
        self.book.put(venue)
        self.fees += fee
        self._trade_booked(market)
        return price, fee


def largest_market(case: Case) -> int:
    """Return the market of the largest leg, the first of equals, 0 without legs."""
    best, largest = 0, 0
    for leg in case.account.legs:
        value = abs(leg.size) * case.at.feeds[leg.market].price
        if value > largest:
            best, largest = leg.market, value
    return best
