"""The examples of docs/examples: their decisions on paper, and both at work on a real node."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from keepers.domain.margin import health
from keepers.domain.units import WAD
from keepers.domain.words import Account, Holding, Leg, perp
from tests.keepers.anvil_world import OTHER_TRADER, TRADER, Node, World
from tests.keepers.bot_runs import world
from tests.keepers.facts import ETH, at, trader
from tests.keepers.named_options import CALL, publish
from tests.keepers.user_runs import Terminal, keepers_at_work, user

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
LOTS = 10**8
ETHER = 10**18


def example(name: str) -> ModuleType:
    """Load an example as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


delta_hedger = example("delta_hedger")
covered_position = example("covered_position")


# ---- the delta-hedger


@pytest.mark.parametrize(
    ("ether", "size", "trade"),
    [
        (3 * ETHER, 0, -3 * LOTS),
        (3 * ETHER, -3 * LOTS, 0),
        (3 * ETHER, -3 * LOTS + LOTS // 2, 0),  # the band is half an ether wide
        (3 * ETHER, -3 * LOTS + LOTS // 2 + 1, -LOTS // 2 - 1),
        (2 * ETHER, -3 * LOTS, LOTS),
        (0, LOTS, -LOTS),
        (1, 0, 0),  # an atom of ether is no lot
    ],
)
def test_hedge__net_delta__is_traded_away_outside_the_band(
    ether: int, size: int, trade: int
) -> None:
    legs = (Leg(perp(ETH), size),) if size else ()
    held = (Holding(1, ether),) if ether else ()
    account = Account(7 << 96, 10_000 * WAD, 0, legs, held, 0)
    rule = delta_hedger.Rule(perp(ETH), LOTS // 2)
    assert delta_hedger.hedge(account, at(), rule) == trade


@pytest.mark.parametrize(
    ("options", "trade"), [(-4 * LOTS, LOTS), (-3 * LOTS, 0), (7, -3 * LOTS - 7)]
)
def test_hedge__options_beside_collateral__count_with_their_delta(options: int, trade: int) -> None:
    account = Account(7 << 96, 10_000 * WAD, 0, (), (Holding(1, 3 * ETHER),), 0)
    rule = delta_hedger.Rule(perp(ETH), LOTS // 2)
    assert delta_hedger.hedge(account, at(), rule, options) == trade


@pytest.mark.anvil
def test_delta_hedger__written_calls__are_hedged_by_their_delta(node: Node) -> None:
    async def act(prices: dict[str, float]) -> None:
        async with world(node) as on, user(node) as client, user(node, OTHER_TRADER) as holder:
            on.prices = prices
            for actor in (TRADER, OTHER_TRADER):
                await on.deposit(actor, 60_000)
            await publish(on)
            offer = await client.draw([client.leg(f"{CALL}:-10@250")])
            await holder.send(await holder.fill(await client.sign_order(offer)))
            hedger = delta_hedger.Hedger(client, delta_hedger.Rule(perp(ETH), LOTS // 2))
            assert (await client.greeks())[ETH].delta < -4
            assert (await hedger.step()).startswith("bought 4.")
            await publish(on)
            assert abs((await client.greeks())[ETH].delta) < 0.5
            assert await hedger.step() == "inside the band"

    with keepers_at_work(node) as prices:
        asyncio.run(act(prices))


@pytest.mark.anvil
def test_delta_hedger__at_work__equity_hardly_moves_with_the_price(node: Node) -> None:
    async def act(prices: dict[str, float]) -> None:
        async with world(node) as on, user(node) as client:
            on.prices = prices
            account = await on.deposit(TRADER, 1_000, ether=3)
            rule = delta_hedger.Rule(client.instrument("ETH-PERP"), LOTS // 2)
            hedger = delta_hedger.Hedger(client, rule)
            assert (await hedger.step()).startswith("sold 3: filled at")
            before = (await on.health(account))[1].equity
            await on.move("ETH", 3_300)
            moved = (await on.health(account))[1].equity - before
            # 3 ETH each way: what is left is funding of some minutes
            assert abs(moved) < WAD
            assert await hedger.step() == "inside the band"
            await client.send(await client.withdraw(ETHER, "WETH"))
            assert (await hedger.step()).startswith("bought 1: filled at")
            assert (await on.health(account))[0].legs == (Leg(perp(ETH), -2 * LOTS),)

    with keepers_at_work(node) as prices:
        asyncio.run(act(prices))


@pytest.mark.anvil
def test_delta_hedger__order_not_filled__waits_then_takes_it_back(node: Node) -> None:
    async def act(on: World) -> None:
        async with user(node, wait_s=0.0) as client:
            account = await on.deposit(TRADER, 1_000, ether=3)
            rule = delta_hedger.Rule(client.instrument("ETH-PERP"), LOTS // 2)
            hedger = delta_hedger.Hedger(client, rule)
            assert "open: no price was published" in await hedger.step()
            assert await hedger.step() == "an order waits for its price"
            order = hedger.waiting
            await on.pass_time(400)
            await on.publish()
            assert (await hedger.step()).startswith("sold 3: open")
            assert hedger.waiting != order
            assert order is not None
            assert (await client.ticket(order)).said == "closed without a fill (expired)"
            assert (await on.health(account))[0].legs == ()

    async def whole() -> None:
        async with world(node) as on:
            await act(on)

    asyncio.run(whole())


# ---- the covered position


def covered(ether: int, short: int, equity: int) -> object:
    return covered_position.Position(ether * LOTS, short * LOTS, equity * WAD, 2_000 * 10**10)


HALF = covered_position.Rule(perp(ETH), 1, 500_000, 20_000)


@pytest.mark.parametrize(
    ("ether", "short", "equity", "trade"),
    [
        (10, 0, 20_000, -5),  # all of it follows the price: sell half
        (10, 5, 20_000, 0),
        (10, 6, 20_000, 1),
        (10, 5, 19_500, 0),  # 51.2 %: inside the band of 2 %
        (10, 5, 16_000, -1),  # 62.5 %: 4 ETH are half of 16,000
        (10, 5, 60_000, 5),  # even without a short it is less than half
        (0, 3, 20_000, 3),  # nothing covers it
        (10, 5, 0, 0),  # worth nothing: for a person to look at
    ],
)
def test_rebalance__share_outside_its_band__is_brought_back(
    ether: int, short: int, equity: int, trade: int
) -> None:
    assert covered_position.rebalance(covered(ether, short, equity), HALF) == trade * LOTS


def test_position__account__is_read_at_the_oracles_price() -> None:
    account = replace(trader(cash=500, ether=2), legs=(Leg(perp(ETH), -LOTS),), quote=2_000 * WAD)
    found = covered_position.position(account, at(), HALF)
    assert (found.covered, found.short) == (2 * LOTS, LOTS)
    assert found.equity == health(account, at()).equity == 4_500 * WAD
    # 1 of 2 ETH follows the price: 2,000 of 4,500
    assert found.exposure == 2_000 * 1_000_000 // 4_500


@pytest.mark.anvil
def test_covered_position__price_rises__sells_more_until_the_share_is_back(node: Node) -> None:
    async def act(prices: dict[str, float]) -> None:
        async with world(node) as on, user(node) as client:
            on.prices = prices
            await on.deposit(TRADER, 0, ether=10)
            weth = client.desk.deployment.token("WETH").id
            rule = covered_position.Rule(perp(ETH), weth, 500_000, 20_000)
            keeper = covered_position.Keeper(client, rule)
            assert (await keeper.step()).startswith("sold 5: filled at")
            assert await keeper.step() == "inside the band"
            await on.move("ETH", 3_400)
            assert (await keeper.look()).exposure > 520_000
            assert (await keeper.step()).startswith("sold 0.")
            assert abs((await keeper.look()).exposure - 500_000) < 1_000

    with keepers_at_work(node) as prices:
        asyncio.run(act(prices))


@pytest.mark.anvil
@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        (delta_hedger, ["--rounds", "1"], "sold 3: filled at"),
        (covered_position, ["--deposit", "3", "--rounds", "1"], "sold 1.5: filled at"),
    ],
)
def test_main__from_the_environment__does_one_round(
    node: Node,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: ModuleType,
    arguments: list[str],
    said: str,
) -> None:
    Terminal(node, capsys, monkeypatch)

    async def prepare() -> None:
        async with world(node) as on:
            if name is delta_hedger:
                await on.deposit(TRADER, 0, ether=3)
            else:
                await on.give(TRADER, "WETH", 3 * ETHER, "Clearinghouse")

    asyncio.run(prepare())
    with keepers_at_work(node):
        asyncio.run(name.main(arguments))
    assert said in capsys.readouterr().out
