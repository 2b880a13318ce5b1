"""One whole replay: deploy, open, let the crash run, prove the books.

The driver owns time. It mines a block with the time of a report; the publishers, whose clock is the
chain, sign and submit; the next block holds the price. While somebody stands under maintenance the
driver mines a block every two seconds of chain time, and gives the keepers at most that long on the
clock of this machine to get into it. It never helps and never waits longer.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from keepers.chain.abi import interface
from keepers.chain.proving import prove
from keepers.chain.reading import Reader
from keepers.chain.rpc import Rpc
from keepers.chain.signer import Signer, test_secret
from keepers.domain.margin import health
from keepers.domain.orders import passed
from keepers.domain.units import WAD
from keepers.domain.words import PriceWord
from keepers.errors import ChainError, KeeperError
from keepers.lab import beyond, chain, economy, world
from keepers.lab.chain import Node, free_port
from keepers.lab.clock import Clock, Desk
from keepers.lab.measure import Watch
from keepers.lab.opening import Opening
from keepers.lab.processes import Child, Crew
from keepers.lab.records import Books, Person, Record, Spent
from keepers.lab.replay import HEARTBEAT, PricePath, Step, write_paths
from keepers.lab.seen import Seen, priced
from keepers.lab.world import World

BEFORE_S: Final = 600  # chain time between the first block and the first price of the path
BLOCK_S: Final = 2  # chain time between blocks while somebody is under maintenance
PRICE_WAIT_S: Final = 3.0  # on this machine, for a quorum to be submitted
QUIET_S: Final = 0.1  # an opening block is cut when nothing has arrived for this long
# A block of the replay is cut when the keepers have begun to act and then pause: so long, or a few
# times as long as their first answer took on a busy machine.
PAUSE_S: Final = 0.3
PAUSE_SHARE: Final = 4.0
AUCTION_S: Final = 0.05  # what the keepers get to look at auctions that nobody has to answer
OPENING_ROUNDS: Final = 6
DRAIN_ROUNDS: Final = 30  # at one price of the opening: executors send some orders a block
CONFIRM_S: Final = 5  # a pending jump is confirmed by a report this long after it
# A block every two seconds is what a rollup has, and so is this price of gas.
GAS: Final = {"PLIMSOLL_TIP_GWEI": "0.01"}
TURNS: Final = {"PLIMSOLL_STAGGER_S": "0.1"}  # all keepers are on this machine
SETTINGS: Final = {
    "publisher": {**GAS, "PLIMSOLL_STAGGER_S": "0.04", "PLIMSOLL_PATIENCE_S": "0.25"},
    "executor": GAS,
    # What the buyers let themselves do with the capital that they are given.
    "liquidator": {
        **GAS,
        **TURNS,
        "PLIMSOLL_MAX_TAKE_USD": "1000000",
        "PLIMSOLL_MAX_INVENTORY_USD": "10000000",
    },
}

Tell = Callable[[str], None]
Progress = Callable[[int, int, Record, Watch], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a replay is asked to do."""

    path: PricePath
    seed: int
    accounts: int
    logs: Path  # where the keepers' logs go
    keep: bool = False
    kill: bool = True
    gap: int = 0  # percent by which every price falls in a second act, 0: there is none


@dataclass(slots=True)
class Stage:
    """Everything that a running replay holds."""

    node: Node
    world: World
    clock: Clock
    watch: Watch
    crew: Crew
    record: Record
    reader: Reader
    began: float
    common: list[str] = field(default_factory=list)  # arguments of every keeper
    open_orders: dict[bytes, int] = field(default_factory=dict)  # id -> commit time

    def wall_ms(self) -> float:
        """Return milliseconds on this machine since the replay began."""
        return (time.perf_counter() - self.began) * 1_000


async def run(options: Options, tell: Tell, progress: Progress) -> tuple[Record, beyond.Act | None]:
    """Play one path on a fresh chain; return the record, and the second act if there was one."""
    act: beyond.Act | None = None
    anvil = chain.find_anvil()
    record = Record(options.path.title, options.seed, thinned=options.path.thinned)
    started = time.perf_counter()
    async with chain.running(options.path.start - BEFORE_S, anvil, options.keep) as node:
        async with Rpc(node.http, timeout_s=60.0) as rpc, Crew(options.logs) as crew:
            made = await _build(node, options, tell)
            async with Clock(rpc, node.ws) as clock:
                stage = await _stage(node, made, clock, crew, record, rpc)
                await _open(stage, options, tell)
                record.setup_s = time.perf_counter() - started
                await _replay(stage, options, progress)
                await _finish(stage, tell)
                if options.gap:
                    act = await _second_act(stage, options, tell)
                with contextlib.suppress(KeeperError):
                    await stage.crew.end()
                record.ack_ms = dict(stage.crew.ack_ms())
        if options.keep:
            tell(f"the chain stays at {node.http} (process {node.pid}); its files: {node.folder}")
    return record, act


