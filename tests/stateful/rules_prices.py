"""What prices do: reports of sources, walks, crashes, outages, moves to somebody's threshold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.reference import margin
from tests.reference.facts import Account, Market
from tests.reference.oracle import Quote, Report
from tests.reference.units import DAY, PENDING, WAD
from tests.reference.words import market_of
from tests.stateful.house import KEEPERS
from tests.stateful.ops import Op
from tests.stateful.refusals import Refusals


class PriceRules(Refusals):
    """The actors' part in prices; what else they do is in tests.stateful.rules."""

    truth: dict[int, int]
    signed: list[tuple[Report, ...]]
    hunted: int
    _with_legs: Callable[[], list[int]]
    settle: Callable[[], Op]

    def reports(self, now: int) -> tuple[Report, ...]:
        """Return what three or four sources sign about every market."""
        rng = self.rng
        publish = now - rng.choice((0, 0, 0, 0, 1))
        seated = sorted(self.world.signer_times)
        signers = sorted(rng.sample(seated, min(len(seated), rng.choice((3, 3, 3, 4)))))
        conf = rng.choice((0, 0, 10, 50, 200)) if rng.random() < 0.97 else 1_500
        made = []
        for signer in signers:
            quotes = tuple(
                Quote(key, max(1, price * (100_000 + rng.randint(-3, 3)) // 100_000), conf)
                for key, price in sorted(self.truth.items())
            )
            made.append(Report(signer, publish - rng.choice((0, 0, 0, 1)), quotes))
        self.signed = [*self.signed[-20:], tuple(made)]
        return self.signed[-1]

    def _update(self, seconds: int, blocks: int = 1) -> Op:
        reports = self.reports(self.world.now + seconds)
        return Op("update", self.rng.choice(KEEPERS), (), reports, seconds, blocks)

    def replay(self) -> Op:
        """Show reports again, out of order, or older than what is stored: none changes a price."""
        rng = self.rng
        reports = rng.choice(self.signed)
        behind = rng.choice((0, 0, 1, 7, 90))
        if rng.random() < 0.4:
            # of now, but for one source that goes back
            reports = self.reports(self.world.now)
            late = rng.randrange(len(reports))
            times = [report.publish - (2 if i == late else 0) for i, report in enumerate(reports)]
        else:
            times = [report.publish - behind for report in reports]
        seated = self.world.signer_times
        shown = tuple(
            replace(report, publish=time)
            for report, time in zip(reports, times, strict=True)
            if report.signer in seated
        )
        return Op("update", rng.choice(KEEPERS), (), shown, 0, rng.choice((0, 1)))

    def walk(self) -> Op:
        """Move every price a little."""
        for key, price in self.truth.items():
            self.move(key, price * self.rng.randint(9_970, 10_030) // 10_000)
        return self._update(self.rng.choice((1, 2, 3, 5, 8, 12)))

    def move(self, key: int, price: int) -> None:
        """Set the true price of a market, kept within a factor of 8 of its listing."""
        feed = self.world.markets[key].feed
        self.truth[key] = min(feed.max_price * 9 // 10, max(feed.min_price * 11 // 10, price))

    def steer(self) -> Op | None:
        """Move one price to where an account crosses MM, LE or IM."""
        self.hunted = 6
        if any(market.flags & PENDING for market in self.world.markets.values()):
            # the jump of an earlier move waits to be confirmed
            return self._update(self.rng.choice((6, 8, 31)))
        bound = self.rng.choice(("mm", "mm", "mm", "mm", "le", "im", "zero"))
        accounts = self._with_legs()
        running = [key for key in accounts if self.world.account(key).in_auction]
        if running and self.rng.random() < 0.4:
            # a price that cures an account: its auction may be cleared by anyone
            bound, accounts = "le", running
        found = self._nearest(accounts, bound)
        if found is None:
            return None
        market, price = found
        # a little beyond, so that few accounts jump over the whole of their margin
        toward = 1 if price > self.world.markets[market].price else -1
        self.move(market, price * (10_000 + toward * self.rng.randint(-5, 25)) // 10_000)
        return self._update(self.rng.choice((5, 8, 12, 20)))

    def _nearest(self, accounts: list[int], bound: str) -> tuple[int, int] | None:
        """Return the market and price at which one of some accounts crosses its bound first."""
        best: tuple[int, int, int] | None = None
        for key in self.rng.sample(accounts, min(8, len(accounts))):
            account = self.world.account(key)
            market = market_of(self.rng.choice(account.legs).instrument)
            price = self.threshold(account, market, bound)
            if price is None:
                continue
            last = self.world.markets[market].price
            distance = abs(price - last) * WAD // last
            if best is None or distance < best[0]:
                best = (distance, market, price)
        return None if best is None else best[1:]

    def threshold(self, account: Account, market: int, bound: str) -> int | None:
        """Return the price at which E crosses a requirement, by halving."""
        last = self.world.markets[market].price
        low, high = last, None
        for factor in (98, 102, 95, 105, 90, 110, 80, 120):
            if (
                self._slack(account, market, bound, last * factor // 100)
                * self._slack(account, market, bound, last)
                < 0
            ):
                high = last * factor // 100
                break
        if high is None:
            return None
        sign = self._slack(account, market, bound, low) > 0
        for _ in range(20):
            middle = (low + high) // 2
            if (self._slack(account, market, bound, middle) > 0) == sign:
                low = middle
            else:
                high = middle
        return low

    def _slack(self, account: Account, market: int, bound: str, price: int) -> int:
        moved: dict[int, Market] = dict(self.world.markets)
        moved[market] = replace(moved[market], price=price)
        health = margin.check(account, moved, self.world.collaterals, self.world.now)
        return health.equity - (0 if bound == "zero" else int(getattr(health, bound)))

    def crash(self) -> Op:
        """Move one price far at once: it waits, is confirmed, and leaves deficits."""
        key = self.rng.choice(list(self.world.pool_params))
        factor = self.rng.choice((60, 75, 85, 90, 112, 125, 140))
        self.move(key, self.truth[key] * factor // 100)
        return self._update(self.rng.choice((1, 5)))

    def outage(self) -> Op:
        """Let time pass without prices: minutes, hours, days."""
        seconds = self.rng.choice((70, 130, 400, 900, 4_000, 20_000, DAY + 10, DAY + 10, 2 * DAY))
        op = self.settle()
        return replace(op, wait=seconds, blocks=seconds // 12 + 1)
