"""The user's commands against a real node: what they print, dry runs, JSON, and every refusal."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from keepers.chain.abi import interface
from keepers.domain.orders import from_event
from keepers.domain.words import account_id
from tests.keepers.anvil_world import (
    DEPLOYER,
    LENDER,
    LIQUIDATOR,
    OTHER_TRADER,
    Node,
    World,
    key,
)
from tests.keepers.bot_runs import world
from tests.keepers.user_runs import OWNER, Terminal, keepers_at_work, prepare, sent_so_far

pytestmark = pytest.mark.anvil


def test_commands__from_deposit_to_withdrawal__do_what_they_say(
    node: Node, terminal: Terminal
) -> None:
    with keepers_at_work(node):
        said = terminal.run("deposit", "5000", "USDC", "--mint")
        assert (said.code, said.err) == (0, "")
        for part in (f"Account {OWNER.lower()} : 0", "equity E", "before USD", "5,000.00", "gas"):
            assert part in said.out

        said = terminal.run("trade", "sell", "1.5", "ETH-PERP", "--json")
        assert said.code == 0, said.err
        (order,) = said.json["orders"]
        assert order["state"] == "executed"
        assert float(order["price_usd"]) < 3_000
        assert said.json["accounts"][0]["after"]["positions"] == {"ETH-PERP": "-1.5"}

        said = terminal.run("transfer", "1000", "USDC", "--to", "1", "--json")
        assert [each["after"]["state"] for each in said.json["accounts"]] == ["healthy"] * 2
        said = terminal.run("close", "all", "--json")
        assert said.code == 0, said.err
        assert said.json["accounts"][0]["after"]["positions"] == {}

        assert terminal.run("settle").code == 0
        said = terminal.run("withdraw", "all", "USDC", "--account", "1", "--json")
        assert said.json["accounts"][0]["before"]["cash_usd"] == "1000"
        assert said.json["accounts"][0]["after"]["cash_usd"] == "0"
        assert len(said.json["transactions"]) == 1


def test_lp__deposit_status_redeem__shares_come_and_wait(node: Node, terminal: Terminal) -> None:
    with keepers_at_work(node):
        said = terminal.run("lp", "deposit", "250", "--mint", "--json")
        assert said.code == 0, said.err
        asked, served = said.out.strip().splitlines()
        assert '"requests": [2]' in asked
        # by the command itself, or by the executor, which may be faster
        assert '"shares": "250' in served or json.loads(served) == {"request": 2, "served": True}
    shown = terminal.run("lp", "status", "--owner", OWNER, "--json").json
    assert (shown["shares"], shown["worth"], shown["requests"]) == ("250", "250", [])
    assert terminal.run("lp", "redeem", "100").code == 0
    said = terminal.run("lp", "status")
    assert "150 shares, worth" in said.out
    assert "redeem shares" in said.out
    said = terminal.run("lp", "execute", "3")
    assert (said.code, "(pool: cooldown)" in said.err) == (1, True)


def test_take__account_under_maintenance__shows_both_accounts(
    node: Node, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act() -> int:
        async with world(node) as on:
            account = await on.deposit(OTHER_TRADER, 6_300, ether=1)
            await on.open(OTHER_TRADER, "ETH", 40)
            await on.deposit(LIQUIDATOR, 100_000)
            await on.move("ETH", 2_830)
            return account

    target = asyncio.run(act())
    monkeypatch.setenv("PLIMSOLL_KEY", f"test:{LIQUIDATOR}")
    said = terminal.run("take", hex(target), "--limit", "1")
    assert (said.code, "above the 1 that you would pay; wait, since" in said.err) == (1, True)
    said = terminal.run("take", hex(target), "--limit", "60000", "--deadline", "90", "--json")
    assert said.code == 0, said.err
    buyer, taken = said.json["accounts"]
    assert buyer["account"] == f"{key(LIQUIDATOR).address.lower()}:0"
    assert taken["before"]["state"] == "under MM"
    assert taken["after"]["state"] in ("healthy", "under IM")


# ---- dry runs


@pytest.mark.parametrize(
    "arguments",
    [
        "deposit 100 USDC --mint",
        "deposit 100 WETH --mint",
        "withdraw 100 USDC",
        "withdraw all WETH",
        "transfer 100 USDC --to 1",
        "settle",
        "trade buy 1 ETH-PERP",
        "trade sell 1 ETH-PERP --reduce-only --limit 2900",
        "close ETH-PERP --slippage-percent 1.25",
        "close all --deadline 60",
        "trade buy 1 ETH-PERP --deadline 600",
        "lp deposit 100 --mint",
    ],
)
def test_dry_run__any_command__sends_nothing(
    node: Node, terminal: Terminal, arguments: str
) -> None:
    prepare(node)
    before = sent_so_far(node)
    said = terminal.run(*arguments.split(), "--dry-run")
    assert (said.code, said.err) == (0, "")
    assert "dry run: nothing was sent" in said.out
    assert "before USD" in said.out
    shown = terminal.run(*arguments.split(), "--dry-run", "--json").json
    assert shown["sent"] is False
    assert shown["accounts"]
    assert all(step["gas"] > 21_000 for step in shown["steps"])
    assert sent_so_far(node) == before


def test_dry_run__someone_elses_account_without_a_key__shows_it(
    node: Node, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(node)
    monkeypatch.delenv("PLIMSOLL_KEY")
    said = terminal.run("withdraw", "10", "USDC", "--account", f"{OWNER}:0", "--dry-run")
    assert (said.code, "dry run: nothing was sent" in said.out) == (0, True)
    said = terminal.run("withdraw", "10", "USDC", "--account", f"{OWNER}:0")
    assert (said.code, "there is no key" in said.err) == (2, True)


# ---- refusals: one sentence each, and nothing is sent

REFUSALS = [
    ("deposit 1.0000001 USDC", 2, "finer than can be kept; write at most 6 decimals"),
    ("deposit x USDC", 2, "x is no amount of USDC; write a number"),
    ("deposit 0 USDC", 2, "write an amount above 0"),
    ("deposit 5 DOGE", 2, "DOGE is not a listed token; choose one of"),
    ("deposit 5 USDC", 2, "has 0 USDC, not 5; get more of it first"),
    ("deposit 5 USDC --account nobody", 2, "nobody is no account"),
    ("withdraw 9000 USDC", 1, "(custody: not enough cash); withdraw less, or settle the losers"),
    ("withdraw 2 WETH", 1, "(custody: not on hand); withdraw less (1 may leave now)"),
    ("withdraw all WBTC", 1, "(0 may leave now)"),
    ("withdraw 1 USDC --to 0x12", 2, "0x12 is no address"),
    (f"withdraw 1 USDC --account {key(LENDER).address}", 1, "(operators: not granted)"),
    ("transfer 1 USDC --to 0", 2, "cannot pay itself"),
    ("transfer 9000 USDC --to 1", 1, "(custody: not enough cash)"),
    (f"transfer 1 WETH --to {key(OTHER_TRADER).address}", 1, "(custody: not held)"),
    ("trade long 1 ETH-PERP", 2, "long is no side; write buy or sell"),
    ("trade buy 1.000000001 ETH-PERP", 2, "no whole number of lots; write at most 8 decimals"),
    ("trade buy 1 ETH", 2, "there is no instrument ETH; choose one of"),
    ("trade buy 1 DOGE-PERP", 2, "there is no market DOGE"),
    ("trade buy 0.1 BTC-PERP --limit 0", 2, "write an amount above 0"),
    ("trade buy 0.0001 BTC-PERP", 1, "less than its market's minimum; trade more"),
    ("trade buy 500 ETH-PERP", 1, "margin does not carry it; trade less, or deposit more"),
    ("trade buy 1 WSTETH-PERP", 1, "the pool does not trade it"),
    ("trade buy 1 ETH-PERP --reduce-only", 1, "(trading: reduce only)"),
    (
        "trade buy 1 ETH-PERP --slippage-percent 60",
        2,
        "check --slippage-percent or PLIMSOLL",
    ),
    ("trade buy 1 ETH-PERP --deadline soon", 2, "soon is no time; write"),
    ("trade buy 1 ETH-PERP --deadline 1", 1, "(orders: bad deadline); choose a deadline between"),
    ("close ETH-PERP --deadline 2020-01-01T00:00", 1, "(orders: bad deadline)"),
    ("close BTC-PERP", 2, "holds no BTC-PERP"),
    ("close all --account 7", 2, "there is nothing to close"),
    ("cancel 0x12", 2, "is no order; write 0x and 64"),
    (f"cancel 0x{'12' * 32}", 1, "(orders: unknown order)"),
    ("take 0", 1, "(liquidator: not below mm)"),
    ("take 0 --percent 0", 2, "0 percent is no part"),
    ("lp redeem 5", 2, "has 0 shares, not 5"),
    ("lp redeem all", 2, "has 0 shares, not 0"),
    ("lp deposit 5", 2, "has 0 USDC, not 5"),
    ("lp execute 99", 1, "(pool: no request)"),
    ("settle --key test:x", 2, "test:x is no test key"),
    ("settle --key nowhere.json", 2, "needs a password"),
]


@pytest.mark.parametrize("command", sorted({row[0].split()[0] for row in REFUSALS}))
def test_refusal__is_one_sentence_with_what_to_do(
    node: Node, terminal: Terminal, command: str
) -> None:
    prepare(node)

    async def lend() -> None:
        async with world(node) as on:
            await on.deposit(LENDER, 100)

    asyncio.run(lend())
    before = sent_so_far(node)
    for arguments, code, what in REFUSALS:
        if arguments.split()[0] != command:
            continue
        said = terminal.run(*arguments.split())
        assert (arguments, said.code, what in said.err) == (arguments, code, True), said.err
        assert said.err.startswith("plimsoll: ")
        assert said.err.endswith(".")
        assert "\n" not in said.err
    assert sent_so_far(node) == before


def test_trade__nobody_executes__says_how_it_stands_and_exits_1(
    node: Node, terminal: Terminal
) -> None:
    prepare(node, units=0)
    said = terminal.run("trade", "buy", "1", "ETH-PERP", "--wait-s", "0", "--json")
    assert said.code == 1
    assert "no price was published 2 s or more after it yet" in said.err
    assert "take it back with `plimsoll cancel`" in said.err
    (order,) = said.json["orders"]

    async def later(seconds: int) -> None:
        async with world(node) as on:
            await on.pass_time(seconds)

    asyncio.run(later(3))
    refused = terminal.run("cancel", order["id"])
    assert (refused.code, "(orders: too late to cancel)" in refused.err) == (1, True)
    asyncio.run(later(400))
    said = terminal.run("cancel", order["id"])
    assert (said.code, said.err) == (0, "")
    assert "refund the order to buy 1 ETH-PERP" in said.out


def test_trade__refused_at_its_price__says_why_and_so_does_cancel(
    node: Node, terminal: Terminal
) -> None:
    prepare(node, units=0)
    said = terminal.run("trade", "buy", "1", "ETH-PERP", "--limit", "10", "--wait-s", "0", "--json")
    assert said.code == 1
    (order,) = said.json["orders"]

    async def executed() -> None:
        async with world(node) as on:
            (found,) = await committed(on)
            await on.pass_time(3)
            await on.publish()
            await on.act(DEPLOYER, "Orders", "execute", found)

    asyncio.run(executed())
    said = terminal.run("cancel", order["id"])
    assert said.code == 1
    assert "is dead: " in said.err and "(trading: limit price)" in said.err


async def committed(on: World) -> list[tuple[Any, ...]]:
    """Return the orders that were committed in the latest block."""
    events, head = interface("Orders"), await on.rpc.head()
    logs = await on.rpc.logs([on.deployment.address("Orders")], head.number, head.number)
    said = [events.topics[each.topics[0]].decode(each.topics, each.data) for each in logs]
    return [from_event(each).struct for each in said]


def test_withdraw__price_is_old__says_that_and_not_the_amount(
    node: Node, terminal: Terminal
) -> None:
    prepare(node)

    async def later() -> None:
        async with world(node) as on:
            await on.pass_time(200)

    asyncio.run(later())
    for amount in ("100", "all"):
        said = terminal.run("withdraw", amount, "USDC")
        assert (said.code, "(ledger: invalid feed)" in said.err) == (1, True), said.err


def test_mint__token_without_a_faucet__says_so(node: Node, terminal: Terminal) -> None:
    # the pool's own share stands in for a token that nobody may mint
    pool = node.deployment.address("LiquidityPool")
    text = node.path.read_text(encoding="utf-8")
    token = node.deployment.token("WETH").address
    changed = node.path.with_name("changed.json")
    changed.write_text(text.replace(token, pool), encoding="utf-8")
    said = terminal.run("deposit", "1", "WETH", "--mint", "--deployment", str(changed))
    assert (said.code, "WETH has no faucet for everybody" in said.err) == (2, True)


def test_account__index_or_id__is_the_same(node: Node, terminal: Terminal) -> None:
    prepare(node)
    shown = [
        terminal.run("settle", "--dry-run", "--json", "--account", text).json["accounts"]
        for text in ("0", OWNER, f"{OWNER}:0", str(account_id(OWNER)))
    ]
    assert all(each == shown[0] for each in shown)
