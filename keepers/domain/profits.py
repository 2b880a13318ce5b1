"""What each liquidation earned in the end, exactly: an account's own events, folded in order.

Everything that an account holds is kept as lots, each of the deal (or of the owner) that brought
it, first in first out. Cash and quote are flows. So for every prefix of the events

    equity = sum of all flows + worth of all lots

to the wei, and a deal's profit is its share of that sum. What is no liquidation of the keeper's
(deposits, trades of its owner) stands apart as `own`. Amounts are USD WAD unless said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from keepers.domain.instruments import Kind, kind_of
from keepers.domain.margin import Snapshot, value_of
from keepers.domain.units import LOT, WAD
from keepers.domain.words import Account
from keepers.errors import BadInput

REDUCE, TAKE, CLOSE, OWN = "reduce", "take", "close", "own"
SETTLEMENT: Final = 0  # the id of the settlement token

Said: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of an account, or how it stood when the journal was opened."""

    block: int
    index: int  # of the log
    tx: str
    name: str
    said: Said
    mark: int = 0  # P - F of a leg that moves [ticks], value of collateral that leaves
    native: int = 0  # price of the native coin [ticks]


@dataclass(slots=True)
class Deal:
    """One liquidation, and what became of what it brought."""

    kind: str
    tx: str = ""
    index: int = 0
    account: int = 0
    block: int = 0
    native: int = 0
    pay: int = 0  # of a reduce
    # of a take: worth of the part at its marks, less the price; of a close against a bid of the
    # keeper's own: what its price gave
    reward: int = 0
    fee: int = 0  # to the pool's traders' side while unwinding
    slippage: int = 0  # what fills were worse than the marks
    flow: int = 0  # cash and quote so far
    reserve: int = 0  # native coin paid to executors [wei]
    orders: list[tuple[str, int, int]] = field(default_factory=list)  # commit tx, part, whole


@dataclass(slots=True)
class Lot:
    """A part of a leg [lots, signed] or of a collateral [atoms], and whose it is."""

    deal: Deal
    size: int


@dataclass(frozen=True, slots=True)
class Result:
    """A deal at a moment."""

    deal: Deal
    open: int  # worth of what is still held

    @property
    def profit(self) -> int:
        """Return what the deal has brought, gas apart."""
        return self.deal.flow + self.open

    @property
    def drift(self) -> int:
        """Return what prices and funding did while something was held."""
        if self.deal.kind == OWN:
            return 0
        told = self.deal.pay + self.deal.reward - self.deal.fee - self.deal.slippage
        return self.profit - told


@dataclass(frozen=True, slots=True)
class _Order:
    """What a commitment of ours cost whom."""

    tx: str
    reserve: int
    parts: tuple[tuple[Deal, int], ...]


