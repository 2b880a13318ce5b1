"""Options on the whole deployment in gas: fills by signature, health, expiry, a take of 64 legs.

Nothing stands in for anything: Exchange, Options, OptionsMargin, PortfolioMargin, Surfaces,
Expiries and the core of `scripts/params/bench.yaml`, on a chain of its own; every figure is of one
transaction with cold storage. Volatility is above 1 and the ranges of MM and IM are equal, as in
`bench.portfolio`.

* `fill_1leg`, `fill_4legs`: two funded accounts under portfolio margin, whose owners have traded
  before and hold nothing now, open an option, or an iron condor; each signs, a keeper brings both
  orders. `fill_4legs_again`: the same condor once more. `fill_4legs_more`: the condor by accounts
  that hold another option, so that five legs are scanned, one of them without a partner.
* `health_pm_8`, `_32`, `_64`: `Clearinghouse.health` of the mixed books of `bench.portfolio`, as
  deployed: through Options and OptionsMargin, whose scan alone is `pm_8` and so on.
* `health_many_2x64`, `_8x64`: both sides of the book of 64 legs through BatchLens, and three more
  of each; `health_pm_lens_per_position`: a leg's share of the latter.
* `settle_64`: 64 legs of two markets that expired, all their prices written; `settle_64_again`:
  those of the other side.
* `flag_64`, `take_64`: the book of 64 legs once it is under MM; what the plan says is taken. Of C7,
  an account of options. `plan_take_64`: that plan, a view, as if it were sent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from bench import portfolio
from bench.account import TX_GAS, Account
from bench.node import rpc
from bench.operations import stir
from bench.option_desk import OptionDesk, units
from bench.scene import MeasuredScene
from tests.reference.instruments import CALL, PUT, parts
from tests.reference.units import HOUR, TICKS_PER_USD
from tests.support import books as b
from tests.support.scene import WAD

BUYER, WRITER, TAKER = "buyer of options", "writer of options", "taker of options"
FIRST, SECOND = "first with options", "second with options"
DOLLARS = 5_000_000
# more of each side, who hold the same legs
MORE, MANY = 3, "health_many_8x64"
MONTH = 30 * 24
# in hours from now: a window of thirty minutes, and 64 legs before it
SOON = 2
MARKETS = ("ETH", "BTC")
# volatility above its reference, and the ranges of MM and IM equal, as in `bench.portfolio` [1e-3]
RISE = 15
# between prices, and of an auction before it is taken [s]
BETWEEN = 60
LIVE = 120
# of the price, a step of its way to where an account is under MM [1e-3], and how many it may take
STEP, STEPS = 15, 60
LIMIT = 2**128
FAR = 10**12
# what a node may be asked to spend on a view
OF_A_CALL = 60_000_000


def measure(scene: MeasuredScene) -> None:
    """Note every figure in the scene, and leave the chain as it was."""
    scene.brief = True
    stir(scene, MARKETS, 30_000_000, RISE)
    for actor in (BUYER, WRITER, TAKER, FIRST, SECOND, "keeper"):
        # an actor that exists before a snapshot keeps its coins after it
        scene.actor(actor)
    for part in PARTS:
        before, prices = rpc(scene.web3, "evm_snapshot"), dict(scene.prices)
        desk = OptionDesk(scene)
        for actor in (BUYER, WRITER):
            desk.portfolio(actor, DOLLARS)
        part(desk)
        rpc(scene.web3, "evm_revert", before)
        scene.prices = prices


def _strike(desk: OptionDesk, percent: int, symbol: str = "ETH") -> int:
    return desk.scene.prices[symbol] * percent // 100


def _fills(desk: OptionDesk) -> None:
    one = {desk.instrument("ETH", CALL, MONTH, _strike(desk, 105)): units(10)}
    condor = {
        desk.instrument("ETH", kind, MONTH, _strike(desk, percent)): units(size)
        for kind, percent, size in (
            (PUT, 80, 10),
            (PUT, 90, -10),
            (CALL, 110, -10),
            (CALL, 120, 10),
        )
    }
    # a market that trades has contracts outstanding; each is a slot by market, not by account
    other = {desk.instrument("ETH", PUT, MONTH, _strike(desk, 70)): units(1)}
    for actor in (FIRST, SECOND):
        desk.portfolio(actor, DOLLARS)
    desk.fill(FIRST, SECOND, other)
    for actor in (BUYER, WRITER):
        # an owner's first order fills a slot of spent nonces, the next 255 change it
        desk.spend(actor)
    before, prices = rpc(desk.scene.web3, "evm_snapshot"), dict(desk.scene.prices)
    desk.fill(WRITER, BUYER, condor, "fill_4legs")
    desk.fill(WRITER, BUYER, condor, "fill_4legs_again")
    rpc(desk.scene.web3, "evm_revert", before)
    desk.scene.prices = prices
    desk.forget()
    desk.fill(WRITER, BUYER, one, "fill_1leg")
    desk.fill(WRITER, BUYER, condor, "fill_4legs_more")


# ---- books ---------------------------------------------------------------------------------------


def _books(desk: OptionDesk) -> None:
    scene, ledger = desk.scene, desk.contract("Clearinghouse")
    scene.fund(BUYER, WETH=5 * 10**18)
    for count in portfolio.EXPIRIES:
        before, prices = rpc(scene.web3, "evm_snapshot"), dict(scene.prices)
        sizes = _mixed(desk, count)
        desk.build(WRITER, BUYER, sizes)
        desk.refresh()
        call = (ledger, "health", (scene.account(BUYER),))
        scene.measure(f"health_pm_{count}", "keeper", call)
        if count == max(portfolio.EXPIRIES):
            _lens(desk, sizes)
            _take(desk)
        rpc(scene.web3, "evm_revert", before)
        scene.prices = prices
        desk.forget()


def _lens(desk: OptionDesk, sizes: Mapping[int, int]) -> None:
    """Measure the health of both sides through the lens, then of more who hold the same."""
    scene, traders = desk.scene, [WRITER, BUYER]
    _many(desk, traders, len(sizes))
    before, prices = rpc(scene.web3, "evm_snapshot"), dict(scene.prices)
    for pair in range(MORE):
        writer, buyer = f"{WRITER} {pair}", f"{BUYER} {pair}"
        for actor in (writer, buyer):
            desk.portfolio(actor, DOLLARS // 5)
        desk.build(writer, buyer, sizes)
        traders += [writer, buyer]
    _many(desk, traders, len(sizes))
    rpc(scene.web3, "evm_revert", before)
    scene.prices = prices
    each = math.ceil(scene.figures[MANY]["execution"] / (len(traders) * len(sizes)))
    # no transaction asks for a position alone: `whole` is what one would pay without calldata
    scene.figures["health_pm_lens_per_position"] = {"execution": each, "whole": TX_GAS + each}
    work = Account(other=Counter({"a position work": each}))
    scene.accounts["health_pm_lens_per_position"] = work


def _many(desk: OptionDesk, traders: Sequence[str], count: int) -> None:
    desk.refresh()
    accounts = [desk.scene.account(actor) for actor in traders]
    call = (desk.contract("BatchLens"), "health_many", (accounts,))
    desk.scene.measure(f"health_many_{len(traders)}x{count}", "keeper", call)


def _mixed(desk: OptionDesk, count: int) -> Mapping[int, int]:
    """Return the mixed book of so many legs at the scene's price."""
    sizes = {}
    for leg in portfolio.mixed(count, portfolio.EXPIRIES[count]):
        said = parts(leg.instrument)
        hours = said.hours - b.NOW // HOUR
        strike = said.strike * desk.scene.prices["ETH"] // (b.PRICES[b.ETH] * TICKS_PER_USD)
        sizes[desk.instrument("ETH", said.kind, hours, strike)] = leg.size
    return sizes


