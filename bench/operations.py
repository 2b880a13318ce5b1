"""The measured operations, on the fixtures of the design.

Shipped parameters; four collaterals besides the settlement token, three of them sharing a traded
market; funding not zero, stable prices behind the prices, v above 1, sizes above the base tier,
open interest on its slope: `bench.conditions` asserts it. Every figure is of one transaction with
cold storage.
"""

from __future__ import annotations

from coincurve import PrivateKey

from bench.conditions import require
from bench.node import key_of, rpc
from bench.scene import MeasuredScene
from scripts.deployment.web3_executor import Web3Executor
from tests.support.permits import NO_LIMIT, TRADE, Grant, permit_digest, sign
from tests.support.scene import LOTS, WAD

USD = 10**6  # atoms
SHIPPED = ("ETH", "BTC", "LINK")
TRADED = (*SHIPPED, "SOL")
# feeds of one report: the shipped ones, the collateral's among them
FEEDS = (*SHIPPED, "WSTETH")
# lots that bring a leg above the size tier, 1M USD, at the listing prices
ABOVE_TIER = {"ETH": 400 * LOTS, "BTC": 20 * LOTS, "LINK": 64_000 * LOTS, "SOL": 6_400 * LOTS}
# trades that walk open interest above half of its cap while the pool's side stays small
WHALE_STEP = {"ETH": 1_200 * LOTS, "BTC": 60 * LOTS, "LINK": 42_000 * LOTS, "SOL": 4_200 * LOTS}
WHALE_STEPS = 5
LONG = (1, 1, 1, 1)
# the pool takes only half of lambda from traders, so two accounts share a small market's sides
MIXED = (1, 1, -1, -1)
FAR = 10**12


def measure(scene: MeasuredScene) -> None:
    """Measure every operation; the figures stand in the scene by key."""
    stir(scene, SHIPPED, 30_000_000)
    _trader(scene, "holder", 1, False)
    _require_stirred(scene, 1)
    _custody(scene)
    _orders(scene)
    _settlement(scene)
    _prices(scene)
    _several_accounts(scene)
    _liquidate_one(scene)
    # four legs need a fourth market, which would make every other fill dearer for the pool
    stir(scene, TRADED[len(SHIPPED) :], 3_000_000)
    _mixed(scene)


# ---- fixtures ----------------------------------------------------------------------------------