# ---- before the replay ----------------------------------------------------------------------


async def _build(node: Node, options: Options, tell: Tell) -> World:
    tell("compiling and deploying the contracts")
    parameters = world.parameters_for(options.path.first_prices)
    steps: list[str] = []
    deployment, parameters = await world.deploy(node, parameters, steps.append)
    tell(f"deployed: {steps[-1] if steps else 'nothing'}")
    return World(deployment, parameters, parameters.prices)


async def _stage(
    node: Node, made: World, clock: Clock, crew: Crew, record: Record, rpc: Rpc
) -> Stage:
    reader = Reader(rpc, made.deployment)
    watch = Watch(reader, record)
    await watch.start()
    return Stage(node, made, clock, watch, crew, record, reader, time.perf_counter())


async def _open(stage: Stage, options: Options, tell: Tell) -> None:
    """Start the keepers, fund everybody, open every position."""
    drawn = economy.generate(options.seed, options.accounts, stage.world.traded, stage.world.coins)
    desk = Desk(stage.reader.rpc, stage.world.parameters.chain_id)
    opening = Opening(stage.world, drawn, stage.clock, desk)
    await _hire(stage, options, desk)
    tell(f"funding the pool, the fund, two buyers and {len(drawn.plans)} accounts")
    await opening.fund()
    await stage.crew.ready()
    await _follow(stage)
    await _lend(stage)
    tell("opening positions through Orders")
    count = await opening.commit()
    await _follow(stage)
    stage.record.orders = count
    for _ in range(OPENING_ROUNDS):
        await _opening_tick(stage)
        if not stage.open_orders:
            break
    await _introduce(stage, opening)
    tell(f"{count - len(stage.open_orders)} of {count} opening orders were executed by the keepers")


async def _lend(stage: Stage) -> None:
    """Bring prices until the executors have served the pool's first deposit."""
    for _ in range(OPENING_ROUNDS):
        await _opening_tick(stage)
        _, waits, _, _ = await stage.reader.one("LiquidityPool", "request", 1)
        if not waits:
            return
    raise ChainError("the executors did not serve the pool's first deposit")


async def _hire(stage: Stage, options: Options, desk: Desk) -> None:
    """Start publishers, executors and liquidators."""
    path = options.path
    if options.gap:
        path = replace(path, steps=path.steps + beyond.gap_steps(path, options.gap))
    files = write_paths(stage.node.folder, path, stage.clock.now)
    keys = (*world.PUBLISHERS, *world.EXECUTORS, *world.LIQUIDATORS)
    await desk.endow([_address(number) for number in keys], 1_000 * WAD)
    node = stage.node
    file = node.folder / "deployments" / f"{stage.world.parameters.chain_id}.json"
    stage.common = ["--rpc", node.http, "--ws", node.ws, "--deployment", str(file)]
    ports = {number: free_port() for number in world.PUBLISHERS}
    for place, number in enumerate(world.PUBLISHERS, 1):
        peers = [
            part
            for other, port in ports.items()
            if other != number
            for part in ("--peer", f"http://127.0.0.1:{port}")
        ]
        prices = [part for name in files for part in ("--prices", name)]
        first = str(stage.clock.now)
        start = ["--from", first, "--chain-from", first, "--port", str(ports[number])]
        await _start(stage, "publish", place, number, {}, [*peers, *prices, *start])
    for place, number in enumerate(world.EXECUTORS, 1):
        await _start(stage, "execute", place, number)
    for place, number in enumerate(world.LIQUIDATORS, 1):
        await _start(stage, "liquidate", place, number)


def _address(key: int) -> str:
    return Signer(test_secret(key)).address


async def _start(
    stage: Stage,
    role: str,
    place: int,
    key: int,
    further: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
) -> Child:
    names = {"publish": "publisher", "execute": "executor", "liquidate": "liquidator"}
    name = f"{names[role]}-{place}"
    child = await stage.crew.start(
        names[role],
        name,
        _address(key),
        [role, "--key", f"test:{key}", *stage.common, *arguments],
        {**SETTINGS[names[role]], **(further or {})},
    )
    spent = Spent(names[role], name)
    stage.watch.keepers[child.address] = spent
    stage.record.spent.append(spent)
    return child


