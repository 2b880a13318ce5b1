"""The second act: a gap beyond any margin, and who pays for it, to the wei.

Every price falls in one confirmed step. What the insolvent owe is taken over with their books: the
fund pays it as far as its cash goes, the rest is written off and booked as the ledger's deficit.
The figures come from the Clearinghouse's and the Liquidator's events, which must agree with each
other and with what is stored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from keepers.chain.abi import interface
from keepers.chain.signer import Signer, test_secret
from keepers.chain.transactions import Draft
from keepers.domain.margin import Snapshot, at_price
from keepers.domain.units import TICKS_PER_USD, WAD
from keepers.domain.words import Account
from keepers.errors import BadInput, ChainError
from keepers.lab.clock import Desk
from keepers.lab.records import Books, Record
from keepers.lab.replay import HEARTBEAT, PricePath, Step
from keepers.lab.world import DEPLOYER

if TYPE_CHECKING:
    from keepers.lab.orchestrate import Stage

GAP: Final = 60  # percent
LONGEST: Final = 120  # heartbeats after the gap
# What the fund's owner leaves in it, of what is to be owed: the fund shall not be enough.
LEFT_PERCENT: Final = 40
GAS: Final = 400_000
TAKEN, WRITTEN = "taken over", "written off alone"

Said: TypeAlias = Mapping[str, Any]
Play: TypeAlias = Callable[[Step], Awaitable[None]]
Follow: TypeAlias = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the Clearinghouse or the Liquidator."""

    block: int
    tx: str
    name: str
    said: Said


@dataclass(frozen=True, slots=True)
class Loss:
    """What one account owed beyond everything it had, and who paid it [USD WAD]."""

    account: int
    block: int
    how: str
    hole: int  # -E
    fund: int  # of it, paid by the fund
    deficit: int  # of it, booked
    reward: int  # what the fund paid the buyer on top


@dataclass(frozen=True, slots=True)
class Flows:
    """What the Clearinghouse booked during the act [USD WAD]."""

    insurance: int  # paid by the fund to buyers
    covered: int  # paid by the fund for write-offs
    deficit: int
    fees: int  # earned by the fund
    settling: int  # paid by the fund to whoever settled it


@dataclass(slots=True)
class Act:
    """Everything about the gap."""

    gap: int  # percent
    record: Record
    withdrawn: int = 0  # by the fund's owner before it
    fund_start: int = 0
    fund_end: int = 0
    unsettled: int = 0  # of it: fees whose losers have not paid into the pot yet
    deficit_start: int = 0
    deficit_end: int = 0
    accounts: int = 0
    insolvent: int = 0  # right after the gap
    owed: int = 0  # by them, right after the gap
    left: int = 0  # insolvent at the end
    flows: Flows = field(default_factory=lambda: Flows(0, 0, 0, 0, 0))
    losses: list[Loss] = field(default_factory=list)
    proofs: list[Books] = field(default_factory=list)
    prices: list[tuple[str, float, float]] = field(default_factory=list)
    seconds: int = 0

    @property
    def hole(self) -> int:
        """Return what all accounts together owed."""
        return sum(each.hole for each in self.losses)

    @property
    def paid(self) -> int:
        """Return what the fund paid of it."""
        return sum(each.fund for each in self.losses)

    @property
    def deficit(self) -> int:
        """Return what was booked."""
        return sum(each.deficit for each in self.losses)

    @property
    def rewards(self) -> int:
        """Return what the fund paid on top."""
        return sum(each.reward for each in self.losses)

    @property
    def failures(self) -> list[str]:
        """Return what is off, one sentence each."""
        flows = self.flows
        spent = flows.insurance + flows.covered + flows.settling
        equations = (
            ("owed = paid by the fund + booked", self.hole, self.paid + self.deficit),
            ("paid by the fund", self.paid + self.rewards, flows.insurance + flows.covered),
            ("the fund's money", self.fund_end - self.fund_start, flows.fees - spent),
            ("booked by write-offs", self.deficit, flows.deficit),
            ("the ledger's deficit", self.deficit_end - self.deficit_start, self.deficit),
        )
        said = [
            f"{name}: off by {left - right} wei" for name, left, right in equations if left != right
        ]
        if any(min(each.fund, each.deficit, each.reward) < 0 for each in self.losses):
            said.append("a loss was paid twice")
        if not self.deficit:
            said.append("the fund was not exhausted: the gap is too small")
        if self.left:
            said.append(f"{self.left} insolvent accounts were left")
        said += [f"{books.when}: {books.said}" for books in self.proofs if not books.ok]
        said += self.record.mirror_differs + self.record.unexpected
        return said


# ---- the path --------------------------------------------------------------------------------