def stir(scene: MeasuredScene, symbols: tuple[str, ...], dollars: int, rise: int = 30) -> None:
    """Walk open interest onto its slope and volatility above its reference.

    Args:
        scene: whose markets are stirred.
        symbols: of them.
        dollars: what each of the two whales has.
        rise: of the price, three times in a row [1e-3].
    """
    bull, bear = f"bull of {symbols[0]}", f"bear of {symbols[0]}"
    for whale in (bull, bear):
        scene.fund(whale, USDC=dollars * USD)
    for _ in range(WHALE_STEPS):
        for symbol in symbols:
            scene.trade(bull, symbol, WHALE_STEP[symbol])
            scene.trade(bear, symbol, -WHALE_STEP[symbol])
    for _ in range(3):
        scene.pass_time(300)
        scene.publish(10, **{s: scene.prices[s] * (1_000 + rise) // 1_000 for s in symbols})


def _trader(
    scene: MeasuredScene, name: str, legs: int, collaterals: bool, sides: tuple[int, ...] = LONG
) -> int:
    account = scene.fund(name, USDC=1_500_000 * USD)
    if collaterals:
        scene.fund(name, WETH=20 * 10**18, WBTC=10**8, LINK=1_000 * 10**18, wstETH=10**19)
    for symbol, side in zip(TRADED[:legs], sides[:legs], strict=True):
        scene.trade(name, symbol, side * ABOVE_TIER[symbol])
    return account


def _require_stirred(scene: MeasuredScene, legs: int) -> None:
    """Assert the conditions of the markets in which an account of so many legs was opened."""
    for symbol in TRADED[:legs]:
        words = scene.contract("Markets").read("market_words", scene.market(symbol))
        require(symbol, words, ABOVE_TIER[symbol])


# ---- custody ---------------------------------------------------------------------------


def _custody(scene: MeasuredScene) -> None:
    ledger = scene.contract("Clearinghouse")
    scene.measure("health_1p", "keeper", (ledger, "health", (scene.account("holder"),)))
    usdc, weth = scene.token("USDC"), scene.token("WETH")
    saver = scene.fund("saver", USDC=10_000 * USD, WETH=10**18)
    usdc.send("mint", scene.actor("saver"), 10_000 * USD)
    weth.send("mint", scene.actor("saver"), 10**19)
    for key, token, amount in (
        ("deposit_again", usdc, 100 * USD),
        ("deposit_erc20_again", weth, 10**18),
    ):
        scene.measure(key, "saver", (ledger, "deposit", (saver, token.address, amount)))
    for key, actor in (("withdraw_cash_only", "saver"), ("withdraw_1p", "holder")):
        usdc.send("mint", scene.actor(actor), USD)
        scene.publish(5)
        arguments = (scene.account(actor), usdc.address, 100 * USD, scene.actor(actor))
        scene.measure(key, actor, (ledger, "withdraw", arguments))


# ---- trades ------------------------------------------------------------------------------------


def _orders(scene: MeasuredScene) -> None:
    """Measure a commitment, and executions after a price that stands already."""
    orders = scene.contract("Orders")
    scene.fund("taker", USDC=1_500_000 * USD)
    size = ABOVE_TIER["ETH"]
    for key, lots in (("first", size), ("add", size // 10), ("close", -size - size // 10)):
        order = scene.order("taker", "ETH", lots)
        commit = "commit" if key == "first" else f"commit_{key}"
        scene.measure(commit, "taker", (orders, "commit", (order,)), value=order[7])
        scene.publish(3)
        scene.measure(f"execute_{key}", "keeper", (orders, "execute", (order,)))
    del scene.figures["commit_add"], scene.figures["commit_close"]


def _settlement(scene: MeasuredScene) -> None:
    """Measure a loser and a winner, one leg each, settled in one call."""
    ledger = scene.contract("Clearinghouse")
    loser = scene.fund("loser", USDC=1_500_000 * USD)
    winner = scene.fund("winner", USDC=1_500_000 * USD)
    scene.trade("winner", "ETH", ABOVE_TIER["ETH"])
    scene.trade("loser", "ETH", -ABOVE_TIER["ETH"])
    scene.publish(60, ETH=scene.prices["ETH"] * 101 // 100)
    settler = scene.fund("settler", USDC=100 * USD)
    scene.measure("settle_pair", "settler", (ledger, "settle_pair", ([loser], winner, settler)))


# ---- several accounts of one owner ---------------------------------------------------------------


def _several_accounts(scene: MeasuredScene) -> None:
    """Measure what Operators does for an owner whose first account holds a leg; take it back."""
    before, prices = rpc(scene.web3, "evm_snapshot"), dict(scene.prices)
    parent = _trader(scene, "owner of two", 1, False)
    second, usdc = parent + 1, scene.token("USDC")
    ledger = scene.by("owner of two", scene.contract("Clearinghouse"))
    ledger.send("transfer", parent, second, usdc.address, 400_000 * USD)
    usdc.send("mint", scene.actor("owner of two"), 1_000 * USD)

    _batch(scene, parent, second)
    _permit(scene, second)
    _isolate(scene, parent, second + 1)
    scene.publish(5)
    operators = scene.contract("Operators")
    moved: tuple[object, ...] = (
        parent,
        second,
        [(scene.market("ETH") << 56, ABOVE_TIER["ETH"])],
        [],
    )
    scene.measure("transfer_leg", "owner of two", (operators, "move", moved))
    _write_off(scene)
    rpc(scene.web3, "evm_revert", before)
    scene.prices = prices


def _batch(scene: MeasuredScene, parent: int, second: int) -> None:
    """Measure a deposit, a transfer to an own account and an operator, in one call."""
    operators, usdc = scene.contract("Operators"), scene.token("USDC").address
    deposit = (1, parent, 0, usdc, 100 * USD)
    transfer = (4, parent, second, usdc, 50 * USD)
    grant = Grant(second, scene.actor("session key"), TRADE, scene.now + FAR, 100)
    scene.publish(5)
    call = (operators, "batch", (b"", [deposit, transfer], [tuple(grant)]))
    scene.measure("batch_3", "owner of two", call)


def _permit(scene: MeasuredScene, account: int) -> None:
    """Measure a grant by signature, with the owner's first nonce."""
    operators, deadline = scene.contract("Operators"), scene.now + FAR
    grant = Grant(account, scene.actor("other key"), TRADE, scene.now + FAR, NO_LIMIT)
    digest = permit_digest(grant, 0, deadline, operators.address)
    signature = sign(PrivateKey(key_of("owner of two")), digest)
    call = (operators, "permit", (tuple(grant), 0, deadline, signature))
    scene.measure("permit_operator", "keeper", call)


def _isolate(scene: MeasuredScene, parent: int, child: int) -> None:
    """Measure the opening of a new account: its funding and its first order."""
    operators, usdc = scene.contract("Operators"), scene.token("USDC").address
    order = scene.order("owner of two", "ETH", LOTS)
    order[0] = child
    scene.publish(5)
    call = (operators, "isolate", (parent, usdc, 1_000 * USD, order))
    scene.measure("isolate", "owner of two", call, value=order[7])


def _write_off(scene: MeasuredScene) -> None:
    """Measure the end of an account that has lost its leg and owes more than it had.

    The Liquidator's own takes write such a debt off in the same call; here its place is taken to
    post the leg alone to a buyer, which leaves the debt behind.
    """
    ledger, liquidator = scene.contract("Clearinghouse"), scene.contract("Liquidator")
    scene.fund("buyer of the leg", USDC=3_000_000 * USD)
    account = _weak(scene, "ruined", 1, False)
    while ledger.read("health", account).equity >= 0:
        scene.publish(30, ETH=scene.prices["ETH"] * 985 // 1_000)
    rpc(scene.web3, "anvil_impersonateAccount", liquidator.address)
    rpc(scene.web3, "anvil_setBalance", liquidator.address, hex(WAD))
    buyer = scene.account("buyer of the leg")
    lots = ABOVE_TIER["ETH"]
    word, _, funding = scene.contract("Markets").read("market_words", scene.market("ETH"))
    quote = -lots * ((word >> 192) - funding)
    money = (0, quote, 0, 0, 0, 0, 2**255 - 1, 0)
    post = (account, buyer, buyer, 1, 0, [lots] + [0] * 15, [0] * 8, *money)
    ledger.by(Web3Executor(scene.web3, liquidator.address)).send("post", post, True)
    scene.measure("write_off", "keeper", (liquidator, "write_off", (account,)))


# ---- prices ------------------------------------------------------------------------------------


def _prices(scene: MeasuredScene) -> None:
    """Measure an accepted price, no volatility sample due: what most updates are."""
    markets = scene.contract("Markets")
    for key, symbols in (("3", ("ETH",)), ("3x4", FEEDS)):
        scene.pass_time(310)
        scene.chain.wait(10)
        moved = {s: scene.prices[s] * 1_001 // 1_000 for s in symbols}
        scene.prices.update(moved)
        reports = scene.reports(moved)
        scene.measure(f"price_update_{key}", "keeper", (markets, "update", (reports,)))


# ---- liquidation -------------------------------------------------------------------------------


def _liquidate_one(scene: MeasuredScene) -> None:
    """Measure the two ways of a one-leg account, then go back to before it was weak."""
    liquidator = scene.contract("Liquidator")
    keeper = scene.fund("keeper", USDC=100 * USD)
    buyer = scene.fund("buyer", USDC=6_000_000 * USD)
    before, prices = rpc(scene.web3, "evm_snapshot"), dict(scene.prices)
    account = _weak(scene, "reduced", 1, False)
    weak = rpc(scene.web3, "evm_snapshot")

    eth = scene.market("ETH") << 56
    size = liquidator.read("plan_reduce", account, eth).size
    arguments = (account, eth, size, 0, keeper, scene.now + FAR)
    scene.measure("liquidate_1p", "keeper", (liquidator, "reduce", arguments))
    rpc(scene.web3, "evm_revert", weak)

    _take(scene, "take_1p", account, buyer)
    rpc(scene.web3, "evm_revert", before)
    scene.prices = prices


def _mixed(scene: MeasuredScene) -> None:
    """Measure accounts of four legs and four collaterals."""
    ledger = scene.contract("Clearinghouse")
    mixed = _trader(scene, "mixed holder", 4, True, MIXED)
    _require_stirred(scene, 4)
    scene.measure("health_4c4p", "keeper", (ledger, "health", (mixed,)))
    account = _weak(scene, "taken", 4, True)
    _take(scene, "take_4c4p", account, scene.account("buyer"))


def _take(scene: MeasuredScene, key: str, account: int, buyer: int) -> None:
    liquidator = scene.contract("Liquidator")
    fraction = liquidator.read("plan_take", account).fraction
    arguments = (account, buyer, fraction, 2**128, 0, scene.now + FAR)
    scene.measure(key, "buyer", (liquidator, "take", arguments))


def _weak(scene: MeasuredScene, name: str, legs: int, collaterals: bool) -> int:
    """Return an account that was just opened and that a fall of prices has taken under MM."""
    account = _trader(scene, name, legs, collaterals)
    ledger = scene.contract("Clearinghouse")
    health = ledger.read("health", account)
    # leave it at its initial margin, then let prices fall until equity is under MM
    usdc = scene.token("USDC").address
    spare = (health.equity - health.im * 101 // 100) // (WAD // USD)
    actor = scene.actor(name)
    scene.by(name, ledger).send("withdraw", account, usdc, spare, actor)
    while health.equity >= health.mm:
        scene.publish(30, **{s: scene.prices[s] * 985 // 1_000 for s in TRADED})
        health = ledger.read("health", account)
    return account