async def _opening_tick(stage: Stage) -> None:
    """Let the next heartbeat come, with the first prices, and the executors act on it."""
    clock = stage.clock
    await _price(stage, clock.now - clock.now % HEARTBEAT + HEARTBEAT)
    for _ in range(DRAIN_ROUNDS):
        dead = stage.crew.dead()
        if dead:
            raise ChainError(dead[0])
        if not stage.open_orders:
            return
        # the next price passes by whatever this one could fill
        if not await clock.arrival(2.0) and not _due(stage):
            return
        await clock.quiet(QUIET_S, 5.0)
        await clock.drain(clock.now)
        await _follow(stage)


async def _introduce(stage: Stage, opening: Opening) -> None:
    """Note every account as it stands before the first price moves."""
    watch, record = stage.watch, stage.record
    at = watch.at(stage.clock.now)
    for plan, account in zip(opening.economy.plans, opening.ids, strict=True):
        found = watch.health_of(account, at)
        known = watch.book.accounts.get(account)
        if found is None or known is None:
            raise ChainError(f"account {account:#x} did not open")
        if len(known.legs) != len(plan.wants):
            record.unopened += 1
        record.people.append(
            Person(
                id=account,
                kind=plan.kind,
                tight=plan.tight,
                isolated=plan.isolated,
                family=plan.twin_of,
                start_ratio=found.equity / found.im if found.im else 0.0,
                start_equity=found.equity,
                end_equity=found.equity,
            )
        )
    watch.introduce(opening.ids)
    record.pool_start = watch.nav(at)
    record.insurance_start = _equity(watch, watch.insurance)
    await _prove(stage, "before the crash")


def _equity(watch: Watch, account: int) -> int:
    assert watch.head is not None
    known = watch.book.accounts.get(account)
    return health(known, watch.at(watch.head.time)).equity if known else 0


# ---- the replay -----------------------------------------------------------------------------


async def _replay(stage: Stage, options: Options, progress: Progress) -> None:
    stage.began = time.perf_counter()
    stage.watch.measuring = True
    steps = options.path.steps
    half = len(steps) // 2
    for number, step in enumerate(steps):
        if number == half:
            if options.kill:
                await _strike(stage, step)
            await _prove(stage, "half-way")
        await _step(stage, step)
        if number % 25 == 0:
            stage.record.unexpected = stage.crew.dead()
            if stage.record.unexpected:
                break
        progress(number + 1, len(steps), stage.record, stage.watch)
    stage.watch.measuring = False
    stage.record.steps = len(stage.record.frames)
    stage.record.replay_s = time.perf_counter() - stage.began


async def _strike(stage: Stage, step: Step) -> None:
    """Kill a publisher and a liquidator."""
    for name in ("publisher-2", "liquidator-1"):
        await stage.crew.kill(name)
        stage.record.killed.append((step.time, name))


async def _step(stage: Stage, step: Step) -> None:
    """Bring one price, and its confirmation where it jumps, and let the keepers answer each."""
    at, watch = max(step.time, stage.clock.now), stage.watch
    if await _price(stage, at):
        if watch.pending():
            await _answers(stage, at + CONFIRM_S)
            await _price(stage, at + CONFIRM_S)
        await _answers(stage, at + HEARTBEAT)
    else:
        stage.record.skipped_steps += 1
    assert watch.head is not None
    stage.record.frames.append(watch.frame(watch.head, stage.wall_ms(), 0))


async def _price(stage: Stage, at: int) -> bool:
    """Mine the block that tells the time, then the one that holds its price; whether it came."""
    clock = stage.clock
    await _clear(stage, at)
    await clock.mine(at)
    deadline = time.perf_counter() + PRICE_WAIT_S
    while time.perf_counter() < deadline:
        await clock.arrival(deadline - time.perf_counter())
        await clock.mine(at)
        seen = await _follow(stage)
        if priced(stage.world.deployment.address("Markets"), seen):
            return True
    return False


async def _clear(stage: Stage, before: int) -> None:
    """Include what was sent on the last price before the next one: blocks come every two seconds.

    While an auction runs, the keepers get a moment to decide whether to take.
    """
    clock = stage.clock
    if stage.watch.auctions.open:
        await clock.arrival(AUCTION_S)
    while clock.now + BLOCK_S < before and await clock.waiting():
        await clock.mine(clock.now + BLOCK_S)
        await _follow(stage)
        if stage.watch.auctions.open:
            await clock.arrival(AUCTION_S)


async def _answers(stage: Stage, end: int) -> None:
    """Mine a block every two seconds before `end` while somebody waits for a keeper."""
    clock = stage.clock
    while clock.now + BLOCK_S < end:
        if not stage.watch.urgent() and not _due(stage) and not await clock.waiting():
            return
        await _until_answered(stage)
        await clock.mine(clock.now + BLOCK_S)
        await _follow(stage)