# ---- liquidation ---------------------------------------------------------------------------------


def _take(desk: OptionDesk) -> None:
    """Leave an account its initial margin, let the price move until it is under MM, take it."""
    scene, liquidator = desk.scene, desk.contract("Liquidator")
    account, taker = scene.account(WRITER), scene.fund(TAKER, USDC=DOLLARS * 10**6)
    ledger, usdc = desk.contract("Clearinghouse"), scene.token("USDC").address
    health = ledger.read("health", account)
    spare = (health.equity - health.im * 101 // 100) * 10**6 // WAD
    scene.by(WRITER, ledger).send("withdraw", account, usdc, spare, scene.actor(WRITER))
    step = STEP
    for _ in range(STEPS):
        if health.equity < health.mm:
            break
        scene.prices["ETH"] = scene.prices["ETH"] * (1_000 + step) // 1_000
        desk.refresh()
        before, health = health, ledger.read("health", account)
        if health.equity > before.equity:
            step = -STEP
    scene.measure("flag_64", "keeper", (liquidator, "flag", (account,)))
    for _ in range(LIVE // BETWEEN):
        scene.chain.wait(BETWEEN)
        desk.refresh()
    scene.measure("plan_take_64", "keeper", (liquidator, "plan_take", (account,)), limit=OF_A_CALL)
    fraction = liquidator.read("plan_take", account).fraction
    arguments = (account, taker, fraction, LIMIT, 0, scene.now + FAR)
    scene.measure("take_64", TAKER, (liquidator, "take", arguments))


# ---- expiry --------------------------------------------------------------------------------------


def _expiry(desk: OptionDesk) -> None:
    scene, expiries = desk.scene, desk.contract("Expiries")
    hours, sizes = scene.now // HOUR + SOON, _expiring(desk)
    desk.build(WRITER, BUYER, sizes)
    while scene.now <= hours * HOUR:
        scene.publish(BETWEEN)
        for symbol in MARKETS:
            expiries.send("observe", scene.market(symbol), hours)
    options = desk.contract("Options")
    for key, actor in (("settle_64", BUYER), ("settle_64_again", WRITER)):
        scene.measure(key, "keeper", (options, "settle_expired", (scene.account(actor),)))


def _expiring(desk: OptionDesk) -> Mapping[int, int]:
    """Return 64 options of one expiry of two markets, bought and sold in turn."""
    sizes = {}
    for i in range(64):
        symbol, kind = MARKETS[i % 2], (CALL, PUT)[i // 2 % 2]
        strike = _strike(desk, 85 + i // 4 * 2, symbol)
        size = units((5, 0.25)[i % 2]) * (1, -1)[i // 4 % 2]
        sizes[desk.instrument(symbol, kind, SOON, strike)] = size
    return sizes


PARTS = (_fills, _books, _expiry)
