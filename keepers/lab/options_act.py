"""The options act: books of options under two margins, a real fall, and what expiry pays.

Every structure is held twice with the same collateral, once under standard and once under portfolio
margin. Prices and smiles go from those of 31 January 2026 to those of 5 February within an hour of
chain time; who falls below maintenance is taken. Then time is moved to each expiry, the last thirty
minutes are observed, and everybody is settled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from keepers.chain.abi import interface
from keepers.chain.proving import prove
from keepers.chain.reading import Reader
from keepers.chain.rpc import Rpc
from keepers.chain.signer import Signer, test_secret
from keepers.domain.margin import Health
from keepers.domain.times import clock as moment
from keepers.domain.units import HOUR, TICKS_PER_USD, WAD
from keepers.errors import ChainError
from keepers.lab import chain, options_act_bids, options_act_expiry, world
from keepers.lab import options_act_market as markets
from keepers.lab.chain import CHAIN_ID, Node
from keepers.lab.clock import Clock, Desk
from keepers.lab.options_act_books import Book
from keepers.lab.options_act_market import EXPIRIES, STEP, SYMBOLS
from keepers.lab.options_act_open import EXPIRER, Opening
from keepers.lab.options_act_record import Act, Closed, Frame, Taken, below, named
from keepers.lab.options_act_sources import Sources
from keepers.lab.options_act_stage import Stage, numbers
from keepers.lab.orchestrate import SETTINGS
from keepers.lab.processes import Crew
from keepers.lab.records import Books
from keepers.lab.world import LIQUIDATORS, World

LIKE: Final = "liquidator"  # whose settings all keepers have here
BEFORE_S: Final = 900  # chain time between the first block and the fall, for deployment and opening
AFTER_S: Final = 300  # played on after the fall
BLOCK_S: Final = 2  # chain time between blocks while somebody is below maintenance
SILENT_S: Final = 10.0  # on this machine, for the liquidators to answer a breach
WAITING_S: Final = 1.0  # and for one who waits for a reward
# before an expiry: the grace after days without a price runs out before its last half hour
LEAD: Final = 3_000
OBSERVED: Final = 2_100  # before it prices may count
BEAT: Final = 60  # seconds between two observations
OVER: Final = 120  # after it, for the price that closes the window

Tell = Callable[[str], None]


# ---- the whole ----------------------------------------------------------------------------------


async def play(seed: int, logs: Path, tell: Tell, *, keep: bool = False) -> Act:
    """Play the act on a chain of its own; the liquidators' logs go to a folder."""
    path, began = markets.source(), time.perf_counter()
    quotes = await asyncio.to_thread(markets.chains, path)
    fitting = asyncio.create_task(markets.fitted(quotes))
    tell(f"fitting {4 * len(EXPIRIES)} smiles of {path.name}, deploying the contracts")
    try:
        async with chain.running(markets.START - BEFORE_S, chain.find_anvil(), keep) as node:
            async with Rpc(node.http, timeout_s=60.0) as rpc, Crew(logs) as crew:
                made = await _build(node, markets.listed(quotes))
                fits = await fitting
                act = Act(seed, path.name, fits)
                async with Clock(rpc, node.ws) as clock:
                    await _play(act, await _stage(act, made, clock, rpc), crew, node, tell)
            if keep:
                tell(f"the chain stays at {node.http} (process {node.pid}); files: {node.folder}")
    finally:
        fitting.cancel()
    act.seconds = time.perf_counter() - began
    return act


async def _build(node: Node, prices: dict[str, int]) -> World:
    parameters = world.parameters_for(prices)
    deployment, parameters = await world.deploy(node, parameters, lambda _said: None)
    return World(deployment, parameters, parameters.prices)


async def _stage(act: Act, made: World, clock: Clock, rpc: Rpc) -> Stage:
    market = markets.market(act.fits, numbers(made, SYMBOLS), act.seed)
    sources = Sources(made.deployment, market, act.seed)
    desk = Desk(rpc, made.deployment.chain_id)
    return Stage(made, clock, desk, Reader(rpc, made.deployment), market, sources)


