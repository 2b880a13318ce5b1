"""A delta-hedger: keeps what an account wins or loses by the price of one market near nothing.

    PLIMSOLL_KEY=keystore.json python docs/examples/delta_hedger.py --market ETH --band 0.4

docs/examples/delta_hedger.md says what it shows.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from keepers.chain.option_reading import option_account
from keepers.chain.reading import Reader
from keepers.client import Client
from keepers.domain.amounts import lots as read_lots
from keepers.domain.amounts import written_lots
from keepers.domain.effects import size_of
from keepers.domain.margin import Snapshot
from keepers.domain.orders import Order
from keepers.domain.tickets import State
from keepers.domain.units import LOTS_PER_UNIT
from keepers.domain.words import Account
from keepers.errors import KeeperError
from keepers.settings import ClientSettings, make


@dataclass(frozen=True, slots=True)
class Rule:
    """What is hedged, and how closely."""

    instrument: int  # the perpetual that is traded
    band: int  # lots: a smaller net delta is left alone

    @property
    def market(self) -> int:
        """Return the market whose price must not matter."""
        return self.instrument >> 56


def collateral_delta(account: Account, at: Snapshot, market: int) -> int:
    """Return how many lots of a market's underlying an account holds as collateral."""
    total = 0
    for held in account.holdings:
        terms = at.collaterals[held.collateral]
        if terms.feed == market:
            total += held.amount * LOTS_PER_UNIT // 10**terms.decimals
    return total


async def option_delta(reader: Reader, account: Account, market: int, block: int) -> int:
    """Return what options and futures of a market have of its delta [lots], by the lens."""
    if not account.options:
        return 0
    told = await option_account(reader, account.id, block)
    held = {leg.instrument for leg in account.options if leg.market == market}
    return sum(leg.greeks.delta for leg in told.legs if leg.instrument in held)


def hedge(account: Account, at: Snapshot, rule: Rule, options: int = 0) -> int:
    """Return what to trade [lots, above 0 buys]: nothing inside the band, else all of the delta.

    Args:
        account: that is hedged.
        at: prices and collaterals.
        rule: how.
        options: delta of options and futures [lots].
    """
    plain = collateral_delta(account, at, rule.market) + size_of(account, rule.instrument)
    delta = plain + options
    return 0 if abs(delta) <= rule.band else -delta


@dataclass(slots=True)
class Hedger:
    """Looks, decides, trades; at most one order at a time."""

    client: Client
    rule: Rule
    account: int = 0
    waiting: Order | None = None

    async def step(self) -> str:
        """Do what is due now; return it in words."""
        if self.waiting is not None:
            # an order that no price fills has its reserve taken back here
            ticket = await self.client.resolve(self.waiting)
            if ticket.state is State.OPEN:
                return "an order waits for its price"
            self.waiting = None
        desk, view = self.client.desk, await self.client.look(self.account)
        account = view.accounts[desk.account(self.account)]
        asked = (desk.reader, account, self.rule.market, view.head.number)
        size = hedge(account, view.at, self.rule, await option_delta(*asked))
        if not size:
            return "inside the band"
        plan = await self.client.trade(self.rule.instrument, size, self.account)
        done = await self.client.send(plan)
        self.waiting = done.plan.orders[0]
        (ticket,) = done.tickets
        return f"{'bought' if size > 0 else 'sold'} {written_lots(abs(size))}: {ticket.said}"


async def run(hedger: Hedger, every_s: float, rounds: int, say: Callable[[str], None]) -> None:
    """Step so many times (0: for ever); a failure is said, and the next round tries again."""
    done = 0
    while True:
        try:
            say(await hedger.step())
        except KeeperError as error:
            if not error.survivable:
                raise
            say(str(error))
        done += 1
        if done == rounds:
            return
        await asyncio.sleep(every_s)


async def main(arguments: list[str] | None = None) -> None:
    """Hedge with the key and the node that the environment names (PLIMSOLL_…)."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--market", default="ETH", help="whose price must not matter")
    options.add_argument("--band", default="0.4", help="net delta that is left alone")
    options.add_argument("--account", type=int, default=0, help="number of the account")
    options.add_argument("--every-s", type=float, default=10.0, help="between two looks")
    options.add_argument("--rounds", type=int, default=0, help="0: until it is stopped")
    given = options.parse_args(arguments)
    async with await Client.open(make(ClientSettings)) as client:
        name = f"{given.market}-PERP"
        rule = Rule(client.instrument(name), read_lots(given.band, name))
        await run(Hedger(client, rule, given.account), given.every_s, given.rounds, print)


if __name__ == "__main__":
    asyncio.run(main())
