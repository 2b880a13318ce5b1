"""The fund: pays deficits out of its cash, rewards beyond them inside its limits."""

from __future__ import annotations

from dataclasses import dataclass

from tests.reference import ledger
from tests.reference.state import SETTLEMENT, World, owner_of
from tests.reference.units import DAY, WAD


@dataclass(frozen=True, slots=True)
class Cover:
    """What the fund is asked for, or pays; WAD."""

    market: int
    deficit: int
    bonus: int


def cash_of(world: World) -> int:
    """Return the fund's cash once earned fees are settled as far as the pot goes [WAD]."""
    account = world.account(world.setup.insurance_account)
    return max(0, account.cash + min(account.quote, world.pot))


def today(world: World) -> tuple[int, int, int]:
    """Return day, cash at its start and added since, rewards paid since."""
    day = world.now // DAY
    return world.fund_epoch if world.fund_epoch[0] == day else (day, cash_of(world), 0)


def room_of(world: World, market: int) -> int:
    """Return how much of a reward the limits leave for a market today [WAD]."""
    day, start, spent = today(world)
    here = world.fund_spent.get((day, market), 0)
    by_day = start * world.setup.day_limit // WAD - spent
    by_market = start * world.setup.market_limit // WAD - here
    return max(0, min(by_day, by_market))


def offer(world: World, asked: Cover) -> Cover:
    """Return what the fund would pay now of what is asked."""
    cash = cash_of(world)
    deficit = min(asked.deficit, cash)
    bonus = min(asked.bonus, room_of(world, asked.market), cash - deficit)
    return Cover(asked.market, deficit, bonus)


def draw(world: World, asked: Cover) -> Cover:
    """Return what the fund pays now of what is asked, counted and settled."""
    paid = offer(world, asked)
    day, start, spent = today(world)
    world.fund_epoch = (day, start, spent + paid.bonus)
    if paid.bonus:
        key = (day, asked.market)
        world.fund_spent[key] = world.fund_spent.get(key, 0) + paid.bonus
    ledger.settle(world, world.setup.insurance_account)
    return paid


def fund(world: World, payer: int, amount: int) -> None:
    """Pay `amount` atoms of the settlement token into the fund."""
    contract = owner_of(world.setup.insurance_account)
    day, start, spent = today(world)
    world.fund_epoch = (day, start + amount * world.setup.scale, spent)
    ledger.move_wallet(world, payer, SETTLEMENT, -amount)
    ledger.move_wallet(world, contract, SETTLEMENT, amount)
    ledger.deposit(world, contract, world.setup.insurance_account, SETTLEMENT, amount)
