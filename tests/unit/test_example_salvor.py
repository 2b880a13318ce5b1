"""The liquidation contract of docs/examples: it earns what was asked for, or nothing happens."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import boa
import pytest

from tests.support.world import LOT, LOTS, TICK, WAD, World, account_of, deployer_of, perp
from tests.unit import liquidator_support as desk

USDC = 10**6
CAPITAL = 200_000


@pytest.fixture
def salvor(world: World) -> Any:
    """A Salvor of the liquidator's, with capital in its account."""
    parts = (world.clearinghouse, world.liquidator, world.orders, world.liquidity_pool)
    with boa.env.prank(world.role("liquidator")):
        made = deployer_of("docs/examples/Salvor.vy").deploy(*(each.address for each in parts))
    payer, token = world.role("liquidator"), world.tokens["USDC"]
    world.mint("USDC", payer, CAPITAL * USDC)
    world.clearinghouse.deposit(made.ACCOUNT(), token.address, CAPITAL * USDC, sender=payer)
    return made


def fell_under(world: World) -> int:
    """Return an account under MM."""
    return desk.weak_account(world, share=Fraction(9, 10))


def running(world: World, account: int, seconds: int = 100) -> None:
    """Flag an account and let its clock run, so that taking it pays."""
    world.liquidator.flag(account, sender=world.role("keeper"))
    world.next_price(seconds)
    world.liquidator.flag(account, sender=world.role("keeper"))


def test_deploy__its_account__is_its_own(world: World, salvor: Any) -> None:
    assert salvor.ACCOUNT() == account_of(str(salvor.address))
    assert salvor.OWNER() == world.role("liquidator")
    assert world.cash(salvor.ACCOUNT()) == CAPITAL * WAD


def test_take__clock_has_run__gains_the_reward(world: World, salvor: Any) -> None:
    account = fell_under(world)
    running(world, account)
    plan, before = world.liquidator.plan_take(account), world.health(salvor.ACCOUNT())
    assert 0 < plan.fraction < WAD

    gain = salvor.take(account, 1, sender=world.role("liquidator"))

    worth = plan.fraction * plan.reward // WAD
    assert worth - 8 <= gain <= worth
    assert world.health(salvor.ACCOUNT()).equity == before.equity + gain
    assert world.size(salvor.ACCOUNT(), "ETH") > 0
    assert world.health(account).equity >= world.health(account).le
    world.assert_books_balance()


def test_take__prices_given_along__are_taken_in_first(world: World, salvor: Any) -> None:
    account = desk.long_account(world)
    price = world.prices["ETH"]
    blob = b""
    while not blob:
        price = price * 975 // 1_000
        world.wait(10)
        reports = world.report_blob({**world.prices, "ETH": price})
        with boa.env.anchor():
            world.markets.update(reports, sender=world.role("keeper"))
            weak = world.health(account)
        if weak.equity < weak.mm:
            blob = reports
        else:
            world.publish(**{**world.prices, "ETH": price})
    caller = world.role("liquidator")
    with boa.reverts("liquidator: not below mm"):
        salvor.take(account, 0, sender=caller)

    salvor.take(account, 0, blob, sender=caller)

    assert world.size(salvor.ACCOUNT(), "ETH") > 0


@pytest.mark.parametrize("name", ["take", "reduce"])
def test_liquidate__gain_under_the_least__undoes_everything(
    world: World, salvor: Any, name: str
) -> None:
    account = fell_under(world)
    running(world, account)
    before = (world.health(account), world.health(salvor.ACCOUNT()), world.legs(account))
    arguments = (account,) if name == "take" else (account, perp(1))
    # the whole requirement is more than any share of it can earn
    least = 2 * world.health(account).mm
    expected = "salvor: profit" if name == "take" else "liquidator: pay too low"

    with boa.reverts(expected):
        getattr(salvor, name)(*arguments, least, sender=world.role("liquidator"))

    assert (world.health(account), world.health(salvor.ACCOUNT()), world.legs(account)) == before


def test_reduce__under_mm__is_paid_without_capital_at_risk(world: World, salvor: Any) -> None:
    account = fell_under(world)
    plan = desk.plan_reduce(world, account, "ETH")

    pay = salvor.reduce(account, perp(1), 1, sender=world.role("liquidator"))

    assert pay == plan.pay
    assert world.legs(salvor.ACCOUNT()) == {}
    assert world.quote(salvor.ACCOUNT()) == pay
    assert world.health(account).equity >= world.health(account).le


def test_close__taken_leg__is_sold_at_the_next_price_and_money_leaves(
    world: World, salvor: Any
) -> None:
    account = fell_under(world)
    running(world, account)
    caller, own = world.role("liquidator"), salvor.ACCOUNT()
    salvor.take(account, 1, sender=caller)
    lots = world.size(own, "ETH")
    reserve = world.parameters.min_reserve
    order = world.order(own, "ETH", -lots, reduce_only=True, deadline=world.now + 300, salt=7)

    id_ = salvor.close(perp(1), -lots * LOT, 0, 7, value=reserve, sender=caller)
    assert id_ == world.orders.order_id(tuple(order))
    world.next_price(3)
    world.execute(order)

    assert world.legs(own) == {}
    world.clearinghouse.settle(own, sender=world.role("keeper"))
    atoms = world.cash(own) // 10**12
    salvor.withdraw(world.tokens["USDC"].address, atoms, caller, sender=caller)
    assert world.tokens["USDC"].balanceOf(caller) == atoms


def test_sweep__order_not_filled__reserve_goes_to_the_owner(world: World, salvor: Any) -> None:
    caller, reserve = world.role("liquidator"), world.parameters.min_reserve
    account = fell_under(world)
    running(world, account)
    salvor.take(account, 1, sender=caller)
    lots = world.size(salvor.ACCOUNT(), "ETH")
    limit = 2 * world.prices["ETH"] * TICK
    order = world.order(salvor.ACCOUNT(), "ETH", -lots, reduce_only=True, limit_price=limit)
    order = order._replace(deadline=world.now + 300, salt=9)
    salvor.close(perp(1), -lots * LOT, limit, 9, value=reserve, sender=caller)
    world.wait(400)
    world.orders.refund(tuple(order), sender=world.role("keeper"))
    assert boa.env.get_balance(salvor.address) == reserve

    salvor.sweep(world.role("treasurer"), sender=caller)

    assert boa.env.get_balance(salvor.address) == 0


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("take", (1, 0)),
        ("reduce", (1, perp(1), 0)),
        ("close", (perp(1), LOTS * LOT, 0, 1)),
        ("withdraw", ("token", 1, "to")),
        ("sweep", ("to",)),
    ],
)
def test_any_call__not_the_owner__is_refused(
    world: World, salvor: Any, name: str, arguments: tuple[Any, ...]
) -> None:
    token, to = world.tokens["USDC"].address, world.role("attacker")
    known = {"token": token, "to": to}
    given = [known.get(each, each) if isinstance(each, str) else each for each in arguments]

    with boa.reverts("salvor: not the owner"):
        getattr(salvor, name)(*given, sender=to)
