"""A liquidator's side of bids: where they come from, which one is brought, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from keepers.bots.runtime import Runtime
from keepers.chain.abi import interface
from keepers.chain.bid_planner import BidPlanner
from keepers.chain.mirror import Mirror
from keepers.chain.rpc import Log
from keepers.domain.bidding import Limits, choose
from keepers.domain.economics import GasMarket
from keepers.domain.exchange_orders import SignedOrder
from keepers.domain.liquidation import Action, Case, Close, Flag, Take
from keepers.domain.margin import Snapshot
from keepers.domain.units import WAD
from keepers.settings import LiquidateSettings, usd
from keepers.web.bids import BidBook, follow

log = structlog.get_logger()

ORDER_RESTS_S: Final = 30  # an order that a simulation refused
MAKER_RESTS_S: Final = 300  # whose order was sent and failed: cancelled, perhaps


@dataclass(frozen=True, slots=True)
class Brought:
    """A close that an event tells of."""

    caller: str
    account: int
    profit: int  # USD WAD at the mark that was asked last, of a bid of the caller's own


class Bidder:
    """Bids of the settings' sources, chosen for accounts under maintenance."""

    def __init__(
        self,
        runtime: Runtime,
        settings: LiquidateSettings,
        mirror: Mirror,
        wake: Callable[[], None],
    ) -> None:
        """Read the sources once `tasks` run; `wake` is called when there is a new bid."""
        deployed, self._metrics = runtime.deployment, runtime.metrics
        self._settings = settings
        self._mirror = mirror
        self._wake = wake
        self._owner = int(runtime.signer.address, 16)
        exchange = deployed.address("Exchange")
        self.book = BidBook(
            runtime.rpc, deployed.chain_id, exchange, lambda: mirror.now, runtime.metrics
        )
        self._planner = BidPlanner(runtime.reader)
        self._limits = Limits(
            self._owner, usd(settings.min_profit_usd), usd(settings.max_bid_gas_usd)
        )
        self._exchange = exchange.lower()
        self._topic = interface("Exchange").events["Closed"].topic
        self._relieved = interface("Options").events["Closed"].topic
        self._sent: dict[str, SignedOrder] = {}  # by the transaction's key
        self._shunned: dict[object, int] = {}  # orders and makers, until which time
        self._own = ""  # transaction of the close of ours that was told last

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """Return what reads the sources."""
        every = self._settings.bids_poll_s
        return [
            follow(source, self.book, self._metrics, every, self._wake)
            for source in self._settings.bids
        ]

    async def instead(
        self,
        cases: Sequence[Case],
        decided: Sequence[Action | None],
        at: Snapshot,
        gas: GasMarket,
    ) -> list[Action | None]:
        """Return the decisions with closes where a bid does better by the account.

        What `reduce` closes, or what is settled or written off, stays as it was decided.
        """
        places = [
            place
            for place, action in enumerate(decided)
            if action is None or isinstance(action, (Take, Flag))
        ]
        orders, found = [each for each in self.book.orders if self._is_welcome(each)], list(decided)
        if not orders or not places:
            return found
        accounts = [cases[place].candidate.account for place in places]
        known = self._mirror.book.accounts
        asked = await self._planner.offers(accounts, orders, at, known)
        self._mirror.marks |= self._planner.marks
        for place in places:
            case = cases[place]
            said = asked.get(case.candidate.account.id)
            if said is not None:
                offers = (said.offers, said.conceded, case.take)
                found[place] = choose(decided[place], *offers, self._limits, gas)
        return found

    def _is_welcome(self, given: SignedOrder) -> bool:
        """Return whether neither an order nor its maker has failed lately."""
        now = self._mirror.now
        self._shunned = {key: until for key, until in self._shunned.items() if until > now}
        return given not in self._shunned and given.order.account not in self._shunned

    def sent(self, key: str, action: Close) -> None:
        """Note whose order a transaction brings."""
        self._sent[key] = action.order

    def refused(self, action: Close) -> None:
        """Leave an order alone that a simulation refused; others are looked at at once."""
        self._shunned[action.order] = self._mirror.now + ORDER_RESTS_S
        self._wake()

    def ended(self, key: str, failed: bool) -> None:
        """Leave a maker alone whose order failed on the chain: orders are free, gas is not."""
        given = self._sent.pop(key, None)
        if given is not None and failed:
            self._shunned[given.order.account] = self._mirror.now + MAKER_RESTS_S

    def on_log(self, message: Log) -> Brought | None:
        """Take an event; return the close that it tells of, whoever brought it."""
        if message.topics[0] == self._relieved and message.tx == self._own:
            self._count(message)
        if message.address != self._exchange or message.topics[0] != self._topic:
            return None
        said = interface("Exchange").events["Closed"].decode(message.topics, message.data)
        ours = int(said["caller"], 16) == self._owner
        self._own = message.tx if ours else self._own
        profit, mark = -said["maker_fee"], self._planner.marks.get(said["instrument"])
        if mark is not None:
            profit += said["size"] * (said["price"] - mark)
        is_own = ours and said["maker"] >> 96 == self._owner
        return Brought(said["caller"], said["account"], profit if is_own else 0)

    def _count(self, message: Log) -> None:
        said = interface("Options").events["Closed"].decode(message.topics, message.data)
        cost = said["equity_before"] - said["equity_after"]
        released = said["mm_before"] - said["mm_after"]
        # a close may cost nothing, or less: counters do not fall
        self._metrics.closed_usd.labels("cost").inc(max(0, cost) / WAD)
        self._metrics.closed_usd.labels("released").inc(released / WAD)