async def _until_answered(stage: Stage) -> None:
    """Wait until a transaction is on its way to everybody who waits, or the block's time is over.

    A block is also cut when the keepers, having begun to act, have paused: they act once a block.
    """
    clock, waiting = stage.clock, stage.watch.urgent()
    liquidator = stage.world.deployment.address("Liquidator")
    orders = _due(stage)
    began = time.perf_counter()
    end, pause = began + BLOCK_S, 0.0
    while (waiting or orders > 0) and time.perf_counter() < end:
        left = end - time.perf_counter()
        if not await clock.arrival(min(pause, left) if pause else left):
            return
        pause = pause or max(PAUSE_S, PAUSE_SHARE * (time.perf_counter() - began))
        for data in await clock.inputs(liquidator):
            waiting.discard(int.from_bytes(data[4:36], "big"))
        orders -= 1


def _due(stage: Stage) -> int:
    """Return how many orders the last price may execute; those that it has passed are dead."""
    last = max((market.price for market in stage.watch.markets.values()), key=_published)
    delay = stage.world.parameters.order_delay
    waiting = [committed + delay for committed in stage.open_orders.values()]
    return sum(each <= last.publish_time and not passed(last, each) for each in waiting)


def _published(price: PriceWord) -> int:
    return price.publish_time


async def _follow(stage: Stage) -> list[Seen]:
    """Let the yardstick read every block that it has not seen."""
    seen = await stage.watch.follow(stage.clock.block, stage.wall_ms())
    for block in seen:
        _note_orders(stage, block)
    return seen


def _note_orders(stage: Stage, seen: Seen) -> None:
    address = stage.world.deployment.address("Orders").lower()
    topics = interface("Orders").topics
    for log in seen.logs:
        if log.address != address or log.topics[0] not in topics:
            continue
        event = topics[log.topics[0]]
        said = event.decode(log.topics, log.data)
        if event.name == "Committed":
            stage.open_orders[bytes(said["order_id"])] = int(said["commit_time"])
        else:
            stage.open_orders.pop(bytes(said["order_id"]), None)


# ---- after it -------------------------------------------------------------------------------


async def _finish(stage: Stage, tell: Tell) -> None:
    watch, record = stage.watch, stage.record
    tell("proving the books")
    await _prove(stage, "after the crash")
    record.mirror_differs = await watch.compare()
    assert watch.head is not None
    at = watch.at(watch.head.time)
    record.people = [_ended(person, watch) for person in record.people]
    record.pool_end = watch.nav(at)
    record.insurance_end = _equity(watch, watch.insurance)
    record.deficit = (await stage.reader.totals()).deficit
    record.still_in_auction = len(watch.candidates(at))
    watch.left(at, watch.head)
    record.blocks = watch.head.number


async def _second_act(stage: Stage, options: Options, tell: Tell) -> beyond.Act:
    """Let every price fall beyond any margin, on a record of its own."""
    tell(f"second act: every price falls by {options.gap} % at once")
    stage.record = stage.watch.begin(Record(f"a gap of {options.gap} %", options.seed))
    await _relieve(stage)
    steps = beyond.gap_steps(options.path, options.gap)
    act = await beyond.play(
        stage, steps, options.gap, lambda step: _step(stage, step), lambda: _follow(stage)
    )
    await _prove(stage, "after the gap")
    act.proofs = stage.record.proofs
    return act


async def _relieve(stage: Stage) -> None:
    """Have two new liquidators in place of the old ones: they take at the cost of gas if need be.

    Where the fund is empty nobody earns by a take: who does it has a stake in the books.
    """
    for child in [each for each in stage.crew.children if each.role == "liquidator"]:
        await stage.crew.kill(child.name)
    for place, number in enumerate(world.LIQUIDATORS, 1 + len(world.LIQUIDATORS)):
        await _start(stage, "liquidate", place, number, {"PLIMSOLL_MIN_PROFIT_USD": "-10"})
    await stage.crew.ready()


def _ended(person: Person, watch: Watch) -> Person:
    return replace(person, end_equity=_equity(watch, person.id))


async def _prove(stage: Stage, when: str) -> None:
    """Check every equation of the books, from the chain alone."""
    block, lines = await prove(stage.reader.rpc, stage.world.deployment, stage.clock.block)
    broken = [line for line in lines if not line.holds]
    said = f"{len(lines)} equations hold"
    if broken:
        first = broken[0]
        said = (
            f"{len(broken)} of {len(lines)} equations do not hold, first: {first.name}"
            f" ({first.left} against {first.right})"
        )
    lost = max((abs(line.left - line.right) for line in broken), default=0)
    stage.record.proofs.append(Books(when, block, not broken, said, lost))