class Journal:
    """Folds the events of one account."""

    def __init__(self, account: int, tokens: Mapping[str, int], scale: int) -> None:
        """Know the tokens.

        Args:
            account: whose events.
            tokens: id by lower-case address.
            scale: WAD in one atom of the settlement token.
        """
        self.account = account
        self._tokens = tokens
        self._scale = scale
        self.own = Deal(OWN)
        self.deals: list[Deal] = []
        self.legs: dict[int, list[Lot]] = {}
        self.coins: dict[int, list[Lot]] = {}
        self._orders: dict[str, _Order] = {}
        # what a call has brought, booked as the owner's: it is a take's if `Taken` follows
        self._arriving: Deal | None = None
        self._arrived: list[Lot] = []
        # a close against an own bid, whose legs and money come next
        self._closing: Deal | None = None
        self._handlers: dict[str, Callable[[Entry, Said], None]] = {
            "Opened": self._opened,
            "Deposited": lambda entry, said: self._token(entry, said["token"], said["amount"]),
            "Withdrawn": lambda entry, said: self._token(entry, said["token"], -said["amount"]),
            "Transferred": self._transferred,
            "SettlerPaid": self._settler_paid,
            "Filled": self._filled,
            "Posting": self._posting,
            "LegMoved": self._leg_moved,
            "CollateralMoved": self._collateral_moved,
            "Taken": self._taken,
            "Brought": self._brought,
            "Committed": self._committed,
            "Closed": self._order_closed,
            "Executed": self._order_executed,
            # the executor has the reserve of one that died, too
            "Refused": self._order_executed,
            "LegCarried": lambda entry, said: self._leg_moved(
                entry, {**said, "counterparty": said["receiver"]}
            ),
            "LegTraded": self._leg_traded,
            "FillTraded": self._fill_traded,
            "LegSettled": self._leg_settled,
        }

    # ---- events

    def apply(self, entry: Entry) -> None:
        """Take the next event."""
        if self._arriving is not None and self._arriving.tx != entry.tx:
            self._arriving, self._arrived = None, []
        if self._closing is not None and self._closing.tx != entry.tx:
            self._closing = None
        handler = self._handlers.get(entry.name)
        if handler is not None:
            handler(entry, entry.said)

    def _opened(self, _: Entry, said: Said) -> None:
        self.own.flow += said["cash"] + said["quote"]
        for instrument, size in said["legs"]:
            self._lots(self.legs, instrument).append(Lot(self.own, size))
        for collateral, amount in said["holdings"]:
            self._lots(self.coins, collateral).append(Lot(self.own, amount))

    def _transferred(self, entry: Entry, said: Said) -> None:
        sign = (said["receiver"] == self.account) - (said["sender"] == self.account)
        self._token(entry, said["token"], sign * said["amount"])

    def _settler_paid(self, _: Entry, said: Said) -> None:
        sign = (said["settler"] == self.account) - (said["account"] == self.account)
        self.own.flow += sign * said["amount"]

    def _filled(self, _: Entry, said: Said) -> None:
        """Close lots of the other side; what is left of the fill is a trade of the owner."""
        if said["account"] != self.account:
            return
        parts = self._closed(said["instrument"], said["size"])
        rest = said["size"] - sum(part for _, part in parts)
        if rest:
            self._lots(self.legs, said["instrument"]).append(Lot(self.own, rest))
            parts.append((self.own, rest))
        fees = shares(said["fee"], [(deal, abs(part)) for deal, part in parts])
        for (deal, part), fee in zip(parts, fees, strict=True):
            self._fill(deal, part, fee, said)

    def _fill(self, deal: Deal, size: int, fee: int, said: Said) -> None:
        deal.flow -= size * (said["price"] - said["funding"]) + fee
        deal.fee += fee
        deal.slippage += size * (said["price"] - said["mark"])

    def _posting(self, entry: Entry, said: Said) -> None:
        if said["keeper"] == self.account and said["pay"]:
            paid = Deal(REDUCE, entry.tx, entry.index, said["account"], entry.block, entry.native)
            paid.pay = paid.flow = said["pay"]
            self.deals.append(paid)
        if said["account"] == self.account:
            gone = said["cash"] + said["quote"] + said["fee"] + said["liquidation_fee"]
            self.own.flow -= gone + said["pay"]
        if said["counterparty"] == self.account:
            self._arrive(entry, said, said["cash"] + said["quote"] + said["insurance"])

    def _leg_moved(self, entry: Entry, said: Said) -> None:
        come = said["counterparty"] == self.account
        size = said["size"] if come else -said["size"]
        left, closed = size, 0
        for other, part in self._closed(said["instrument"], size):
            other.flow -= part * entry.mark
            closed += part * entry.mark
            left -= part
        lots = self._lots(self.legs, said["instrument"])
        if come:
            self._arrive(entry, said, closed, lots, left)
            return
        self.own.flow += closed
        if left:
            lots.append(Lot(self.own, left))

    def _collateral_moved(self, entry: Entry, said: Said) -> None:
        if said["counterparty"] == self.account:
            self._arrive(entry, said, 0, self._lots(self.coins, said["collateral"]), said["amount"])
        else:
            self._left(entry, said["collateral"], said["amount"])

    def _taken(self, _: Entry, said: Said) -> None:
        made, self._arriving = self._arriving, None
        if made is None:
            return
        self.own.flow -= made.flow
        for lot in self._arrived:
            lot.deal = made
        self._arrived = []
        worth = said["equity_before"] * said["fraction"] // WAD
        # a deficit that nobody pays stays behind, not with the buyer
        made.reward = worth + said["deficit"] - said["payment"] + said["insurance"]
        self.deals.append(made)

    def _brought(self, entry: Entry, said: Said) -> None:
        """Open a line for a close that the keeper brought, which pays for nothing but own bids."""
        place = (entry.tx, entry.index, said["account"], entry.block, entry.native)
        self.deals.append(Deal(CLOSE, *place))
        self._closing = self.deals[-1] if said["maker"] == self.account else None

    @property
    def _holder(self) -> Deal:
        """Return whose legs and money come now: a close's, else the owner's."""
        return self._closing or self.own

    def _committed(self, entry: Entry, said: Said) -> None:
        """Charge an order to the deals whose lots it is to close."""
        order = said["order"]
        parts = [(lot.deal, part) for lot, part in self._front(order["instrument"], order["size"])]
        wanted = abs(order["size"]) // LOT
        rest = wanted - sum(part for _, part in parts)
        if rest:
            parts.append((self.own, rest))
        made = _Order(entry.tx, order["reserve"], tuple(parts))
        self._orders[said["order_id"]] = made
        for deal, part in parts:
            deal.orders.append((entry.tx, part, wanted))
        self._charge(made, 1)

    def _order_closed(self, _: Entry, said: Said) -> None:
        made = self._orders.pop(said["order_id"], None)
        if made is not None:
            self._charge(made, -1)

    def _order_executed(self, _: Entry, said: Said) -> None:
        self._orders.pop(said["order_id"], None)

    def _charge(self, order: _Order, sign: int) -> None:
        for (deal, _), wei in zip(order.parts, shares(order.reserve, order.parts), strict=True):
            deal.reserve += sign * wei

    # ---- options

    def _leg_traded(self, entry: Entry, said: Said) -> None:
        """Close lots of the other side at the price; what the fill moved is the owner's."""
        size, holder = said["size"], self._holder
        size = size if said["taker"] == self.account else -size
        if kind_of(said["instrument"]) == Kind.PERP:
            if self._closing is not None:
                self._closing.reward += size * (said["mark"] - said["price"])
            return  # the Clearinghouse says LegMoved of it
        parts = self._closed(said["instrument"], size)
        for deal, part in parts:
            deal.flow -= part * said["price"]
            holder.flow += part * said["price"]
            deal.slippage += part * (said["price"] - entry.mark)
        rest = size - sum(part for _, part in parts)
        if rest:
            self._lots(self.legs, said["instrument"]).append(Lot(holder, rest))
        if self._closing is not None:
            self._closing.reward += rest * (entry.mark - said["price"])

    def _fill_traded(self, _: Entry, said: Said) -> None:
        moved = said["cash"] + said["quote"]
        if said["taker"] == self.account:
            self.own.flow -= moved + said["taker_fee"]
        if said["maker"] == self.account:
            self._holder.flow += moved - said["maker_fee"]
        if self._closing is not None:
            self._closing.fee += said["maker_fee"]
        self._closing = None

    def _leg_settled(self, _: Entry, said: Said) -> None:
        """Pay every lot of what expired its share: the value is a whole number of each lot."""
        left, size = said["value"], said["size"]
        for lot in self.legs.pop(said["instrument"], []):
            paid = said["value"] * lot.size // size
            lot.deal.flow += paid
            left -= paid
        self.own.flow += left

    # ---- lots

    def _lots(self, kept: dict[int, list[Lot]], key: int) -> list[Lot]:
        return kept.setdefault(key, [])

    def _arrive(
        self, entry: Entry, said: Said, flow: int, lots: list[Lot] | None = None, size: int = 0
    ) -> None:
        """Book what a transaction brings as the owner's, and note it for a take."""
        if self._arriving is None:
            place = (entry.tx, entry.index, said["account"], entry.block, entry.native)
            self._arriving = Deal(TAKE, *place)
        self._arriving.flow += flow
        self._holder.flow += flow
        if lots is not None and size:
            lots.append(Lot(self._holder, size))
            self._arrived.append(lots[-1])

    def _token(self, entry: Entry, token: str, amount: int) -> None:
        id_ = self._tokens.get(token.lower())
        if id_ is None:
            raise BadInput(
                f"the deployment file has no token {token}", "take the newest deployment file"
            )
        if id_ == SETTLEMENT:
            self.own.flow += amount * self._scale
        elif amount > 0:
            self._lots(self.coins, id_).append(Lot(self.own, amount))
        elif amount < 0:
            self._left(entry, id_, -amount)

    def _left(self, entry: Entry, collateral: int, amount: int) -> None:
        """Let the owner have the oldest lots of a collateral, at what they are worth now."""
        lots, whole = self._lots(self.coins, collateral), amount
        while amount and lots:
            part = min(amount, lots[0].size)
            worth = entry.mark * part // whole
            lots[0].deal.flow += worth
            self.own.flow -= worth
            lots[0].size -= part
            amount -= part
            if not lots[0].size:
                del lots[0]

    def _front(self, instrument: int, size: int) -> list[tuple[Lot, int]]:
        """Return the oldest lots that a fill of this size [WAD] would close, and how much."""
        found, left = [], abs(size) // LOT
        for lot in self.legs.get(instrument, ()):
            part = min(left, abs(lot.size))
            if part and (lot.size < 0) != (size < 0):
                found.append((lot, part))
                left -= part
        return found

    def _closed(self, instrument: int, size: int) -> list[tuple[Deal, int]]:
        """Take the oldest lots of the other side out; return whose, and the part of `size`."""
        found = []
        for lot, part in self._front(instrument, size * LOT):
            signed = part if size > 0 else -part
            lot.size += signed
            found.append((lot.deal, signed))
        self.legs[instrument] = [lot for lot in self.legs.get(instrument, ()) if lot.size]
        return found

    # ---- results

    def holds(self, account: Account) -> bool:
        """Return whether the journal says of an account what the ledger does, money apart."""
        legs = {key: sum(lot.size for lot in lots) for key, lots in self.legs.items()}
        held = (*account.legs, *account.options)
        coins = {key: sum(lot.size for lot in lots) for key, lots in self.coins.items()}
        return {key: size for key, size in legs.items() if size} == {
            leg.instrument: leg.size for leg in held
        } and {key: size for key, size in coins.items() if size} == {
            held.collateral: held.amount for held in account.holdings
        }

    @property
    def taken(self) -> dict[int, int]:
        """Return the atoms by collateral that liquidations brought and that are still held."""
        sums = {
            id_: sum(lot.size for lot in lots if lot.deal is not self.own)
            for id_, lots in self.coins.items()
        }
        return {id_: amount for id_, amount in sums.items() if amount}

    @property
    def holding(self) -> bool:
        """Return whether anything is held whose worth moves."""
        return any(any(kept.values()) for kept in (self.legs, self.coins))

    @property
    def money(self) -> int:
        """Return what cash and quote together must be."""
        return self.own.flow + sum(deal.flow for deal in self.deals)

    def results(self, at: Snapshot) -> list[Result]:
        """Return every deal at these prices, the owner's share last; they sum to the equity."""
        worth: dict[int, int] = {}
        for instrument, lots in self.legs.items():
            feed = at.feeds[instrument >> 56]
            mark = feed.price - feed.funding
            if kind_of(instrument) != Kind.PERP:
                mark = at.marks.get(instrument, 0)
            for lot in lots:
                _add(worth, lot.deal, lot.size * mark)
        for id_, lots in self.coins.items():
            collateral = at.collaterals[id_]
            price, amount, before = at.feeds[collateral.feed].price, 0, 0
            for lot in lots:
                # each lot is worth what it adds: the roundings stay where they arise
                amount += lot.size
                total = value_of(collateral, amount, price)
                _add(worth, lot.deal, total - before)
                before = total
        return [Result(deal, worth.get(id(deal), 0)) for deal in (*self.deals, self.own)]


def _add(worth: dict[int, int], deal: Deal, amount: int) -> None:
    worth[id(deal)] = worth.get(id(deal), 0) + amount


def shares(total: int, parts: Iterable[tuple[Any, int]]) -> list[int]:
    """Split an amount in proportion, to the wei: each share ends where the sum so far does."""
    sizes = [part for _, part in parts]
    whole, done, seen = sum(sizes), 0, 0
    found = []
    for size in sizes:
        seen += size
        upto = total * seen // whole
        found.append(upto - done)
        done = upto
    return found


def gas_of(deal: Deal, gas: Mapping[str, int]) -> int:
    """Return what a deal's own transactions burned [wei], its part of shared orders by size.

    Args:
        deal: of the journal.
        gas: burned by transaction [wei].
    """
    own = gas.get(deal.tx, 0)
    return own + sum(gas.get(tx, 0) * part // whole for tx, part, whole in deal.orders)
