"""A covered position: holds WETH, shorts a share of it, and keeps the rest a constant share.

    PLIMSOLL_KEY=keystore.json python docs/examples/covered_position.py --deposit 10 --exposure 50

docs/examples/covered_position.md says what it shows.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass

from keepers.client import Client
from keepers.domain.amounts import SHARE_ONE, share, written_lots
from keepers.domain.effects import amount_of, size_of
from keepers.domain.margin import Snapshot, health
from keepers.domain.orders import Order
from keepers.domain.tickets import State
from keepers.domain.units import LOTS_PER_UNIT, clamp
from keepers.domain.words import Account
from keepers.errors import KeeperError
from keepers.settings import ClientSettings, make

MARGINS = 2  # times IM: nothing is traded that would leave the account nearer to its line


@dataclass(frozen=True, slots=True)
class Rule:
    """How much of the account's equity shall follow the price; shares in millionths."""

    instrument: int  # the perpetual that is shorted
    collateral: int  # id of the token that covers it
    exposure: int  # share of equity that follows the price
    band: int  # how far the share may stray before it is brought back

    @property
    def market(self) -> int:
        """Return the market of both."""
        return self.instrument >> 56


@dataclass(frozen=True, slots=True)
class Position:
    """What an account holds on both sides [lots], at one price."""

    covered: int  # the collateral
    short: int  # the perpetual, at least 0
    equity: int  # WAD
    price: int  # ticks; lots times ticks is WAD exactly

    @property
    def exposure(self) -> int:
        """Return the share of equity that follows the price [millionths, down]."""
        return (self.covered - self.short) * self.price * SHARE_ONE // self.equity


def position(account: Account, at: Snapshot, rule: Rule) -> Position:
    """Return an account's covered position."""
    decimals = at.collaterals[rule.collateral].decimals
    held = amount_of(account, rule.collateral) * LOTS_PER_UNIT // 10**decimals
    short = -size_of(account, rule.instrument)
    return Position(held, short, health(account, at).equity, at.feeds[rule.market].price)


def rebalance(now: Position, rule: Rule) -> int:
    """Return what to trade [lots, above 0 buys], nothing while the share is inside its band.

    The short never exceeds what covers it, and never becomes a long.
    """
    if now.equity <= 0 or abs(now.exposure - rule.exposure) <= rule.band:
        return 0
    open_part = now.equity * rule.exposure // SHARE_ONE // now.price
    wanted = clamp(now.covered - open_part, 0, now.covered)
    return now.short - wanted


@dataclass(slots=True)
class Keeper:
    """Opens the position and brings it back when it strays."""

    client: Client
    rule: Rule
    account: int = 0
    waiting: Order | None = None

    async def look(self) -> Position:
        """Return the position now."""
        view = await self.client.look(self.account)
        return position(view.accounts[self.client.desk.account(self.account)], view.at, self.rule)

    async def step(self) -> str:
        """Bring the short to its share if it is due; return what was done in words."""
        if self.waiting is not None:
            # an order that no price fills has its reserve taken back here
            ticket = await self.client.resolve(self.waiting)
            if ticket.state is State.OPEN:
                return "an order waits for its price"
            self.waiting = None
        size = rebalance(await self.look(), self.rule)
        if not size:
            return "inside the band"
        plan = await self.client.trade(self.rule.instrument, size, self.account)
        after = plan.changes[0].health_after
        if after.equity < MARGINS * after.im:
            return f"equity would be under {MARGINS} times IM: deposit more, or expose more"
        done = await self.client.send(plan)
        self.waiting = plan.orders[0]
        (ticket,) = done.tickets
        return f"{'bought' if size > 0 else 'sold'} {written_lots(abs(size))}: {ticket.said}"


async def main(arguments: list[str] | None = None) -> None:
    """Keep the position with the key and the node that the environment names (PLIMSOLL_…)."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--deposit", default="", help="WETH to deposit first")
    options.add_argument("--exposure", default="50", help="percent of equity left to the price")
    options.add_argument("--band", default="2", help="percent that it may stray")
    options.add_argument("--every-s", type=float, default=60.0, help="between two looks")
    options.add_argument("--rounds", type=int, default=0, help="0: until it is stopped")
    given = options.parse_args(arguments)
    async with await Client.open(make(ClientSettings)) as client:
        token = client.desk.deployment.token("WETH")
        if given.deposit:
            await client.send(await client.deposit(client.atoms("WETH", given.deposit), "WETH"))
        instrument = client.instrument("ETH-PERP")
        rule = Rule(instrument, token.id, share(given.exposure), share(given.band))
        keeper, done = Keeper(client, rule), 0
        while True:
            try:
                print(await keeper.step())
            except KeeperError as error:
                if not error.survivable:
                    raise
                print(error)
            done += 1
            if done == given.rounds:
                return
            await asyncio.sleep(given.every_s)


if __name__ == "__main__":
    asyncio.run(main())