async def _play(act: Act, stage: Stage, crew: Crew, node: Node, tell: Tell) -> None:
    opening = Opening(stage, act.seed)
    act.books = opening.books
    bids = node.folder / options_act_bids.FOLDER
    stage.leave = options_act_bids.Desk(stage, opening, bids).leave
    stage.accounts = [book.account for book in act.books] + opening.house
    first = stage.clock.now - stage.clock.now % STEP + STEP
    await stage.tick(first)
    await opening.fund()
    await _hire(crew, node)
    await stage.tick(first + STEP)
    await opening.trade()
    await opening.trim()
    act.fills = opening.fills
    await crew.ready()
    tell(f"{act.fills} packages filled; the fall begins")
    act.insurance = (await _fund(stage), 0)
    await _prove(act, stage, "before the fall")
    await _fall(act, stage, crew)
    await _prove(act, stage, "after the fall")
    tell(f"{len(act.takes)} takes, {len(act.closes)} closes; time moves to the expiries")
    for expiry in EXPIRIES:
        await _expire(act, stage, opening, crew, expiry)
    await _finish(act, stage)
    act.fills = opening.fills
    act.missed += crew.dead()
    await _prove(act, stage, "after the last expiry")


async def _hire(crew: Crew, node: Node) -> None:
    """Start the keepers: processes of their own, as anybody would run them."""
    file = node.folder / "deployments" / f"{CHAIN_ID}.json"
    common = ["--rpc", node.http, "--ws", node.ws, "--deployment", str(file)]
    bids = ["--bids", str(node.folder / options_act_bids.FOLDER)]
    wanted = [("liquidate", number, ["--no-unwind", *bids]) for number in LIQUIDATORS]
    settings = {**SETTINGS[LIKE], **options_act_bids.SETTINGS}
    for role, number, further in (*wanted, ("expire", EXPIRER, [])):
        address = Signer(test_secret(number)).address
        arguments = [role, "--key", f"test:{number}", *common, *further]
        await crew.start(role, f"options-{role}-{number}", address, arguments, settings)


async def _fund(stage: Stage) -> int:
    totals = await stage.reader.totals()
    (fund,) = await stage.reader.accounts([totals.insurance_account])
    return fund.cash + fund.quote


# ---- the fall -----------------------------------------------------------------------------------


async def _fall(act: Act, stage: Stage, crew: Crew) -> None:
    for at in range(markets.START, markets.END + AFTER_S + 1, STEP):
        await stage.tick(at)
        act.frames.append(_frame(act, stage, await stage.healths()))
        await _answer(act, stage, crew, at + STEP)
    found = await stage.healths()
    act.missed += [f"{named(each)} was left below maintenance" for each in below(act, found)]
    for book in act.books:
        book.end = found[book.account].equity


def _frame(act: Act, stage: Stage, found: dict[int, Health]) -> Frame:
    now = stage.clock.now
    prices = stage.market.prices(now)
    surfaces = stage.market.surfaces(now)
    for book in act.books:
        book.low = min(book.low, found[book.account].equity)
    return Frame(
        now,
        {symbol: prices[symbol] / TICKS_PER_USD for symbol in SYMBOLS},
        {
            symbol: surfaces[stage.world.deployment.market(symbol)][0].volatility(0) / WAD
            for symbol in SYMBOLS
        },
        [found[book.account].equity / WAD for book in act.books],
        [found[book.account].mm / WAD for book in act.books],
    )


async def _answer(act: Act, stage: Stage, crew: Crew, end: int) -> None:
    """Mine a block every two seconds before `end` while somebody is below maintenance.

    The liquidators have all the time of this machine to answer a block that leaves somebody
    without a flag; a flagged account waits for a reward that pays, which costs blocks alone.
    """
    clock, late = stage.clock, act.late
    await _note(act, stage)
    under = below(act, await stage.healths())
    if stage.leave is not None:
        await stage.leave(under)
    while under and clock.now + BLOCK_S < end:
        dead = crew.dead()
        if dead:
            raise ChainError(dead[0])
        await clock.arrival(SILENT_S if late.silent(under) else WAITING_S)
        await clock.mine(clock.now + BLOCK_S)
        await _note(act, stage)
        under = below(act, await stage.healths())
        act.missed += late.follow(under, clock.now)