def gap_steps(path: PricePath, gap: int, beats: int = LONGEST) -> tuple[Step, ...]:
    """Return the steps after a path: every price falls by so many percent at once and stays."""
    if not 1 <= gap <= 95:
        raise BadInput(f"{gap} % is no gap", "give --gap a number from 1 to 95")
    last: dict[str, int] = {}
    for step in path.steps:
        last.update(step.prices)
    fallen = {symbol: max(1, price * (100 - gap) // 100) for symbol, price in last.items()}
    first = path.end - path.end % HEARTBEAT + HEARTBEAT
    return tuple(Step(first + HEARTBEAT * beat, fallen) for beat in range(beats))


# ---- playing it ------------------------------------------------------------------------------


async def play(stage: Stage, steps: tuple[Step, ...], gap: int, step: Play, follow: Follow) -> Act:
    """Let the gap come, and the keepers answer until nobody insolvent is left."""
    watch = stage.watch
    act = Act(gap, stage.record)
    _foresee(act, stage, steps[0].prices)
    await _shrink(act, stage)
    await follow()
    act.fund_start = money(watch.book.accounts[watch.insurance])
    act.deficit_start = (await stage.reader.totals()).deficit
    assert watch.head is not None
    began, first = watch.head.time, watch.head.number + 1
    for each in steps:
        await step(each)
        if not insolvent(stage, watch.at(watch.head.time)):
            break
    act.left = len(insolvent(stage, watch.at(watch.head.time)))
    act.seconds = watch.head.time - began
    fund = watch.book.accounts[watch.insurance]
    act.fund_end, act.unsettled = money(fund), fund.quote
    act.deficit_end = (await stage.reader.totals()).deficit
    act.record.mirror_differs = await watch.compare()
    act.record.unexpected = stage.crew.dead()
    events = await read(stage, first)
    act.flows, act.losses = flows_of(events, watch.insurance), losses_of(events)
    return act


def _foresee(act: Act, stage: Stage, fallen: Mapping[str, int]) -> None:
    """Note how the world will stand right after the gap."""
    assert stage.watch.head is not None
    at = stage.watch.at(stage.watch.head.time)
    for symbol, price in fallen.items():
        market = stage.world.deployment.market(symbol)
        before = at.feeds[market].price
        act.prices.append((symbol, before / TICKS_PER_USD, price / TICKS_PER_USD))
        at = at_price(at, market, price)
    under = insolvent(stage, at)
    act.accounts = len(stage.watch.book.accounts)
    act.insolvent, act.owed = len(under), sum(under.values())


async def _shrink(act: Act, stage: Stage) -> None:
    """Let the fund's owner withdraw what would be too much for the fund to run dry."""
    watch, deployed = stage.watch, stage.world.deployment
    surplus = money(watch.book.accounts[watch.insurance]) - act.owed * LEFT_PERCENT // 100
    atoms = surplus // (await stage.reader.totals()).scale
    if atoms <= 0:
        return
    owner = Signer(test_secret(DEPLOYER))
    data = interface("InsuranceFund").encode("withdraw_surplus", atoms, owner.address)
    draft = Draft("surplus", deployed.address("InsuranceFund"), data, GAS)
    desk = Desk(stage.reader.rpc, deployed.chain_id)
    sent = await desk.send([(owner, draft)])
    await stage.clock.drain(stage.clock.now)
    if await desk.failed(sent):
        raise ChainError("the fund's owner could not withdraw")
    act.withdrawn = atoms * (await stage.reader.totals()).scale


def insolvent(stage: Stage, at: Snapshot) -> dict[int, int]:
    """Return who owes more than it has at these prices, and how much."""
    found = [(each.account.id, each.health.equity) for each in stage.watch.candidates(at)]
    return {account: -equity for account, equity in found if equity < 0}


async def read(stage: Stage, first: int) -> list[Event]:
    """Return what the Clearinghouse and the Liquidator said since a block."""
    deployed, found = stage.world.deployment, []
    names = {deployed.address(name).lower(): name for name in ("Clearinghouse", "Liquidator")}
    for log in await stage.reader.rpc.logs(list(names), first, stage.clock.block):
        event = interface(names[log.address]).topics.get(log.topics[0])
        if event is not None:
            said = event.decode(log.topics, log.data)
            found.append(Event(log.block, log.tx, event.name, said))
    return found


def money(account: Account) -> int:
    """Return cash and quote of an account without legs."""
    return account.cash + account.quote


# ---- counting --------------------------------------------------------------------------------


def flows_of(events: Iterable[Event], fund: int) -> Flows:
    """Return what the Clearinghouse booked for the fund and for the deficit."""
    insurance = covered = deficit = fees = settling = 0
    for event in events:
        said = event.said
        if event.name == "Posting":
            insurance += said["insurance"]
            fees += said["liquidation_fee"]
        elif event.name == "WrittenOff":
            covered += said["covered"]
            deficit += said["deficit"]
        elif event.name == "SettlerPaid" and said["account"] == fund:
            settling += said["amount"]
    return Flows(insurance, covered, deficit, fees, settling)


def losses_of(events: Iterable[Event]) -> list[Loss]:
    """Return who owed what, and who paid it: by takes, and by write-offs that stood alone."""
    found: list[Loss] = []
    alone: dict[tuple[str, int], Loss] = {}
    for event in events:
        said = event.said
        if event.name == "WrittenOff":
            place = (event.tx, said["account"])
            hole = said["covered"] + said["deficit"]
            parts = (hole, said["covered"], said["deficit"], 0)
            alone[place] = Loss(said["account"], event.block, WRITTEN, *parts)
        elif event.name == "Taken":
            alone.pop((event.tx, said["account"]), None)  # the end of this take
            hole = max(0, -said["equity_before"])
            fund = hole - said["deficit"]
            if hole or said["insurance"]:
                parts = (hole, fund, said["deficit"], said["insurance"] - fund)
                found.append(Loss(said["account"], event.block, TAKEN, *parts))
    return sorted([*found, *alone.values()], key=lambda each: each.block)


def dollars(wad: int) -> str:
    """Return an amount to the wei."""
    sign, wad = ("-" if wad < 0 else ""), abs(wad)
    return f"{sign}{wad // WAD:,}.{wad % WAD:018d}"
