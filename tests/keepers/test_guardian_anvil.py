"""`plimsoll guardian` against a real node, and what users and keepers are told meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from keepers.domain.pauses import LIQUIDATION, OPENING
from keepers.domain.units import HOUR
from tests.keepers.anvil_world import DEPLOYER, TRADER, Node, World, key
from tests.keepers.bot_runs import running, until, world
from tests.keepers.executing import emptied, executor, size_of
from tests.keepers.liquidating import bot, crash, cured, settings, weak_trader
from tests.keepers.user_runs import Terminal, keepers_at_work, prepare, sent_so_far

pytestmark = pytest.mark.anvil

GRACE_S = 600  # after a pause of liquidations, at most
# the local parameters let the deployer guard
GUARDIAN = ("--key", f"test:{DEPLOYER}")


def act(node: Node, move: Callable[[World], Awaitable[object]]) -> None:
    """Make a move on the chain between two commands."""

    async def moved() -> None:
        async with world(node) as on:
            await move(on)

    asyncio.run(moved())


def test_guardian__pauses_opening__users_are_told_and_may_reduce(
    node: Node, terminal: Terminal
) -> None:
    prepare(node, units=2)
    before = sent_so_far(node)
    said = terminal.run(
        "guardian", "pause", "opening", "ETH", "--hours", "2", *GUARDIAN, "--dry-run"
    )
    assert said.code == 0, said.err
    assert "pause 7200 s of opening in ETH" in said.out
    assert sent_so_far(node) == before

    said = terminal.run("guardian", "pause", "opening", "ETH", "--hours", "2", *GUARDIAN, "--json")
    assert said.code == 0, said.err
    assert len(said.json["transactions"]) == 1
    said = terminal.run("guardian", "status")
    assert "opening in ETH is paused until" in said.out
    assert "opening in ETH is paused until" in terminal.run("accounts").out

    said = terminal.run("trade", "buy", "1", "ETH-PERP")
    assert said.code == 1
    assert "would not fill: opening is paused until" in said.err
    with keepers_at_work(node):
        said = terminal.run("trade", "sell", "1", "ETH-PERP", "--json")
        assert said.code == 0, said.err
        assert said.json["accounts"][0]["after"]["positions"] == {"ETH-PERP": "1"}

    assert terminal.run("guardian", "lift", "opening", *GUARDIAN).code == 0
    assert "paused" not in terminal.run("guardian", "status").out
    with keepers_at_work(node):
        assert terminal.run("trade", "buy", "1", "ETH-PERP").code == 0


def test_guardian__pauses_liquidations__accounts_and_status_tell(
    node: Node, terminal: Terminal
) -> None:
    act(node, weak_trader)
    assert terminal.run("guardian", "pause", "liquidation", *GUARDIAN).code == 0
    said = terminal.run("guardian", "status", "--json")
    paused = [each for each in said.json["scopes"] if each["paused"]]
    assert {each["market"] for each in paused} == {"ETH", "BTC", "LINK", "WSTETH"}
    said = terminal.run("account", f"{key(TRADER).address}:0")
    assert "liquidations of what holds ETH are paused until" in said.out
    act(node, crash)
    said = terminal.run("take", f"{key(TRADER).address}:0", "--key", f"test:{DEPLOYER}")
    assert said.code == 1
    assert "liquidations wait until" in said.err


def test_guardian__pauses_deposits__is_said_before_anything_is_sent(
    node: Node, terminal: Terminal
) -> None:
    prepare(node, units=0)
    assert terminal.run("guardian", "pause", "deposits", "--hours", "1", *GUARDIAN).code == 0
    said = terminal.run("deposit", "10", "USDC", "--mint")
    assert said.code == 1
    assert "deposits of USDC are paused until" in said.err
    assert terminal.run("withdraw", "10", "USDC").code == 0
    said = terminal.run("guardian", "pause", "pool-deposits", "--hours", "1", *GUARDIAN)
    assert said.code == 0, said.err
    assert "paused until" in terminal.run("lp", "deposit", "10", "--mint").err


def test_guardian__lowers_caps__and_raises_none(node: Node, terminal: Terminal) -> None:
    said = terminal.run("guardian", "tighten", "ETH", "0", *GUARDIAN, "--json")
    assert said.code == 0, said.err
    assert said.json["facts"] == {"cap_before_usd": "30000000", "cap_usd": "0"}
    said = terminal.run("guardian", "tighten", "ETH", "1000000", *GUARDIAN)
    assert (said.code, "only the owner raises it" in said.err) == (2, True)
    said = terminal.run("guardian", "cap", "LINK", "--soft", "10", "--hard", "20", *GUARDIAN)
    assert said.code == 0, said.err
    assert terminal.run("guardian", "cap", "LINK", *GUARDIAN).code == 0
    said = terminal.run("guardian", "cap", "LINK", "--soft", "1", *GUARDIAN)
    assert (said.code, "only the owner" in said.err) == (2, True)


async def pause(on: World, action: int, seconds: int) -> None:
    """Pause an action in ETH, as the guardian."""
    await on.act(DEPLOYER, "RiskConfigurator", "pause", action, 1 << 1, seconds)


def test_execute__opening_is_paused__is_said_and_the_order_dies(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await on.deposit(TRADER, 10_000)
            chosen, made = executor(node)
            async with running(chosen, made) as running_bot:
                # while it runs: the mirror learns of it by the event
                await pause(on, OPENING, HOUR)
                await on.commit(TRADER, "ETH", 1)
                await on.pass_time(3)
                await on.publish()
                await until(lambda: said_paused(running_bot))
                await on.pass_time(1)
                await until(lambda: emptied(running_bot))
                assert await size_of(on, account) == 0

    asyncio.run(scenario())


async def said_paused(running_bot: Any) -> bool:
    return bool(running_bot.runtime.metrics.refused.labels("paused")._value.get())


def test_liquidate__liquidations_are_paused__waits_and_says_until_when(node: Node) -> None:
    async def scenario() -> None:
        async with world(node) as on:
            account = await weak_trader(on)
            chosen = settings(node)
            async with running(chosen, bot(chosen)) as running_bot:
                await pause(on, LIQUIDATION, HOUR)
                end = await on.now() + HOUR
                await on.move("ETH", 2_900)
                await until(lambda: waits(running_bot, end))
                assert await size_of(on, account) == 40 * 10**8
                sent = running_bot.runtime.sender.next_nonce
                await pause(on, LIQUIDATION, 0)
                await on.pass_time(100)
                head = (await on.rpc.head()).number
                await until(lambda: looked(running_bot, head))
                # the pause is over, the grace after it is not
                assert running_bot.runtime.sender.next_nonce == sent
                for _ in range(GRACE_S // 100):
                    await on.pass_time(100)
                    await on.publish()
                await until(cured(on, account))

    asyncio.run(scenario())


async def looked(running_bot: Any, block: int) -> bool:
    """Return whether the bot has seen a block, and has nothing to do for it any more."""
    return running_bot.head.number >= block and not running_bot.wake.is_set()


async def waits(running_bot: Any, end: int) -> bool:
    return bool(running_bot.waiting >= end)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("pause", "trading", *GUARDIAN), "trading is nothing to pause"),
        (("pause", "opening", "DOGE", *GUARDIAN), "there is no market DOGE"),
        (("pause", "opening", "--hours", "0", *GUARDIAN), "no pause"),
        (("pause", "opening", "--hours", "169", *GUARDIAN), "a pause lasts 7 days at most"),
        (("pause", "deposits", "ETH", *GUARDIAN), "name no market"),
        (("lift", "opening", *GUARDIAN), "it is not paused"),
        (("cap", "USDC", *GUARDIAN), "not capped but paused"),
        (("pause", "opening"), "neither the guardian nor the owner"),
    ],
)
def test_guardian__bad_input__is_one_sentence(
    node: Node, terminal: Terminal, words: tuple[str, ...], part: str
) -> None:
    said = terminal.run("guardian", *words)
    assert (said.code, said.out) == (2, "")
    assert part in said.err