async def _note(act: Act, stage: Stage) -> None:
    """Book flags, takes and closes of the blocks since the last look."""
    address, first = stage.world.deployment.address("Liquidator"), stage.noted + 1
    engine = stage.world.deployment.address("Options")
    by_account = {book.account: book for book in act.books}
    stage.noted = stage.clock.block
    for log in await stage.reader.rpc.logs([address], first, stage.noted):
        event = interface("Liquidator").topics.get(log.topics[0])
        if event is None or event.name not in ("Flagged", "Taken"):
            continue
        said = event.decode(log.topics, log.data)
        act.late.answered(said["account"], stage.clock.now, taken=event.name == "Taken")
        if event.name == "Taken":
            values = (said["fraction"], said["reward"], said["deficit"], said["equity_before"])
            act.takes.append(Taken(said["account"], stage.clock.now, *values))
            book = by_account[said["account"]]
            book.takes += 1
            book.reward += said["reward"] * said["fraction"] // WAD
            book.deficit += said["deficit"]
    closed = interface("Options").events["Closed"]
    for log in await stage.reader.rpc.logs([engine], first, stage.noted, [closed.topic]):
        _book_close(act, by_account, stage.clock.now, closed.decode(log.topics, log.data))


def _book_close(act: Act, books: Mapping[int, Book], now: int, said: Mapping[str, Any]) -> None:
    cost = said["equity_before"] - said["equity_after"]
    released = said["mm_before"] - said["mm_after"]
    act.closes.append(Closed(said["account"], now, cost, released))
    act.late.answered(said["account"], now, taken=True)
    book = books[said["account"]]
    book.closes += 1
    book.conceded += cost


# ---- expiry -------------------------------------------------------------------------------------


async def _expire(act: Act, stage: Stage, opening: Opening, crew: Crew, expiry: int) -> None:
    """Move time to an expiry, let its last half hour be observed and everybody be settled."""
    series = [(stage.world.deployment.market(symbol), expiry // HOUR) for symbol in SYMBOLS]
    written: dict[int, int] = {}
    for at in range(expiry - LEAD, expiry + OVER + 1, BEAT):
        first = stage.clock.block + 1
        await stage.tick(at)
        if at >= expiry - OBSERVED:
            await options_act_expiry.observed(stage, series)
        if at >= expiry and not written:
            written = await options_act_expiry.written(stage, series)
            if written:
                await options_act_expiry.settled(act, stage, expiry, written, first)
                await opening.unwind(expiry)
        await _answer(act, stage, crew, at + BEAT)
    if not written:
        act.missed.append(f"no settlement price of {moment(expiry)} was written")


# ---- the end ------------------------------------------------------------------------------------


async def _finish(act: Act, stage: Stage) -> None:
    totals, ids = await stage.reader.totals(), await stage.reader.account_ids()
    act.deficit, act.waited = totals.deficit, dict(stage.waited)
    act.held = sum(len(each.options) for each in await stage.reader.accounts(ids))
    found = await stage.healths(stage.accounts)
    act.owing = sum(each.equity < 0 for each in found.values())
    known = {each.id: each for each in await stage.reader.accounts(stage.accounts)}
    for book in act.books:
        book.cash = known[book.account].cash
        book.final = found[book.account].equity
    act.insurance = (act.insurance[0], await _fund(stage))
    act.blocks = stage.clock.block


async def _prove(act: Act, stage: Stage, when: str) -> None:
    """Check every equation of the books, from the chain alone."""
    block, lines = await prove(stage.reader.rpc, stage.world.deployment, stage.clock.block)
    broken = [line for line in lines if not line.holds]
    said = f"{len(lines)} equations hold"
    if broken:
        one = broken[0]
        said = f"{len(broken)} of {len(lines)} do not hold: {one.name} ({one.left}, {one.right})"
    lost = max((abs(line.left - line.right) for line in broken), default=0)
    act.proofs.append(Books(when, block, not broken, said, lost))
